import type { IncomingMessage } from 'node:http'
import { AppError } from '../../contract/errors.ts'

/** More header fields than this are refused with 431, never cut. */
const MAX_HEADERS = 100

/**
 * The path that is asked for. A server must read absolute targets too (RFC 9112 §3.2.2), but one that names another host than
 * `Host` is two requests in one; that and the `*` of OPTIONS are null: they are no path, and a host could do nothing with them.
 */
export const originForm = (req: IncomingMessage): string | null => {
  const url = req.url ?? '/'
  if (url.startsWith('/')) return url
  const match = /^https?:\/\/([^/?#]+)(\/?[^#]*)$/i.exec(url)
  if (match?.[1]?.toLowerCase() !== req.headers.host?.toLowerCase()) return null
  const path = match?.[2] ?? ''
  return path.startsWith('/') ? path : `/${path}`
}

/** What Node's parser lets pass and no host should see: too many fields, two names for one request, TRACE. */
export const refusalOf = (req: IncomingMessage): { status: number; error: AppError } | null => {
  const { rawHeaders, method } = req
  if (rawHeaders.length > MAX_HEADERS * 2)
    return { status: 431, error: new AppError('ERR_TOO_LARGE', `More than ${MAX_HEADERS} header fields`) }
  if (method === 'TRACE')
    return { status: 405, error: new AppError('ERR_METHOD', 'This method is not forwarded') }
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (hosts > 1) return { status: 400, error: new AppError('ERR_INVALID', 'Host must be given once') }
  return originForm(req) === null
    ? {
        status: 400,
        error: new AppError('ERR_INVALID', 'The target must be a path, or a URL of the same Host'),
      }
    : null
}
