import type { Point, SeriesAnswer, SeriesGap } from '@/server/contract/answers/series.ts'
import { SETTLE_MS } from '@/server/contract/series.ts'

/** An answer with the span it covers. */
export interface SeriesData extends SeriesAnswer {
  /** Epoch ms. */
  from: number
  to: number
}

/** Start of the last step that can still change: from here on an incremental fetch must ask again. */
export const openFrom = (data: SeriesData): number => Math.floor(data.to / data.step) * data.step - data.step

/** When the next point will be worth asking for, epoch ms: its step has ended, and its polls are stored. */
export const nextPointAt = (data: SeriesData): number =>
  (Math.floor((data.to - SETTLE_MS) / data.step) + 1) * data.step + SETTLE_MS

/** Whether two answers draw the same picture, give or take less than a step of the window. */
export const sameSeries = (a: SeriesData, b: SeriesData): boolean =>
  a.step === b.step &&
  Math.abs(a.to - b.to) < a.step &&
  Math.abs(a.from - b.from) < a.step &&
  JSON.stringify([a.series, a.gaps]) === JSON.stringify([b.series, b.gaps])

const mergePoints = (
  old: readonly Point[],
  fresh: readonly Point[],
  since: number,
  from: number,
): Point[] => [...old.filter(([t]) => t < since && t >= from), ...fresh.filter(([t]) => t >= since)]

const gapId = (gap: SeriesGap) => `${gap.node ?? ''} ${gap.from} ${gap.reason}`

/**
 * Puts an answer for `[since, …)` onto what is kept, and drops what slid out of the window. Null where the steps differ: the
 * whole span must then be asked for.
 */
export const mergeSeries = (
  kept: SeriesData,
  fresh: SeriesAnswer,
  since: number,
  from: number,
  to: number,
): SeriesData | null => {
  if (fresh.step !== kept.step) return null
  const freshByMetric = new Map(fresh.series.map((series) => [series.metric, series]))
  const names = new Set([...kept.series, ...fresh.series].map((series) => series.metric))
  const keptByMetric = new Map(kept.series.map((series) => [series.metric, series]))
  const series = [...names].map((metric) => {
    const old = keptByMetric.get(metric)
    const next = freshByMetric.get(metric)
    const base = next ?? old
    if (!base) throw new Error(`Series ${metric} vanished while it was merged`)
    return { ...base, points: mergePoints(old?.points ?? [], next?.points ?? [], since, from) }
  })
  // A gap that grew keeps its start: the newer length wins.
  const gaps = new Map(kept.gaps.filter((gap) => gap.to >= from).map((gap) => [gapId(gap), gap]))
  for (const gap of fresh.gaps) gaps.set(gapId(gap), gap)
  return { step: kept.step, level: kept.level, series, gaps: [...gaps.values()], from, to }
}
