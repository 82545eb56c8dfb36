import type { IncomingMessage } from 'node:http'

/** Which host a request is for, and what that host sees of the path. */
export interface Destination {
  hostId: string
  path: string
  /** What was cut from the path, for example `/hosts/a`. */
  prefix: string | undefined
}

/** The path of a request target, without its query. */
export const pathOf = (target: string): string => target.split('?', 1)[0] ?? '/'

/** The domain below which hosts have names of their own: in lower case, without a leading dot. */
export const plainDomain = (domain: string | undefined): string | undefined =>
  domain?.toLowerCase().replace(/^\./, '')

/**
 * The host that a request names: by its own name below `domain`, or by `/hosts/:hostId/…`. Null for what is this relay's own. The id
 * is not checked here.
 */
export const destinationOf = (
  req: IncomingMessage,
  target: string,
  domain: string | undefined,
): Destination | null => {
  if (domain) {
    const name = (req.headers.host ?? '').toLowerCase().replace(/:\d+$/, '')
    if (name.endsWith(`.${domain}`)) {
      return { hostId: name.slice(0, -domain.length - 1), path: target, prefix: undefined }
    }
  }
  const match = /^\/hosts\/([^/?#]+)(\/[^?#]*)?(\?[^#]*)?$/.exec(target)
  if (!match) return null
  const hostId = match[1] ?? ''
  return { hostId, path: `${match[2] ?? '/'}${match[3] ?? ''}`, prefix: `/hosts/${hostId}` }
}
