import type { Socket } from 'node:net'
import { AppError } from '../../contract/errors.ts'
import type { Listener, ProxyHealth } from '../../contract/health.ts'
import type { NodeConnection } from '../../contract/node-api.ts'
import type { ProxyConfig, RouteConfig } from '../../contract/node-config.ts'
import { plainAddress } from '../../wire/plain-address.ts'
import { Link, type LinkOwner } from '../listen/link.ts'
import { PortListener } from '../listen/port-listener.ts'
import type { PartContext, Readiness, ServingPart } from '../node/part.ts'
import { ConnectionBook, type ConnectionRecord } from './admit/connection-book.ts'
import { Pressure } from './admit/pressure.ts'
import type { CloseReason } from './connections/close-reasons.ts'
import { KernelTable } from './connections/kernel-table.ts'
import { sweepIntervalMs } from './connections/quiet-rules.ts'
import { HealthListener } from './health-listener.ts'
import { HttpConnection } from './http/connection.ts'
import { type HttpServices, RequestCounts } from './http/services.ts'
import { type PortPlan, planPorts } from './routes/compile.ts'
import { Dialler } from './targets/dialler.ts'
import { TcpConnection } from './tcp/connection.ts'

/** The proxy part of a node. Every verb is safe to call twice. */
export interface Proxy extends ServingPart {
  /** The `proxy` part of `/health`: exact counts, at most 128 targets. */
  stats(): ProxyHealth
  /** Live connections, oldest first; `total` counts all that match. `ip` is compared as the connection shows it. */
  connections(filter: { limit: number; route?: string; ip?: string }): {
    items: NodeConnection[]
    total: number
  }
  /** Ends one connection, both sides, with `closed_by_operator`. False when there is none with this id. */
  closeConnection(id: string): boolean
  routes(): RouteConfig[]
  /**
   * Replaces all routes: validated as a whole (ERR_INVALID with `problems`), new ports bound first (ERR_PORT_TAKEN, then nothing
   * has changed), then swapped at once. Existing connections keep their target; freed ports no longer listen.
   */
  setRoutes(routes: RouteConfig[]): Promise<void>
}

/** What listens, by the plan's key, and what each does. */
type Table = Map<string, { listener: PortListener; plan: PortPlan }>

const COUNT_EVERY_MS = 1_000
/** `/health` stays under 64 KiB. */
const MAX_TARGETS_SHOWN = 128

/** Holds a socket between accept and its carrier, so that it is never without an owner. */
const NOBODY: LinkOwner = {
  onBytes: () => true,
  onEnd: () => undefined,
  onError: () => undefined,
  onFlushed: () => undefined,
  onFinish: () => undefined,
}

class RunningProxy implements Proxy {
  private readonly config: ProxyConfig
  private readonly context: PartContext
  private readonly book: ConnectionBook
  private readonly dialler: Dialler
  private readonly kernel = new KernelTable()
  private readonly pressure: Pressure
  private readonly services: HttpServices
  private readonly health: HealthListener | null
  private listening: Table = new Map()
  private current: RouteConfig[]
  private readiness: Readiness = { ready: true }
  private state: 'new' | 'serving' | 'stopped' | 'closed' = 'new'
  private sweepTimer: NodeJS.Timeout | null = null
  private countTimer: NodeJS.Timeout | null = null
  private readonly waiting = new Set<() => void>()
  /** Verbs that bind or unbind run one after the other. */
  private turn: Promise<void> = Promise.resolve()

  constructor(config: ProxyConfig, context: PartContext) {
    this.config = config
    this.context = context
    this.current = config.routes
    planPorts(config.routes, config.health?.port ?? null)
    this.book = new ConnectionBook(config, context)
    this.book.onClosed = () => this.settled()
    this.pressure = new Pressure(config, this.book)
    this.book.onOpening = (now) => this.pressure.makeRoom(now)
    this.dialler = new Dialler(config, context, (error) => this.book.noteFault(error))
    this.services = {
      config,
      book: this.book,
      dialler: this.dialler,
      kernel: this.kernel,
      requests: new RequestCounts(),
      upgraded: { count: 0 },
      retiring: () => this.state !== 'serving',
      settled: () => this.settled(),
    }
    this.health = config.health
      ? new HealthListener(config.host, config.health.port, config.health.paths, () => this.readiness)
      : null
  }

  private inTurn(act: () => Promise<void>): Promise<void> {
    const next = this.turn.then(act)
    // The next verb waits for this one, whatever became of it; its own caller hears of the failure.
    this.turn = next.catch(() => undefined)
    return next
  }

