import { ulid } from 'ulid'
import {
  AppError,
  type Drain,
  type FleetEvent,
  type HeldPart,
  type LivePublisher,
  type NodeTunnel,
  nodeTunnelsSchema,
  type RoomProblem,
} from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import { createAddressRules } from './adapters/address.ts'
import { cleanValue } from './adapters/document.ts'
import { createControl } from './adapters/tidegate/control.ts'
import { createEventStream } from './adapters/tidegate/event-stream.ts'
import { REFUSALS } from './adapters/tidegate/node-events.ts'
import { createTidegateProbe } from './adapters/tidegate/probe.ts'
import type { Absence } from './drains/absences.ts'
import {
  CLOCK_PROBLEM_MS,
  Fleet,
  type FleetNode,
  type NodeTarget,
  type RecordFleetEvent,
  type RegionConfig,
} from './fleet/fleet.ts'
import type { NodeClock } from './fleet/node-clock.ts'
import { createNodeVerbs } from './fleet/node-verbs.ts'
import { overviewOf } from './fleet/overview.ts'
import type { CollectorHandle, DrainDesk } from './handle.ts'
import { createRetention } from './history/retention.ts'
import { IncidentBook } from './incidents/book.ts'
import { createIncidentDesk } from './incidents/desk.ts'
import { createIntake } from './intake.ts'
import { Detector } from './signals/detector.ts'
import { type DetectOptions, detectThresholds } from './signals/rule.ts'
import { HeartbeatRings } from './watch/heartbeats.ts'
import { JUDGE_DEFAULTS } from './watch/judge.ts'
import type { Announced } from './watch/outages.ts'
import { roomLooks } from './watch/room-looks.ts'
import { createSelfWatch, Pulse } from './watch/self-watch.ts'
import { createBehind } from './watch/stream-lag.ts'
import { createWatch } from './watch/watch.ts'

/** How long the start waits for first answers; nodes that are slower are unknown until their turns come. */
const SETTLE_LIMIT_MS = 2_000
const EVALUATE_MS = 1_000
const SAVE_TUNNELS_MS = 1_000
const RECONCILE_MS = 10_000
/** After a list the event loop has so many times its cost for everything else before it is read again. */
const RECONCILE_REST = 200
/** The list of as many tunnels as a relay takes by default, with its part of the directory. */
const MAX_TUNNELS_BYTES = 16 * 1024 * 1024
const RECONCILE_AT_ONCE = 8

/** A drain desk with a life of its own. */
export interface RunningDrains extends DrainDesk {
  start(): Promise<void>
  close(): Promise<void>
  active(): Drain[]
  held(): HeldPart[]
  /** Why a drain may have this node away. */
  absence(node: string): Absence | null
  /** For whoever watches the collector itself: drains that are driven, and the longest time without a tick (ms). */
  progress(): { driven: number; longestWithoutTickMs: number | null }
}

/** What the drain orchestrator gets of the collector. */
export interface CollectorInternals {
  store: Store
  fleet: Fleet
  live: LivePublisher
  log: Log
  now: () => number
}

export interface CollectorOptions {
  store: Store
  live: LivePublisher
  log: Log
  regions: readonly RegionConfig[]
  nodes: readonly NodeTarget[]
  polling: { intervalMs: number; timeoutMs: number; allow: readonly string[] }
  detect?: DetectOptions
  drains: (internals: CollectorInternals) => RunningDrains
  demo: boolean
  version: string
  /** What others found wrong with the room itself; shown beside what the collector finds. */
  roomProblems?: () => readonly RoomProblem[]
  /** Wall clock in epoch ms. */
  now?: () => number
}

export interface Collector extends CollectorHandle {
  readonly fleet: Fleet
  /** Loads what was known, then polls, follows streams and judges. The store must be open. */
  start(): Promise<void>
  /** Stops everything and writes what waits. The store stays open. */
  close(): Promise<void>
  /** A node was started again at another address. */
  setNode(id: string, address: { url: string; token: string }): void
}

