import type { NodeProbeRequest } from '../../contract/probe.ts'

/** What is looked at, without what may be a secret of it: user, password and query of a URL. */
export const lookedAt = ({
  url,
  socket,
  address,
}: Pick<NodeProbeRequest, 'url' | 'socket' | 'address'>): string => {
  if (url === undefined) return socket ?? address ?? ''
  const { protocol, host, pathname } = URL.parse(url) ?? { protocol: '', host: '', pathname: '' }
  // `user:password@host` is a URL too, of the scheme `user:`.
  if (!/^https?:$/.test(protocol)) return 'what is no web address'
  return `${protocol}//${host}${pathname}`
}
