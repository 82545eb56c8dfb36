import { AppError, type Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import { plural } from '../../../contract/words.ts'
import { RouteCheck } from './route-check.ts'
import { autoNamesOf, domainsOf, listOf, speaksHttp } from './speech.ts'

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

/** What one listener does: routes of bytes and routes of requests, in configured order. Only with TLS both may stand on one port. */
export interface PortPlan {
  /** Stable over route changes, so that a listener on a free port keeps its port. */
  key: string
  /** Configured port; 0 takes a free one. */
  port: number
  /** Connections begin with a ClientHello. */
  tls: boolean
  /** Requests are read also without a route: names are proved here. */
  proves?: true
  tcp: RouteConfig[]
  http: RouteConfig[]
}

type Kind = 'tls' | 'http' | 'tcp'
const kindOf = (route: RouteConfig): Kind => (route.action.tls ? 'tls' : speaksHttp(route) ? 'http' : 'tcp')

/** Whether both take the same connections by what is known before a byte is read, so that the second would never be asked. */
const sameConnections = (a: RouteConfig, b: RouteConfig): boolean => conditionsOf(a) === conditionsOf(b)

const conditionsOf = ({ priority = 0, match }: RouteConfig): string =>
  JSON.stringify([priority, listOf(match.clientIp), listOf(match.tlsVersion)])

/** A name that both take by the same rank, so that only their order decides; `every name` where both take all; null where there is none. */
const sharedName = (a: RouteConfig, b: RouteConfig): string | null => {
  if (!sameConnections(a, b)) return null
  const [ours, theirs] = [domainsOf(a), domainsOf(b)]
  if (!ours || !theirs) return ours === theirs ? 'every name' : null
  const lower = theirs.map((name) => name.toLowerCase())
  return ours.find((name) => lower.includes(name.toLowerCase())) ?? null
}

/** Why two routes of a port with TLS exclude each other: a hello has one answer. */
const tlsConflict = (route: RouteConfig, other: RouteConfig, port: number): Problem | null => {
  const name = sharedName(route, other)
  if (name === null) return null
  const same = `port ${port} has route "${other.name}" for ${name} already`
  const [mine, its] = [route.action.tls, other.action.tls]
  if (mine?.mode !== its?.mode)
    return {
      path: 'action.tls.mode',
      message: `route "${route.name}" says ${mine?.mode}, and ${same}, with ${its?.mode}; one name on one port has one mode`,
    }
  const differs = (['certificate', 'minVersion', 'alpn'] as const).find(
    (field) => JSON.stringify(mine?.[field]) !== JSON.stringify(its?.[field]),
  )
  if (differs)
    return {
      path: `action.tls.${differs}`,
      message: `route "${route.name}" has another than route "${other.name}", and ${same}; one name on one port has one`,
    }
  if (!speaksHttp(route) || !speaksHttp(other))
    return { path: 'match.domains', message: `route "${route.name}" would never be asked: ${same}` }
  return null
}

class Planning {
  readonly problems: Problem[] = []
  readonly plans = new Map<string, PortPlan>()
  readonly #names = new Set<string>()
  readonly #healthPort: number | null
  readonly #challengePort: number | null
  #wantsProof = false

  constructor(healthPort: number | null, challengePort: number | null) {
    this.#healthPort = healthPort
    this.#challengePort = challengePort
  }

  add(route: RouteConfig, index: number): void {
    const path = `routes[${index}]`
    if (this.#names.has(route.name))
      this.problems.push({
        path: `${path}.name`,
        message: `"${route.name}" is used twice; names must differ`,
      })
    this.#names.add(route.name)
    this.problems.push(...new RouteCheck(route, path, this.#challengePort !== null).problems())
    if (autoNamesOf(route).length > 0) this.#wantsProof = true
    const ports = this.#portsOf(route, path)
    const kind = kindOf(route)
    ports.forEach((port, at) => {
      if (port !== 0 && port === this.#healthPort) {
        this.problems.push({
          path: `${path}.match.ports`,
          message: `port ${port} is the health listener's`,
        })
        return
      }
      // Routes that ask for a free port: each of bytes gets one of its own, the others share one.
      const key = port !== 0 ? String(port) : kind === 'tcp' ? `tcp:0:${route.name}:${at}` : `${kind}:0`
      this.#place(route, kind, key, port, path)
    })
  }

  /** After all routes: where names are proved must read plain requests. */
  prove(): void {
    const port = this.#challengePort
    if (port === null || !this.#wantsProof) return
    const path = 'acme.challengePort'
    if (port !== 0 && port === this.#healthPort) {
      this.problems.push({ path, message: `is ${port}, which is the health listener's` })
      return
    }
    const key = port === 0 ? 'http:0' : String(port)
    const plan = this.plans.get(key)
    if (!plan) this.plans.set(key, { key, port, tls: false, proves: true, tcp: [], http: [] })
    else if (plan.tls || plan.tcp.length > 0) {
      const [first] = [...plan.tcp, ...plan.http]
      this.problems.push({
        path,
        message: `is ${port}, where route "${first?.name}" reads no plain requests; names could not be proved there`,
      })
    }
  }

  #portsOf(route: RouteConfig, path: string): number[] {
    const ports = expandPorts(route.match.ports)
    if (ports.length === 0)
      this.problems.push({
        path: `${path}.match.ports`,
        message: `is empty or too wide; a range runs upwards from 1 to 65535 and holds at most ${MAX_PORTS} ports`,
      })
    if (ports.length <= MAX_PORTS) return ports
    this.problems.push({
      path: `${path}.match.ports`,
      message: `holds ${ports.length} ports; at most ${MAX_PORTS}`,
    })
    return []
  }

  #place(route: RouteConfig, kind: Kind, key: string, port: number, path: string): void {
    const plan = this.plans.get(key)
    if (!plan) {
      const list = speaksHttp(route) ? { tcp: [], http: [route] } : { tcp: [route], http: [] }
      this.plans.set(key, { key, port, tls: kind === 'tls', ...list })
      return
    }
    const list = speaksHttp(route) ? plan.http : plan.tcp
    if (list.includes(route)) return
    const problem = this.#conflict(route, kind, plan, port)
    if (problem) this.problems.push({ path: `${path}.${problem.path}`, message: problem.message })
    else list.push(route)
  }

  /** Why this route cannot stand on a port beside those that are there. */
  #conflict(route: RouteConfig, kind: Kind, plan: PortPlan, port: number): Problem | null {
    const [first] = [...plan.tcp, ...plan.http]
    const other = first?.name ?? ''
    if (plan.tls !== (kind === 'tls')) {
      const message = plan.tls
        ? `route "${route.name}" has none, and port ${port} takes TLS for route "${other}"; all routes of a port have it, or none`
        : `route "${route.name}" takes TLS, and port ${port} is plain for route "${other}"; all routes of a port take TLS, or none`
      return { path: 'action.tls', message }
    }
    if (kind === 'tls') {
      for (const each of [...plan.tcp, ...plan.http]) {
        const found = tlsConflict(route, each, port)
        if (found) return found
      }
      return null
    }
    const taken =
      kind === 'http' ? plan.tcp[0] : (plan.http[0] ?? plan.tcp.find((it) => sameConnections(it, route)))
    if (!taken) return null
    return {
      path: 'match.ports',
      message: `port ${port} belongs to route "${taken.name}" already; only HTTP routes can share a port`,
    }
  }
}

/**
 * Checks routes as a whole and sorts them by listener. Throws ERR_INVALID with every problem. Routes that ask for port 0: each TCP
 * route gets a port of its own; HTTP routes share one, and those with TLS another, as they would share any other port.
 * `challengePort`: where names are proved for certificates that are had by themselves; null where none can be had.
 */
export const planPorts = (
  routes: RouteConfig[],
  healthPort: number | null,
  challengePort: number | null = null,
): PortPlan[] => {
  const planning = new Planning(healthPort, challengePort)
  for (const [index, route] of routes.entries()) planning.add(route, index)
  planning.prove()
  refuse(planning.problems)
  return [...planning.plans.values()]
}

/** Throws ERR_INVALID where there is a problem. */
export const refuse = (problems: Problem[]): void => {
  if (problems.length > 0)
    throw new AppError('ERR_INVALID', `The routes have ${plural(problems.length, 'problem')}`, { problems })
}
