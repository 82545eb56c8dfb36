import type { Challenges } from '../acme/challenges.ts'
import type { Identifier } from '../admit/identify.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { RequestHead } from '../http/head.ts'
import type { HttpPort, HttpRoute } from '../http/services.ts'
import { hostName } from '../patterns/host-name.ts'
import {
  type Compiled,
  type CompiledRoute,
  compileRoutes,
  type RouteParts,
  type TcpRoute,
} from './compile.ts'
import { pickRoute, takesClient } from './match.ts'
import type { PortPlan } from './plan.ts'

const NONE: Compiled = { http: [], tcp: [], hellos: [] }

/** What one public port does at present. */
export class PortRoutes implements HttpPort {
  #plan: PortPlan
  #routes = NONE
  #retired = false
  /** What comes before a connection's own bytes; null where nothing does. */
  readonly identifier: Identifier | null
  readonly #challenges: Challenges | null

  constructor(plan: PortPlan, identifier: Identifier | null, challenges: Challenges | null) {
    this.#plan = plan
    this.#challenges = challenges
    this.identifier = identifier
  }

  /** What speaks first here: a ClientHello, a request, or bytes of any kind. */
  get speaks(): 'tls' | 'http' | 'tcp' {
    if (this.#plan.tls) return 'tls'
    return this.#plan.http.length > 0 || this.#plan.proves ? 'http' : 'tcp'
  }

  get retired(): boolean {
    return this.#retired
  }

  /** No route wants this port any more: its HTTP connections may finish what they have. */
  retire(): void {
    this.#retired = true
  }

  /** Swaps what this port does. Connections that stand keep their targets; the next ones, and next requests, see this. */
  adopt(plan: PortPlan, actualPort: number, parts: RouteParts): void {
    this.#routes = compileRoutes(plan, actualPort, parts)
    this.#plan = plan
  }

  /** The route of a connection on a plain port of bytes. */
  pickTcp(record: ConnectionRecord): TcpRoute | null {
    for (const route of this.#routes.tcp) if (takesClient(route, record)) return route
    return null
  }

  /** The route of a connection that begins with this hello; null when none takes it. */
  pickHello(record: ConnectionRecord): TcpRoute | CompiledRoute | null {
    const serverName = record.tls?.serverName ?? null
    for (const route of this.#routes.hellos) {
      if (route.domain && (serverName === null || !route.domain(serverName))) continue
      if (takesClient(route, record)) return route
    }
    return null
  }

  pick(head: RequestHead, record: ConnectionRecord): HttpRoute | null | 'elsewhere' {
    const challenge = record.tls ? null : (this.#challenges?.routeOf(head) ?? null)
    if (challenge) return challenge
    const route = pickRoute(this.#routes.http, head, record)
    return route && record.tls && !this.#isMadeFor(record, head.host, route) ? 'elsewhere' : route
  }

  /** Another name than that of the hello is served where its route would have met the client in the same way. */
  #isMadeFor(record: ConnectionRecord, host: string, route: CompiledRoute): boolean {
    if (hostName(host) === record.tls?.serverName) return true
    const own = this.pickHello(record)
    return own === null ? route.domain === null : own.tlsKey === route.tlsKey
  }

  names(): string[] {
    return [...this.#plan.tcp, ...this.#plan.http].map((route) => route.name)
  }
}
