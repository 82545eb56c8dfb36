import { AppError, type Problem } from '../../contract/errors.ts'
import type { Listener, ProxyHealth } from '../../contract/health.ts'
import type { NodeConnection } from '../../contract/node-api.ts'
import type { ProxyConfig } from '../../contract/node-config.ts'
import type { RouteConfig } from '../../contract/route-config.ts'
import { Latch } from '../../time/latch.ts'
import { Turn } from '../../time/turn.ts'
import { plainAddress } from '../../wire/plain-address.ts'
import type { ProxyPart } from '../part/node-parts.ts'
import type { PartContext, Readiness } from '../part/part.ts'
import type { AutoTimings } from './acme/auto-certificate.ts'
import { AutoCertificates } from './acme/auto-certificates.ts'
import { ConnectionBook } from './admit/connection-book.ts'
import type { Identifier } from './admit/identify.ts'
import { Pressure } from './admit/pressure.ts'
import { Checks } from './checks/checks.ts'
import type { CloseReason } from './connections/close-reasons.ts'
import { KernelTable } from './connections/kernel-table.ts'
import { sweepIntervalMs } from './connections/quiet-rules.ts'
import type { ConnectionRecord } from './connections/record.ts'
import { Entrance } from './entrance.ts'
import { type Handlers, handlersOf } from './handlers/handlers.ts'
import { HealthListener } from './health-listener.ts'
import { type HttpServices, RequestCounts } from './http/services.ts'
import { Ports, type PortTable } from './ports.ts'
import { ProxyHeader } from './proxy-protocol/accept.ts'
import { Materials } from './routes/materials.ts'
import { type PortPlan, planPorts, refuse } from './routes/plan.ts'
import { autoNamesOf } from './routes/speech.ts'
import { entryFault } from './security/address-list.ts'
import { type Connector, tcpConnector } from './targets/connector.ts'
import { Dialler } from './targets/dialler.ts'
import type { TcpServices } from './tcp/connection.ts'

/** The parts of the proxy that its builder can replace. */
export interface ProxyOptions {
  /** How targets are reached; default: plain TCP. */
  connector?: Connector
  /** What comes before the connections' own bytes on a port; default: nothing, the socket's peer is the client. */
  identifierFor?: (plan: PortPlan) => Identifier | null
  /** What answers requests and carries connections; default: `own`, by the `action.type` of each route. */
  handlers?: (own: Handlers, services: TcpServices) => Handlers
  /** How long certificates that are had by ACME wait. */
  certificates?: Partial<AutoTimings>
}

/** What is wrong with `proxyProtocol.from`. A range of all would let every client choose its own address. */
const problemsOfFrom = ({ proxyProtocol }: ProxyConfig): Problem[] =>
  (proxyProtocol?.from ?? []).flatMap((entry) => {
    const fault = /\/0+$|^\*/.test(entry)
      ? `has ${entry}, which is everybody; name the balancers`
      : entryFault(entry)
    return fault === null ? [] : [{ path: 'proxyProtocol.from', message: fault }]
  })

/** Who must say for whom it comes, by port. */
const identifiersOf = ({ proxyProtocol }: ProxyConfig): ((plan: PortPlan) => Identifier | null) => {
  if (!proxyProtocol) return () => null
  const header = new ProxyHeader(proxyProtocol.from)
  return ({ port }) => (proxyProtocol.ports.includes(port) ? header : null)
}

const COUNT_EVERY_MS = 1_000
/** `/health` stays under 64 KiB. */
const MAX_TARGETS_SHOWN = 128

class RunningProxy implements ProxyPart {
  readonly #config: ProxyConfig
  readonly #context: PartContext
  readonly #book: ConnectionBook
  readonly #dialler: Dialler
  readonly #checks: Checks
  readonly #kernel = new KernelTable()
  readonly #pressure: Pressure
  readonly #services: HttpServices
  readonly #ports: Ports
  readonly #health: HealthListener | null
  readonly #certificates: AutoCertificates | null
  #materials = Materials.none
  #current: RouteConfig[]
  #readiness: Readiness = { ready: true }
  #state: 'new' | 'serving' | 'stopped' | 'closed' = 'new'
  #sweepTimer: NodeJS.Timeout | null = null
  #countTimer: NodeJS.Timeout | null = null
  /** Those who wait until nothing is in flight. */
  readonly #waiting = new Latch()
  /** Verbs that bind or unbind run one after the other. */
  readonly #turn = new Turn()

