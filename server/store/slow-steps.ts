import { type MetricName, SERIES_METRICS } from '../contract/series.ts'

/** A node that is polled less often than a chart has steps. */
export interface SlowNode {
  /** Milliseconds between two of its polls. */
  intervalMs: number
}

/** How long the last value of a node is used where the next one does not come, in intervals. */
const STANDS_FOR = 1.5

/** How far back to look for a sample whose value reaches into the first step, in ms. */
export const reachMs = (intervalMs: number): number => Math.ceil(STANDS_FOR * intervalMs)

/** The samples of one slow node: `at`, then each metric. */
export const slowStatement = (metrics: readonly MetricName[], hasRegion: boolean): string =>
  `SELECT "at", ${metrics.map((metric) => `"${metric}"`).join(', ')} FROM "samples"
    WHERE "node" = ? AND "at" >= ? AND "at" < ?${hasRegion ? ' AND "region" = ?' : ''} ORDER BY "at"`

/**
 * Steps of a node that is polled once in several of them, in the form of the steps that are read by SQL. A gauge holds until the next
 * sample, or until it is too old; a count is spread evenly over the interval that begins with the step of its sample: a step may then be
 * added up as soon as it is over, and the sum of all steps is what was counted.
 *
 * @param samples in order of time
 */
export const slowSteps = (
  samples: readonly (readonly unknown[])[],
  metrics: readonly MetricName[],
  { intervalMs }: SlowNode,
  span: { step: number; from: number; to: number },
): (number | null)[][] => {
  const { step } = span
  const rows = new Map<number, (number | null)[]>()
  const columns = metrics.map((metric) => (SERIES_METRICS[metric].kind === 'counter' ? 2 : 4))
  const width = columns.reduce((sum, count) => sum + count, 1)
  const rowAt = (t: number): (number | null)[] => {
    let row = rows.get(t)
    if (row === undefined) {
      row = new Array<number | null>(width).fill(null)
      row[0] = t
      rows.set(t, row)
    }
    return row
  }
  const spread = Math.max(1, Math.round(intervalMs / step))
  const startOf = (at: number): number => Math.floor(at / step) * step
  samples.forEach((sample, turn) => {
    const at = Number(sample[0])
    const first = startOf(at)
    const next = samples[turn + 1]
    const nextAt = next === undefined ? Number.POSITIVE_INFINITY : Number(next[0])
    const heldUntil = Math.min(startOf(nextAt), startOf(at + STANDS_FOR * intervalMs))
    let column = 1
    metrics.forEach((metric, index) => {
      const value = sample[index + 1]
      const mine = column
      column += columns[index] ?? 0
      if (value === null || value === undefined) return
      const number = Number(value)
      const isCounter = SERIES_METRICS[metric].kind === 'counter'
      const until = isCounter ? first + spread * step : Math.max(heldUntil, first + step)
      for (let t = Math.max(first, span.from); t < Math.min(until, span.to); t += step) {
        const row = rowAt(t)
        if (isCounter) row[mine] = (row[mine] ?? 0) + number / spread
        else {
          row[mine] = Math.min(row[mine] ?? number, number)
          row[mine + 1] = Math.max(row[mine + 1] ?? number, number)
          row[mine + 2] = number
        }
        row[mine + (isCounter ? 1 : 3)] = 1
      }
    })
  })
  return [...rows.values()]
}
