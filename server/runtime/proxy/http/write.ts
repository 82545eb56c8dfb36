import { STATUS_CODES } from 'node:http'
import type { ErrorCode } from '../../../contract/errors.ts'
import { CHUNKED, type RequestHead, type ResponseHead, UNTIL_CLOSE } from './head.ts'

/** Fields that belong to one hop (RFC 9110 §7.6.1, RFC 2616 §13.5.1); framing is written again. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
])
/** What a client says of itself in these is overwritten or dropped: only the socket is believed. */
const FORWARDED = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'])
/** A `Connection` field may not remove these: it would change whom the request is for, or where it ends. */
const NEVER_NOMINATED = new Set(['host', 'content-length', 'close', 'keep-alive', 'upgrade'])

const lowerNames = new Map<string, string>()
const MAX_LOWER_NAMES = 1_000
/** Lower case of a field name; the few that are common are kept. */
const lowerOf = (name: string): string => {
  const known = lowerNames.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  if (lowerNames.size < MAX_LOWER_NAMES && name.length <= 64) lowerNames.set(name, lower)
  return lower
}

const nominated = (connection: string[]): string[] | null => {
  const named = connection.filter((token) => !NEVER_NOMINATED.has(token))
  return named.length === 0 ? null : named
}

/** Re-serialises a request for the target from its parsed fields. Requests of HTTP/1.0 clients are sent on in HTTP/1.0. */
export const writeRequest = (
  head: RequestHead,
  client: { ip: string; scheme: 'http' | 'https' },
  upgrade: boolean,
): string => {
  let text = `${head.method} ${head.target} HTTP/${head.version}\r\n`
  const named = nominated(head.connection)
  const { fields } = head
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const lower = lowerOf(name)
    if (HOP_BY_HOP.has(lower) || FORWARDED.has(lower) || named?.includes(lower)) continue
    text += `${name}: ${fields[at + 1]}\r\n`
  }
  if (head.bodyLength === CHUNKED) text += 'Transfer-Encoding: chunked\r\n'
  text += `X-Forwarded-For: ${client.ip}\r\nX-Forwarded-Proto: ${client.scheme}\r\n`
  if (head.host !== '') text += `X-Forwarded-Host: ${head.host}\r\n`
  if (upgrade) text += 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  else if (head.version === '1.0') text += 'Connection: close\r\n'
  return `${text}\r\n`
}

/** Re-serialises a response for the client. `connection`: what our side of the connection does next. */
export const writeResponse = (
  head: ResponseHead,
  clientVersion: '1.0' | '1.1',
  connection: 'close' | 'keep-alive' | 'upgrade',
): string => {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`
  const named = nominated(head.connection)
  const { fields } = head
  let chunkedInHead = false
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]!
    const lower = lowerOf(name)
    if (lower === 'transfer-encoding') chunkedInHead = true
    if (HOP_BY_HOP.has(lower) || named?.includes(lower)) continue
    text += `${name}: ${fields[at + 1]}\r\n`
  }
  // A response to HEAD keeps the framing that the GET would have had.
  if (head.bodyLength === CHUNKED || (chunkedInHead && head.bodyLength === 0 && head.status >= 200)) {
    if (head.status !== 204 && clientVersion === '1.1') text += 'Transfer-Encoding: chunked\r\n'
  }
  if (connection === 'upgrade') text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade ?? 'websocket'}\r\n`
  else if (head.status >= 200 && (connection === 'close' || head.bodyLength === UNTIL_CLOSE)) {
    text += 'Connection: close\r\n'
  } else if (head.status >= 200 && clientVersion === '1.0') text += 'Connection: keep-alive\r\n'
  return `${text}\r\n`
}

/** What may be sent to a client that has to wait (RFC 9110 §15.2.1). */
export const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** What is said of requests that are not plainly valid. */
export const REFUSED_HEADS = {
  400: {
    code: 'ERR_INVALID',
    sentence: 'The request is not plainly valid HTTP/1.1; it was refused and nothing was forwarded',
  },
  405: { code: 'ERR_METHOD', sentence: 'This method is not forwarded' },
  431: {
    code: 'ERR_TOO_LARGE',
    sentence: 'The request head is too large: at most 100 fields and 65536 bytes are taken',
  },
} as const satisfies Record<number, { code: ErrorCode; sentence: string }>

/** An answer of our own: the JSON error of `node-api`, always followed by the end of the connection unless `keep`. */
export const writeError = (
  status: number,
  code: ErrorCode,
  message: string,
  facts: Record<string, string | number>,
  options: { keep: boolean; bodiless: boolean; fields?: readonly string[] },
): string => {
  const body = JSON.stringify({ error: { code, message, facts } })
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: application/json\r\n`
  text += `Content-Length: ${Buffer.byteLength(body)}\r\nDate: ${new Date().toUTCString()}\r\n`
  if (status === 405) text += 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n'
  const { fields = [] } = options
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`
  text += options.keep ? '\r\n' : 'Connection: close\r\n\r\n'
  // The messages are ASCII; a facts value could hold more: its UTF-8 bytes are written one character each.
  return options.bodiless ? text : text + Buffer.from(body, 'utf8').toString('latin1')
}