/** Watches a fleet: polls, event streams, states, incidents; and the handle through which the API asks. */
export const createCollector = (options: CollectorOptions): Collector => {
  const { store, live, log } = options
  const now = options.now ?? Date.now
  const startedAt = new Date(now()).toISOString()
  const thresholds = detectThresholds(options.detect)
  const rules = createAddressRules(options.polling.allow)
  const control = createControl(rules)
  const timers: NodeJS.Timeout[] = []
  let running = false
  let closed = false

  const intake = createIntake({ store, log, now, onStored: (event) => stored(event) })

  const epoch = ulid()
  let ownSeq = 0
  const record: RecordFleetEvent = (type, data, where = {}) => {
    const receivedAt = new Date(now()).toISOString()
    ownSeq += 1
    return intake.store({
      origin: '@collector',
      source: 'collector',
      epoch,
      seq: ownSeq,
      node: where.node ?? null,
      region: where.region ?? (where.node ? (fleet.member(where.node)?.region ?? null) : null),
      type,
      at: where.at === undefined ? receivedAt : new Date(where.at).toISOString(),
      receivedAt,
      data: data as FleetEvent['data'],
    })
  }

  const book = new IncidentBook({ store, live, record, log })
  /** A drain that is planned for later explains nothing yet, and wants nothing of its nodes. */
  const underWay = (): Drain[] => drains.active().filter((drain) => drain.state !== 'planned')
  const fleet: Fleet = new Fleet({
    regions: options.regions,
    nodes: options.nodes,
    store,
    control,
    record,
    log,
    now,
    pollIntervalMs: options.polling.intervalMs,
    openIncidents: () => book.open(),
    activeDrains: underWay,
    absence: (node) => drains.absence(node),
  })
  const heartbeats = new HeartbeatRings(options.polling.intervalMs)
  fleet.onPoll((id, poll) => {
    const judgement = fleet.member(id)?.judgement
    if (!judgement) return
    // One poll without an answer makes no node down, and is no proof that it is up either.
    const state = poll.outcome !== 'ok' && judgement.state === 'up' ? 'degraded' : judgement.state
    heartbeats.beat(id, poll.at, state, judgement.problems[0] ?? null)
  })
  const drains = options.drains({ store, fleet, live, log, now })

  // One change of incidents at a time: rules every second, people whenever they like.
  let last: Promise<unknown> = Promise.resolve()
  const exclusive = <T>(change: () => Promise<T>): Promise<T> => {
    const next = last.then(change, change)
    last = next.catch(() => undefined)
    return next
  }
  const incidents = createIncidentDesk({ store, book, live, exclusive, now })

  const detector = new Detector({
    fleet,
    book,
    thresholds,
    activeDrains: underWay,
    announced: () => watch.announced(),
  })
  const detection = new Pulse()
  const liveProgress = new Pulse()
  let liveSeq = live.seq
  const behind = createBehind(fleet, options.polling.intervalMs)
  const selfWatch = createSelfWatch({
    watched: roomLooks({
      pollIntervalMs: options.polling.intervalMs,
      storeHealth: () => store.health(),
      intake: () => intake.figures(),
      polls: () => watch.figures(),
      behind,
      networkLost: () => watch.networkLost(),
      detectionAgeMs: () => detection.ageMs,
      drainsAgeMs: () => drains.progress().longestWithoutTickMs,
      liveAgeMs() {
        if (live.seq !== liveSeq) liveProgress.beat()
        liveSeq = live.seq
        // Every poll is published: where none is made, nothing is due.
        const polls = watch.figures().startedAgeMs
        return polls !== null && polls < 2 * options.polling.intervalMs ? liveProgress.ageMs : null
      },
      skews: () =>
        fleet.members().flatMap((node) => {
          const ms = node.clock.skewMs ?? 0
          return node.poll?.outcome === 'ok' && Math.abs(ms) >= CLOCK_PROBLEM_MS
            ? [{ node: node.id, ms }]
            : []
        }),
      overflowed: () => fleet.hosts.overflowed,
    }),
    graceMs: Math.max(5_000, 2 * options.polling.intervalMs),
    log,
    onChange: () => live.changed('overview'),
    now,
  })
  /** What was told from outside is not told a second time: of the store its own room knows more. */
  const roomProblems = (): RoomProblem[] => {
    const told = options.roomProblems?.() ?? []
    return [...told, ...selfWatch.problems().filter(({ code }) => !told.some((each) => each.code === code))]
  }
  const probe = createTidegateProbe({ timeoutMs: options.polling.timeoutMs, rules, now })
  const watch = createWatch({
    fleet,
    detector,
    probe,
    store,
    live,
    log,
    intervalMs: options.polling.intervalMs,
    thresholds: { ...JUDGE_DEFAULTS, ...thresholds['node.down'] },
    now,
  })
  const retention = createRetention(store, log)

  let newestId = 0
  let liveOnly = 0

  /** Every stored event passes here, in order. */
  const stored = (event: FleetEvent): void => {
    newestId = Math.max(newestId, event.id)
    const before =
      typeof event.data.hostId === 'string' ? (fleet.hosts.get(event.data.hostId)?.node ?? null) : null
    if (fleet.hosts.apply(event)) {
      live.changed('tunnels')
      live.changed('overview')
      for (const id of new Set([event.node, before])) touch(id)
    }
    if (event.type === 'tunnel.registered' && event.node !== null && typeof event.data.gapMs === 'number') {
      const node = fleet.member(event.node)
      if (node) node.gapMs = Math.max(node.gapMs ?? 0, event.data.gapMs)
    }
    detector.happened(event)
    live.event(event)
    fleet.tellEvent(event)
  }

  const touch = (id: string | null): void => {
    const node = id === null ? null : fleet.member(id)
    if (!node) return
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
  }

  const follow = (node: FleetNode): void => {
    let followed = false
    node.stream = createEventStream({
      target: () => node,
      clock: node.clock,
      isLagging: () => watch.isLagging(),
      now,
      store,
      control,
      rules,
      log,
      maxBackoffMs: options.demo ? 2_000 : 10_000,
      accept: intake.push,
      room: intake.room,
      onLiveOnly: (event) => {
        liveOnly = (liveOnly + 1) % 1_000_000
        live.event({ ...event, id: newestId + liveOnly / 1_000_000 })
      },
      onGap(gap) {
        log.warn({ node: node.id, from: gap.fromSeq, to: gap.toSeq }, gap.reason)
        void record(
          'stream.gap',
          { from: gap.fromSeq, to: gap.toSeq, reason: gap.reason },
          { node: node.id, region: node.region },
        )
        if (gap.fromMs === null) return
        store
          .addGap({ from: gap.fromMs, to: gap.toMs, reason: gap.reason, node: node.id })
          .catch((error: unknown) => log.warn({ err: error }, 'a gap could not be recorded'))
      },
      onLive: () => void reconcile(node),
      onChange() {
        const flows = node.stream?.state === 'live'
        if (followed && !flows) node.brokeAt = now()
        followed = flows
        touch(node.id)
        live.changed('overview')
      },
    })
    node.stream.start()
  }

  const tunnelsUnread = (node: FleetNode, why: string | null): void => {
    if (node.tunnelsUnread === why) return
    node.tunnelsUnread = why
    if (why !== null) log.warn({ node: node.id, why }, 'a list of tunnels cannot be read')
    touch(node.id)
    live.changed('overview')
  }

  /** Puts the host map right by the node's own list. */
  const reconcile = async (node: FleetNode): Promise<void> => {
    if (closed || (node.document !== null && !node.document.relay)) return
    const askedAt = now()
    try {
      const answer = await control.call(node, 'GET', '/tunnels', undefined, { maxBytes: MAX_TUNNELS_BYTES })
      if (answer.status !== 200) return
      const readAt = performance.now()
      const list = nodeTunnelsSchema.safeParse(cleanValue(answer.body))
      if (!list.success) {
        tunnelsUnread(node, 'it is not what it should be')
        return
      }
      tunnelsUnread(node, null)
      const items = list.data.items.map((item) => inOurTime(item, node.clock, now()))
      if (fleet.hosts.reconcile(node.id, node.region, items, list.data.directory, askedAt)) {
        live.changed('tunnels')
        live.changed('overview')
        touch(node.id)
      }
      const took = performance.now() - readAt
      node.tunnelsAgainAt = readAt + took * RECONCILE_REST
    } catch (error) {
      if (error instanceof AppError && typeof error.facts.limit === 'number')
        tunnelsUnread(node, `it is larger than ${error.facts.limit} bytes`)
      // The poll says whether it is down; here it only means that the map is as old as the events.
      log.debug({ err: error, node: node.id }, 'a list of tunnels could not be read')
    }
  }

  const reconcileAll = async (): Promise<void> => {
    const waiting = fleet
      .members()
      .filter((node) => node.stream?.state === 'live' && node.tunnelsAgainAt <= performance.now())
    const work = async (): Promise<void> => {
      for (let node = waiting.shift(); node; node = waiting.shift()) await reconcile(node)
    }
    await Promise.all(Array.from({ length: RECONCILE_AT_ONCE }, work))
  }

  const saveTunnels = async (): Promise<void> => {
    if (fleet.hosts.forgetLost(now())) live.changed('tunnels')
    const gone = fleet.hosts.takeGone()
    const rows = fleet.hosts.takeDirty()
    try {
      await store.forgetTunnels(gone)
      await store.saveTunnels(rows)
    } catch (error) {
      fleet.hosts.giveBackGone(gone)
      fleet.hosts.giveBack(rows)
      throw error
    }
  }

  /** Runs `work` every `ms`, never twice at once. A failure is said when it begins and when it ends, not each time. */
  const every = (ms: number, name: string, work: () => Promise<void>): void => {
    let busy = false
    let failing = false
    const tell = (error: unknown): void => {
      if (!failing) log.error({ err: error }, `${name} failed; it is tried again every ${ms} ms`)
      failing = true
    }
    const succeed = (): void => {
      if (failing) log.info(`${name} works again`)
      failing = false
    }
    timers.push(
      setInterval(() => {
        if (busy) return
        busy = true
        work()
          .then(succeed, tell)
          .finally(() => {
            busy = false
          })
      }, ms),
    )
  }

  const load = async (): Promise<void> => {
    await fleet.loadIntents()
    fleet.hosts.load(await store.tunnels(), now())
    await book.load(now())
    watch.seed(announcedFrom(book, fleet))
    const newest = Math.max(0, ...(await store.lastSampleAt()).values())
    // What happened while nobody looked is drawn as not known.
    if (newest > 0 && now() - newest > 2 * options.polling.intervalMs) {
      await store.addGap({ from: newest, to: now(), reason: 'collector was not running' })
    }
  }

  const verbs = createNodeVerbs({ fleet, store, now })

  return {
    ...verbs,
    fleet,
    drains,
    incidents,

    async start() {
      if (running || closed) return
      running = true
      try {
        await load()
      } catch (error) {
        log.error(
          { err: error },
          'what was known before could not be loaded; the collector starts without it',
        )
      }
      await watch.settle(SETTLE_LIMIT_MS)
      if (closed) return
      watch.start()
      for (const node of fleet.members()) follow(node)
      every(EVALUATE_MS, 'the look at signals', () =>
        exclusive(() => detector.evaluate(now())).then(() => detection.beat()),
      )
      every(SAVE_TUNNELS_MS, 'saving the host map', saveTunnels)
      every(RECONCILE_MS, 'reading lists of tunnels', reconcileAll)
      retention.start()
      detection.beat()
      selfWatch.start()
      await drains.start()
    },

    async close() {
      if (closed) return
      closed = true
      selfWatch.close()
      await drains.close()
      for (const timer of timers) clearInterval(timer)
      watch.close()
      retention.close()
      for (const node of fleet.members()) node.stream?.close()
      await last
      await intake.close()
      await saveTunnels()
      await Promise.all([probe.close(), control.close()])
    },

    setNode(id, address) {
      const node = fleet.require(id)
      if (node.url === address.url && node.token === address.token) return
      node.url = address.url
      node.token = address.token
      probe.forget(id)
      control.forget(id)
      node.stream?.restart()
    },

    overview: () =>
      overviewOf({
        regions: fleet.regions(),
        nodes: fleet.nodes(),
        incidents: book.open(),
        drains: drains.active(),
        held: drains.held(),
        live: { hub: live.hub, seq: live.seq },
        collector: {
          latenessP99Ms: watch.figures().latenessP99Ms,
          storeOk: store.health().ok,
          startedAt,
          pollIntervalMs: options.polling.intervalMs,
        },
        problems: roomProblems(),
        demo: options.demo,
        now: now(),
      }),
    heartbeats: (region) =>
      heartbeats.strips(
        region === undefined
          ? options.regions.map(({ id }) => ({
              scope: `region:${id}`,
              nodes: fleet.nodesOf(id).map((node) => node.id),
            }))
          : fleet.nodesOf(region).map(({ id }) => ({ scope: `node:${id}`, nodes: [id] })),
        now(),
      ),
    regions: () => fleet.regions(),
    nodes: () => fleet.nodes(),
    node: (id) => fleet.node(id),
    health: (id) => fleet.member(id)?.document ?? null,
    tunnels: () => fleet.tunnels().sort((a, b) => (a.hostId < b.hostId ? -1 : 1)),
    room() {
      const { queued, queuedBytes, dropped, stored, oldestAgeMs, lastStoredAt } = intake.figures()
      const streams = fleet.members().flatMap((node) => node.stream?.figures() ?? [])
      const refused = Object.fromEntries(
        REFUSALS.map((reason) => [reason, streams.reduce((sum, stream) => sum + stream.refused[reason], 0)]),
      )
      const ages = {
        polls: watch.figures().startedAgeMs,
        detection: detection.ageMs,
        drains: drains.progress().longestWithoutTickMs,
        live: liveProgress.ageMs,
      }
      const parts = Object.entries(ages).flatMap(([part, age]) =>
        age === null ? [] : [[part, age] as const],
      )
      return {
        problems: roomProblems(),
        events: {
          queued,
          queuedBytes,
          dropped,
          stored,
          oldestAgeMs,
          lastStoredAt: lastStoredAt === null ? null : new Date(lastStoredAt).toISOString(),
          refused,
          throttledMs: streams.reduce((sum, stream) => sum + stream.throttledMs, 0),
        },
        hosts: {
          known: fleet.hosts.size,
          overflowed: fleet.hosts.overflowed,
          forgotten: fleet.hosts.forgotten,
        },
        parts: Object.fromEntries(parts),
      }
    },
    figures() {
      const { latenessP99Ms, missed } = watch.figures()
      const members = fleet.members()
      return {
        latenessP99Ms,
        pollsMissed: missed,
        targets: members.length,
        streams: members.filter((node) => node.stream?.state === 'live').length,
      }
    },
  }
}

/** A tunnel of a node's list with its times in our clock. */
const inOurTime = (tunnel: NodeTunnel, clock: NodeClock, nowMs: number): NodeTunnel => {
  const ours = (time: string): string => {
    const at = Date.parse(time)
    return Number.isFinite(at) ? new Date(Math.min(clock.toOurs(at), nowMs)).toISOString() : time
  }
  return {
    ...tunnel,
    since: ours(tunnel.since),
    lastPongAt: tunnel.lastPongAt === null ? null : ours(tunnel.lastPongAt),
  }
}

/** What had been told of outages, from the signals that are still open. */
const announcedFrom = (book: IncidentBook, fleet: Fleet): Announced => {
  const announced: Announced = { nodes: new Map(), regions: new Map() }
  for (const node of fleet.members()) {
    const region = book.signal('region.unreachable', `region:${node.region}`)
    if (region) announced.regions.set(node.region, region.startedAt)
    const down = book.signal('node.down', `node:${node.id}`)
    if (down ?? region) announced.nodes.set(node.id, (down ?? region)?.startedAt ?? 0)
  }
  return announced
}
