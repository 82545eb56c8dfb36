import type { Identifier } from '../admit/identify.ts'
import type { Handlers } from '../handlers/handlers.ts'
import type { HttpPort, HttpRoute } from '../http/services.ts'
import type { Adopt } from '../targets/target.ts'
import { type CompiledRoute, compileRoutes, type TcpRoute } from './compile.ts'
import { pickRoute } from './match.ts'
import type { PortPlan } from './plan.ts'

/** What one public port does at present: one TCP route, or HTTP routes that are asked in order. */
export class PortRoutes implements HttpPort {
  #plan: PortPlan
  #tcp: TcpRoute | null = null
  #http: CompiledRoute[] = []
  #retired = false
  /** What comes before a connection's own bytes; null where nothing does. */
  readonly identifier: Identifier | null

  constructor(plan: PortPlan, identifier: Identifier | null) {
    this.#plan = plan
    this.identifier = identifier
  }

  get tcp(): TcpRoute | null {
    return this.#tcp
  }

  get retired(): boolean {
    return this.#retired
  }

  /** No route wants this port any more: its HTTP connections may finish what they have. */
  retire(): void {
    this.#retired = true
  }

  /** Swaps what this port does. Open connections keep their targets; the next ones, and next requests, see this. */
  adopt(plan: PortPlan, actualPort: number, adopt: Adopt, handlers: Handlers): void {
    const { tcp, http } = compileRoutes(plan, actualPort, adopt, handlers)
    this.#plan = plan
    this.#tcp = tcp
    this.#http = http
  }

  pick(host: string, target: string): HttpRoute | null {
    return pickRoute(this.#http, host, target)
  }

  names(): string[] {
    return this.#tcp ? [this.#tcp.name] : this.#plan.http.map((route) => route.name)
  }
}
