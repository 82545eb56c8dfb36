import { isDeepStrictEqual } from 'node:util'
import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import {
  type Actor,
  AppError,
  type ChannelConfig,
  type Drain,
  type Heartbeats,
  type LivePublisher,
  type NodeDetail,
  type Overview,
  type RoomCheck,
  type RoomProblem,
  type SystemInfo,
  type Tunnel,
} from '../contract/index.ts'
import type { NodeProbeRequest } from '../contract/probe.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import { Turn } from '../time/turn.ts'
import { type AdjustableRules, createAddressRules } from './adapters/address.ts'
import { Adapters, type NodeTarget } from './adapters/registry.ts'
import { type DrainDeskOptions, RunningDrainDesk } from './drains/drain-desk.ts'
import { EventSink } from './event-sink.ts'
import { Fleet, type FleetChange, type RegionConfig } from './fleet/fleet.ts'
import { LiveFleetView } from './fleet/fleet-view.ts'
import { NodeStreams } from './fleet/node-streams.ts'
import { NodeVerbs } from './fleet/node-verbs.ts'
import { overviewOf } from './fleet/overview.ts'
import { TunnelLists } from './fleet/tunnel-lists.ts'
import type { CollectorHandle } from './handle.ts'
import { Recorder } from './history/recorder.ts'
import { Retention } from './history/retention.ts'
import { IncidentBook } from './incidents/book.ts'
import { IncidentDesk } from './incidents/desk.ts'
import { loadKnown } from './known-before.ts'
import { MaintenanceWindows } from './maintenance/windows.ts'
import { Notifications } from './notify/notifications.ts'
import { explainedByDrain } from './notify/silence.ts'
import { lookedAt } from './probe/looked-at.ts'
import { adaptersForOneLook, NodeProbe } from './probe/node-probe.ts'
import { Recurring } from './recurring.ts'
import type { DetectOptions } from './signals/detect.ts'
import { Detector } from './signals/detector.ts'
import { nodeDown } from './signals/node-down.ts'
import { nodeScope } from './signals/rule.ts'
import { ControlRoom } from './watch/control-room.ts'
import { HeartbeatRings } from './watch/heartbeats.ts'
import { JUDGE_DEFAULTS } from './judgement/judge.ts'
import { Watch } from './watch/watch.ts'
import { WatchedRecord } from './watched-record.ts'

/** How long the start waits for first answers; nodes that are slower are unknown until their turns come. */
const SETTLE_LIMIT_MS = 2_000
const EVALUATE_MS = 1_000
const SAVE_TUNNELS_MS = 1_000
const WRITE_HISTORY_MS = 1_000
const READ_TUNNELS_MS = 10_000
const LOOK_MAINTENANCE_MS = 1_000
const READ_MAINTENANCE_MS = 5_000

export interface CollectorOptions {
  store: Store
  live: LivePublisher
  log: Log
  regions: readonly RegionConfig[]
  nodes: readonly NodeTarget[]
  polling: { intervalMs: number; timeoutMs: number; allow: readonly string[] }
  detect?: DetectOptions
  /** How drains are driven, where that differs from the ordinary. */
  drains?: Pick<DrainDeskOptions, 'emergency' | 'tickMs' | 'storePatienceMs' | 'monotonic'>
  /** Who is told of incidents. */
  notify?: readonly ChannelConfig[]
  /** Address of the pages in browsers, for links in messages. */
  url?: string
  demo: boolean
  version: string
  /** Tells this collector from others on the same store; the same in each of its runs. Default: `collector`. */
  name?: string
  /** What others found wrong with the room itself; shown beside what the collector finds. */
  roomProblems?: () => readonly RoomProblem[]
  /** Wall clock in epoch ms. */
  now?: () => number
}

/** Watches a fleet: polls, event streams, states, incidents, drains; and the handle through which the API asks. */
export class Collector implements CollectorHandle {
  readonly fleet: Fleet
  readonly drains: RunningDrainDesk
  readonly incidents: IncidentDesk
  readonly maintenance: MaintenanceWindows
  readonly notifications: Notifications
  readonly #options: CollectorOptions
  readonly #now: () => number
  readonly #startedAt: string
  /** As it is in force. */
  readonly #polling: { timeoutMs: number; allow: readonly string[] }
  readonly #rules: AdjustableRules
  readonly #adapters: Adapters
  readonly #sink: EventSink
  readonly #book: IncidentBook
  readonly #watch: Watch
  readonly #detector: Detector
  readonly #heartbeats: HeartbeatRings
  readonly #tunnels: TunnelLists
  readonly #streams: NodeStreams
  readonly #verbs: NodeVerbs
  readonly #probe: NodeProbe
  readonly #room: ControlRoom
  readonly #recurring: Recurring
  /** Changes of incidents: one at a time, rules every second, people whenever they like. */
  readonly #changes = new Turn()
  readonly #retention: Retention
  readonly #history: Recorder
  readonly #watched: WatchedRecord
  #running = false
  #closed = false

