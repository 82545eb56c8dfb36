import type { NodeTable } from '../../contract/answers/node-table.ts'
import type { Listener } from '../../contract/health.ts'
import type { METRIC_NAMES, MetricName, SERIES_METRICS } from '../../contract/series.ts'
import type { DrainPhase, NodeState } from '../../contract/states.ts'

type MetricOfKind<Kind extends 'gauge' | 'counter'> = {
  [Name in (typeof METRIC_NAMES)[number]]: (typeof SERIES_METRICS)[Name]['kind'] extends Kind ? Name : never
}[MetricName]

/** What the collector measures itself: the time a poll took, and the gaps that events report. */
type OwnGauge = 'latency_ms' | 'gap_ms'

/** What a node holds at the moment, by the names of `/series`; `requests_pending` is asked by drains alone. */
export type GaugeName = Exclude<MetricOfKind<'gauge'>, OwnGauge> | 'requests_pending'

/**
 * What a node has counted since its process began, by the names of `/series`. Those that no chart shows are for drains and signals:
 * `connections_closed` all that ended, `connections_cut` those that a drain's deadline ended, `pushes_without_token` received for
 * somebody who has no device, `pushes_seen` how often something was seen to come in, of programs that count no `push_received`.
 */
export type CounterName =
  | MetricOfKind<'counter'>
  | 'connections_closed'
  | 'connections_cut'
  | 'pushes_without_token'
  | 'pushes_seen'

export type Gauges = Readonly<Partial<Record<GaugeName, number>>>

/**
 * One counter by the parts of the node that count it, for example `{ proxy: 3, relay: 100 }`. A part that is missing in one reading
 * and back in the next must not look like everything it ever counted, so the parts stay apart until an increase is taken.
 */
export type CountByPart = Readonly<Record<string, number>>
export type Counters = Readonly<Partial<Record<CounterName, CountByPart>>>

/** How far a node's own drain has got. */
export interface DrainFacts {
  readonly drainId: string | null
  readonly phase: DrainPhase | null
  readonly remaining: {
    readonly connections: number
    readonly requests: number
    readonly tunnels: number
    readonly pushes: number
  }
  /** Seconds that the node gives each phase. */
  readonly budgetSeconds: {
    readonly preDrain: number
    readonly http: number
    readonly tunnels: number
    readonly margin: number
  }
  /** Seconds after which the node's supervisor kills it. */
  readonly ceilingSeconds: number
  /** The budget fits below the ceiling. */
  readonly fits: boolean
  /** New tunnels are refused while the rest of the node serves. */
  readonly cordoned: boolean
  /** What visitors lost here by drains, in this run; absent where a node does not count it. */
  readonly requestsFailed?: number
  /** What could not be passed on to hosts that others owned last, in this run, by the node that owned them. */
  readonly failedByFormerOwner: Readonly<Record<string, number>>
}

/**
 * What one good reading says of a node, whatever program it is. What the node does not say is absent (`null` where a field is
 * always there) and never zero.
 */
export interface Facts {
  /** By its own judgement it does its job. */
  readonly ok: boolean
  /** What is wrong, in sentences. */
  readonly problems: readonly string[]
  /** Absent where the program knows no such thing: it answers, so it serves. */
  readonly state?: NodeState
  readonly version: string | null
  /** What is told of it is counted by a proxy in front of it: its runs are that proxy's, and say nothing of its own process. */
  readonly isBehindProxy?: boolean
  /** One run of the process. Counters ascend within it; where the program names none, the adapter tells runs apart. */
  readonly epoch: string
  readonly uptimeMs: number | null
  /**
   * Its counters are what the program counts less our own polls, or were put together by us from one poll to the next: those that another
   * process of the collector has read do not compare with them.
   */
  readonly isCountedHere?: true
  /** Number of its newest event; null where it has no event stream. */
  readonly newestSeq: number | null
  readonly gauges: Gauges
  readonly counters: Counters
  readonly listeners: readonly Listener[]
  /** When it last delivered a push, epoch ms by the node's clock; null where it never did or does not say. */
  readonly lastDeliveryAt: number | null
  /** Certificates that it shows, and when they end, epoch ms; absent where that is not known. */
  readonly certificates?: readonly { readonly name: string; readonly notAfter: number }[]
  /** Certificates that its last order could not have; `notAfter` is that of the old one, null where there is none. Times in epoch ms. */
  readonly certificateFailures?: readonly {
    readonly name: string
    readonly at: number
    readonly reason: string
    readonly notAfter: number | null
  }[]
  /** What its kind knows beside numbers, for its page; absent where that is nothing. */
  readonly tables?: readonly NodeTable[]
  /** Null where the program has no drain of its own. */
  readonly drain: DrainFacts | null
}

/** Above that a number counts nothing that there is; below it all that is added up stays a number. */
const LARGEST_NUMBER = 1e24

/** Whether a number that somebody else wrote counts anything. */
export const isCount = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= LARGEST_NUMBER

/** The sum over the parts that count it; undefined where none does. */
export const totalOf = (facts: Pick<Facts, 'counters'>, name: CounterName): number | undefined => {
  const parts = facts.counters[name]
  return parts && Object.values(parts).reduce((sum, count) => sum + count, 0)
}

/** Counters as read last, with those that the newest answer lacks as they were before. */
export const withNewer = (before: Counters, newest: Counters): Counters => {
  if (covers(newest, before)) return newest
  const counters: Partial<Record<CounterName, CountByPart>> = { ...before }
  for (const [name, parts] of Object.entries(newest) as [CounterName, CountByPart][])
    counters[name] = { ...counters[name], ...parts }
  return counters
}

/** Whether every part of every counter in `before` is in `newest` too: nearly always, so that nothing has to be put together. */
const covers = (newest: Counters, before: Counters): boolean => {
  for (const name in before) {
    const parts = newest[name as CounterName]
    if (parts === undefined) return false
    for (const part in before[name as CounterName]) if (typeof parts[part] !== 'number') return false
  }
  return true
}
