import type { RouteConfig } from '../../../contract/route-config.ts'
import type { Handlers } from '../handlers/handlers.ts'
import type { RouteHandler } from '../http/exchange.ts'
import { type Adopt, TargetGroup } from '../targets/target.ts'
import type { ConnectionHandler } from '../tcp/handler.ts'
import type { Materials, TlsEnd } from '../tls/materials.ts'
import { domainMatcher, type Matcher, pathMatcher } from './glob.ts'
import type { PortPlan } from './plan.ts'
import { domainsOf, targetsOf } from './speech.ts'

/** What every route has by which it is chosen; a route of several domains is asked once for each, as each has its own rank. */
interface Ranked {
  readonly name: string
  readonly priority: number
  readonly order: number
  readonly domain: Matcher | null
  readonly specificity: readonly [host: number, path: number]
  /** Where TLS ends here; null where it goes on, or there is none. */
  readonly end: TlsEnd | null
  /** Equal where clients are met in the same way. */
  readonly tlsKey: string
}

/** What routes are made of beside their configuration. */
export interface RouteParts {
  readonly adopt: Adopt
  readonly handlers: Handlers
  readonly materials: Materials
}

/** One HTTP route on one port, ready to be asked. */
export interface CompiledRoute extends Ranked {
  /** One for all domains of the route. */
  readonly handler: RouteHandler
  readonly path: Matcher | null
}

/** A route of bytes. */
export interface TcpRoute extends Ranked {
  readonly handler: ConnectionHandler
}

/** All routes of one port, each list in the order in which it is asked. */
export interface Compiled {
  readonly http: CompiledRoute[]
  readonly tcp: TcpRoute[]
  /** Of a port with TLS: both kinds, as a hello chooses among them. */
  readonly hellos: (TcpRoute | CompiledRoute)[]
}

/** Exact beats captured beats glob beats none; among globs the longer wins. */
const hostSpecificity = (domain: string | null): number => {
  if (domain === null) return 0
  return domain.includes('*') ? domain.length : 1_000
}

const pathSpecificity = (path: string | undefined): number => {
  if (path === undefined) return 0
  if (path.includes('*')) return path.length
  return path.includes('/:') ? 5_000 + path.length : 10_000
}

const byRank = (a: Ranked, b: Ranked): number => {
  if (a.priority !== b.priority) return b.priority - a.priority
  return b.specificity[0] - a.specificity[0] || b.specificity[1] - a.specificity[1] || a.order - b.order
}

/** The routes of one port, compiled for its actual number. */
export const compileRoutes = (
  plan: PortPlan,
  actualPort: number,
  { adopt, handlers, materials }: RouteParts,
): Compiled => {
  const groupOf = (route: RouteConfig): TargetGroup =>
    new TargetGroup(
      targetsOf(route).map((target) =>
        adopt({
          route: route.name,
          host: target.host,
          port: target.port === 'preserve' ? actualPort : target.port,
          tls: materials.targetTls(target),
        }),
      ),
    )
  const ranked = (route: RouteConfig, order: number): Ranked[] =>
    (domainsOf(route) ?? [null]).map((domain) => ({
      name: route.name,
      priority: route.priority ?? 0,
      order,
      domain: domain === null ? null : domainMatcher(domain),
      specificity: [hostSpecificity(domain), pathSpecificity(route.match.path)],
      end: materials.endOf(route),
      tlsKey: JSON.stringify(route.action.tls ?? null),
    }))
  const http = plan.http.flatMap((route, order): CompiledRoute[] => {
    const handler = handlers.http(route, { targets: () => groupOf(route), materials })
    const path = route.match.path === undefined ? null : pathMatcher(route.match.path)
    return ranked(route, order).map((rank) => ({ ...rank, handler, path }))
  })
  const tcp = plan.tcp.flatMap((route, order): TcpRoute[] => {
    const handler = handlers.tcp(route, { targets: () => groupOf(route), materials })
    return ranked(route, order).map((rank) => ({ ...rank, handler }))
  })
  http.sort(byRank)
  tcp.sort(byRank)
  return { http, tcp, hellos: plan.tls ? [...tcp, ...http].sort(byRank) : [] }
}
