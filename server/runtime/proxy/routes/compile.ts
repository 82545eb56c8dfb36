import type { RouteConfig } from '../../../contract/node-config.ts'
import type { Handlers } from '../handlers/handlers.ts'
import type { RouteHandler } from '../http/exchange.ts'
import { type Adopt, TargetGroup } from '../targets/target.ts'
import type { ConnectionHandler } from '../tcp/handler.ts'
import { domainMatcher, type Matcher, pathMatcher } from './glob.ts'
import type { PortPlan } from './plan.ts'

/** One HTTP route on one port, ready to be asked; a route of several domains is asked once for each, as each has its own rank. */
export interface CompiledRoute {
  readonly name: string
  readonly priority: number
  readonly order: number
  /** One for all domains of the route. */
  readonly handler: RouteHandler
  readonly domain: Matcher | null
  readonly path: Matcher | null
  readonly specificity: readonly [host: number, path: number]
}

/** The one route of a TCP port. */
export interface TcpRoute {
  readonly name: string
  readonly handler: ConnectionHandler
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

const domainsOf = (route: RouteConfig): string[] | null => {
  const { domains } = route.match
  if (domains === undefined) return null
  return typeof domains === 'string' ? [domains] : domains
}

/** The routes of one port, compiled for its actual number. */
export const compileRoutes = (
  plan: PortPlan,
  actualPort: number,
  adopt: Adopt,
  handlers: Handlers,
): { tcp: TcpRoute | null; http: CompiledRoute[] } => {
  const groupOf = (route: RouteConfig): TargetGroup =>
    new TargetGroup(
      route.action.targets.map(({ host, port }) =>
        adopt(route.name, host, port === 'preserve' ? actualPort : port),
      ),
    )
  const compile = (route: RouteConfig, order: number): CompiledRoute[] => {
    const handler = handlers.http(route, () => groupOf(route))
    return (domainsOf(route) ?? [null]).map((domain) => ({
      name: route.name,
      priority: route.priority ?? 0,
      order,
      handler,
      domain: domain === null ? null : domainMatcher(domain),
      path: route.match.path === undefined ? null : pathMatcher(route.match.path),
      specificity: [hostSpecificity(domain), pathSpecificity(route.match.path)],
    }))
  }
  const http = plan.http.flatMap(compile).sort((a, b) => {
    if (a.priority !== b.priority) return b.priority - a.priority
    return b.specificity[0] - a.specificity[0] || b.specificity[1] - a.specificity[1] || a.order - b.order
  })
  const { tcp } = plan
  if (!tcp) return { tcp: null, http }
  return { tcp: { name: tcp.name, handler: handlers.tcp(tcp, () => groupOf(tcp)) }, http }
}
