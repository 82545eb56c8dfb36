import type { ConnectionRecord } from '../connections/record.ts'
import type { RequestHead } from '../http/head.ts'
import { hostName } from '../patterns/host-name.ts'
import { plainPath } from '../patterns/plain-path.ts'
import type { CompiledRoute, Ranked } from './compile.ts'

/** By what is known of a connection: its client, and what it asked for by TLS. */
export const takesClient = ({ clients, versions }: Ranked, { client, tls }: ConnectionRecord): boolean =>
  (clients === null || clients.has(client.ip)) && (versions === null || versions.includes(tls?.version ?? ''))

const hasFields = (fields: readonly string[], wanted: NonNullable<CompiledRoute['headers']>): boolean =>
  wanted.every(([name, value]) => {
    for (let at = 0; at < fields.length; at += 2)
      if (fields[at]!.length === name.length && fields[at]!.toLowerCase() === name && value(fields[at + 1]!))
        return true
    return false
  })

/** The first route, in order of priority, specificity and configuration, that takes this request of this connection. */
export const pickRoute = (
  routes: readonly CompiledRoute[],
  { host, target, fields }: RequestHead,
  record: ConnectionRecord,
): CompiledRoute | null => {
  let name: string | null = null
  let path: string | null = null
  for (const route of routes) {
    if (route.domain) {
      name ??= hostName(host)
      if (!route.domain(name)) continue
    }
    if (route.path) {
      path ??= plainPath(target)
      if (!route.path(path)) continue
    }
    if ((route.clients || route.versions) && !takesClient(route, record)) continue
    if (route.headers && !hasFields(fields, route.headers)) continue
    return route
  }
  return null
}
