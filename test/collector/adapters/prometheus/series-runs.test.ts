import { describe, expect, it } from 'vitest'
import type { CounterName } from '../../../../server/collector/adapters/facts.ts'
import { SeriesRuns } from '../../../../server/collector/adapters/prometheus/series-runs.ts'

/** A page whose counter has these series, by their labels. */
const page = (at: number, series: readonly (readonly [string, number])[]) => ({
  at,
  saidS: at / 1_000,
  epoch: 'run1',
  uptimeMs: null,
  startedS: null,
  writerStartedS: null,
  counters: new Map<CounterName, ReadonlyMap<string, number>>([['requests', new Map(series)]]),
})

describe('series that are counted one by one', () => {
  it('are remembered while they are away, up to so many characters of their labels', () => {
    const runs = new SeriesRuns()
    const countOf = (at: number, ...series: (readonly [string, number])[]) =>
      runs.take('gw-1', page(at, series)).counters.requests?.page
    expect(countOf(1, ['a', 100])).toBe(100)
    expect(countOf(2, ['b', 1])).toBe(101)
    // It was away for one answer, and comes back with its increase alone.
    expect(countOf(3, ['a', 105])).toBe(106)
    const label = (at: number) => `${at}${'x'.repeat(500_000)}`
    for (let at = 4; at < 20; at += 1) countOf(at, [label(at), 1])
    expect(countOf(20)).toBe(122)
    // Forgotten with what hostile labels took its room for: all of it is new.
    expect(countOf(21, ['a', 105])).toBe(227)
  })
})
