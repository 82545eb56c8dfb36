import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpExpect } from '../../../contract/kinds/http.ts'
import type { Adapter, Target } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import { authHeaders, type BasicAuth, explained } from '../basic-auth.ts'
import { shownBy } from '../dial/certificate.ts'
import { check, type Found } from '../dial/check.ts'
import { dial, dialTls, type Place, type Timings } from '../dial/dial.ts'
import { MAX_INTERIM_ANSWERS, TOO_MANY_INTERIM } from '../http-answer.ts'
import type { Reading } from '../reading.ts'
import { cleanText } from '../untrusted-json.ts'

/** How much of an endless body is read; what is expected in it has to come before that. */
const MAX_BODY_BYTES = 65_536
const MAX_HEAD_BYTES = 16_384

/** Any page or call over HTTP, seen from outside. */
export interface HttpTarget extends Target {
  readonly kind: 'http'
  /** The whole address that is asked, with path and query. */
  readonly url: string
  readonly method?: 'GET' | 'HEAD' | undefined
  readonly expect?: HttpExpect | undefined
  readonly auth?: BasicAuth | undefined
}

/** What came of one request. */
interface Answer {
  readonly message: IncomingMessage
  readonly body: string
}

/**
 * Looks at a page as a visitor would: a connection of its own for each look, so that name, connection and certificate are looked at each
 * time too. It counts nothing: a drain of it ends unproven.
 */
export class HttpAdapter implements Adapter<HttpTarget> {
  readonly kind = 'http'
  readonly #options: { timeoutMs: number; rules: AddressRules }
  readonly #closed = new AbortController()

  constructor(options: { timeoutMs: number; rules: AddressRules }) {
    this.#options = options
  }

  probe(target: HttpTarget): Promise<Reading> {
    const isTls = /^https:/i.test(target.url)
    const timeoutMs = target.timeoutMs ?? this.#options.timeoutMs
    const steps = ['connect', ...(isTls ? ['tls' as const] : []), 'firstByte'] as const
    return check({ timeoutMs, party: target, steps, closed: this.#closed.signal }, (timings, signal) =>
      this.#look(target, timings, signal),
    )
  }

  proves(): 'none' {
    return 'none'
  }

  forget(): void {
    // Nothing is kept between two looks.
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error('the collector ends'))
  }

  async #look(target: HttpTarget, timings: Timings, signal: AbortSignal): Promise<Found> {
    const { rules } = this.#options
    const refusal = rules.refusesUrl(target.url, target.embedded)
    if (refusal !== null) return { outcome: 'blocked_address', status: null, reason: refusal }
    const url = new URL(target.url)
    const isTls = url.protocol === 'https:'
    const place: Place = {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      embedded: target.embedded,
    }
    const secured = isTls ? await dialTls(rules, place, { material: target.tls }, timings, signal) : null
    const socket = secured ?? (await dial(rules, place, timings, signal))
    const { message, body } = await exchange(socket, url, target, timings)
    const status = message.statusCode ?? null
    const fault = faultOf(target, message, body)
    const saidAt = Date.parse(message.headers.date ?? '')
    const said = Number.isFinite(saidAt) ? { saidAt } : {}
    const certificate = secured && shownBy(secured)
    if (fault !== null) return explained({ ...fault, status, certificate, ...said }, target.auth)
    const type = message.headers['content-type']
    const raw = { status, ...(type === undefined ? {} : { type: cleanText(type) }) }
    return { outcome: 'ok', status, reason: `answered ${status}`, certificate, raw, ...said }
  }
}

/** One request over a connection of its own. Rejects with what the connection, or the parser, says. */
const exchange = (
  socket: Socket,
  url: URL,
  { method = 'GET', auth }: HttpTarget,
  timings: Timings,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const asked = request({
      createConnection: () => socket,
      method,
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': 'tidegate-collector',
        connection: 'close',
        ...authHeaders(auth),
      },
      maxHeaderSize: MAX_HEAD_BYTES,
    })
    asked.on('error', reject)
    asked.on('upgrade', () => reject(notHttp('answered 101, which nobody asked for')))
    let interimAnswers = 0
    asked.on('information', () => {
      interimAnswers += 1
      if (interimAnswers > MAX_INTERIM_ANSWERS) reject(notHttp(TOO_MANY_INTERIM))
    })
    asked.on('response', (message) => {
      timings.firstByte = Math.round((performance.now() - began) * 1_000) / 1_000
      const chunks: Buffer[] = []
      let bytes = 0
      const end = (): void =>
        resolve({ message, body: Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString('utf8') })
      message.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes - chunk.length < MAX_BODY_BYTES) chunks.push(chunk)
        if (bytes >= MAX_BODY_BYTES) end()
      })
      message.on('end', end)
      message.on('error', reject)
    })
    asked.end()
  })

const notHttp = (message: string): Error => Object.assign(new Error(message), { code: 'HPE_UPGRADE' })

/** What of an answer is not as expected; null where all of it is. */
const faultOf = (
  { expect = {} }: HttpTarget,
  { statusCode = 0, headers }: IncomingMessage,
  body: string,
): Pick<Found, 'outcome' | 'reason'> | null => {
  const wanted = expect.status === undefined ? null : [expect.status].flat()
  if (wanted === null ? statusCode < 200 || statusCode > 299 : !wanted.includes(statusCode)) {
    const instead = wanted === null ? '' : `, expected ${wanted.join(' or ')}`
    return statusCode >= 300 && statusCode < 400
      ? { outcome: 'redirect', reason: `answered ${statusCode}${instead}; redirects are not followed` }
      : { outcome: 'bad_status', reason: `answered ${statusCode}${instead}` }
  }
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const said = headers[name.toLowerCase()]
    const text = said === undefined ? null : cleanText([said].flat().join(', '))
    if (text === value) continue
    const answered = text === null ? `no ${name}` : `${name}: ${text}`
    return { outcome: 'wrong_region', reason: `answers with ${answered}, expected ${name}: ${value}` }
  }
  if (expect.body !== undefined && !body.includes(expect.body))
    return {
      outcome: 'bad_body',
      reason: `the answer does not contain ${JSON.stringify(expect.body)} in its first ${MAX_BODY_BYTES / 1_024} KiB`,
    }
  return null
}
