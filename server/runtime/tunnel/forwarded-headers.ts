import type { ClientRequest } from 'node:http'
import type { Readable } from 'node:stream'
import type { HeaderList } from './frames.ts'

/** Headers that belong to one connection, not to the message (RFC 9110 §7.6.1), and `Expect`, which is answered where it arrives. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Says that another relay passed this request on already. It suppresses passing on again and gives no rights. */
export const HOP_HEADER = 'x-tidegate-hop'
/** The fence of the entry by which a relay passed the request on; believed only beside the proof below. */
export const FENCE_HEADER = 'x-tidegate-fence'
/** Proof between relays of one directory that what they say of the client is true. Never leaves them. */
export const PASS_HEADER = 'x-tidegate-pass'

/** Headers between relays; a client's are dropped. */
export const BETWEEN_RELAYS: ReadonlySet<string> = new Set([HOP_HEADER, PASS_HEADER, FENCE_HEADER])

const FORWARDED = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-prefix',
  'forwarded',
])

/** Value of the first header with this (lower-case) name. */
export const headerValue = (headers: HeaderList, name: string): string | undefined => {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) return headers[index + 1]
  }
  return undefined
}

/** Every value of `Connection`, in lower case: names that its sender declared hop-by-hop. */
const connectionOptions = (headers: HeaderList): Set<string> => {
  const names = new Set<string>()
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() !== 'connection') continue
    for (const name of (headers[index + 1] ?? '').split(',')) names.add(name.trim().toLowerCase())
  }
  // Framing and routing are not the sender's to withdraw: a message without them would be another message.
  names.delete('content-length')
  names.delete('host')
  return names
}

/** All headers but hop-by-hop ones and those in `without`; order, case and repetition stay. */
export const endToEndHeaders = (headers: HeaderList, without?: (name: string) => boolean): HeaderList => {
  const listed = connectionOptions(headers)
  const kept: HeaderList = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || listed.has(lower) || without?.(lower)) continue
    kept.push(name, headers[index + 1] ?? '')
  }
  return kept
}

export interface ClientFacts {
  address: string
  proto: 'http' | 'https'
  host: string | undefined
  /** What was cut from the path, for example `/hosts/a`. */
  prefix?: string | undefined
}

/** Request headers as the host gets them: `X-Forwarded-*` are what this relay saw, whatever the client claimed. */
export const forwardedRequestHeaders = (headers: HeaderList, client: ClientFacts): HeaderList => {
  const kept = endToEndHeaders(
    headers,
    (name) => name === 'expect' || BETWEEN_RELAYS.has(name) || FORWARDED.has(name),
  )
  kept.push('X-Forwarded-For', client.address, 'X-Forwarded-Proto', client.proto)
  if (client.host !== undefined) kept.push('X-Forwarded-Host', client.host)
  if (client.prefix) kept.push('X-Forwarded-Prefix', client.prefix)
  return kept
}

/** Repeated headers as arrays, for APIs that take an object. */
export const headerObject = (headers: HeaderList): Record<string, string | string[]> => {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? ''
    const value = headers[index + 1] ?? ''
    const before = object[name]
    if (before === undefined) object[name] = value
    else object[name] = Array.isArray(before) ? [...before, value] : [before, value]
  }
  return object
}

/**
 * Node keeps a request's head until the first of its body. A server that answers before that (a refusal, a conversation both ways) would
 * never see it; a body that is here already still shares the head's segment.
 */
export const flushHeadSoon = (out: ClientRequest, body: Readable): void => {
  let begun = false
  body.once('data', () => {
    begun = true
  })
  setImmediate(() => {
    if (!begun && !out.writableEnded && !out.destroyed) out.flushHeaders()
  })
}
