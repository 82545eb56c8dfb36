import { readFile } from 'node:fs/promises'
import { type IncomingMessage, request as plainRequest, type RequestOptions } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { plainLine } from '../../../contract/index.ts'
import { type Outcome, scrubbed } from './outcome.ts'

export interface HttpPost {
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  /** PEM file of an authority; undefined: the public ones. */
  ca: string | undefined
  /** Never repeated in what the receiver said or how it failed. */
  secrets: readonly string[]
  signal: AbortSignal
}

/** Of an answer so much is read; it is for people. */
const MAX_ANSWER_BYTES = 4_096
const MAX_ANSWER_SHOWN = 300
/** So long the text of an answer may take, ms. What counts, its status, is known by then. */
const ANSWER_MS = 2_000
const MAX_HEADER_BYTES = 16_384

/** Statuses after which the same message would be refused again. */
const FINAL = new Set([400, 405, 406, 409, 411, 413, 414, 415, 422, 431])

/** Why no answer came, in words. */
const FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset before the answer was complete',
  EPIPE: 'the connection was closed while the message was sent',
  ENOTFOUND: 'its name is not known to DNS',
  EAI_AGAIN: 'its name cannot be resolved at the moment',
  ETIMEDOUT: 'no connection could be made in time',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no network to it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself; name its authority with ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate has an authority that is not known; name it with ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate has an authority that is not known; name it with ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate has an authority that is not known; name it with ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/** Why something could not be reached: known faults in words, others as they were said. */
export const faultWords = (error: unknown): string => {
  const { code, message } = error as { code?: unknown; message?: unknown }
  // Libraries put codes of their own in front of the socket's.
  const inside = /\bE[A-Z_]{3,}\b/.exec(String(message))?.[0] ?? ''
  return (
    FAULTS[String(code)] ?? FAULTS[inside] ?? plainLine(String(message ?? error)).slice(0, MAX_ANSWER_SHOWN)
  )
}

/** Milliseconds of `Retry-After`: seconds or a date (RFC 9110 §10.2.3); null where it says neither. */
export const retryAfterMs = (header: string | undefined, now: number): number | null => {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}

const readAnswer = (response: IncomingMessage): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const done = (): void => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).toString('utf8').slice(0, MAX_ANSWER_BYTES))
    }
    const timer = setTimeout(() => {
      done()
      response.destroy()
    }, ANSWER_MS)
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      // What more it has to say is of no use, and may have no end.
      if (bytes < MAX_ANSWER_BYTES) return
      done()
      response.destroy()
    })
    response.on('end', done)
    response.on('error', reject)
    response.on('close', () => {
      clearTimeout(timer)
      reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
    })
  })

const send = async (post: HttpPost): Promise<{ response: IncomingMessage; answer: string }> => {
  const { url, headers, body, ca, signal } = post
  const isTls = new URL(url).protocol === 'https:'
  const options: RequestOptions & { ca?: Buffer } = {
    method: 'POST',
    headers: {
      'User-Agent': 'Tidegate',
      'Content-Length': String(Buffer.byteLength(body)),
      ...headers,
    },
    // A connection of its own: one that was kept may have died meanwhile, and messages are rare.
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
    ...(isTls && ca !== undefined ? { ca: await readFile(ca) } : {}),
  }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = (isTls ? tlsRequest : plainRequest)(url, options, resolve)
    request.on('error', reject)
    request.end(body)
  })
  const isTaken = (response.statusCode ?? 0) >= 200 && (response.statusCode ?? 0) < 300
  // Who said that it was taken has it, whatever becomes of the rest of the answer.
  const answer = isTaken ? readAnswer(response).catch(() => '') : readAnswer(response)
  return { response, answer: await answer }
}

/** Posts once, over a connection that ends with it: no redirect is followed, little of the answer is read, and nothing secret is repeated. Never rejects. */
export const httpPost = async (post: HttpPost): Promise<Outcome> => {
  const clean = (text: string): string => scrubbed(text, post.secrets)
  const { host } = new URL(post.url)
  const failed = (error: string, more: Partial<Extract<Outcome, { state: 'failed' }>> = {}): Outcome => ({
    state: 'failed',
    error: clean(error),
    answer: null,
    isFinal: false,
    retryAfterMs: null,
    ...more,
  })
  try {
    const { response, answer: text } = await send(post)
    const { statusCode: status = 0, headers } = response
    const said = clean(plainLine(text).trim()).slice(0, MAX_ANSWER_SHOWN)
    const answer = said === '' ? `${status}` : `${status} ${said}`
    if (status >= 200 && status < 300) return { state: 'sent', answer }
    if (status >= 300 && status < 400)
      return failed(
        `${host} answered ${status}, a redirect, which is not followed; name the final address in url`,
        {
          answer,
        },
      )
    return failed(`${host} answered ${answer}`, {
      answer,
      isFinal: FINAL.has(status),
      retryAfterMs: retryAfterMs(headers['retry-after'], Date.now()),
    })
  } catch (error) {
    if (post.signal.aborted) return failed(`${host} did not answer in time`)
    const { code, path } = error as NodeJS.ErrnoException
    if (path !== undefined && path === post.ca) return failed(`the file of ca cannot be read (${code})`)
    return failed(`${host} could not be reached: ${faultWords(error)}`)
  }
}
