import { AppError, type Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/node-config.ts'
import { type Adopt, TargetGroup } from '../targets/dialler.ts'
import { domainMatcher, type Matcher, pathMatcher } from './glob.ts'
import { plainPath } from './plain-path.ts'

const MAX_PORTS = 4_096

/** A port that one route wants: 0 asks for a free one. */
const expandPorts = (ports: RouteConfig['match']['ports']): number[] => {
  if (typeof ports === 'number') return [ports]
  if (typeof ports === 'string') {
    const [from, to] = ports.split('-').map(Number) as [number, number]
    return expandRange(from, to)
  }
  if (!Array.isArray(ports)) return expandRange(ports.from, ports.to)
  return ports.flatMap((port) => (typeof port === 'number' ? [port] : expandRange(port.from, port.to)))
}

const expandRange = (from: number, to: number): number[] => {
  if (from > to || from < 1 || to > 65_535 || to - from >= MAX_PORTS) return []
  return Array.from({ length: to - from + 1 }, (_, offset) => from + offset)
}

export const speaksHttp = (route: RouteConfig): boolean =>
  route.action.protocol === 'http' || route.match.domains !== undefined || route.match.path !== undefined

/** One route on one listener, ready to be asked; a route of several domains is asked once for each, as each has its own rank. */
export interface CompiledRoute {
  name: string
  config: RouteConfig
  order: number
  /** Targets with their round-robin position, one for all domains of the route. */
  group: TargetGroup
  domain: Matcher | null
  path: Matcher | null
  specificity: [host: number, path: number]
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

/** What one listener does: one TCP route, or HTTP routes in the order in which they are asked. */
export interface PortPlan {
  /** Stable over route changes, so that a listener on a free port keeps its port. */
  key: string
  /** Configured port; 0 takes a free one. */
  port: number
  tcp: RouteConfig | null
  http: RouteConfig[]
}

/**
 * Checks routes as a whole and sorts them by listener. Throws ERR_INVALID with every problem. Routes that ask for port 0: each TCP
 * route gets a port of its own; HTTP routes share one, as they would share any other port.
 */
export const planPorts = (routes: RouteConfig[], healthPort: number | null): PortPlan[] => {
  const problems: Problem[] = []
  const plans = new Map<string, PortPlan>()
  const names = new Set<string>()
  routes.forEach((route, index) => {
    const path = `routes[${index}]`
    if (names.has(route.name)) {
      problems.push({ path: `${path}.name`, message: `"${route.name}" is used twice; names must differ` })
    }
    names.add(route.name)
    const ports = expandPorts(route.match.ports)
    if (ports.length === 0) {
      problems.push({
        path: `${path}.match.ports`,
        message: `is empty or too wide; a range runs upwards from 1 to 65535 and holds at most ${MAX_PORTS} ports`,
      })
    }
    if (ports.length > MAX_PORTS) {
      problems.push({
        path: `${path}.match.ports`,
        message: `holds ${ports.length} ports; at most ${MAX_PORTS}`,
      })
      return
    }
    const http = speaksHttp(route)
    ports.forEach((port, at) => {
      if (port !== 0 && port === healthPort) {
        problems.push({ path: `${path}.match.ports`, message: `port ${port} is the health listener's` })
        return
      }
      const key = port === 0 ? (http ? 'http:0' : `tcp:0:${route.name}:${at}`) : String(port)
      const plan = plans.get(key) ?? { key, port, tcp: null, http: [] }
      plans.set(key, plan)
      if (http && !plan.tcp) {
        if (!plan.http.includes(route)) plan.http.push(route)
      } else if (!http && !plan.tcp && plan.http.length === 0) {
        plan.tcp = route
      } else if (plan.tcp !== route) {
        const other = plan.tcp?.name ?? plan.http[0]?.name ?? ''
        problems.push({
          path: `${path}.match.ports`,
          message: `port ${port} belongs to route "${other}" already; only HTTP routes can share a port`,
        })
      }
    })
  })
  if (problems.length > 0) {
    throw new AppError('ERR_INVALID', `The routes have ${problems.length} problem(s)`, { problems })
  }
  return [...plans.values()]
}

/** The routes of one listener, compiled for its actual port. */
export const compileRoutes = (
  plan: PortPlan,
  actualPort: number,
  adopt: Adopt,
): { tcp: CompiledRoute | null; http: CompiledRoute[] } => {
  const compile = (route: RouteConfig, order: number): CompiledRoute[] => {
    const targets = route.action.targets.map(({ host, port }) =>
      adopt(route.name, host, port === 'preserve' ? actualPort : port),
    )
    const group = new TargetGroup(targets)
    return (domainsOf(route) ?? [null]).map((domain) => ({
      name: route.name,
      config: route,
      order,
      group,
      domain: domain === null ? null : domainMatcher(domain),
      path: route.match.path === undefined ? null : pathMatcher(route.match.path),
      specificity: [hostSpecificity(domain), pathSpecificity(route.match.path)],
    }))
  }
  const http = plan.http.flatMap(compile).sort((a, b) => {
    const priority = (b.config.priority ?? 0) - (a.config.priority ?? 0)
    if (priority !== 0) return priority
    return b.specificity[0] - a.specificity[0] || b.specificity[1] - a.specificity[1] || a.order - b.order
  })
  return { tcp: plan.tcp ? (compile(plan.tcp, 0)[0] ?? null) : null, http }
}

/** Lower case, without port and without the root's dot. */
export const hostName = (host: string): string => {
  const lower = host.toLowerCase()
  const name = lower.startsWith('[') ? lower.slice(0, lower.indexOf(']') + 1) : lower.split(':', 1)[0]!
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** The first route, in order of priority, specificity and configuration, that takes this host and (plain) path. */
export const pickRoute = (routes: CompiledRoute[], host: string, target: string): CompiledRoute | null => {
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
    return route
  }
  return null
}
