import { describe, expect, it } from 'vitest'
import { chartRows, lastValue, newestOf } from '@/components/charts/chart-rows.ts'
import { distinctGaps } from '@/components/charts/distinct-gaps.ts'
import { readingOf } from '@/components/charts/reading.ts'
import { countCeiling, niceCeiling, spreadLabels, timeTicks } from '@/components/charts/scale.ts'
import {
  mergeSeries,
  nextPointAt,
  openFrom,
  type SeriesData,
  sameSeries,
} from '@/components/data/merge-series.ts'
import type { Point } from '@/server/contract/answers/series.ts'

const point = (t: number, value: number): Point => [t, value, value, value]
const data = (points: Point[], over: Partial<SeriesData> = {}): SeriesData => ({
  step: 1_000,
  level: 'raw',
  series: [{ scope: 'fleet', metric: 'connections', unit: 'connections', points }],
  gaps: [],
  from: 0,
  to: 100_000,
  ...over,
})
const rowsOf = (points: Point[], measure: 'value' | 'per_second' | 'per_step' = 'value', over = {}) =>
  chartRows([{ key: 'a', data: data(points, over), metric: 'connections' }], measure)

describe('chartRows', () => {
  it('draws missing steps as missing, never as zero', () => {
    const rows = rowsOf([point(0, 5), point(1_000, 5), point(10_000, 7)])
    expect(rows).toEqual([
      { t: 0, a: 5 },
      { t: 1_000, a: 5 },
      { t: 2_000, a: null },
      { t: 10_000, a: 7 },
    ])
  })
  it('bears the jitter of one poll without a hole', () => {
    expect(rowsOf([point(0, 5), point(2_000, 5)])).toHaveLength(2)
  })
  it('leaves out the step that is still filling up, except where increases are counted', () => {
    const points = [point(0, 4), point(1_000, 4), point(2_000, 1)]
    expect(rowsOf(points, 'value', { to: 3_000 }).map((row) => row.t)).toEqual([0])
    expect(rowsOf(points, 'per_step', { to: 3_000 }).map((row) => row.t)).toEqual([0, 1_000, 2_000])
  })
  it('keeps the peak that an average would hide, and reads it out', () => {
    const [row] = rowsOf([[0, 3, 1_314, 29]])
    expect(row).toEqual({ t: 0, a: 29, 'a min': 3, 'a max': 1_314 })
    expect(readingOf(row ?? { t: 0 }, 'a')).toBe('29 (3 to 1\u202f314)')
    expect(readingOf({ t: 0, a: 5 }, 'a')).toBe('5')
    expect(readingOf({ t: 0, a: null }, 'a')).toBe('not measured')
    // The increase of a counter stands in all three: there is no band of it.
    expect(rowsOf([[0, 3, 9, 4]], 'per_second')[0]).toEqual({ t: 0, a: 4 })
  })
  it('gives a line that has ended no present value', () => {
    const rows = rowsOf([point(0, 5), point(1_000, 6)])
    expect(lastValue(rows, 'a', 1_000)).toBe(6)
    expect(lastValue(rows, 'a', 1_001)).toBeNull()
  })
  it('turns an increase into a rate by the length of its step', () => {
    expect(rowsOf([point(0, 12)], 'per_second', { step: 4_000 })[0]?.a).toBe(3)
  })
  it('draws no rate of a step of which the collector missed more than half, and none is lost of the others', () => {
    const points = [point(0, 10), point(1_000, 0), point(2_000, 10)]
    const missed = (from: number, to: number, node?: string) => ({
      gaps: [{ from, to, reason: 'collector stopped', ...(node === undefined ? {} : { node }) }],
    })
    const rates = (over: object) => rowsOf(points, 'per_second', over).map(({ t, a }) => [t, a])
    expect(rates(missed(1_000, 1_600))).toEqual([
      [0, 10],
      [2_000, 10],
    ])
    // Half of it is enough, and so is what one node of many missed.
    expect(rates(missed(1_000, 1_500))).toContainEqual([1_000, 0])
    expect(rates(missed(1_000, 2_000, 'fra-1'))).toContainEqual([1_000, 0])
  })

  it('joins lines by time and leaves a line null where it was not measured', () => {
    const rows = chartRows(
      [
        { key: 'a', data: data([point(0, 1), point(1_000, 1)]), metric: 'connections' },
        { key: 'b', data: data([point(0, 2)]), metric: 'connections' },
      ],
      'value',
    )
    expect(rows).toEqual([
      { t: 0, a: 1, b: 2 },
      { t: 1_000, a: 1, b: null },
    ])
    expect(newestOf(rows)).toBe(1_000)
    expect(lastValue(rows, 'b')).toBe(2)
  })
})

