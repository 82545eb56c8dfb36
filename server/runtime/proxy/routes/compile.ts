import type { RouteConfig } from '../../../contract/route-config.ts'
import type { HandlerParts, Handlers } from '../handlers/handlers.ts'
import type { RouteHandler } from '../http/exchange.ts'
import { type Captures, capturing } from '../patterns/captures.ts'
import { domainMatcher, type Matcher, pathMatcher, valueMatcher } from '../patterns/glob.ts'
import { HostTemplate, isTemplate } from '../patterns/host-template.ts'
import { AddressList } from '../security/address-list.ts'
import type { RouteGate, RouteGates } from '../security/route-gate.ts'
import { ComputedTargets } from '../targets/computed.ts'
import type { Adopt } from '../targets/target.ts'
import { type Sharing, type TargetChoice, TargetGroup } from '../targets/target-group.ts'
import type { ConnectionHandler } from '../tcp/handler.ts'
import type { Materials, TlsEnd } from './materials.ts'
import type { PortPlan } from './plan.ts'
import { domainsOf, healthOf, listOf, targetsOf } from './speech.ts'

/** What every route has by which it is chosen; a route of several domains is asked once for each, as each has its own rank. */
export interface Ranked {
  readonly name: string
  readonly priority: number
  readonly order: number
  readonly domain: Matcher | null
  readonly specificity: readonly [host: number, path: number, conditions: number]
  /** Clients' addresses; null for all. */
  readonly clients: AddressList | null
  /** Highest versions of TLS that a client may offer; null for all. */
  readonly versions: readonly string[] | null
  /** Who may use it; null for everybody. */
  readonly gate: RouteGate | null
  /** Where TLS ends here; null where it goes on, or there is none. */
  readonly end: TlsEnd | null
  /** Equal where clients are met in the same way. */
  readonly tlsKey: string
}

/** What routes are made of beside their configuration. */
export interface RouteParts {
  readonly adopt: Adopt
  /** The same for a target that is known only with a request. */
  readonly adoptLate: Adopt
  readonly gates: RouteGates
  readonly handlers: Handlers
  readonly materials: Materials
  /** How long one request may wait for its answer, in milliseconds; 0: for ever. */
  readonly responseTimeoutMs: number
}

/** One HTTP route on one port, ready to be asked. */
export interface CompiledRoute extends Ranked {
  /** One for all domains of the route. */
  readonly handler: RouteHandler
  readonly path: Matcher | null
  readonly captures: ((target: string) => Captures) | null
  /** Names in lower case, and what their values must be; null for no condition. */
  readonly headers: readonly (readonly [name: string, value: Matcher])[] | null
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

const conditionsOf = ({ match }: RouteConfig): number =>
  Object.keys(match.headers ?? {}).length +
  (match.clientIp === undefined ? 0 : 1) +
  (match.tlsVersion === undefined ? 0 : 1)

/** A route whose targets' hosts are computed takes no path of which no host can be made. */
const pathOf = (route: RouteConfig): Matcher | null => {
  const { path } = route.match
  if (path === undefined) return null
  const matches = pathMatcher(path)
  const capture = capturing(path)
  const hosts = targetsOf(route).flatMap(({ host }) => (isTemplate(host) ? [new HostTemplate(host)] : []))
  if (!capture || hosts.length === 0) return matches
  return (text) => matches(text) && hosts.every((host) => host.of(capture(text)) !== null)
}

const headersOf = ({ match }: RouteConfig): [string, Matcher][] | null =>
  match.headers === undefined
    ? null
    : Object.entries(match.headers).map(([name, value]) => [name.toLowerCase(), valueMatcher(value)])

const byRank = (a: Ranked, b: Ranked): number => {
  if (a.priority !== b.priority) return b.priority - a.priority
  const [host, path, conditions] = a.specificity
  const [otherHost, otherPath, others] = b.specificity
  return otherHost - host || otherPath - path || others - conditions || a.order - b.order
}

/** The routes of one port, compiled for its actual number. */
export const compileRoutes = (
  plan: PortPlan,
  actualPort: number,
  { adopt, adoptLate, gates, handlers, materials, responseTimeoutMs }: RouteParts,
): Compiled => {
  const groupOf = (route: RouteConfig): TargetChoice => {
    const rules = healthOf(route)
    const sharing: Sharing = {
      balance: (route.action.type === 'forward' ? route.action.balance : undefined) ?? 'round-robin',
      trialMs: responseTimeoutMs,
    }
    const specs = targetsOf(route).map((target) => ({
      route: route.name,
      host: target.host,
      port: target.port === 'preserve' ? actualPort : target.port,
      tls: materials.targetTls(target),
      header: (route.action.type === 'forward' ? route.action.proxyProtocol : undefined) ?? null,
      weight: target.weight ?? 1,
      rules,
    }))
    if (specs.some(({ host }) => isTemplate(host))) return new ComputedTargets(specs, adoptLate, sharing)
    return new TargetGroup(specs.map(adopt), sharing)
  }
  const partsOf = (route: RouteConfig): HandlerParts => ({
    targets: () => groupOf(route),
    functionOf: () => materials.functionOf(route),
  })
  const ranked = (route: RouteConfig, order: number): Ranked[] =>
    (domainsOf(route) ?? [null]).map((domain) => ({
      name: route.name,
      priority: route.priority ?? 0,
      order,
      domain: domain === null ? null : domainMatcher(domain),
      specificity: [hostSpecificity(domain), pathSpecificity(route.match.path), conditionsOf(route)],
      clients: route.match.clientIp === undefined ? null : new AddressList(listOf(route.match.clientIp)),
      versions: route.match.tlsVersion === undefined ? null : listOf(route.match.tlsVersion),
      gate: gates.of(route),
      end: materials.endOf(route, domain),
      // Where each name has a certificate of its own, another name is met in another way.
      tlsKey: JSON.stringify([
        route.action.tls ?? null,
        route.action.tls?.certificate === 'auto' ? domain?.toLowerCase() : null,
      ]),
    }))
  const http = plan.http.flatMap((route, order): CompiledRoute[] => {
    const handler = handlers.http(route, partsOf(route))
    const own = {
      handler,
      path: pathOf(route),
      captures: capturing(route.match.path),
      headers: headersOf(route),
    }
    return ranked(route, order).map((rank) => ({ ...rank, ...own }))
  })
  const tcp = plan.tcp.flatMap((route, order): TcpRoute[] => {
    const handler = handlers.tcp(route, partsOf(route))
    return ranked(route, order).map((rank) => ({ ...rank, handler }))
  })
  http.sort(byRank)
  tcp.sort(byRank)
  return { http, tcp, hellos: plan.tls ? [...tcp, ...http].sort(byRank) : [] }
}
