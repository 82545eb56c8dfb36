import type { Socket } from 'node:net'
import type { Listener } from '../../contract/health.ts'
import type { ProxyConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import { PortListener } from '../listen/port-listener.ts'
import type { Challenges } from './acme/challenges.ts'
import type { Identifier } from './admit/identify.ts'
import type { Handlers } from './handlers/handlers.ts'
import { Materials } from './routes/materials.ts'
import type { PortPlan } from './routes/plan.ts'
import { PortRoutes } from './routes/port-routes.ts'
import { RouteGates } from './security/route-gate.ts'
import type { Dialler } from './targets/dialler.ts'

/** One public port: what listens, and what it does. */
export interface Port {
  readonly listener: PortListener
  readonly routes: PortRoutes
  readonly plan: PortPlan
}

/** By the plan's key, which is stable over route changes. */
export type PortTable = Map<string, Port>

export interface PortsOptions {
  readonly config: ProxyConfig
  readonly log: Log
  readonly dialler: Dialler
  readonly handlers: Handlers
  /** What names are proved by; null where none are. */
  readonly challenges: Challenges | null
  /** What comes before the connections' own bytes on a port; null where nothing does. */
  readonly identifierFor: (plan: PortPlan) => Identifier | null
  readonly onSocket: (socket: Socket, listener: PortListener, routes: PortRoutes) => void
}

/** How many routes of a port `/health` lists. */
const MAX_NAMES_SHOWN = 64

/** The public ports of a proxy, as its routes ask for them. */
export class Ports {
  readonly #options: PortsOptions
  #table: PortTable = new Map()
  #materials: Materials
  #gates = RouteGates.none

  constructor(options: PortsOptions) {
    this.#options = options
    this.#materials = Materials.none
  }

  /**
   * Ports for these plans; those that exist are kept, new ones are bound if `bind`. Rejects with nothing new left bound, and
   * changes nothing before `swap`.
   */
  async prepare(plans: readonly PortPlan[], bind: boolean): Promise<PortTable> {
    const next: PortTable = new Map()
    const fresh: PortListener[] = []
    try {
      for (const plan of plans) {
        const known = this.#table.get(plan.key)
        if (known) {
          next.set(plan.key, { ...known, plan })
          continue
        }
        const port = this.#newPort(plan)
        fresh.push(port.listener)
        if (bind) await port.listener.bind()
        next.set(plan.key, port)
      }
    } catch (error) {
      for (const listener of fresh) listener.unbind()
      throw error
    }
    return next
  }

  #newPort(plan: PortPlan): Port {
    const { config, log, identifierFor, challenges, onSocket } = this.#options
    const routes = new PortRoutes(plan, identifierFor(plan), challenges)
    const listener: PortListener = new PortListener({
      host: config.host,
      port: plan.port,
      tcpKeepAliveMs: config.tcpKeepAliveMs,
      log,
      onSocket: (socket) => onSocket(socket, listener, routes),
    })
    return { listener, routes, plan }
  }

  /** Unbinds what was prepared and is not wanted after all. */
  discard(prepared: PortTable): void {
    for (const [key, { listener }] of prepared) if (!this.#table.has(key)) listener.unbind()
  }

  /** From now on these. Answers the actual numbers of the ports that are gone; they listen no longer. */
  swap(next: PortTable, materials: Materials): number[] {
    this.#materials = materials
    const gates = this.#gates.renewed()
    this.#gates = gates
    const { dialler, handlers, config } = this.#options
    dialler.replaceTargets((adopt) => {
      for (const { listener, routes, plan } of next.values()) {
        routes.adopt(plan, listener.port, {
          adopt,
          adoptLate: dialler.adoptLate,
          gates,
          handlers,
          materials,
          responseTimeoutMs: config.responseTimeoutMs,
        })
      }
    })
    const gone: number[] = []
    for (const [key, { listener, routes }] of this.#table) {
      if (next.has(key)) continue
      routes.retire()
      listener.unbind()
      gone.push(listener.port)
    }
    this.#table = next
    return gone
  }

  /** Binds all, or none: rejects with `ERR_PORT_TAKEN` or `ERR_CONFIG`. */
  async bind(): Promise<void> {
    const bound: PortListener[] = []
    try {
      for (const { listener } of this.#table.values()) {
        await listener.bind()
        bound.push(listener)
      }
    } catch (error) {
      for (const listener of bound) listener.unbind()
      throw error
    }
    // Routes that came while nothing was bound may ask for free ports: targets with port "preserve" know them only now.
    this.swap(this.#table, this.#materials)
  }

  /** Nothing listens any more; accepted connections go on. */
  unbind(): void {
    for (const { listener } of this.#table.values()) listener.unbind()
  }

  /** Forgets what gates of routes need no longer know. */
  sweep(now: number): void {
    this.#gates.sweep(now)
  }

  listeners(): Listener[] {
    const shown: Listener[] = []
    for (const { listener, routes } of this.#table.values()) {
      if (!listener.bound) continue
      const names = routes.names().slice(0, MAX_NAMES_SHOWN)
      shown.push({ part: 'proxy', host: this.#options.config.host, port: listener.port, routes: names })
    }
    return shown
  }
}