describe('mergeSeries', () => {
  const kept = data([point(0, 1), point(1_000, 1), point(2_000, 1)], { to: 3_400 })
  it('asks again for the steps that may still change', () => {
    expect(openFrom(kept)).toBe(2_000)
  })
  it('replaces what was open, adds what is new, drops what slid out', () => {
    const fresh = {
      step: 1_000,
      level: 'raw' as const,
      gaps: [],
      series: data([point(2_000, 9), point(3_000, 8)]).series,
    }
    const merged = mergeSeries(kept, fresh, 2_000, 1_000, 4_400)
    expect(merged?.series[0]?.points).toEqual([point(1_000, 1), point(2_000, 9), point(3_000, 8)])
    expect(merged).toMatchObject({ from: 1_000, to: 4_400 })
  })
  it('refuses to mix steps', () => {
    expect(mergeSeries(kept, { step: 2_000, level: 'raw', gaps: [], series: [] }, 2_000, 0, 4_000)).toBeNull()
  })
  it('asks when the next step has ended and its polls are stored, and draws nothing twice', () => {
    expect(nextPointAt(data([], { step: 4_000, to: 9_000 }))).toBe(9_500)
    expect(nextPointAt(data([], { step: 4_000, to: 9_600 }))).toBe(13_500)
    expect(sameSeries(kept, { ...kept, to: kept.to + 900 })).toBe(true)
    expect(sameSeries(kept, { ...kept, to: kept.to + 1_000 })).toBe(false)
    expect(sameSeries(kept, { ...kept, series: data([point(0, 2)]).series })).toBe(false)
  })
  it('keeps the longer length of a gap that grew', () => {
    const gap = { from: 500, to: 900, reason: 'no samples', node: 'fra-1' }
    expect(distinctGaps([gap, { ...gap, to: 1_500 }, gap])).toEqual([{ ...gap, to: 1_500 }])
  })
})

describe('scales', () => {
  it.each([
    [0, 1],
    [0.9, 1],
    [5, 6],
    [56, 60],
    [122, 200],
    [1_001, 2_000],
  ])('holds %d below a round ceiling of %d', (value, ceiling) => {
    expect(niceCeiling(value)).toBe(ceiling)
  })
  it('counts in whole numbers, the middle of the axis too', () => {
    for (const value of [0, 1, 3, 7, 11, 64, 130]) expect(countCeiling(value) % 2).toBe(0)
  })
  it('pushes labels apart within the plot and keeps their order', () => {
    const placed = spreadLabels([100, 98, 0], 15, 100)
    expect(placed[0]).toBe(100)
    expect(placed[1]).toBe(85)
    expect(placed[2]).toBe(0)
  })
  it('puts at most the asked number of ticks on round minutes', () => {
    const ticks = timeTicks(30_000, 630_000, 5)
    expect(ticks.length).toBeLessThanOrEqual(5)
    for (const tick of ticks) expect(tick % 60_000).toBe(0)
    // A label that begins at the very end would be cut.
    expect(timeTicks(0, 600_000, 5)).toEqual([0, 120_000, 240_000, 360_000, 480_000])
  })
})
