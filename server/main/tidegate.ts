import { basename, resolve } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { createApi } from '../api/api.ts'
import type { ConfigHandle } from '../api/context.ts'
import { FrontDoor } from '../api/front-door.ts'
import { createHostRule } from '../api/host-rule.ts'
import { openWithoutTls } from '../api/open-without-tls.ts'
import { hasPageSubject } from '../api/page-subject.ts'
import { createSnapshots } from '../api/snapshots.ts'
import { type Auth, createAuth } from '../auth/auth.ts'
import { type ClientAddresses, createClientAddresses } from '../auth/client-address.ts'
import { Collector } from '../collector/collector.ts'
import type { Environment } from '../config/environment.ts'
import { checkConfigText, tlsFilesBeside } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { totalDrainSeconds } from '../contract/drain-budget.ts'
import type { RoomProblem } from '../contract/fleet.ts'
import { DEMO_BUDGET_ENV, DEMO_MARGIN_SECONDS } from '../demo/demo-fleet.ts'
import type { OpenRooms, StopWish } from '../lifecycle.ts'
import { Hub } from '../live/hub.ts'
import { LiveSocket } from '../live/socket.ts'
import { createLog, type Log } from '../observe/log.ts'
import type { SqliteStore } from '../store/sqlite-store.ts'
import { announce } from './announcement.ts'
import { ConfigApplier, regionsOf, remoteNodesOf } from './config-applier.ts'
import type { ConfigInForce } from './config-in-force.ts'
import { createLocal, type Local, type LocalNodes } from './local-nodes.ts'
import { createStore, storeProblem } from './memory.ts'
import { openPages, type Pages } from './pages.ts'
import { StoreOpening } from './store-opening.ts'
import { WebDoor } from './web-door.ts'

/** The demo is polled more often than a real fleet, so that its charts move at once. */
export const DEMO_POLLING = { intervalMs: 2_000, timeoutMs: 1_500, allow: [] }

export interface TidegateOptions {
  env: Record<string, string | undefined>
  settings: Environment
  /** Null: the demo fleet. */
  config: Config | null
  /** The same as it may change while the server runs. */
  configuration: ConfigInForce | null
  dataDir: string
  log: Log
  /** Every room that was opened is added here; our opener closes them. */
  rooms: OpenRooms
  wish: StopWish
}

/** Where browsers and programs reach the server. */
interface Address {
  url: string
  /** Origins that may open the live stream. */
  origins: string[]
  host: string
  port: number
  isTls: boolean
}

/** The whole server: opens every room in order, each with what it needs of the others. */
export class Tidegate {
  readonly #options: TidegateOptions
  readonly #startedAt = Date.now()
  readonly #polling: Config['polling']
  readonly #clients: ClientAddresses
  readonly #door: WebDoor
  readonly #local: Local
  readonly #store: SqliteStore
  #openProblem: RoomProblem | null = null
  #collector: Collector | null = null
  #pages: Pages | null = null
  /** Why the API is not ready; null while it is. */
  #notReady: string | null = 'starting'

  constructor(options: TidegateOptions) {
    const { env, settings, config, dataDir, log } = options
    this.#options = options
    this.#polling = config?.polling ?? DEMO_POLLING
    this.#clients = createClientAddresses(config?.server.trustedProxies ?? [])
    this.#door = new WebDoor(this.#clients)
    this.#local = createLocal(config, dataDir, env)
    this.#store = createStore(settings, config, dataDir, log, this.#polling.intervalMs)
  }

  /** What `drain` may take. */
  get drainSeconds(): number {
    const { env, config } = this.#options
    return config === null
      ? totalDrainSeconds({ ...DEMO_BUDGET_ENV, ...env }, DEMO_MARGIN_SECONDS)
      : totalDrainSeconds(env)
  }

