import { setTimeout as delay } from 'node:timers/promises'
import type { LivePublisher, SamplePoint } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import { within } from '../../time/deadline.ts'
import { realTimers, type Timers } from '../../time/timers.ts'
import type { Facts } from '../adapters/facts.ts'
import type { Reading } from '../adapters/reading.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { FleetNode } from '../fleet/fleet-node.ts'
import type { JudgeThresholds } from '../judgement/judge.ts'
import { judgeNode } from '../judgement/judge-node.ts'
import { isNetworkPoll } from '../judgement/network-doubt.ts'
import { type Announced, announce } from '../judgement/outages.ts'
import { sampleOf } from '../judgement/sample.ts'
import type { Detector } from '../signals/detector.ts'
import { OwnClock } from './own-clock.ts'
import { Schedule, type ScheduleFigures } from './schedule.ts'

const SETTLE_AT_ONCE = 32
const SETTLE_PAUSE_MS = 20

/** A poll of which our own event loop took this share of the deadline proves nothing by a timeout. */
const BLIND_SHARE = 1 / 3
/** How long after a standstill of our own what we receive may be late. */
const LAGGING_MS = 2_000

export interface WatchOptions {
  fleet: Fleet
  detector: Detector
  store: Pick<Store, 'writeSamples' | 'addGap'>
  live: LivePublisher
  log: Log
  /** Between two polls of a node that has no interval of its own. */
  intervalMs: number
  /** By which a node is judged; each may have its own. */
  thresholds: (node: FleetNode) => JudgeThresholds
  now: () => number
  /** Monotonic milliseconds. */
  monotonic?: () => number
  timers?: Timers
}

/** Polls every node, judges, samples, and tells what changed. */
export class Watch {
  readonly #options: WatchOptions
  readonly #schedule: Schedule
  readonly #ownClock: OwnClock
  readonly #monotonic: () => number
  /** Nodes that came and get their first polls apart from the schedule. */
  readonly #settling = new Set<FleetNode>()
  #announced: Announced = { nodes: new Map(), regions: new Map() }
  #isClosed = false

