import type { RouteConfig } from '../../../contract/route-config.ts'

/** Whether a route answers requests; otherwise it carries bytes. */
export const speaksHttp = ({ match, action }: RouteConfig): boolean => {
  if (action.tls?.mode === 'passthrough') return false
  if (action.protocol === 'http' || match.path !== undefined) return true
  // Where TLS ends here the name is known without a request.
  return match.domains !== undefined && !(action.tls && action.protocol === 'tcp')
}

/** The names of a route; null where it takes all. */
export const domainsOf = ({ match: { domains } }: RouteConfig): string[] | null =>
  domains === undefined ? null : typeof domains === 'string' ? [domains] : domains