  /** Opens every room. Resolves early where the process is asked to stop first; rejects where it cannot start. */
  async open(): Promise<void> {
    const { settings, log, rooms, wish } = this.#options
    const address = await this.#listen()
    const pagesOpening = openPages(settings.dev, address.port, log)
    // A failure is reported where it is awaited; until then it must not end the process.
    pagesOpening.catch(() => undefined)

    rooms.add('store', () => this.#store.close())
    const memory = new StoreOpening(
      async () => {
        await this.#store.open()
        return this.#openAuth(address)
      },
      this.#store,
      log,
    )
    await memory.attempt()
    const nodes: LocalNodes = this.#local.nodes
    rooms.add('nodes', () => nodes.close())
    await nodes.start()
    // The data plane serves; the port reports what is wrong with the store until it can be opened.
    const auth = await memory.opened(wish, (waiting) => this.#door.wait(waiting))
    if (auth === null) return
    rooms.add('auth', () => auth.close())

    await this.#openRooms(address, auth)
    if (this.#local.kind === 'demo') await this.#local.nodes.startTraffic()
    this.#pages = await pagesOpening
    rooms.add('pages', () => this.#pages?.close())
    this.#notReady = wish.isAsked ? 'stopping' : null
    if (wish.isAsked) return
    announce({
      version: packageJson.version,
      url: address.url,
      demo: this.#local.kind === 'demo',
      setupLink: auth.setupLink(),
      openProblem: this.#openProblem,
      startedAt: this.#startedAt,
    })
  }

  /** Takes this process's nodes out of service, while the API and the live stream still answer. */
  async drain(): Promise<void> {
    this.#notReady = 'stopping'
    await this.#local.nodes.drainForSignal()
  }

  async #listen(): Promise<Address> {
    const { settings, config, rooms } = this.#options
    const host = settings.host ?? config?.server.host ?? '127.0.0.1'
    const port = await this.#door.listen(host, settings.port ?? config?.server.port ?? 3000)
    rooms.add('web server', () => this.#door.close())
    const url = config?.server.url ?? `http://localhost:${port}`
    const origins =
      config?.server.url === undefined ? localOrigins(port) : [new URL(config.server.url).origin]
    const isTls = new URL(url).protocol === 'https:'
    this.#openProblem = openWithoutTls({
      host,
      isTls,
      isProxied: (config?.server.trustedProxies.length ?? 0) > 0,
      since: new Date(this.#startedAt).toISOString(),
    })
    return { url, origins, host, port, isTls }
  }

  #openAuth({ url, origins }: Address): Promise<Auth> {
    const { settings, dataDir, log } = this.#options
    return createAuth({
      store: this.#store,
      prisma: this.#store.prisma,
      dataDir,
      serverUrl: url,
      origins,
      adminEmail: settings.adminEmail,
      adminPassword: settings.adminPassword,
      apiToken: settings.apiToken,
      clients: this.#clients,
      log,
    })
  }

  /** The rooms that need the store: live stream, collector, API and the front door. */
  async #openRooms(address: Address, auth: Auth): Promise<void> {
    const { env, rooms } = this.#options
    const log = createLog('live', env.LOG_LEVEL)
    const hub = new Hub({
      log,
      snapshot: (topic) =>
        this.#collector === null
          ? Promise.resolve(null)
          : createSnapshots(this.#collector, this.#store)(topic),
    })
    rooms.add('live hub', () => hub.close())
    const collector = this.#createCollector(hub, address.url)
    this.#collector = collector
    await collector.start()
    rooms.add('collector', () => collector.close())
    this.#followConfiguration(collector, hub)
    const live = new LiveSocket({
      hub,
      log,
      allowedOrigins: () => address.origins,
      authenticate: (request) => auth.authenticateUpgrade(request),
    })
    auth.onRevoked(({ sessionId, tokenId }) => {
      if (sessionId !== null) live.closeSession(sessionId)
      if (tokenId !== null) live.closeToken(tokenId)
    })
    rooms.add('live socket', () => live.close())
    const api = this.#createApi({ auth, collector, hub, live })
    this.#openDoor({ address, auth, collector, api, live })
  }

  /** From here on changes of the file take effect. */
  #followConfiguration(collector: Collector, hub: Hub): void {
    const { configuration, rooms, settings } = this.#options
    const local = this.#local
    if (configuration === null || local.kind === 'demo') return
    configuration.start(
      new ConfigApplier({
        file: basename(settings.configPath ?? ''),
        nodes: local.nodes,
        collector,
        store: this.#store,
        problemsChanged: () => hub.changed('overview'),
      }),
    )
    rooms.add('configuration', () => configuration.close())
  }

  #createCollector(hub: Hub, url: string): Collector {
    const { env } = this.#options
    const local = this.#local
    const collector = new Collector({
      store: this.#store,
      live: hub,
      log: createLog('collector', env.LOG_LEVEL),
      regions: local.kind === 'demo' ? local.nodes.regions() : regionsOf(local.config),
      nodes: [...local.nodes.nodes(), ...(local.config === null ? [] : remoteNodesOf(local.config))],
      polling: this.#polling,
      detect: local.config?.detect ?? {},
      notify: local.config?.notify ?? [],
      url,
      demo: local.kind === 'demo',
      version: packageJson.version,
      tlsFiles: () => tlsFilesBeside(this.#options.settings.configPath ?? resolve('tidegate.yaml')),
      name: this.#options.dataDir,
      roomProblems: () => [
        ...[storeProblem(this.#store), this.#openProblem].filter((problem) => problem !== null),
        ...(this.#options.configuration?.problems() ?? []),
      ],
      drains: { emergency: (row) => this.#store.emergency.append(row) },
    })
    local.nodes.onMoved((id, url, token) => collector.setNode(id, { url, token }))
    return collector
  }

  #createApi(rooms: { auth: Auth; collector: Collector; hub: Hub; live: LiveSocket }) {
    const { auth, collector, hub, live } = rooms
    return createApi({
      store: this.#store,
      auth,
      collector,
      demo: this.#local.kind === 'demo' ? this.#local.nodes : null,
      demoMode: this.#local.kind === 'demo',
      configuration: this.#options.configuration ?? demoConfiguration(this.#startedAt),
      version: packageJson.version,
      startedAt: this.#startedAt,
      ready: () => this.#readiness(),
      measure: () => this.#store.measure(),
      clients: this.#clients,
      connectionsRefused: () => this.#door.refused,
      log: createLog('api', this.#options.env.LOG_LEVEL),
      live: {
        hub: () => hub.hub,
        seq: () => hub.seq,
        subscribers: () => live.clients,
        slowClosed: () => live.slowClosed,
        figures: () => ({ ...hub.figures, slowCut: live.slowCut, refused: live.refused }),
      },
    })
  }

  #openDoor(rooms: {
    address: Address
    auth: Auth
    collector: Collector
    api: ReturnType<typeof createApi>
    live: LiveSocket
  }): void {
    const { address, auth, collector, api, live } = rooms
    const { settings, config, log } = this.#options
    this.#door.open(
      new FrontDoor({
        api: api.handle,
        pages: () => this.#pages?.handle ?? null,
        pagesUpgrade: () => this.#pages?.upgrade ?? null,
        live: () => live,
        hasSession: (request) => auth.hasSession(request),
        needsSetup: () => auth.needsSetup(),
        hasSubject: (path) => hasPageSubject(collector, path),
        demo: config === null,
        openIncidents: () => collector.incidents.openCount,
        hosts: createHostRule([new URL(address.url).hostname, address.host, ...(config?.server.hosts ?? [])]),
        clients: this.#clients,
        tls: address.isTls,
        dev: settings.dev,
        log,
      }),
    )
  }

  #readiness(): { ok: boolean; reason: string | null } {
    const health = this.#store.health()
    if (this.#notReady !== null) return { ok: false, reason: this.#notReady }
    if (!health.ok) return { ok: false, reason: `store unavailable: ${health.reason}` }
    // A collector that cannot record what happens is not ready, whatever the store reports.
    const problems = this.#collector?.room().problems ?? []
    const still = problems.find((problem) => problem.code === 'events_stand_still')
    return still ? { ok: false, reason: still.text } : { ok: true, reason: null }
  }
}

/** The demo has no file of its own, but can check one. */
const demoConfiguration = (startedAt: number): ConfigHandle => ({
  inForce: () => ({
    path: null,
    loadedAt: new Date(startedAt).toISOString(),
    config: null,
    refused: null,
    needsRestart: [],
  }),
  check: (text) => checkConfigText(text, resolve('tidegate.yaml'), process.env),
})

const localOrigins = (port: number): string[] =>
  ['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${port}`)
