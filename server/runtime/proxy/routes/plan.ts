import { AppError, type Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/node-config.ts'
import { plural } from '../../../contract/words.ts'

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

const speaksHttp = (route: RouteConfig): boolean =>
  route.action.protocol === 'http' || route.match.domains !== undefined || route.match.path !== undefined

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
 * Checks all routes together and sorts them by listener. Throws ERR_INVALID with every problem. Routes that ask for port 0: each TCP
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
    throw new AppError('ERR_INVALID', `The routes have ${plural(problems.length, 'problem')}`, { problems })
  }
  return [...plans.values()]
}
