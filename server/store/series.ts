import { type Point, SERIES_METRICS, type SeriesAnswer, type SeriesGap } from '../contract/index.ts'
import type { Holes } from './holes.ts'
import { type CountedPoint, partlyMeasured, wholeSteps } from './partial-steps.ts'
import type { Reader } from './reader.ts'
import { type KnownNode, noSamples, type SampleWriter } from './samples.ts'
import type { SeriesQuery, WatchedNode } from './store.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** Steps that people read easily, in ms. */
export const STEPS: readonly number[] = [
  ...[1, 2, 4, 5, 10, 15, 30].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 3, 6, 12, 24].map((n) => n * hour),
]

/** Most points of one series, whatever was asked for. */
export const maxPoints = 600

/** A step that ended this long ago gets no more samples: they are written within a second. */
const settleMs = 10_000

/** Gaps of one answer at most; the newest are kept. */
const maxGaps = 1_000

/** Steps before the span that show whether its first ones are complete. */
const CONTEXT_STEPS = 4

const pointOf = ({ point }: CountedPoint): Point => point

/** Start of the first whole step at or after `from`. */
const firstStart = (from: number, step: number): number => Math.ceil(from / step) * step

/**
 * The finest step that keeps a series within `points`. Never finer than two polls: a step has to hold a poll of every node, or the sum
 * over nodes would jump with the nodes that happened to answer in it.
 */
export const chooseStep = (from: number, to: number, points: number, pollIntervalMs: number): number => {
  const wanted = Math.min(Math.max(Math.trunc(points), 1), maxPoints)
  const fits = (step: number) => Math.ceil((to - firstStart(from, step)) / step) <= wanted
  const step = STEPS.find((candidate) => candidate >= 2 * pollIntervalMs && fits(candidate))
  if (step !== undefined) return step
  const day = 24 * hour
  let days = Math.max(1, Math.ceil((to - from) / day / wanted))
  while (!fits(days * day)) days++
  return days * day
}

interface Scope {
  label: string
  nodes: string[]
  region: string | null
}

const scopeOf = (query: SeriesQuery, known: ReadonlyMap<string, KnownNode>): Scope => {
  const { scope } = query
  if (scope.kind === 'node') return { label: `node:${scope.id}`, nodes: [scope.id], region: null }
  const nodes = [...known.entries()]
  if (scope.kind === 'fleet') return { label: 'fleet', nodes: nodes.map(([node]) => node), region: null }
  const inside = nodes.filter(([, node]) => node.region === scope.id).map(([node]) => node)
  return { label: `region:${scope.id}`, nodes: inside, region: scope.id }
}

const shortestOf = (nodes: readonly string[], intervalOf: (node: string) => number): number | null =>
  nodes.length === 0
    ? null
    : nodes.reduce((least, node) => Math.min(least, intervalOf(node)), Number.POSITIVE_INFINITY)

/** A step has to hold two polls of a node, or its part of the sum would come and go. */
const slowOf = (
  nodes: readonly string[],
  intervalOf: (node: string) => number,
  step: number,
): Record<string, number> =>
  Object.fromEntries(
    nodes.flatMap((node) => (2 * intervalOf(node) > step ? [[node, intervalOf(node)] as const] : [])),
  )

const gapsOf = async (
  reader: Reader,
  filter: { from: number; to: number; nodes?: string[] },
  known: ReadonlyMap<string, KnownNode>,
  watched: ReadonlyMap<string, number> | null,
  holes: Holes,
  now: number,
): Promise<SeriesGap[]> => {
  const { nodes } = filter
  const whose =
    nodes === undefined
      ? ''
      : ` AND ("node" IS NULL OR "node" IN (${nodes.map(() => '?').join(', ') || 'NULL'}))`
  const { rows } = await reader.lookUp(
    `SELECT "from", "to", "reason", "node" FROM "gaps" WHERE "to" > ? AND "from" < ?${whose} ORDER BY "to" DESC LIMIT ?`,
    [filter.from, filter.to, ...(nodes ?? []), maxGaps],
  )
  const gaps: SeriesGap[] = rows.map((row) => ({
    from: Number(row[0]),
    to: Number(row[1]),
    reason: String(row[2]),
    ...(row[3] === null ? {} : { node: String(row[3]) }),
  }))
  // A hole that has not ended yet has no row.
  const until = Math.min(now, filter.to)
  for (const node of nodes ?? known.keys()) {
    if (watched?.has(node) === false) continue
    const lastAt = known.get(node)?.lastAt
    if (lastAt === undefined || !holes.isHole(node, lastAt, now) || lastAt >= until || now <= filter.from)
      continue
    gaps.push({ from: lastAt, to: until, reason: noSamples, node })
  }
  return gaps.sort((a, b) => a.from - b.from)
}

