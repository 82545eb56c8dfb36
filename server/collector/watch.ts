import { setTimeout as delay } from 'node:timers/promises'
import type { LivePublisher, SamplePoint } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import type { Fleet, FleetNode } from './fleet.ts'
import type { Detector } from './incidents/detector.ts'
import { type JudgeThresholds, judge, judgeStall } from './judge.ts'
import { type Announced, announce } from './outages.ts'
import { createOwnClock } from './own-clock.ts'
import type { PollOutcome, PollResult } from './probe/poll.ts'
import type { Probe } from './probe/tidegate.ts'
import { sampleOf } from './sample.ts'
import { createSchedule } from './schedule.ts'

export interface Watch {
  /**
   * Before the regular turns: two polls of every node, one after the other, so that states are known when the collector says
   * that it is ready. Resolves at the latest after `limitMs`; nodes that answer later are judged by the regular turns.
   */
  settle(limitMs: number): Promise<void>
  start(): void
  close(): void
  figures(): { latenessP99Ms: number; missed: number }
  /** What is told of nodes and regions that went away. */
  announced(): Announced
  /** Takes up what was told before a restart of the collector. */
  seed(announced: Announced): void
}

const SETTLE_AT_ONCE = 32
const SETTLE_PAUSE_MS = 20

/** Outcomes that say nothing about the node when every node of the fleet has them: our own network is gone. */
const NETWORK_OUTCOMES: readonly PollOutcome[] = ['timeout', 'dns']

/** Polls every node, judges, samples, and tells what changed. */
export const createWatch = (options: {
  fleet: Fleet
  detector: Detector
  probe: Probe
  store: Pick<Store, 'writeSamples' | 'addGap'>
  live: LivePublisher
  log: Log
  intervalMs: number
  thresholds: JudgeThresholds
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
      for (const node of fleet.members()) node.judgement = judgeStall(node.judgement, to)
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
    const url = node.url
    const began = performance.now()
    const result = await options.probe.probe(node)
    // It moved while it was asked: the answer is about another place.
    if (closed || node.url !== url) return
    try {
      take(node, result, began)
    } catch (error) {
      log.error({ err: error, node: id }, 'a poll could not be taken in')
    }
  }

  const take = (node: FleetNode, result: PollResult, began: number): void => {
    const before = node.judgement
    node.poll = result
    if (result.saidAt !== undefined) {
      node.clock.sawDate(result.saidAt, result.at + result.durationMs, result.durationMs)
    }
    // A timeout that our own event loop slept through proves nothing about the node.
    const blind = result.outcome === 'timeout' && ownClock.stoodStill(began, performance.now())
    if (!blind) node.judgement = judge(before, result, options.thresholds)
    if (node.judgement.state === 'down' && before.state !== 'down' && ownNetworkGone()) {
      node.judgement = {
        ...judgeStall(before, result.at),
        problems: ['the collector reaches no node of any region; its own network may be gone'],
      }
    }
    if (result.document) sample(node, result)
    if (node.judgement.state !== before.state) {
      const { state, problems } = node.judgement
      log.info(
        { node: node.id, from: before.state, to: state, problem: problems[0] },
        'a node changed its state',
      )
      if (state === 'down' && fleet.hosts.nodeDown(node.id, result.at)) live.changed('tunnels')
    }
    tell()
    live.changed('overview')
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
    fleet.tellPoll(node.id, result)
  }

  const ownNetworkGone = (): boolean => {
    const members = fleet.members()
    const regions = new Set(members.map((node) => node.region))
    return (
      regions.size >= 2 &&
      members.length >= 3 &&
      members.every((node) => node.poll !== null && NETWORK_OUTCOMES.includes(node.poll.outcome))
    )
  }

  const sample = (node: FleetNode, result: PollResult): void => {
    const document = result.document
    if (!document) return
    const values = sampleOf(node.document, document, {
      latencyMs: result.durationMs,
      gapMs: node.gapMs,
      // Embedded nodes begin with this process: everything they counted, they counted since.
      freshProcess: node.embedded || document.uptimeSeconds * 1_000 <= 2 * options.intervalMs,
    })
    node.gapMs = null
    node.document = document
    node.documentAt = result.at
    const point: SamplePoint = { node: node.id, region: node.region, at: result.at, values }
    store.writeSamples([point])
    live.samples([point])
    detector.measured(node.id, document, result.at)
  }

  const tell = (): void => {
    const fallWindowMs = (options.thresholds.fall + 1) * options.intervalMs
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

  const schedule = createSchedule({
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
    announced: () => announced,
    seed(seeded) {
      announced = seeded
    },
  }
}
