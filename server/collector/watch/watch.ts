import { setTimeout as delay } from 'node:timers/promises'
import type { LivePublisher, SamplePoint } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { Facts } from '../adapters/facts.ts'
import type { Reading } from '../adapters/reading.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { FleetNode } from '../fleet/fleet-node.ts'
import type { Detector } from '../signals/detector.ts'
import type { JudgeThresholds } from './judge.ts'
import { judgeNode } from './judge-node.ts'
import { isNetworkPoll } from './network-doubt.ts'
import { type Announced, announce } from './outages.ts'
import { createOwnClock } from './own-clock.ts'
import { sampleOf } from './sample.ts'
import { Schedule, type ScheduleFigures } from './schedule.ts'

export interface Watch {
  /**
   * Before the regular turns: two polls of every node, one after the other, so that states are known when the collector says
   * that it is ready. Resolves at the latest after `limitMs`; nodes that answer later are judged by the regular turns.
   */
  settle(limitMs: number): Promise<void>
  start(): void
  close(): void
  figures(): ScheduleFigures
  /** True where our own event loop stood still within the last moments. */
  isLagging(): boolean
  /** True while no remote node is reached, and our own network may be the reason. */
  networkLost(): boolean
  /** What is told of nodes and regions that went away. */
  announced(): Announced
  /** Takes up what was told before a restart of the collector. */
  seed(announced: Announced): void
}

const SETTLE_AT_ONCE = 32
const SETTLE_PAUSE_MS = 20

/** A poll of which our own event loop took this share of the deadline proves nothing by a timeout. */
const BLIND_SHARE = 1 / 3
/** How long after a standstill of our own what we receive may be late. */
const LAGGING_MS = 2_000

/** Polls every node, judges, samples, and tells what changed. */
export const createWatch = (options: {
  fleet: Fleet
  detector: Detector
  store: Pick<Store, 'writeSamples' | 'addGap'>
  live: LivePublisher
  log: Log
  intervalMs: number
  /** By which a node is judged; each may have its own. */
  thresholds: (node: FleetNode) => JudgeThresholds
  now: () => number
}): Watch => {
  const { fleet, detector, store, live, log, now } = options
  let announced: Announced = { nodes: new Map(), regions: new Map() }
  let closed = false

  const addGap = (gap: Parameters<Store['addGap']>[0]): void => {
    store.addGap(gap).catch((error: unknown) => log.warn({ err: error }, 'a gap could not be recorded'))
  }

  const ownClock = createOwnClock({
    intervalMs: options.intervalMs,
    wall: now,
    onStall(from, to) {
      log.warn({ stalledMs: to - from }, 'the collector stalled; nothing is known of that time')
      addGap({ from, to, reason: 'collector stalled' })
      for (const node of fleet.members()) node.stall(to)
      touchAll()
    },
  })

  const touchAll = (): void => {
    live.changed('overview')
    for (const node of fleet.members()) {
      live.changed(`node:${node.id}`)
      live.changed(`region:${node.region}`)
    }
  }

  const poll = async (id: string): Promise<void> => {
    const node = fleet.member(id)
    if (!node) return
    const began = performance.now()
    const reading = await node.ask()
    if (closed || reading === null) return
    try {
      take(node, reading, began)
    } catch (error) {
      log.error({ err: error, node: id }, 'a poll could not be taken in')
    }
  }

  const take = (node: FleetNode, reading: Reading, began: number): void => {
    const before = node.judgement
    node.take(reading)
    const ended = performance.now()
    const ownLagMs = ownClock.lagBetween(began, ended)
    if (ownLagMs > 0) reading.ownLagMs = ownLagMs
    // A timeout that our own event loop slept through proves nothing about the node.
    const slept = ownClock.stoodStill(began, ended) || ownLagMs > (ended - began) * BLIND_SHARE
    if (reading.outcome !== 'timeout' || !slept) {
      const { judgement, doubt } = judgeNode(node, reading, fleet.members(), options.thresholds(node))
      node.judge(judgement, doubt)
    }
    if (reading.facts) sample(node, reading, reading.facts)
    if (node.judgement.state !== before.state) {
      const { state, problems } = node.judgement
      log.info(
        { node: node.id, from: before.state, to: state, problem: problems[0] },
        'a node changed its state',
      )
      if (state === 'down' && fleet.hosts.nodeDown(node.id, reading.at)) live.changed('tunnels')
    }
    // What is told depends on these two alone.
    if (node.judgement.state !== before.state || node.judgement.badSince !== before.badSince) tell()
    live.changed('overview')
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
    fleet.tellPoll(node.id, reading)
  }

  const sample = (node: FleetNode, reading: Reading, facts: Facts): void => {
    const values = sampleOf(node.counted, facts, {
      latencyMs: Math.max(0, reading.durationMs - (reading.ownLagMs ?? 0)),
      gapMs: node.takeGap(),
      // Embedded nodes begin with this process: everything they counted, they counted since.
      freshProcess: node.embedded || (facts.uptimeMs !== null && facts.uptimeMs <= 2 * options.intervalMs),
    })
    node.know(facts, reading)
    const point: SamplePoint = { node: node.id, region: node.region, at: reading.at, values }
    store.writeSamples([point])
    live.samples([point])
    const lastDeliveryAt = facts.lastDeliveryAt === null ? null : node.clock.toOurs(facts.lastDeliveryAt)
    detector.take({ type: 'reading', node: node.id, at: reading.at, facts: { ...facts, lastDeliveryAt } })
  }

  const tell = (): void => {
    // Of a region whose nodes fall at different times, the slowest says how long it takes to fall.
    const fallWindowMs = (region: string): number =>
      (Math.max(...fleet.nodesOf(region).map((node) => options.thresholds(node).fall)) + 1) *
      options.intervalMs
    const told = announce(fleet.members(), announced, fallWindowMs)
    announced = told.announced
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

  const schedule = new Schedule({
    targets: fleet.members().map((node) => node.id),
    intervalMs: options.intervalMs,
    run: poll,
  })

  /** Polls of a thousand nodes at once would be the burst that the schedule avoids. */
  const settleAll = async (until: number): Promise<void> => {
    const waiting = fleet.members().map((node) => node.id)
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined && now() < until && !closed; id = waiting.shift()) {
        await poll(id)
        await delay(SETTLE_PAUSE_MS)
        await poll(id)
      }
    }
    await Promise.all(Array.from({ length: SETTLE_AT_ONCE }, work))
  }

  return {
    async settle(limitMs) {
      closed = false
      const limit = new AbortController()
      const late = delay(limitMs, undefined, { signal: limit.signal }).catch(() => undefined) // all were settled before
      await Promise.race([settleAll(now() + limitMs), late])
      limit.abort()
    },
    start() {
      closed = false
      ownClock.start()
      schedule.start()
    },
    close() {
      closed = true
      schedule.close()
      ownClock.close()
    },
    figures: () => schedule.figures(),
    isLagging: () => ownClock.stoodStill(performance.now() - LAGGING_MS, performance.now()),
    networkLost() {
      const remote = fleet.members().filter((node) => !node.embedded)
      const doubted = remote.some((node) => node.doubt !== null && !node.doubt.over)
      return doubted && remote.every((node) => node.reading !== null && isNetworkPoll(node.reading))
    },
    announced: () => announced,
    seed(seeded) {
      announced = seeded
    },
  }
}