  constructor(options: WatchOptions) {
    this.#options = options
    const { timers = realTimers, monotonic = () => performance.now() } = options
    this.#monotonic = monotonic
    this.#ownClock = new OwnClock({
      intervalMs: () => this.shortestIntervalMs,
      wall: options.now,
      monotonic,
      timers,
      onStall: (from, to) => this.#stalled(from, to),
    })
    this.#schedule = new Schedule({
      targets: options.fleet.members(),
      run: (id) => this.#poll(options.fleet.member(id)),
      now: monotonic,
      timers,
    })
  }

  /**
   * Before the regular turns: two polls of every node, one after the other, so that states are known when the collector says
   * that it is ready. Resolves at the latest after `limitMs`; nodes that answer later are judged by the regular turns.
   */
  async settle(limitMs: number, nodes: readonly FleetNode[] = this.#options.fleet.members()): Promise<void> {
    await within(limitMs, this.#settleAll(nodes, this.#options.now() + limitMs), { late: () => undefined })
  }

  start(): void {
    if (this.#isClosed) return
    this.#setTurns()
    this.#ownClock.start()
    this.#schedule.start()
  }

  /** The fleet has changed: nobody who left has a turn any more, and who came is asked at once and gets its turns then. */
  async membersChanged(added: readonly FleetNode[], settleLimitMs: number): Promise<void> {
    const { fleet } = this.#options
    const { nodes, regions } = this.#announced
    this.#announced = {
      nodes: new Map(
        [...nodes].filter(([id]) => fleet.member(id) !== null && !added.some((node) => node.id === id)),
      ),
      regions: new Map([...regions].filter(([id]) => fleet.nodesOf(id).length > 0)),
    }
    // An outage that was not told because its whole region seemed to fall may be one of a single node now.
    this.#tell()
    for (const node of added) this.#settling.add(node)
    this.#setTurns()
    await this.settle(settleLimitMs, added)
    for (const node of added) this.#settling.delete(node)
    this.#setTurns()
  }

  close(): void {
    this.#isClosed = true
    this.#schedule.close()
    this.#ownClock.close()
  }

  /** So often a poll of some node begins, in ms. */
  get shortestIntervalMs(): number {
    return this.#schedule.shortestIntervalMs ?? this.#options.intervalMs
  }

  figures(): ScheduleFigures {
    return this.#schedule.figures()
  }

  /** True where our own event loop stood still within the last moments. */
  isLagging(): boolean {
    const now = this.#monotonic()
    return this.#ownClock.stoodStill(now - LAGGING_MS, now)
  }

  /** True while no remote node is reached, and our own network may be the reason. */
  networkLost(): boolean {
    const remote = this.#options.fleet.members().filter((node) => !node.embedded)
    const doubts = remote.flatMap(({ doubt }) => (doubt !== null && !doubt.over ? [doubt] : []))
    if (doubts.length === 0) return false
    const since = Math.min(...doubts.map((doubt) => doubt.badSince))
    // What a node said that has not been asked since is no word on the network of now.
    return remote.every(
      ({ reading }) =>
        reading !== null && (isNetworkPoll(reading) || reading.at + reading.durationMs < since),
    )
  }

  /** What is told of nodes and regions that went away. */
  announced(): Announced {
    return this.#announced
  }

  /** Takes up what was told before a restart of the collector. */
  seed(announced: Announced): void {
    this.#announced = announced
  }

  #setTurns(): void {
    const members = this.#options.fleet.members().filter((node) => !this.#settling.has(node))
    this.#schedule.setTargets(members)
  }

  /** Polls of a thousand nodes at once would be the burst that the schedule avoids. */
  async #settleAll(nodes: readonly FleetNode[], until: number): Promise<void> {
    const { now } = this.#options
    const waiting = [...nodes]
    const work = async (): Promise<void> => {
      for (let node = waiting.shift(); node && now() < until && !this.#isClosed; node = waiting.shift()) {
        await this.#poll(node)
        await delay(SETTLE_PAUSE_MS)
        await this.#poll(node)
      }
    }
    await Promise.all(Array.from({ length: SETTLE_AT_ONCE }, work))
  }

  async #poll(node: FleetNode | null): Promise<void> {
    if (node === null || node.hasLeft) return
    const began = this.#monotonic()
    const reading = await node.ask()
    if (this.#isClosed || reading === null) return
    try {
      this.#take(node, reading, began)
    } catch (error) {
      this.#options.log.error({ err: error, node: node.id }, 'a poll could not be taken in')
    }
  }

  #take(node: FleetNode, reading: Reading, began: number): void {
    const { fleet, live, log } = this.#options
    const before = node.judgement
    node.take(reading)
    const ended = this.#monotonic()
    const ownLagMs = this.#ownClock.lagBetween(began, ended)
    if (ownLagMs > 0) reading.ownLagMs = ownLagMs
    // A timeout that our own event loop slept through proves nothing about the node.
    const slept = this.#ownClock.stoodStill(began, ended) || ownLagMs > (ended - began) * BLIND_SHARE
    if (reading.outcome !== 'timeout' || !slept) {
      const { judgement, doubt } = judgeNode(node, reading, fleet.members(), this.#options.thresholds(node))
      node.judge(judgement, doubt)
    }
    const { at, outcome, reason } = reading
    if (reading.facts) this.#sample(node, reading, reading.facts)
    else this.#options.detector.take({ type: 'failed', node: node.id, at, outcome, reason })
    if (node.judgement.state !== before.state) {
      const { state, problems } = node.judgement
      log.info(
        { node: node.id, from: before.state, to: state, problem: problems[0] },
        'a node changed its state',
      )
      if (state === 'down' && fleet.hosts.nodeDown(node.id, reading.at)) live.changed('tunnels')
    }
    // While the fleet stays as it is, what is told depends on these two alone.
    if (node.judgement.state !== before.state || node.judgement.badSince !== before.badSince) this.#tell()
    live.changed('overview')
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
    fleet.tellPoll(node.id, reading)
  }

  #sample(node: FleetNode, reading: Reading, facts: Facts): void {
    const { detector, store, live } = this.#options
    const values = sampleOf(node.counted, facts, {
      latencyMs: Math.max(0, reading.durationMs - (reading.ownLagMs ?? 0)),
      gapMs: node.takeGap(),
      // Embedded nodes begin with this process: everything they counted, they counted since.
      freshProcess: node.embedded || (facts.uptimeMs !== null && facts.uptimeMs <= 2 * node.intervalMs),
    })
    node.know(facts, reading)
    const point: SamplePoint = { node: node.id, region: node.region, at: reading.at, values }
    store.writeSamples([point])
    live.samples([point])
    const lastDeliveryAt = facts.lastDeliveryAt === null ? null : node.clock.toOurs(facts.lastDeliveryAt)
    detector.take({ type: 'reading', node: node.id, at: reading.at, facts: { ...facts, lastDeliveryAt } })
  }

  #tell(): void {
    const { fleet, thresholds, now } = this.#options
    // Of a region whose nodes fall at different times, the slowest says how long it takes to fall.
    const fallWindowMs = (region: string): number =>
      Math.max(...fleet.nodesOf(region).map((node) => (thresholds(node).fall + 1) * node.intervalMs))
    const told = announce(fleet.members(), this.#announced, fallWindowMs)
    this.#announced = told.announced
    for (const news of told.announcements) {
      if (news.kind === 'region.unreachable') {
        void fleet.record(news.kind, { nodes: news.nodes, reason: news.reason }, { region: news.region })
      } else if (news.kind === 'node.down') {
        const since = new Date(news.since).toISOString()
        void fleet.record(news.kind, { reason: news.reason, since }, { node: news.node, region: news.region })
      } else {
        const downMs = Math.max(0, now() - news.since)
        void fleet.record(news.kind, { downMs }, { node: news.node, region: news.region })
      }
    }
  }

  #stalled(from: number, to: number): void {
    const { fleet, store, live, log } = this.#options
    log.warn({ stalledMs: to - from }, 'the collector stalled; nothing is known of that time')
    store
      .addGap({ from, to, reason: 'collector stalled' })
      .catch((error: unknown) => log.warn({ err: error }, 'a gap could not be recorded'))
    live.changed('overview')
    for (const node of fleet.members()) {
      // One that is asked so seldom was asked as often as ever.
      if (to - from <= 2 * node.intervalMs) continue
      node.stall(to)
      live.changed(`node:${node.id}`)
      live.changed(`region:${node.region}`)
    }
  }
}
