import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import type {
  Actor,
  ChannelConfig,
  Heartbeats,
  NodeDetail,
  Overview,
  RoomCheck,
  SystemInfo,
  Tunnel,
} from '../contract/index.ts'
import type { NodeProbeRequest } from '../contract/probe.ts'
import type { NodeTarget } from './adapters/registry.ts'
import { Assembly } from './assembly.ts'
import type { CollectorOptions } from './collector-options.ts'
import type { RunningDrainDesk } from './drains/desk/drain-desk.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { FleetChange, RegionConfig } from './fleet/members.ts'
import type { NodeVerbs } from './fleet/node-verbs.ts'
import { overviewOf } from './fleet/overview.ts'
import type { CollectorHandle } from './handle.ts'
import type { IncidentDesk } from './incidents/desk.ts'
import { loadKnown } from './known-before.ts'
import type { MaintenanceWindows } from './maintenance/windows.ts'
import type { Notifications } from './notify/notifications.ts'
import type { PollingLimits } from './polling.ts'
import type { DetectOptions } from './signals/detect.ts'

/** How long the start waits for first answers; nodes that are slower are unknown until their turns come. */
const SETTLE_LIMIT_MS = 2_000

/** Watches a fleet: polls, event streams, states, incidents, drains; and the handle through which the API asks. */
export class Collector implements CollectorHandle {
  readonly fleet: Fleet
  readonly drains: RunningDrainDesk
  readonly incidents: IncidentDesk
  readonly maintenance: MaintenanceWindows
  readonly notifications: Notifications
  readonly #options: CollectorOptions
  readonly #parts: Assembly
  readonly #startedAt: string
  #running = false
  #closed = false

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#parts = new Assembly(options)
    this.#startedAt = new Date(this.#parts.now()).toISOString()
    this.fleet = this.#parts.fleet
    this.drains = this.#parts.drains
    this.incidents = this.#parts.incidents
    this.maintenance = this.#parts.maintenance
    this.notifications = this.#parts.notifications
  }

  /** Loads what was known, then polls, follows streams and judges. The store must be open. */
  async start(): Promise<void> {
    if (this.#running || this.#closed) return
    this.#running = true
    const { fleet } = this
    const { store, log, polling } = this.#options
    const { book, watch, maintenance, watched, detector, history, now } = this.#parts
    await loadKnown({
      fleet,
      book,
      watch,
      maintenance,
      watched,
      detector,
      history,
      store,
      pollIntervalMs: Math.min(polling.intervalMs, ...fleet.members().map((node) => node.intervalMs)),
      now,
    }).catch((error: unknown) =>
      log.error({ err: error }, 'what was known before could not be loaded; the collector starts without it'),
    )
    store.setWatched(fleet.members())
    await watch.settle(SETTLE_LIMIT_MS)
    if (this.#closed) return
    watch.start()
    for (const node of fleet.members()) this.#parts.streams.follow(node)
    this.#parts.rounds.start()
    this.#parts.retention.start()
    this.#parts.room.start()
    this.notifications.start()
    await this.drains.start()
  }

  /** Stops everything and writes what waits. The store stays open. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { room, rounds, tunnels, watch, retention, streams, changes, sink, history, adapters } = this.#parts
    room.close()
    await this.drains.close()
    rounds.close()
    tunnels.close()
    watch.close()
    retention.close()
    for (const node of this.fleet.members()) streams.leave(node)
    await changes.settled()
    await this.notifications.close()
    await sink.close()
    await tunnels.save()
    await history
      .write()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'the last judgements could not be written down'),
      )
    await adapters.close()
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
    const { change, added } = await this.#parts.targets.set(regions, nodes, commit)
    if (this.#closed || !this.#running) return change
    for (const node of added) this.#parts.streams.follow(node)
    await this.#parts.watch.membersChanged(added, SETTLE_LIMIT_MS)
    return change
  }

  /** Those of these nodes that a drain has: under way, planned, or with the node still out of service. */
  drained(nodes: readonly string[]): string[] {
    return this.#parts.targets.drained(nodes)
  }

  /** Thresholds of signals that hold from now on. */
  setThresholds(detect: DetectOptions): void {
    this.#parts.detector.setThresholds(detect)
  }

  /** Who is told of incidents from now on. */
  setNotify(channels: readonly ChannelConfig[]): void {
    this.notifications.setChannels(channels)
  }

  /** How long a poll may take, and where polls may go, from now on. */
  setPolling(polling: PollingLimits): void {
    if (!this.#parts.polling.set(polling)) return
    // Where a connection may go is asked when it is opened; what is open to elsewhere must not stay.
    for (const node of this.fleet.members()) if (!node.embedded) node.reconnect()
  }

  overview(): Overview {
    const { live, store, polling, demo } = this.#options
    return overviewOf({
      regions: this.fleet.regions(),
      nodes: this.fleet.nodes(),
      incidents: this.#parts.book.open(),
      drains: this.drains.active(),
      held: this.drains.held(),
      live: { hub: live.hub, seq: live.seq },
      collector: {
        latenessP99Ms: this.#parts.watch.figures().latenessP99Ms,
        storeOk: store.health().ok,
        startedAt: this.#startedAt,
        pollIntervalMs: polling.intervalMs,
      },
      problems: this.#parts.room.problems(),
      demo,
      now: this.#parts.now(),
    })
  }

  heartbeats(region?: string): Heartbeats {
    return this.#parts.beats.strips(region, this.#parts.now())
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

  probe(request: NodeProbeRequest, actor: Actor): Promise<NodeProbeAnswer> {
    return this.#parts.probe.look(request, actor)
  }

  tunnels(): Tunnel[] {
    return this.fleet.tunnels().sort((a, b) => (a.hostId < b.hostId ? -1 : 1))
  }

  connections(node: string, limit: number): ReturnType<NodeVerbs['connections']> {
    return this.#parts.verbs.connections(node, limit)
  }

  kickTunnel(hostId: string, reason: string, actor: Actor): Promise<void> {
    return this.#parts.verbs.kickTunnel(hostId, reason, actor)
  }

  closeConnection(node: string, id: string, reason: string, actor: Actor): Promise<void> {
    return this.#parts.verbs.closeConnection(node, id, reason, actor)
  }

  invalidatePushSession(node: string, reason: string, actor: Actor): Promise<void> {
    return this.#parts.verbs.invalidatePushSession(node, reason, actor)
  }

  room(): RoomCheck {
    return this.#parts.room.check()
  }

  figures(): SystemInfo['collector'] {
    const { watch, polling } = this.#parts
    const { latenessP99Ms, missed, underWay, held } = watch.figures()
    const members = this.fleet.members()
    return {
      latenessP99Ms,
      pollsMissed: missed,
      pollsUnderWay: underWay,
      pollsHeld: held,
      lookupsHung: polling.lookupsHung,
      targets: members.length,
      streams: members.filter((node) => node.stream?.state === 'live').length,
    }
  }
}
