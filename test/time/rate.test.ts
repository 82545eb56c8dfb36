import { describe, expect, it } from 'vitest'
import { Rate } from '../../server/time/rate.ts'

/** Takes `count` at each given time and answers how many passed there. */
const burst = (rate: Rate, count: number): number =>
  Array.from({ length: count }, () => rate.take()).filter(Boolean).length

describe('Rate', () => {
  it.each<
    [string, { perSecond: number; sampleEvery?: number }, [atMs: number, taken: number, passed: number][]]
  >([
    ['below its limit', { perSecond: 3 }, [[0, 2, 2]]],
    ['at its limit', { perSecond: 3 }, [[0, 3, 3]]],
    ['just above it', { perSecond: 3 }, [[0, 4, 3]]],
    [
      'within one second, and anew in the next',
      { perSecond: 3 },
      [
        [0, 2, 2],
        [999, 5, 1],
        [1_000, 5, 3],
      ],
    ],
    [
      'after a long pause, which saves nothing up',
      { perSecond: 3 },
      [
        [0, 9, 3],
        [60_000, 9, 3],
      ],
    ],
    ['with a sample of the rest', { perSecond: 10, sampleEvery: 100 }, [[0, 1_010, 20]]],
    ['at nothing at all', { perSecond: 0 }, [[0, 5, 0]]],
  ])('passes so many a second: %s', (_name, limits, steps) => {
    let now = 0
    const rate = new Rate({ ...limits, now: () => now })
    let taken = 0
    let passed = 0
    for (const [atMs, count, expected] of steps) {
      now = atMs
      expect(burst(rate, count)).toBe(expected)
      taken += count
      passed += expected
      expect([rate.passed, rate.leftOut]).toEqual([passed, taken - passed])
    }
  })
})