/** Reads charts out of the samples. */
export class SeriesReader {
  readonly #reader: Reader
  readonly #samples: Pick<SampleWriter, 'known' | 'oldestWaitingAt'>
  readonly #holes: Holes
  readonly #pollIntervalMs: number
  readonly #now: () => number
  /** Nodes that are polled, with the milliseconds between two polls; null while they are not known. */
  #watched: ReadonlyMap<string, number> | null = null

  constructor(options: {
    reader: Reader
    /** Knows which nodes there are, and what waits to be written. */
    samples: Pick<SampleWriter, 'known' | 'oldestWaitingAt'>
    holes: Holes
    pollIntervalMs: number
    now: () => number
  }) {
    this.#reader = options.reader
    this.#samples = options.samples
    this.#holes = options.holes
    this.#pollIntervalMs = options.pollIntervalMs
    this.#now = options.now
  }

  gaps(filter: { from: number; to: number; nodes?: string[] }): Promise<SeriesGap[]> {
    const { known } = this.#samples
    return gapsOf(this.#reader, filter, known, this.#watched, this.#holes, this.#now())
  }

  /** From now on no samples are missing for other nodes. */
  setWatched(nodes: readonly WatchedNode[]): void {
    this.#watched = new Map(nodes.map(({ id, intervalMs }) => [id, intervalMs]))
  }

  /**
   * The step that is still running is left out: its sum would be too small. So is one whose samples still wait to be written, at
   * most half a second while the store is well: a read must not force a write.
   */
  async series(query: SeriesQuery): Promise<SeriesAnswer> {
    const now = this.#now()
    const scope = scopeOf(query, this.#samples.known)
    const intervalOf = (node: string) => this.#watched?.get(node) ?? this.#pollIntervalMs
    const step = chooseStep(
      query.from,
      query.to,
      query.points,
      shortestOf(scope.nodes, intervalOf) ?? this.#pollIntervalMs,
    )
    const from = firstStart(query.from, step)
    const to = Math.min(
      Math.ceil(query.to / step) * step,
      Math.floor(Math.min(now, this.#samples.oldestWaitingAt ?? now) / step) * step,
    )
    const read = scope.nodes.length > 0 && query.metrics.length > 0 && to > from
    const rows = read
      ? await this.#reader.read(
          'series',
          {
            scope: scope.label,
            nodes: scope.nodes,
            slow: slowOf(scope.nodes, intervalOf, step),
            region: scope.region,
            metrics: query.metrics,
            step,
            // Only its neighbours show whether a step is complete; those before the span are used for that, and not returned.
            from: from - CONTEXT_STEPS * step,
            to,
            settledUntil: Math.floor((now - settleMs) / step) * step,
          },
          query.caller,
        )
      : []
    const partial = new Map<number, SeriesGap>()
    let column = 1
    const series = query.metrics.map((metric) => {
      const { kind, unit, across } = SERIES_METRICS[metric]
      const [min, max, avg] = kind === 'counter' ? [column, column, column] : [column, column + 1, column + 2]
      const nodes = avg + 1
      column = nodes + 1
      const counted: CountedPoint[] = []
      for (const row of rows) {
        const middle = row[avg]
        if (middle === null || middle === undefined) continue
        counted.push({
          point: [Number(row[0]), Number(row[min]), Number(row[max]), middle],
          nodes: Number(row[nodes]),
        })
      }
      const steps =
        across === 'sum' ? wholeSteps(counted, step) : { points: counted.map(pointOf), partial: [] }
      for (const span of steps.partial)
        if (span.from >= from) partial.set(span.from, { ...span, reason: partlyMeasured })
      return { scope: scope.label, metric, unit, points: steps.points.filter(([t]) => t >= from) }
    })
    const gaps = await this.gaps({ from: query.from, to: query.to, nodes: scope.nodes })
    return {
      step,
      level: 'raw',
      series,
      gaps: [...gaps, ...partial.values()].sort((a, b) => a.from - b.from).slice(-maxGaps),
    }
  }
}