  constructor(config: ProxyConfig, context: PartContext, options: ProxyOptions) {
    this.#config = config
    this.#context = context
    this.#current = config.routes
    this.#planOf(config.routes)
    refuse(problemsOfFrom(config))
    this.#certificates = config.acme ? new AutoCertificates(config.acme, context, options.certificates) : null
    const book = new ConnectionBook(config, context)
    this.#book = book
    book.onClosed = () => this.#waiting.look()
    this.#pressure = new Pressure(config, book)
    book.onOpening = (now) => this.#pressure.makeRoom(now)
    const onFault = (error: unknown): void => book.noteFault(error)
    const connector = options.connector ?? tcpConnector(config.tcpKeepAliveMs)
    const dialler = new Dialler(connector, config.connectTimeoutMs, context, onFault)
    this.#dialler = dialler
    this.#checks = new Checks(dialler)
    const close = (record: ConnectionRecord, reason: CloseReason): void => book.close(record, reason)
    this.#services = {
      config,
      kernel: this.#kernel,
      requests: new RequestCounts(),
      upgraded: { count: 0 },
      retiring: () => this.#state !== 'serving',
      settled: () => this.#waiting.look(),
      noteFault: onFault,
      close,
    }
    const tcp = { config, dialler, kernel: this.#kernel, close, noteFault: onFault }
    const own = handlersOf(tcp)
    const entrance = new Entrance({ config, book, http: this.#services, onFault })
    this.#ports = new Ports({
      config,
      log: context.log,
      dialler,
      identifierFor: options.identifierFor ?? identifiersOf(config),
      handlers: options.handlers?.(own, tcp) ?? own,
      challenges: this.#certificates?.challenges ?? null,
      onSocket: (socket, listener, routes) => entrance.accept(socket, listener.port, routes),
    })
    this.#health = config.health
      ? new HealthListener(config.host, config.health.port, config.health.paths, () => this.#readiness)
      : null
  }

  start(): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state !== 'new') return
      const materials = await this.#materialsOf(this.#current)
      const next = await this.#ports.prepare(this.#planOf(this.#current), true)
      try {
        await this.#health?.bind()
      } catch (error) {
        this.#ports.discard(next)
        throw error
      }
      this.#use(next, materials)
      this.#startTimers()
      // Whether this system says what its clients have taken.
      await this.#kernel.look()
      this.#state = 'serving'
      this.#certificates?.want(this.#current.flatMap(autoNamesOf))
      this.#certificates?.go()
    })
  }

  /** Throws ERR_INVALID with every problem. */
  #planOf(routes: RouteConfig[]): PortPlan[] {
    const { health, acme } = this.#config
    return planPorts(routes, health?.port ?? null, acme?.challengePort ?? null)
  }

  async #materialsOf(routes: RouteConfig[]): Promise<Materials> {
    await this.#certificates?.load(routes.flatMap(autoNamesOf))
    return Materials.load(routes, this.#materials, this.#certificates)
  }

  #startTimers(): void {
    this.#sweepTimer ??= setInterval(() => {
      this.#book.sweep()
      this.#dialler.sweep(this.#book.now)
      this.#checks.sweep(this.#book.now)
      this.#ports.sweep(this.#book.now)
      this.#pressure.sweep(this.#book.now)
      this.#kernel.sweep(this.#book.now)
    }, sweepIntervalMs(this.#config))
    this.#countTimer ??= setInterval(() => this.#book.publishCounts(), COUNT_EVERY_MS)
    this.#sweepTimer.unref()
    this.#countTimer.unref()
  }

  listeners(): Listener[] {
    const shown = this.#ports.listeners()
    const health = this.#health
    if (health?.bound) shown.push({ part: 'health', host: health.host, port: health.port })
    return shown
  }

  setReadiness(readiness: Readiness): void {
    this.#readiness = readiness
  }

  stopAccepting(): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state !== 'serving') return
      this.#state = 'stopped'
      this.#certificates?.pause()
      this.#ports.unbind()
      // A download that left Node may still be in the kernel: the look shows which connections have one.
      await this.#kernel.lookAfresh()
      this.#retire(() => true)
      this.#dialler.closeAllIdle()
    })
  }

  inFlight(): { connections: number; requests: number } {
    let tcp = 0
    for (const record of this.#book.records.values()) if (record.protocol === 'tcp') tcp += 1
    return { connections: tcp + this.#services.upgraded.count, requests: this.#services.requests.inFlight }
  }

  get #idle(): boolean {
    if (this.#services.requests.inFlight > 0 || this.#services.upgraded.count > 0) return false
    // When nothing is in flight, only a few HTTP connections are left that wait for their client's FIN.
    for (const record of this.#book.records.values()) if (record.protocol === 'tcp') return false
    return true
  }

  async whenIdle(signal: AbortSignal): Promise<void> {
    await this.#waiting.wait(() => this.#idle, signal)
  }

  async abortRest(): Promise<{ connections: number; requests: number }> {
    const cut = this.inFlight()
    this.#abortAll('drain_deadline')
    return cut
  }

  #abortAll(reason: CloseReason): void {
    for (const record of [...this.#book.records.values()]) record.carrier?.abort(reason)
  }

  resume(): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state !== 'stopped') return
      await this.#ports.bind()
      this.#state = 'serving'
      this.#certificates?.go()
    })
  }

  async close(): Promise<void> {
    await this.stopAccepting()
    if (this.#state !== 'closed' && this.#config.socketCleanupGracePeriodMs > 0) {
      await this.whenIdle(AbortSignal.timeout(this.#config.socketCleanupGracePeriodMs))
    }
    await this.destroy()
  }

  destroy(): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state === 'closed') return
      this.#state = 'closed'
      this.#ports.unbind()
      this.#health?.close()
      this.#abortAll('shutdown')
      this.#checks.destroy()
      this.#dialler.destroy()
      await this.#certificates?.destroy()
      this.#book.publishCounts()
      if (this.#sweepTimer) clearInterval(this.#sweepTimer)
      if (this.#countTimer) clearInterval(this.#countTimer)
      this.#sweepTimer = null
      this.#countTimer = null
      this.#waiting.release()
      // Handles close at the end of this turn of the loop.
      await new Promise((resolve) => setImmediate(resolve))
    })
  }

  stats(): ProxyHealth {
    const book = this.#book
    const services = this.#services
    const targets = this.#dialler.health(MAX_TARGETS_SHOWN)
    return {
      connections: {
        active: book.records.size,
        accepted: book.accepted,
        closed: book.closed,
        rejected: { ...book.rejected } as Record<string, number>,
      },
      closedBy: { ...book.closedBy } as Record<string, number>,
      bytes: book.bytes(),
      bufferedBytes: this.#pressure.heldBytes,
      requests: {
        total: services.requests.total,
        byStatus: { ...services.requests.byStatus },
        ...(Object.keys(services.requests.refused).length > 0
          ? { refused: { ...services.requests.refused } }
          : {}),
      },
      targets: targets.items,
      ...(targets.total > targets.items.length ? { targetsTotal: targets.total } : {}),
      ...this.#materials.health(this.#certificates?.shown() ?? []),
      ...this.#dialler.counts(),
    }
  }

  connections(filter: { limit: number; route?: string; ip?: string }): {
    items: NodeConnection[]
    total: number
  } {
    const now = performance.now()
    const items: NodeConnection[] = []
    let total = 0
    for (const record of this.#book.records.values()) {
      if (filter.route !== undefined && record.route !== filter.route) continue
      if (filter.ip !== undefined && record.client.ip !== plainAddress(filter.ip)) continue
      total += 1
      if (items.length < filter.limit) items.push(record.describe(now))
    }
    return { items, total }
  }

  closeConnection(id: string): boolean {
    const carrier = this.#book.records.get(id)?.carrier
    carrier?.abort('closed_by_operator')
    return carrier !== null && carrier !== undefined
  }

  problems(): Map<string, string> {
    return this.#certificates?.problems() ?? new Map()
  }

  routes(): RouteConfig[] {
    return this.#current
  }

  setRoutes(routes: RouteConfig[]): Promise<void> {
    return this.#turn.run(async () => {
      if (this.#state === 'closed')
        throw new AppError('ERR_CONFLICT', 'The proxy is closed; routes cannot be set', {})
      const before = this.#current
      let gone: number[] = []
      const plans = this.#planOf(routes)
      if (this.#state !== 'new') {
        const materials = await this.#materialsOf(routes)
        const next = await this.#ports.prepare(plans, this.#state === 'serving')
        gone = this.#use(next, materials)
        this.#certificates?.want(routes.flatMap(autoNamesOf))
      }
      this.#current = routes
      this.#retire((record) => gone.includes(record.port))
      this.#publishChange(before, routes)
    })
  }

  #use(next: PortTable, materials: Materials): number[] {
    this.#materials = materials
    return this.#ports.swap(next, materials)
  }

  /** Idle HTTP connections are closed; TCP connections and requests in flight go on. */
  #retire(which: (record: ConnectionRecord) => boolean): void {
    for (const record of [...this.#book.records.values()]) if (which(record)) record.carrier?.retire()
  }

  #publishChange(before: RouteConfig[], after: RouteConfig[]): void {
    const old = new Map(before.map((route) => [route.name, JSON.stringify(route)]))
    const now = new Map(after.map((route) => [route.name, JSON.stringify(route)]))
    const added = [...now.keys()].filter((name) => !old.has(name))
    const removed = [...old.keys()].filter((name) => !now.has(name))
    const changed = [...now.keys()].filter((name) => old.has(name) && old.get(name) !== now.get(name))
    if (added.length + removed.length + changed.length === 0) return
    this.#context.emit('route.changed', { added, removed, changed })
  }
}

/**
 * A proxy for these options. Throws ERR_INVALID with every problem when the routes contradict each other; binds nothing before
 * `start()`.
 */
export const createProxy = (
  config: ProxyConfig,
  context: PartContext,
  options: ProxyOptions = {},
): ProxyPart => new RunningProxy(config, context, options)
