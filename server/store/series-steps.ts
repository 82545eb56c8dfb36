import { type MetricName, SERIES_METRICS } from '../contract/series.ts'
import type { ReadTools } from './read-tools.ts'
import { reachMs, slowStatement, slowSteps } from './slow-steps.ts'
import type { SqlValue } from './sql-message.ts'

/** Which steps of which nodes to add up. Times are epoch ms, whole steps. */
export interface StepsQuery {
  /** What the nodes are together; with the metrics and the step it is the key of what may be kept for the next read. */
  scope: string
  nodes: string[]
  /** Those among them that are polled less often than twice a step, by the milliseconds between two polls. */
  slow: Readonly<Record<string, number>>
  /** Only samples that a node sent while it was in this region. */
  region: string | null
  metrics: MetricName[]
  step: number
  from: number
  to: number
  /** Steps that begin later may still get a row: a batch of samples is on its way. */
  settledUntil: number
}

/** `t`, then for each metric its sum (of counters), or its min, max and avg, null where nothing was measured; and from how many nodes. */
export type StepRow = (number | null)[]

/** About how many samples one statement should read: some 20 ms. */
const firstSpanMs = 6 * 3_600_000
const statementMs = 25

/** Kept answers, and steps in all of them. Past steps do not change, so the next read adds up only what is new. */
const maxKept = 64
const maxKeptSteps = 20_000

interface Kept {
  /** Everything in [from, to) is in `rows`. */
  from: number
  to: number
  rows: Map<number, StepRow>
}
const kept = new Map<string, Kept>()

/** Forgets the steps that were added up: an old sample came late. */
export const forgetSteps = (): void => {
  kept.clear()
  unfinished.clear()
}

const partsOf = (metric: MetricName): string[] =>
  SERIES_METRICS[metric].kind === 'counter' ? ['SUM'] : ['MIN', 'MAX', 'AVG']

/**
 * Per node and step first, then across nodes: min, max and avg of a sum are sums of the nodes' own. The step is written into
 * the text because the driver binds every number as a float, and the division has to be one of integers.
 */
const statement = (query: StepsQuery): string => {
  const parts = query.metrics.flatMap((metric) => [
    ...partsOf(metric).map((part) => `${part}("${metric}")`),
    `MAX("${metric}" IS NOT NULL)`,
  ])
  return `SELECT ("at" / ${query.step}) * ${query.step} AS "t", ${parts.join(', ')} FROM "samples"
    WHERE "node" = ? AND "at" >= ? AND "at" < ?${query.region === null ? '' : ' AND "region" = ?'} GROUP BY "t"`
}

const merge = (
  rows: Map<number, StepRow>,
  more: readonly unknown[][],
  takesMax: readonly boolean[],
): void => {
  for (const row of more) {
    const t = Number(row[0])
    const before = rows.get(t)
    if (before === undefined) {
      rows.set(
        t,
        row.map((value) => (value === null ? null : Number(value))),
      )
      continue
    }
    for (let index = 1; index < row.length; index++) {
      const value = row[index]
      if (value === null || value === undefined) continue
      const sum = before[index]
      if (sum === null || sum === undefined) before[index] = Number(value)
      else before[index] = takesMax[index] ? Math.max(sum, Number(value)) : sum + Number(value)
    }
  }
}

/** What a read had added up when its time was over: the next attempt continues from there. */
interface Unfinished {
  rows: Map<number, StepRow>
  /** Index of the next node, and the time from which to continue. */
  node: number
  start: number
}
const unfinished = new Map<string, Unfinished>()
const maxUnfinished = 8

const addUp = async (tools: ReadTools, query: StepsQuery, from: number, to: number, key: string) => {
  const name = `${key} ${from} ${to}`
  const state = unfinished.get(name) ?? { rows: new Map<number, StepRow>(), node: 0, start: from }
  unfinished.delete(name)
  const takesMax = [false]
  for (const metric of query.metrics) {
    for (const _ of partsOf(metric)) takesMax.push(SERIES_METRICS[metric].across === 'max')
    takesMax.push(false)
  }
  const sql = statement(query)
  const slowSql = slowStatement(query.metrics, query.region !== null)
  const wholeSteps = (ms: number) => Math.max(query.step, Math.floor(ms / query.step) * query.step)
  let span = wholeSteps(firstSpanMs)
  for (; state.node < query.nodes.length; state.node++, state.start = from) {
    const slowMs = query.slow[query.nodes[state.node] ?? '']
    while (state.start < to) {
      const end = Math.min(to, state.start + span)
      const since = slowMs === undefined ? state.start : state.start - reachMs(slowMs)
      const args: SqlValue[] = [query.nodes[state.node] ?? '', since, end]
      if (query.region !== null) args.push(query.region)
      if (tools.leftMs() <= 0) {
        // A step that may still get samples is added up again.
        if (to <= query.settledUntil) keepUnfinished(name, state)
        throw new TooSlow()
      }
      const startedAt = performance.now()
      const table = await tools.run(slowMs === undefined ? sql : slowSql, args)
      const within = { step: query.step, from: state.start, to: end }
      const steps =
        slowMs === undefined
          ? table.rows
          : slowSteps(table.rows, query.metrics, { intervalMs: slowMs }, within)
      merge(state.rows, steps, takesMax)
      state.start = end
      const tookMs = performance.now() - startedAt
      if (tookMs < statementMs / 4) span = wholeSteps(span * 2)
      else if (tookMs > 2 * statementMs) span = wholeSteps(span / 2)
    }
  }
  return state.rows
}

const keepUnfinished = (name: string, state: Unfinished): void => {
  unfinished.set(name, state)
  for (const oldest of unfinished.keys()) {
    if (unfinished.size <= maxUnfinished) break
    unfinished.delete(oldest)
  }
}

/** The read's time is up; the caller makes a sentence of it. */
class TooSlow extends Error {
  readonly code = 'ERR_TOO_SLOW'
}

const keep = (key: string, entry: Kept): void => {
  kept.delete(key)
  kept.set(key, entry)
  let steps = 0
  for (const { rows } of kept.values()) steps += rows.size
  for (const [oldest, { rows }] of kept) {
    if (kept.size <= maxKept && steps <= maxKeptSteps) break
    kept.delete(oldest)
    steps -= rows.size
  }
}

/** Adds up samples, step by step, across nodes; steps that an earlier read added up are taken from there. In order of time. */
export const addUpSteps = async (tools: ReadTools, query: StepsQuery): Promise<StepRow[]> => {
  const key = JSON.stringify([query.scope, query.region, query.step, query.metrics, query.slow])
  const known = kept.get(key)
  const usable = known !== undefined && known.from <= query.from && known.to > query.from
  const fresh = usable ? Math.min(known.to, query.to) : query.from
  const added =
    fresh < query.to ? await addUp(tools, query, fresh, query.to, key) : new Map<number, StepRow>()
  const rows = new Map<number, StepRow>()
  if (usable) for (const [t, row] of known.rows) if (t >= query.from && t < query.to) rows.set(t, row)
  for (const [t, row] of added) rows.set(t, row)
  const settled = Math.min(query.to, Math.floor(query.settledUntil / query.step) * query.step)
  if (settled > query.from && settled >= (known?.to ?? 0)) {
    keep(key, {
      from: query.from,
      to: settled,
      rows: new Map([...rows].filter(([t]) => t < settled)),
    })
  }
  return [...rows.values()].sort((a, b) => Number(a[0]) - Number(b[0]))
}
