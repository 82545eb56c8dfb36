import type { IncomingHttpHeaders } from 'node:http'
import { AppError } from '../contract/index.ts'

/** What access is judged by; both Node's requests and the web's fit. */
export interface AccessRequest {
  method: string
  headers: Headers | IncomingHttpHeaders
  /** Where the request came from, as the server believes it; null where that is not known. */
  address: string | null
  /** True where the browser's connection is known to be encrypted: cookies are `Secure` then. */
  encrypted?: boolean
}

export const headerOf = (request: AccessRequest, name: string): string | null => {
  if (request.headers instanceof Headers) return request.headers.get(name)
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : (value ?? null)
}

/**
 * The token of `Authorization: Bearer …`; null without one. A malformed one is the empty token, which nobody has. Other schemes are not
 * ours: a proxy in front that asks for a password of its own passes `Basic` on.
 */
export const bearerOf = (request: AccessRequest): string | null => {
  const header = headerOf(request, 'authorization')
  if (header === null || !/^Bearer(?:[\s,]|$)/i.test(header)) return null
  return /^Bearer +([^\s,]{1,500}) *$/i.exec(header)?.[1] ?? ''
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

export const isMutation = (method: string): boolean => !READS.has(method.toUpperCase())

/** Refuses a present Origin that is not one of ours, and, where `required`, an absent one: `ERR_ORIGIN`. */
export const checkOrigin = (request: AccessRequest, allowed: readonly string[], required: boolean): void => {
  const origin = headerOf(request, 'origin')
  if (origin === null ? !required : allowed.includes(origin)) return
  throw new AppError(
    'ERR_ORIGIN',
    origin === null
      ? 'A change made with a session cookie needs an Origin header; scripts use an API token instead'
      : `The origin ${origin.slice(0, 200)} is not this server`,
    { origin: origin?.slice(0, 200) ?? null, allowed: [...allowed] },
  )
}

/** Refuses a body that is not declared as JSON: `ERR_MEDIA_TYPE`. Forms of other sites cannot declare it (CORS). */
export const checkMediaType = (request: AccessRequest): void => {
  const length = headerOf(request, 'content-length')
  const hasBody = headerOf(request, 'transfer-encoding') !== null || (length !== null && length !== '0')
  const type = headerOf(request, 'content-type')
  if (!hasBody && type === null) return
  if (!hasBody && length === '0') return
  if (/^application\/json *(?:;|$)/i.test(type ?? '')) return
  throw new AppError(
    'ERR_MEDIA_TYPE',
    `The body must be JSON with Content-Type: application/json, not ${type?.slice(0, 100) ?? 'without a type'}`,
    {
      contentType: type?.slice(0, 100) ?? null,
    },
  )
}
