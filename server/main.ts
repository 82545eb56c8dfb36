import { realpathSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { basename, dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import packageJson from '../package.json' with { type: 'json' }
import { createApi } from './api/api.ts'
import { createFrontDoor } from './api/front-door.ts'
import { createHostRule } from './api/host-rule.ts'
import { openWithoutTls } from './api/open-without-tls.ts'
import { hasPageSubject } from './api/page-subject.ts'
import { createSnapshots } from './api/snapshots.ts'
import { answerWaiting, type WaitingFor } from './api/waiting-room.ts'
import { createWebServer } from './api/web-server.ts'
import { type Auth, createAuth } from './auth/auth.ts'
import { type ClientAddresses, createClientAddresses, isLoopback } from './auth/client-address.ts'
import { Collector } from './collector/collector.ts'
import { type DataFolder, makeFolder, openDataFolder } from './config/data-folder.ts'
import { type Environment, readEnvironment } from './config/environment.ts'
import { FolderLock } from './config/folder-lock.ts'
import { loadConfig } from './config/load.ts'
import type { Config } from './config/schema.ts'
import { readDrainBudget } from './contract/drain-budget.ts'
import { AppError } from './contract/errors.ts'
import type { RoomProblem } from './contract/fleet.ts'
import { createDemoFleet, DEMO_BUDGET_ENV, DEMO_MARGIN_SECONDS, type DemoFleet } from './demo/demo-fleet.ts'
import { countDown, OpenRooms, type StopWish } from './lifecycle.ts'
import { Hub } from './live/hub.ts'
import { LiveSocket } from './live/socket.ts'
import { LastResort } from './observe/last-resort.ts'
import { createLog, type Log } from './observe/log.ts'
import { EmbeddedFleet } from './runtime/embed/embedded-fleet.ts'
import { listen } from './runtime/listen/listen.ts'
import { type BackupNote, backUp } from './store/backup.ts'
import { databasePath } from './store/connection.ts'
import { faultOf, remedyOf } from './store/faults.ts'
import { SqliteStore } from './store/sqlite-store.ts'

type ProcessEnvironment = Record<string, string | undefined>

/** The demo is polled more often than a real fleet, so that its charts move at once. */
const DEMO_POLLING = { intervalMs: 2_000, timeoutMs: 1_500, allow: [] }
/** After the drain, every room gets some seconds to close; beyond this a process whose state is unknown ends all the same. */
const CLOSE_SECONDS = 20
/** A store that could not be opened is tried again after so long. */
const STORE_RETRY_MS = 1_000
const DEMO_URL_HINT = 'Point it at your own nodes: see "Your own nodes" in README.md'

/**
 * Starts every room in order, waits for the wish to stop, and stops them in reverse: embedded nodes drain first, while the API and
 * the live stream still answer. Resolves with the exit code; throws an `AppError` where the start is impossible.
 */
export const runServer = async (env: ProcessEnvironment, wish: StopWish): Promise<number> => {
  const log = createLog('main', env.LOG_LEVEL)
  if (wish.isAsked) {
    log.info('asked to stop before anything was open: drain complete')
    wish.release()
    return 0
  }
  const rooms = new OpenRooms(log)
  let drainSeconds = totalDrainSeconds(env)
  const resort = new LastResort({
    log,
    what: 'the collector',
    end: () => wish.ask('an error escaped'),
    deadlineMs: () => (drainSeconds + CLOSE_SECONDS) * 1_000,
  })
  const settings = readEnvironment(env)
  const config = settings.configPath === null ? null : loadConfig(settings.configPath, env)
  const folder = await takeDataFolder(settings, config, log)
  rooms.add('data folder', () => folder.release())
  try {
    const tidegate = await open({ env, settings, config, dataDir: folder.path, log, rooms, wish })
    const reason = await wish.asked
    log.info({ reason }, 'stopping: the embedded nodes drain first')
    drainSeconds = tidegate.drainSeconds
    await countDown(tidegate.drain(), drainSeconds, (remaining) =>
      log.info({ remaining }, `draining, at most ${remaining} s remain`),
    )
    const failed = await rooms.closeAll()
    log.info(
      failed.length === 0
        ? 'drain complete'
        : `drain complete with warnings: ${failed.join(', ')} did not close cleanly`,
    )
    resort.sayWhy()
    return resort.used ? 1 : 0
  } catch (error) {
    await rooms.closeAll()
    throw error
  } finally {
    resort.release()
    wish.release()
  }
}

interface Openings {
  env: ProcessEnvironment
  settings: Environment
  /** Null: the demo fleet. */
  config: Config | null
  dataDir: string
  log: Log
  rooms: OpenRooms
  wish: StopWish
}

const open = async ({ env, settings, config, dataDir, log, rooms, wish }: Openings) => {
  const startedAt = Date.now()
  const host = settings.host ?? config?.server.host ?? '127.0.0.1'
  let notReady: string | null = 'starting'
  let waitingFor: WaitingFor | null = null
  let pages: Awaited<ReturnType<typeof openPages>> | null = null
  let live: LiveSocket | null = null
  let collector: Collector | null = null
  let frontDoor: ReturnType<typeof createFrontDoor> | null = null

  const clients = createClientAddresses(config?.server.trustedProxies ?? [])
  const refused = { connections: 0, connections_of_source: 0 }
  const handlers: Parameters<typeof createWebServer>[0] = {
    request(request, response) {
      if (frontDoor !== null) frontDoor.request(request, response)
      else answerWaiting(request, response, waitingFor)
    },
    upgrade(request, socket, head) {
      if (frontDoor !== null) frontDoor.upgrade(request, socket, head)
      else socket.destroy()
    },
  }
  const server = createWebServer(handlers, {
    isShared: (address) => isLoopback(address) || clients.isProxy(address),
    onRefused: (ceiling) => {
      refused[ceiling]++
    },
  })
  const port = await listen(server, host, settings.port ?? config?.server.port ?? 3000, {
    remedy: 'stop it, or set PORT to another one',
  })
  rooms.add('web server', () => closeServer(server))
  const url = config?.server.url ?? `http://localhost:${port}`
  const origins = config?.server.url === undefined ? localOrigins(port) : [new URL(config.server.url).origin]
  const isTls = new URL(url).protocol === 'https:'
  const openProblem = openWithoutTls({
    host,
    isTls,
    isProxied: (config?.server.trustedProxies.length ?? 0) > 0,
    since: new Date(startedAt).toISOString(),
  })

  const pagesOpening = openPages(settings.dev, port, log)
  // A failure is reported where it is awaited; until then it must not end the process.
  pagesOpening.catch(() => undefined)

  const polling = config?.polling ?? DEMO_POLLING
  const store = openStore(settings, config, dataDir, log, polling.intervalMs)
  rooms.add('store', () => store.close())
  const memory = new Opening(
    async () => {
      await store.open()
      return openAuth({ settings, store, dataDir, url, origins, clients, log })
    },
    store,
    log,
  )
  await memory.attempt()

  const fleet =
    config === null ? createDemoFleet({ dataDir, env, log: createLog('demo', env.LOG_LEVEL) }) : null
  const embedded = config === null ? null : openEmbedded(config, dataDir, env)
  rooms.add('nodes', () => fleet?.close() ?? embedded?.close())
  await (fleet?.start() ?? embedded?.start())

  const leaving = {
    drainSeconds:
      config === null
        ? totalDrainSeconds({ ...DEMO_BUDGET_ENV, ...env }, DEMO_MARGIN_SECONDS)
        : totalDrainSeconds(env),
    async drain() {
      notReady = 'stopping'
      await (fleet?.drainForSignal() ?? embedded?.drainForSignal())
    },
  }
  // The data plane serves; what is wrong with the store is told until it can be opened.
  const auth = await memory.opened(wish, (waiting) => {
    waitingFor = waiting
  })
  if (auth === null) return leaving
  rooms.add('auth', () => auth.close())

  const hub = new Hub({
    log: createLog('live', env.LOG_LEVEL),
    snapshot: (topic) =>
      collector === null ? Promise.resolve(null) : createSnapshots(collector, store)(topic),
  })
  rooms.add('live hub', () => hub.close())
  collector = openCollector({ config, fleet, embedded, store, hub, polling, openProblem, env })
  await collector.start()
  rooms.add('collector', () => collector.close())

  live = new LiveSocket({
    hub,
    log: createLog('live', env.LOG_LEVEL),
    allowedOrigins: () => origins,
    authenticate: (request) => auth.authenticateUpgrade(request),
  })
  const socket = live
  auth.onRevoked(({ sessionId, tokenId }) => {
    if (sessionId !== null) socket.closeSession(sessionId)
    if (tokenId !== null) socket.closeToken(tokenId)
  })
  rooms.add('live socket', () => socket.close())

  const readiness = () => {
    const health = store.health()
    if (notReady !== null) return { ok: false, reason: notReady }
    if (!health.ok) return { ok: false, reason: `store unavailable: ${health.reason}` }
    // Whoever cannot record what happens is not ready, whatever the store says of itself.
    const still = collector?.room().problems.find((problem) => problem.code === 'events_stand_still')
    return still ? { ok: false, reason: still.text } : { ok: true, reason: null }
  }
  const api = createApi({
    store,
    auth,
    collector,
    demo: fleet,
    demoMode: config === null,
    version: packageJson.version,
    startedAt,
    ready: readiness,
    measure: () => store.measure(),
    clients,
    connectionsRefused: () => refused,
    log: createLog('api', env.LOG_LEVEL),
    live: {
      hub: () => hub.hub,
      seq: () => hub.seq,
      subscribers: () => socket.clients,
      slowClosed: () => socket.slowClosed,
      figures: () => ({ ...hub.figures, slowCut: socket.slowCut, refused: socket.refused }),
    },
  })
  rooms.add('api', () => api.close())
  frontDoor = createFrontDoor({
    api: api.handle,
    pages: () => pages?.handle ?? null,
    pagesUpgrade: () => pages?.upgrade ?? null,
    live: () => live,
    hasSession: (request) => auth.hasSession(request),
    needsSetup: () => auth.needsSetup(),
    hasSubject: (path) => (collector === null ? Promise.resolve(true) : hasPageSubject(collector, path)),
    demo: config === null,
    hosts: createHostRule([new URL(url).hostname, host, ...(config?.server.hosts ?? [])]),
    clients,
    tls: isTls,
    dev: settings.dev,
    log,
  })
  await fleet?.startTraffic()
  pages = await pagesOpening
  rooms.add('pages', () => pages?.close())
  notReady = wish.isAsked ? 'stopping' : null
  if (!wish.isAsked)
    announce({ url, demo: config === null, setupLink: auth.setupLink(), openProblem, startedAt })

  return leaving
}

/**
 * The store and what begins with it, which may have to wait for a disk or for somebody: a full disk or a damaged file is no reason to
 * take the embedded nodes down. It is tried again each second, and said once for each reason.
 */
class Opening {
  readonly #open: () => Promise<Auth>
  readonly #store: SqliteStore
  readonly #log: Log
  #auth: Auth | null = null
  #told: string | null = null

  constructor(open: () => Promise<Auth>, store: SqliteStore, log: Log) {
    this.#open = open
    this.#store = store
    this.#log = log
  }

  /** Tries once. Throws what no waiting mends, for example `ERR_DATABASE_NEWER`. */
  async attempt(): Promise<WaitingFor | null> {
    try {
      this.#auth ??= await this.#open()
      if (this.#told !== null) this.#log.info('the store could be opened; the room opens')
      return null
    } catch (error) {
      if (!isStoreFault(error)) throw error
      const path = this.#store.health().path ?? ''
      const reason = String(error.facts.reason ?? error.message)
      const waiting = {
        text: `The store cannot be opened: ${reason}${reason.includes(path) ? '' : ` (${path})`}.`,
        remedy: remedyOf(reason),
      }
      if (this.#told !== waiting.text) {
        this.#log.error(
          { path, reason, remedy: waiting.remedy },
          'the store cannot be opened: embedded nodes serve, the room waits',
        )
        process.stderr.write(`  ${waiting.text} ${waiting.remedy}\n`)
      }
      this.#told = waiting.text
      return waiting
    }
  }

  /** Waits until it is open; null where the wish to stop came first. */
  async opened(wish: StopWish, say: (waiting: WaitingFor) => void): Promise<Auth | null> {
    while (this.#auth === null && !wish.isAsked) {
      const waiting = await this.attempt()
      if (waiting === null) break
      say(waiting)
      await Promise.race([sleep(STORE_RETRY_MS), wish.asked])
    }
    return this.#auth
  }
}

/** A fault of the store or of its disk, which may be over by the next attempt. */
const isStoreFault = (error: unknown): error is AppError =>
  error instanceof AppError &&
  (error.code === 'ERR_STORE_UNAVAILABLE' ||
    (error.code === 'ERR_DATA_FOLDER' && faultOf(error.cause) !== null))

/** Copies the database into a file, while the server runs or not. */
export const backUpStore = (env: ProcessEnvironment, file: string): Promise<BackupNote> => {
  const settings = readEnvironment(env)
  const config = settings.configPath === null ? null : loadConfig(settings.configPath, env)
  const dataDir = config === null ? join(settings.dataDir, 'demo') : settings.dataDir
  return backUp(databasePath(storeUrl(settings, config, dataDir)), file)
}

/** Sets a user's password directly in the store: for the machine's owner, while the collector is stopped. */
export const resetPassword = async (
  env: ProcessEnvironment,
  email: string,
  password: string,
): Promise<void> => {
  const log = createLog('main', env.LOG_LEVEL)
  const settings = readEnvironment(env)
  const config = settings.configPath === null ? null : loadConfig(settings.configPath, env)
  const folder = await takeDataFolder(settings, config, log)
  const store = openStore(settings, config, folder.path, log, DEMO_POLLING.intervalMs)
  try {
    await store.open()
    const auth = await openAuth({
      settings,
      store,
      dataDir: folder.path,
      url: 'http://localhost',
      origins: [],
      log,
    })
    await auth.resetPassword(email, password)
    await auth.close()
  } finally {
    await store.close()
    folder.release()
  }
}

/**
 * Takes the data folder, and the database by a lock of its own: another server may have another folder and name this database.
 */
const takeDataFolder = async (
  settings: Environment,
  config: Config | null,
  log: Log,
): Promise<DataFolder> => {
  const onWait = (owner: string | null) =>
    log.warn({ owner }, 'another process holds the data folder; its end is waited for, at most 10 s')
  const folder = await openDataFolder(settings.dataDir, config === null, settings.demoAsked, { onWait })
  const database = databasePath(storeUrl(settings, config, folder.path))
  try {
    makeFolder(dirname(database))
    const lock = await FolderLock.take(`${realPath(database)}.lock`, `the database ${database}`, { onWait })
    return {
      path: folder.path,
      release() {
        lock.release()
        folder.release()
      },
    }
  } catch (error) {
    folder.release()
    throw error
  }
}

/** One file has one lock, by whichever link it is named. */
const realPath = (file: string): string => {
  try {
    return realpathSync(file)
  } catch {
    // It is not there yet; its folder may be a link all the same.
    return join(realpathSync(dirname(file)), basename(file))
  }
}

/** The demo never writes into a database that somebody named for real use. */
const storeUrl = (settings: Environment, config: Config | null, dataDir: string): string => {
  const named = config === null ? null : (settings.databaseUrl ?? config.store.url ?? null)
  return named ?? `file:${join(dataDir, 'tidegate.db')}`
}

const openStore = (
  settings: Environment,
  config: Config | null,
  dataDir: string,
  log: Log,
  intervalMs: number,
): SqliteStore =>
  new SqliteStore({
    url: storeUrl(settings, config, dataDir),
    log,
    expectedIntervalMs: intervalMs,
    retention: {
      ...(config?.retention.raw === undefined ? {} : { samplesMs: config.retention.raw }),
      ...(config?.retention.events === undefined ? {} : { eventsMs: config.retention.events }),
      ...(config?.retention.size === undefined ? {} : { maxBytes: config.retention.size }),
    },
  })

const loadedAt = new Date().toISOString()

/** What pages and the verdict say while the store does not record, or not everything in it can be read. */
const storeProblem = (store: SqliteStore): RoomProblem | null => {
  const { ok, reason, path, remedy, since, unreadable } = store.health()
  if (ok && unreadable !== undefined && unreadable.count > 0)
    return {
      code: 'store_rows_unreadable',
      text: `${unreadable.count === 1 ? 'A row of the database cannot be read and is' : `${unreadable.count} rows of the database cannot be read and are`} left out (${unreadable.example}).`,
      remedy:
        'Mend the row in a copy of the database, or put a backup back (docs/runbook.md, "The database is damaged").',
      since: loadedAt,
    }
  if (ok) return null
  return {
    code: 'store_not_recording',
    text: `Nothing is recorded: ${reason ?? 'the store cannot be used'}${path === undefined ? '' : ` (${path})`}.`,
    remedy: remedy ?? 'Look at the log of the server; it tries again by itself.',
    since: since ?? new Date().toISOString(),
  }
}

const openAuth = (options: {
  settings: Environment
  store: SqliteStore
  dataDir: string
  url: string
  origins: readonly string[]
  clients?: ClientAddresses
  log: Log
}): Promise<Auth> => {
  const { settings, store, dataDir, url, origins, clients, log } = options
  return createAuth({
    store,
    prisma: store.prisma,
    dataDir,
    serverUrl: url,
    origins: [...origins],
    adminEmail: settings.adminEmail,
    adminPassword: settings.adminPassword,
    apiToken: settings.apiToken,
    ...(clients === undefined ? {} : { clients }),
    log,
  })
}

const openEmbedded = (config: Config, dataDir: string, env: ProcessEnvironment): EmbeddedFleet =>
  new EmbeddedFleet({
    nodes: config.embedded,
    dataDirOf: (node) => join(dataDir, 'nodes', node),
    env,
    log: createLog('nodes', env.LOG_LEVEL),
  })

const openCollector = (options: {
  config: Config | null
  fleet: DemoFleet | null
  embedded: EmbeddedFleet | null
  store: SqliteStore
  hub: Hub
  polling: Config['polling']
  openProblem: RoomProblem | null
  env: ProcessEnvironment
}): Collector => {
  const { config, fleet, embedded, store, hub, polling, openProblem, env } = options
  const log = createLog('collector', env.LOG_LEVEL)
  const collector = new Collector({
    store,
    live: hub,
    log,
    regions:
      fleet?.regions() ??
      config?.regions.map((region) => ({ ...region, name: region.name ?? region.id })) ??
      [],
    nodes: [
      ...(fleet?.nodes() ?? embedded?.nodes() ?? []),
      ...(config?.nodes.map((node) => ({ ...node, embedded: false })) ?? []),
    ],
    polling,
    detect: config?.detect ?? {},
    demo: config === null,
    version: packageJson.version,
    roomProblems: () => [storeProblem(store), openProblem].filter((problem) => problem !== null),
    drains: { emergency: (row) => store.emergency.append(row) },
  })
  const moved = (id: string, url: string, token: string) => collector.setNode(id, { url, token })
  fleet?.onMoved(moved)
  embedded?.onMoved(moved)
  return collector
}

/**
 * The page renderer. It is given a server that never listens, because it would add an upgrade listener of its own to ours; upgrades
 * that are its (hot reload in development) are handed to that one.
 */
const openPages = async (dev: boolean, port: number, log: Log) => {
  const { default: next } = await import('next')
  const decoy = createServer()
  const app = next({
    dev,
    dir: join(import.meta.dirname, '..'),
    customServer: true,
    hostname: 'localhost',
    port,
    httpServer: decoy,
  })
  await app.prepare()
  log.debug('pages are ready')
  return {
    handle: app.getRequestHandler(),
    upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      decoy.emit('upgrade', request, socket, head),
    close: () => app.close(),
  }
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 500).unref()
  })

const localOrigins = (port: number): string[] =>
  ['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${port}`)

const totalDrainSeconds = (env: ProcessEnvironment, marginSeconds?: number): number => {
  const { budget } = readDrainBudget(env)
  return (
    budget.preDrainSeconds +
    budget.httpSeconds +
    budget.tunnelsSeconds +
    (marginSeconds ?? budget.marginSeconds)
  )
}

const announce = (facts: {
  url: string
  demo: boolean
  setupLink: string | null
  openProblem: RoomProblem | null
  startedAt: number
}): void => {
  const lines = [
    `Tidegate ${packageJson.version} is ready at ${facts.url} (${((Date.now() - facts.startedAt) / 1_000).toFixed(1)} s)`,
    ...(facts.demo
      ? [
          'This is the DEMO fleet: three regions, six nodes, 24 tunnel hosts, all on this machine.',
          DEMO_URL_HINT,
        ]
      : []),
    ...(facts.setupLink === null
      ? []
      : [`Create the first administrator within the hour: ${facts.setupLink}`]),
    ...(facts.openProblem === null ? [] : [`${facts.openProblem.text} ${facts.openProblem.remedy}`]),
  ]
  process.stdout.write(`${lines.map((line) => `  ${line}`).join('\n')}\n`)
}
