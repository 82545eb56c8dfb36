import type { SeriesAnswer } from '@/server/contract/answers/series.ts'
import { type MetricName, SETTLE_MS } from '@/server/contract/series.ts'

/** One instant with a value for each line; null is missing, never zero. */
export interface ChartRow {
  t: number
  [line: string]: number | null
}

/** Where a row holds the least and the most of a line's step; only where they differ. */
export const bandKeys = (line: string): { min: string; max: string } => ({
  min: `${line} min`,
  max: `${line} max`,
})

/** `value`: as measured. `per_second`: a counter's increase by the length of its step. `per_step`: the increase itself. */
export type Measure = 'value' | 'per_second' | 'per_step'

export interface LineSource {
  key: string
  /** `to`: epoch ms at which the answer ends. */
  data:
    | (Pick<SeriesAnswer, 'series' | 'step'> & Partial<Pick<SeriesAnswer, 'gaps'>> & { to: number })
    | undefined
  metric: MetricName
}

/** Two steps without a point are a hole; a single one may be the jitter of a poll. */
const HOLE_STEPS = 2.5
/** A line whose last point is older than this many steps has ended. */
export const ENDED_STEPS = 3.5

/** Rows for a chart: lines joined by time, holes as rows of nulls, so that no line crosses what was not measured. */
export const chartRows = (lines: readonly LineSource[], measure: Measure): ChartRow[] => {
  const rows = new Map<number, ChartRow>()
  const row = (t: number): ChartRow => {
    let found = rows.get(t)
    if (!found) {
      found = { t }
      for (const line of lines) found[line.key] = null
      rows.set(t, found)
    }
    return found
  }
  for (const { key, data, metric } of lines) {
    if (!data) continue
    const { step } = data
    let previous: number | null = null
    const band = bandKeys(key)
    for (const [t, min, max, average] of data.series.find((series) => series.metric === metric)?.points ??
      []) {
      // The newest step is still filling up: a rate, or a sum over nodes, would always dip at the end.
      if (measure !== 'per_step' && t + step > data.to - SETTLE_MS) continue
      // A count over a small part of a step is no rate for the whole step: after a restart it would look like a dip to zero.
      if (measure === 'per_second' && unmeasuredIn(data.gaps ?? [], t, t + step) > step / 2) continue
      if (previous !== null && t - previous > HOLE_STEPS * step) row(previous + step)
      const here = row(t)
      here[key] = measure === 'per_second' ? average / (step / 1000) : average
      // A step is coarser than a poll: what happened within it is drawn too, or a peak would vanish in the average.
      if (measure === 'value' && max > min) {
        here[band.min] = min
        here[band.max] = max
      }
      previous = t
    }
  }
  return joinJitter(
    [...rows.values()].sort((a, b) => a.t - b.t),
    lines,
  )
}

/** Milliseconds of a span in which the collector itself measured nothing. */
const unmeasuredIn = (gaps: SeriesAnswer['gaps'], from: number, to: number): number => {
  let covered = 0
  let until = from
  for (const gap of gaps.filter(({ node }) => node === undefined).sort((a, b) => a.from - b.from)) {
    const begin = Math.max(gap.from, until)
    const end = Math.min(gap.to, to)
    if (end <= begin) continue
    covered += end - begin
    until = end
  }
  return covered
}

/** A line that has no point at an instant which only another line has is joined over it, unless its own hole is real. */
const joinJitter = (rows: ChartRow[], lines: readonly LineSource[]): ChartRow[] => {
  for (const { key, data } of lines) {
    if (!data) continue
    for (let index = 1; index < rows.length - 1; index++) {
      const [before, here, after] = [rows[index - 1], rows[index], rows[index + 1]]
      if (!before || !here || !after || here[key] !== null) continue
      const left = before[key]
      const right = after[key]
      if (
        typeof left === 'number' &&
        typeof right === 'number' &&
        after.t - before.t <= HOLE_STEPS * data.step
      )
        here[key] = (left + right) / 2
    }
  }
  return rows
}

/** The time of the newest row that holds any value. */
export const newestOf = (rows: readonly ChartRow[]): number | null => {
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index]
    if (row && Object.entries(row).some(([key, value]) => key !== 't' && value !== null)) return row.t
  }
  return null
}

/** The last measured value of a line, unless it was measured before `since` (epoch ms): a line that has ended has no present. */
export const lastValue = (
  rows: readonly ChartRow[],
  key: string,
  since = Number.NEGATIVE_INFINITY,
): number | null => {
  for (let index = rows.length - 1; index >= 0; index--) {
    const row = rows[index]
    if (!row || row.t < since) return null
    const value = row[key]
    if (typeof value === 'number') return value
  }
  return null
}