  constructor(options: CollectorOptions) {
    const { store, live, log } = options
    const now = options.now ?? Date.now
    const pollIntervalMs = options.polling.intervalMs
    this.#options = options
    this.#now = now
    this.#startedAt = new Date(now()).toISOString()
    this.#polling = { ...options.polling }
    this.#rules = createAddressRules(options.polling.allow)
    const polling = this.#polling
    this.#adapters = new Adapters({
      // Read for each poll: it may change.
      get timeoutMs() {
        return polling.timeoutMs
      },
      rules: this.#rules,
      store,
      log,
      maxBackoffMs: options.demo ? 2_000 : 10_000,
      now,
    })
    this.#heartbeats = new HeartbeatRings(pollIntervalMs)
    this.#recurring = new Recurring(log)
    this.#retention = new Retention(store, log)
    this.#watched = new WatchedRecord(options.name ?? 'collector', store, log)
    const regionOf = (node: string): string | null => this.fleet.member(node)?.region ?? null
    this.#sink = new EventSink({ store, live, log, now, regionOf })
    const record: EventSink['record'] = (type, data, where) => this.#sink.record(type, data, where)
    this.notifications = this.#notificationsOf()
    this.#book = new IncidentBook({ store, live, record, log, teller: this.notifications })
    this.fleet = new Fleet({
      regions: options.regions,
      nodes: options.nodes,
      store,
      adapters: this.#adapters,
      record,
      log,
      now,
      pollIntervalMs,
      openIncidents: () => this.#book.open(),
      activeDrains: () => this.#drainsUnderWay(),
      absence: (node) => this.drains.absence(node),
      maintenance: (whom) => this.maintenance.mark(whom),
      standing: (node) => this.drains.standing(node),
    })
    const { fleet } = this
    this.maintenance = this.#maintenanceOf(record)
    fleet.onPoll((id, poll) => this.#beat(id, poll))
    fleet.onPoll((id) => this.#history.touch(id))
    this.#history = this.#historyOf()
    this.drains = new RunningDrainDesk({ ...options.drains, store, fleet, live, log, now })
    this.incidents = new IncidentDesk({ store, book: this.#book, live, turn: this.#changes, now })
    this.#detector = new Detector({
      fleet: new LiveFleetView({
        fleet,
        announced: () => this.#watch.announced(),
        activeDrains: () => this.#drainsUnderWay(),
      }),
      book: this.#book,
      detect: options.detect ?? {},
      activeDrains: () => this.#drainsUnderWay(),
      maintenance: this.maintenance,
      log,
    })
    this.#watch = new Watch({
      fleet,
      detector: this.#detector,
      store,
      live,
      log,
      intervalMs: pollIntervalMs,
      thresholds: (node) => ({
        ...JUDGE_DEFAULTS,
        ...this.#detector.thresholdsOf(nodeDown, nodeScope(node)),
      }),
      now,
    })
    this.#room = new ControlRoom({
      fleet,
      sink: this.#sink,
      watch: this.#watch,
      store,
      live,
      drains: this.drains,
      history: this.#history,
      detector: this.#detector,
      told: () => [...(options.roomProblems?.() ?? []), ...this.notifications.problems()],
      log,
      now,
    })
    const touch = (id: string | null): void => this.#touch(id)
    this.#tunnels = new TunnelLists({ fleet, store, live, touch, log, now })
    this.#streams = this.#streamsOf()
    this.#probe = this.#probeOf()
    this.#verbs = new NodeVerbs({ fleet, store, now })
    this.#sink.handTo(
      (event) => this.#tunnels.happened(event),
      (event) => this.#detector.take({ type: 'event', event }),
      (event) => live.event(event),
      (event) => fleet.tellEvent(event),
    )
  }

  /** Loads what was known, then polls, follows streams and judges. The store must be open. */
  async start(): Promise<void> {
    if (this.#running || this.#closed) return
    this.#running = true
    const { fleet } = this
    const { store, log, polling } = this.#options
    await loadKnown({
      fleet,
      book: this.#book,
      watch: this.#watch,
      maintenance: this.maintenance,
      watched: this.#watched,
      detector: this.#detector,
      history: this.#history,
      store,
      pollIntervalMs: Math.min(polling.intervalMs, ...fleet.members().map((node) => node.intervalMs)),
      now: this.#now,
    }).catch((error: unknown) =>
      log.error({ err: error }, 'what was known before could not be loaded; the collector starts without it'),
    )
    store.setWatched(fleet.members())
    await this.#watch.settle(SETTLE_LIMIT_MS)
    if (this.#closed) return
    this.#watch.start()
    for (const node of fleet.members()) this.#streams.follow(node)
    this.#recurring.every(EVALUATE_MS, 'the look at signals', () => this.#evaluate())
    this.#recurring.every(SAVE_TUNNELS_MS, 'saving the host map', () => this.#tunnels.save())
    this.#recurring.every(WRITE_HISTORY_MS, 'writing history', () => this.#history.write())
    this.#recurring.every(READ_TUNNELS_MS, 'reading lists of tunnels', () => this.#tunnels.readAll())
    this.#recurring.every(LOOK_MAINTENANCE_MS, 'the look at maintenance', async () => this.maintenance.look())
    this.#recurring.every(READ_MAINTENANCE_MS, 'reading maintenance windows', () =>
      this.maintenance.refresh(),
    )
    this.#retention.start()
    this.#room.start()
    this.notifications.start()
    await this.drains.start()
  }

  /** Stops everything and writes what waits. The store stays open. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#room.close()
    await this.drains.close()
    this.#recurring.close()
    this.#tunnels.close()
    this.#watch.close()
    this.#retention.close()
    for (const node of this.fleet.members()) this.#streams.leave(node)
    await this.#changes.settled()
    await this.notifications.close()
    await this.#sink.close()
    await this.#tunnels.save()
    await this.#history
      .write()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'the last judgements could not be written down'),
      )
    await this.#adapters.close()
  }

  /** A node was started again at another address. One that is not watched any more is passed over. */
  setNode(id: string, address: { url: string; token: string }): void {
    this.fleet.member(id)?.moveTo(address)
  }

  /**
   * Takes a new set of regions and nodes: who came is watched, who left is forgotten, and nobody else notices. Rejects with
   * `ERR_CONFLICT`, and changes nothing, where a drain has a node that would leave: it would be out of service and nobody's.
   *
   * @param commit writes down what is about to change, and may change with it what else holds: only then is a node that came asked for
   *   the first time. Where it rejects nothing changes
   */
  async setTargets(
    regions: readonly RegionConfig[],
    nodes: readonly NodeTarget[],
    commit: (change: FleetChange) => Promise<void> = async () => undefined,
  ): Promise<FleetChange> {
    const { change, added, removed } = await this.drains.decide(async () => {
      const change = this.fleet.compare(regions, nodes)
      this.#refuseHeld(change, nodes)
      await commit(change)
      return { change, ...this.fleet.setTargets(regions, nodes) }
    })
    for (const { id } of removed) {
      this.#heartbeats.forget(id)
      this.#history.forget(id)
    }
    this.#options.store.setWatched(this.fleet.members())
    this.#changedAll(change)
    if (this.#closed || !this.#running) return change
    for (const node of added) this.#streams.follow(node)
    await this.#watch.membersChanged(added, SETTLE_LIMIT_MS)
    return change
  }

  /** Those of these nodes that a drain has: under way, planned, or with the node still out of service. */
  drained(nodes: readonly string[]): string[] {
    const held = new Set(this.#drainHolds().flatMap((hold) => hold.nodes))
    return nodes.filter((node) => held.has(node))
  }

  /** Thresholds of signals that hold from now on. */
  setThresholds(detect: DetectOptions): void {
    this.#detector.setThresholds(detect)
  }

  /** Who is told of incidents from now on. */
  setNotify(channels: readonly ChannelConfig[]): void {
    this.notifications.setChannels(channels)
  }

  /** How long a poll may take, and where polls may go, from now on. */
  setPolling(polling: { timeoutMs: number; allow: readonly string[] }): void {
    this.#polling.timeoutMs = polling.timeoutMs
    if (isDeepStrictEqual(this.#polling.allow, polling.allow)) return
    this.#polling.allow = polling.allow
    this.#rules.setAllow(polling.allow)
    // Where a connection may go is asked when it is opened; what is open to elsewhere must not stay.
    for (const node of this.fleet.members()) if (!node.embedded) node.reconnect()
  }

  overview(): Overview {
    const { live, store, polling, demo } = this.#options
    return overviewOf({
      regions: this.fleet.regions(),
      nodes: this.fleet.nodes(),
      incidents: this.#book.open(),
      drains: this.drains.active(),
      held: this.drains.held(),
      live: { hub: live.hub, seq: live.seq },
      collector: {
        latenessP99Ms: this.#watch.figures().latenessP99Ms,
        storeOk: store.health().ok,
        startedAt: this.#startedAt,
        pollIntervalMs: polling.intervalMs,
      },
      problems: this.#room.problems(),
      demo,
      now: this.#now(),
    })
  }

  heartbeats(region?: string): Heartbeats {
    const { fleet } = this
    const groups =
      region === undefined
        ? fleet.regions().map(({ id }) => ({
            scope: `region:${id}`,
            nodes: fleet.nodesOf(id).map((node) => node.id),
          }))
        : fleet.nodesOf(region).map(({ id }) => ({ scope: `node:${id}`, nodes: [id] }))
    return this.#heartbeats.strips(groups, this.#now(), (id) => fleet.intervalOf(id))
  }

  regions(): ReturnType<CollectorHandle['regions']> {
    return this.fleet.regions()
  }

  nodes(): ReturnType<CollectorHandle['nodes']> {
    return this.fleet.nodes()
  }

  node(id: string): NodeDetail | null {
    return this.fleet.node(id)
  }

  health(id: string): ReturnType<CollectorHandle['health']> {
    return this.fleet.member(id)?.known?.raw ?? null
  }

  async probe(request: NodeProbeRequest, actor: Actor): Promise<NodeProbeAnswer> {
    await this.#options.store.audit({
      at: new Date(this.#now()).toISOString(),
      actor: actor.name,
      address: actor.address,
      action: 'node.probe',
      object: `address:${lookedAt(request)}`,
      before: null,
      after: null,
      reason: null,
    })
    return this.#probe.run(request)
  }

  tunnels(): Tunnel[] {
    return this.fleet.tunnels().sort((a, b) => (a.hostId < b.hostId ? -1 : 1))
  }

  connections(node: string, limit: number): ReturnType<NodeVerbs['connections']> {
    return this.#verbs.connections(node, limit)
  }

  kickTunnel(hostId: string, reason: string, actor: Actor): Promise<void> {
    return this.#verbs.kickTunnel(hostId, reason, actor)
  }

  closeConnection(node: string, id: string, reason: string, actor: Actor): Promise<void> {
    return this.#verbs.closeConnection(node, id, reason, actor)
  }

  invalidatePushSession(node: string, reason: string, actor: Actor): Promise<void> {
    return this.#verbs.invalidatePushSession(node, reason, actor)
  }

  room(): RoomCheck {
    return this.#room.check()
  }

  figures(): SystemInfo['collector'] {
    const { latenessP99Ms, missed, underWay, held } = this.#watch.figures()
    const members = this.fleet.members()
    return {
      latenessP99Ms,
      pollsMissed: missed,
      pollsUnderWay: underWay,
      pollsHeld: held,
      lookupsHung: this.#rules.names.hung,
      targets: members.length,
      streams: members.filter((node) => node.stream?.state === 'live').length,
    }
  }

  /** A drain that is planned for later explains nothing yet, and wants nothing of its nodes. */
  #drainsUnderWay(): Drain[] {
    return this.drains.active().filter((drain) => drain.state !== 'planned')
  }

  #maintenanceOf(record: EventSink['record']): MaintenanceWindows {
    const { store, live } = this.#options
    return new MaintenanceWindows({
      store,
      live,
      record,
      fleet: {
        regions: () => this.fleet.regionIds(),
        nodes: () => this.fleet.members(),
        regionOf: (node) => this.fleet.member(node)?.region ?? null,
        openIncidents: () => this.#book.open(),
      },
      held: (window) => this.#detector.heldBack(window),
      now: this.#now,
    })
  }

  #notificationsOf(): Notifications {
    const { store, live, log, notify, url } = this.#options
    return new Notifications(
      {
        store,
        live,
        log,
        now: this.#now,
        open: () => this.#book.open(),
        incidentOf: async (id) => this.#book.known(id) ?? (await store.incident(id)),
        silencedBy: (incident, at) =>
          this.maintenance.silencedBy(incident, at) ?? explainedByDrain(incident, this.#drainsUnderWay()),
        url: (url ?? 'http://localhost:3000').replace(/\/+$/, ''),
      },
      notify ?? [],
    )
  }

  #historyOf(): Recorder {
    const { fleet } = this
    const { store, log } = this.#options
    return new Recorder({
      store,
      log,
      now: this.#now,
      sources: {
        node: (id) => fleet.judged(id),
        document(id) {
          const known = fleet.member(id)?.known
          return known ? { at: known.at, data: known.raw } : null
        },
        regions: () =>
          fleet
            .regions()
            .map(({ words, ...region }) => ({ ...region, problems: words === undefined ? [] : [words] })),
        room: () => this.#room.problems().map(({ code, text }) => `${code}: ${text}`),
      },
    })
  }

  #probeOf(): NodeProbe {
    const { log } = this.#options
    return new NodeProbe({
      rules: this.#rules,
      adapters: () => adaptersForOneLook(this.#rules, log),
      known: () => ({
        ids: this.fleet.members().map(({ id }) => id),
        regions: this.fleet.regions().map(({ id }) => id),
      }),
    })
  }

  #streamsOf(): NodeStreams {
    const { store, live, log } = this.#options
    return new NodeStreams({
      sink: this.#sink,
      store,
      live,
      log,
      now: this.#now,
      isLagging: () => this.#watch.isLagging(),
      onLive: (node) => void this.#tunnels.read(node),
      touch: (id) => this.#touch(id),
    })
  }

  /** A node that leaves while a drain has it would stay out of service, and no page would have its way back. */
  #refuseHeld({ removed, changed }: FleetChange, targets: readonly NodeTarget[]): void {
    const leaving = new Set(removed.map((node) => node.id))
    const next = new Map(targets.map((target) => [target.id, target]))
    const isLost = ({ id }: { id: string }): boolean => {
      const target = next.get(id)
      return target !== undefined && this.#adapters.drains(() => target) === null
    }
    const told = new Set<string>()
    /** Whoever took it out could not give it back any more. */
    const losing = new Set(changed.filter(isLost).map(({ id }) => id))
    const problems = this.#drainHolds().flatMap(({ id, state, nodes }) =>
      nodes
        .filter((node) => (leaving.has(node) || losing.has(node)) && !told.has(node) && told.add(node))
        .map((node) => ({
          path: 'nodes',
          message: losing.has(node)
            ? `has no drain webhook for ${node} any more, by which drain ${id} (${state}) gives it back; bring it back, or end the drain: the file is then read again by itself`
            : `lacks ${node} in its region, which drain ${id} (${state}) has; bring it back, or end the drain: the file is then read again by itself`,
        })),
    )
    if (problems.length === 0) return
    throw new AppError('ERR_CONFLICT', `Nodes of drains that are under way would leave the configuration`, {
      problems,
      nodes: this.drained([...leaving, ...losing]),
    })
  }

  #drainHolds(): { id: string; state: string; nodes: readonly string[] }[] {
    const { drains } = this
    return [
      ...drains.active().map(({ id, state, steps }) => ({ id, state, nodes: steps.map(({ node }) => node) })),
      ...drains.held().map(({ drainId, state, nodes }) => ({ id: drainId, state, nodes })),
    ]
  }

  #changedAll({ added, removed, changed, regions }: FleetChange): void {
    const { live } = this.#options
    for (const topic of ['overview', 'tunnels'] as const) live.changed(topic)
    for (const { id, region } of [...added, ...removed, ...changed]) {
      live.changed(`node:${id}`)
      live.changed(`region:${region}`)
    }
    for (const id of regions) live.changed(`region:${id}`)
  }

  #beat(id: string, poll: { at: number; outcome: string }): void {
    const node = this.fleet.member(id)
    if (!node) return
    const judged = this.fleet.standing(node)?.state ?? node.judgement.state
    // One poll without an answer makes no node down, and is no proof that it is up either.
    const state = poll.outcome !== 'ok' && judged === 'up' ? 'degraded' : judged
    this.#heartbeats.beat(id, poll.at, state, node.judgement.problems[0] ?? null)
  }

  async #evaluate(): Promise<void> {
    await this.#changes.run(() => this.#detector.evaluate(this.#now()))
    // Only now: what left while nobody looked has been closed.
    await this.#watched.save(this.#detector.watched)
    this.#room.detected()
  }

  #touch(id: string | null): void {
    const node = id === null ? null : this.fleet.member(id)
    if (!node) return
    const { live } = this.#options
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
  }
}