  start(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state !== 'new') return
      const next = await this.listenersFor(this.current, true)
      try {
        await this.health?.bind()
      } catch (error) {
        for (const { listener } of next.values()) listener.unbind()
        throw error
      }
      this.swap(next)
      this.startTimers()
      // Whether this system tells what its clients have taken.
      await this.kernel.look()
      this.state = 'serving'
    })
  }

  /** Listeners for these routes; those that exist are kept, new ones are bound if `bind`. Throws with nothing new left bound. */
  private async listenersFor(routes: RouteConfig[], bind: boolean): Promise<Table> {
    const next: Table = new Map()
    const fresh: PortListener[] = []
    try {
      for (const plan of planPorts(routes, this.healthPort())) {
        let listener = this.listening.get(plan.key)?.listener
        if (!listener) {
          listener = new PortListener(plan, this.config, this.context, (socket, from) =>
            this.accept(socket, from),
          )
          fresh.push(listener)
          if (bind) await listener.bind()
        }
        next.set(plan.key, { listener, plan })
      }
    } catch (error) {
      for (const listener of fresh) listener.unbind()
      throw error
    }
    return next
  }

  private healthPort(): number | null {
    return this.health?.port ?? null
  }

  private swap(next: Table): void {
    this.dialler.replaceTargets((adopt) => {
      for (const { listener, plan } of next.values()) listener.adopt(plan, adopt)
    })
    for (const [key, { listener }] of this.listening) {
      if (next.has(key)) continue
      listener.retired = true
      listener.unbind()
    }
    this.listening = next
  }

  private startTimers(): void {
    this.sweepTimer ??= setInterval(() => {
      this.book.sweep()
      this.dialler.sweep(this.book.now)
      this.pressure.sweep(this.book.now)
      this.kernel.sweep(this.book.now)
    }, sweepIntervalMs(this.config))
    this.countTimer ??= setInterval(() => this.book.publishCounts(), COUNT_EVERY_MS)
    this.sweepTimer.unref()
    this.countTimer.unref()
  }

  private accept(socket: Socket, listener: PortListener): void {
    const link = new Link(socket, NOBODY, this.dialler.onFault)
    const clientIp = plainAddress(socket.remoteAddress ?? '')
    const protocol = listener.tcp ? 'tcp' : 'http'
    const record = this.book.open(protocol, clientIp, socket.remotePort ?? 0, listener.port)
    if (typeof record === 'string') {
      link.destroy()
      return
    }
    if (socket.remoteAddress === undefined) {
      // Reset before we came to accept it.
      link.destroy()
      this.book.close(record, 'client_gone_before_data')
      return
    }
    try {
      this.carry(link, record, listener)
    } catch (error) {
      link.destroy()
      this.book.faulted(record, error)
    }
  }

  private carry(link: Link, record: ConnectionRecord, listener: PortListener): void {
    if (listener.tcp) {
      record.route = listener.tcp.name
      new TcpConnection(link, record, this.book, this.config, this.kernel).start(
        this.dialler,
        listener.tcp.group,
      )
    } else new HttpConnection(link, record, this.services, listener).start()
  }

  listeners(): Listener[] {
    const shown: Listener[] = []
    for (const { listener } of this.listening.values()) {
      if (!listener.bound) continue
      const routes = listener.routeNames().slice(0, 64)
      shown.push({ part: 'proxy', host: this.config.host, port: listener.port, routes })
    }
    if (this.health?.bound) shown.push({ part: 'health', host: this.health.host, port: this.health.port })
    return shown
  }

  setReadiness(readiness: Readiness): void {
    this.readiness = readiness
  }

  stopAccepting(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state !== 'serving') return
      this.state = 'stopped'
      for (const { listener } of this.listening.values()) listener.unbind()
      // A download that left Node may still stand in the kernel: the look says which connections have one.
      await this.kernel.lookAfresh()
      this.retireAll()
      this.dialler.closeAllIdle()
    })
  }

  private retireAll(): void {
    for (const record of [...this.book.records.values()]) record.carrier?.retire()
  }

  inFlight(): { connections: number; requests: number } {
    let tcp = 0
    for (const record of this.book.records.values()) if (record.protocol === 'tcp') tcp += 1
    return { connections: tcp + this.services.upgraded.count, requests: this.services.requests.inFlight }
  }

  private get idle(): boolean {
    if (this.services.requests.inFlight > 0 || this.services.upgraded.count > 0) return false
    // What is left over when nothing is in flight are HTTP connections that wait for their client's FIN: few.
    for (const record of this.book.records.values()) if (record.protocol === 'tcp') return false
    return true
  }

  private settled(): void {
    if (this.waiting.size === 0 || !this.idle) return
    for (const done of [...this.waiting]) done()
  }

  whenIdle(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      if (signal.aborted || this.idle) {
        resolve()
        return
      }
      this.waiting.add(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  async abortRest(): Promise<{ connections: number; requests: number }> {
    const cut = this.inFlight()
    this.abortAll('drain_deadline')
    return cut
  }

  private abortAll(reason: CloseReason): void {
    for (const record of [...this.book.records.values()]) record.carrier?.abort(reason)
  }

  resume(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state !== 'stopped') return
      const bound: PortListener[] = []
      try {
        for (const { listener } of this.listening.values()) {
          await listener.bind()
          bound.push(listener)
        }
      } catch (error) {
        for (const listener of bound) listener.unbind()
        throw error
      }
      // Routes that came while nothing was bound may ask for free ports: targets with port "preserve" know them only now.
      this.swap(this.listening)
      this.state = 'serving'
    })
  }

  async close(): Promise<void> {
    await this.stopAccepting()
    if (this.state !== 'closed' && this.config.socketCleanupGracePeriodMs > 0) {
      await this.whenIdle(AbortSignal.timeout(this.config.socketCleanupGracePeriodMs))
    }
    await this.destroy()
  }

  destroy(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'closed') return
      this.state = 'closed'
      for (const { listener } of this.listening.values()) listener.unbind()
      this.health?.close()
      this.abortAll('shutdown')
      this.dialler.destroy()
      this.book.publishCounts()
      if (this.sweepTimer) clearInterval(this.sweepTimer)
      if (this.countTimer) clearInterval(this.countTimer)
      this.sweepTimer = null
      this.countTimer = null
      for (const done of [...this.waiting]) done()
      // Handles close at the end of this turn of the loop.
      await new Promise((resolve) => setImmediate(resolve))
    })
  }

  stats(): ProxyHealth {
    const { book, services } = this
    const targets = this.dialler.health(MAX_TARGETS_SHOWN)
    return {
      connections: {
        active: book.records.size,
        accepted: book.accepted,
        closed: book.closed,
        rejected: { ...book.rejected } as Record<string, number>,
      },
      closedBy: { ...book.closedBy } as Record<string, number>,
      bytes: book.bytes(),
      bufferedBytes: this.pressure.heldBytes,
      requests: { total: services.requests.total, byStatus: { ...services.requests.byStatus } },
      targets: targets.items,
      ...(targets.total > targets.items.length ? { targetsTotal: targets.total } : {}),
    }
  }

  connections(filter: { limit: number; route?: string; ip?: string }): {
    items: NodeConnection[]
    total: number
  } {
    const now = performance.now()
    const items: NodeConnection[] = []
    let total = 0
    for (const record of this.book.records.values()) {
      if (filter.route !== undefined && record.route !== filter.route) continue
      if (filter.ip !== undefined && record.clientIp !== plainAddress(filter.ip)) continue
      total += 1
      if (items.length < filter.limit) items.push(record.describe(now))
    }
    return { items, total }
  }

  closeConnection(id: string): boolean {
    const carrier = this.book.records.get(id)?.carrier
    carrier?.abort('closed_by_operator')
    return carrier !== null && carrier !== undefined
  }

  routes(): RouteConfig[] {
    return this.current
  }

  setRoutes(routes: RouteConfig[]): Promise<void> {
    return this.inTurn(async () => {
      if (this.state === 'closed')
        throw new AppError('ERR_CONFLICT', 'The proxy is closed; routes cannot be set', {})
      const before = this.current
      const held = [...this.listening.values()]
      if (this.state === 'new') planPorts(routes, this.healthPort())
      else this.swap(await this.listenersFor(routes, this.state === 'serving'))
      this.current = routes
      for (const { listener } of held) if (listener.retired) this.retireListener(listener)
      this.publishChange(before, routes)
    })
  }

  /** Idle HTTP connections of a port that is gone are closed; its TCP connections and requests go on. */
  private retireListener(listener: PortListener): void {
    for (const record of [...this.book.records.values()]) {
      if (record.port === listener.port) record.carrier?.retire()
    }
  }

  private publishChange(before: RouteConfig[], after: RouteConfig[]): void {
    const old = new Map(before.map((route) => [route.name, JSON.stringify(route)]))
    const now = new Map(after.map((route) => [route.name, JSON.stringify(route)]))
    const added = [...now.keys()].filter((name) => !old.has(name))
    const removed = [...old.keys()].filter((name) => !now.has(name))
    const changed = [...now.keys()].filter((name) => old.has(name) && old.get(name) !== now.get(name))
    if (added.length + removed.length + changed.length === 0) return
    this.context.emit('route.changed', { added, removed, changed })
  }
}

/**
 * A proxy for these options. Throws ERR_INVALID with every problem when the routes contradict each other; binds nothing before
 * `start()`.
 */
export const createProxy = (config: ProxyConfig, context: PartContext): Proxy =>
  new RunningProxy(config, context)
