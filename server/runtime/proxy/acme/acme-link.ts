import { type KeyObject, sign } from 'node:crypto'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { AcmeFault, retryAfterMs } from './acme-fault.ts'

const ANSWER_LIMIT_MS = 30_000
const MAX_ANSWER_BYTES = 256 * 1024
/** RFC 8555 §6.5: a nonce may have become too old; after so many something else is wrong. */
const MAX_NONCE_TRIES = 4
const MAX_NONCES = 16

const address = z.string().max(2048).startsWith('https://')
const directorySchema = z.object({ newNonce: address, newAccount: address, newOrder: address })
type AcmeDirectory = z.infer<typeof directorySchema>
const problemSchema = z.object({ type: z.string().catch(''), detail: z.string().catch('') })

export interface AcmeAnswer {
  readonly body: Buffer
  /** Where what was made can be asked for again. */
  readonly location: string | null
  readonly retryAfterMs: number | null
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const first = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

/** The JSON of an answer, as `schema` has it. Throws `AcmeFault`. */
export const contentOf = <T>(answer: AcmeAnswer, schema: z.ZodType<T>): T => {
  try {
    return schema.parse(JSON.parse(answer.body.toString()))
  } catch {
    throw new AcmeFault('malformedAnswer', 'it answered what is no plain RFC 8555')
  }
}

/** Signed requests to one authority (RFC 8555 §6), each within its time and its size. Everything throws `AcmeFault`. */
export class AcmeLink {
  readonly #directoryUrl: string
  readonly #agent: Agent
  #directory: AcmeDirectory | null = null
  readonly #nonces: string[] = []

  /** `ca`: PEM of the authorities that are trusted instead of the built-in ones. */
  constructor(directoryUrl: string, ca: string | undefined) {
    this.#directoryUrl = directoryUrl
    this.#agent = new Agent({
      connect: { timeout: 10_000, ...(ca === undefined ? {} : { ca }) },
      headersTimeout: ANSWER_LIMIT_MS,
      bodyTimeout: ANSWER_LIMIT_MS,
      connections: 8,
    })
  }

  /** The places of this authority. */
  async directory(signal: AbortSignal): Promise<AcmeDirectory> {
    this.#directory ??= contentOf(await this.#send('GET', this.#directoryUrl, null, signal), directorySchema)
    return this.#directory
  }

  /** `payload` null: something is only asked for (POST-as-GET, §6.3). `kid` null: signed with the key itself. */
  async post(
    url: string,
    payload: object | null,
    key: KeyObject,
    kid: string | null,
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    for (let tries = 1; ; tries += 1) {
      const nonce = await this.#nonce(signal)
      const who = kid === null ? { jwk: publicJwk(key) } : { kid }
      const head = base64url({ alg: 'ES256', nonce, url, ...who })
      const content = payload === null ? '' : base64url(payload)
      const signature = sign('sha256', Buffer.from(`${head}.${content}`), { key, dsaEncoding: 'ieee-p1363' })
      const body = JSON.stringify({
        protected: head,
        payload: content,
        signature: signature.toString('base64url'),
      })
      try {
        return await this.#send('POST', url, body, signal)
      } catch (error) {
        if (!(error instanceof AcmeFault && error.type === 'badNonce') || tries >= MAX_NONCE_TRIES)
          throw error
      }
    }
  }

  async #nonce(signal: AbortSignal): Promise<string> {
    const known = this.#nonces.pop()
    if (known !== undefined) return known
    const { newNonce } = await this.directory(signal)
    await this.#send('HEAD', newNonce, null, signal)
    const fresh = this.#nonces.pop()
    if (fresh === undefined) throw new AcmeFault('malformedAnswer', 'it gave no nonce')
    return fresh
  }

  async #send(
    method: 'GET' | 'HEAD' | 'POST',
    url: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    if (!url.startsWith('https://')) throw new AcmeFault('malformedAnswer', 'it named a place without TLS')
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)])
    try {
      const {
        statusCode,
        headers,
        body: stream,
      } = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: {
          'user-agent': 'tidegate',
          ...(body === null ? {} : { 'content-type': 'application/jose+json' }),
        },
        body,
        signal: limit,
      })
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) throw new AcmeFault('malformedAnswer', 'its answer has no end')
        chunks.push(chunk)
      }
      const nonce = first(headers['replay-nonce'])
      if (nonce !== undefined && /^[\w-]{1,512}$/.test(nonce) && this.#nonces.length < MAX_NONCES)
        this.#nonces.push(nonce)
      const answer: AcmeAnswer = {
        body: Buffer.concat(chunks),
        location: first(headers.location) ?? null,
        retryAfterMs: retryAfterMs(first(headers['retry-after']), Date.now()),
      }
      if (statusCode >= 200 && statusCode < 300) return answer
      throw refusal(statusCode, answer)
    } catch (error) {
      if (error instanceof AcmeFault) throw error
      signal.throwIfAborted()
      const { code, message } = error as NodeJS.ErrnoException
      throw new AcmeFault('unreachable', `${new URL(url).host} cannot be asked: ${code ?? message}`)
    }
  }

  /** What is under way is cut. */
  async destroy(): Promise<void> {
    await this.#agent.destroy()
  }
}

const refusal = (status: number, answer: AcmeAnswer): AcmeFault => {
  let said = { type: '', detail: '' }
  try {
    said = problemSchema.parse(JSON.parse(answer.body.toString()))
  } catch {
    // No problem document: the status has to do.
  }
  const type = said.type.replace('urn:ietf:params:acme:error:', '') || `status ${status}`
  return new AcmeFault(type, `${type}${said.detail === '' ? '' : `: ${said.detail}`}`, answer.retryAfterMs)
}

/** The public part of a key, its fields in the order in which a thumbprint has them (RFC 7638 §3). */
export const publicJwk = (key: KeyObject): { crv: string; kty: string; x: string; y: string } => {
  const { crv = '', kty = '', x = '', y = '' } = key.export({ format: 'jwk' })
  return { crv, kty, x, y }
}
