import { describe, expect, it } from 'vitest'
import { Backoff, EQUAL_JITTER, FULL_JITTER } from '../../server/time/backoff.ts'

const waits = (count: number, backoff: Backoff): number[] =>
  Array.from({ length: count }, () => backoff.next())

describe('Backoff', () => {
  it.each([
    ['no jitter', 0, 0.3, [100, 200, 400, 800, 1_000, 1_000]],
    ['equal jitter, least', EQUAL_JITTER, 0, [50, 100, 200, 400, 500, 500]],
    ['equal jitter, most', EQUAL_JITTER, 1, [100, 200, 400, 800, 1_000, 1_000]],
    ['full jitter, least', FULL_JITTER, 0, [0, 0, 0, 0, 0, 0]],
    ['full jitter, half', FULL_JITTER, 0.5, [50, 100, 200, 400, 500, 500]],
    ['a fifth', 0.2, 0.5, [90, 180, 360, 720, 900, 900]],
  ])('doubles up to its ceiling with %s', (_name, jitter, random, expected) => {
    const seen = waits(6, new Backoff({ baseMs: 100, maxMs: 1_000, jitter, random: () => random }))
    expect(seen.map((ms) => Math.round(ms))).toEqual(expected)
  })

  it('has equal jitter unless told otherwise', () => {
    expect(new Backoff({ baseMs: 100, maxMs: 1_000, random: () => 0 }).next()).toBe(50)
  })

  it('begins anew after a reset', () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 1_000, jitter: 0 })
    waits(5, backoff)
    expect(backoff.failures).toBe(5)
    backoff.reset()
    expect([backoff.failures, backoff.current(), backoff.next()]).toEqual([0, 0, 100])
  })

  it('asks for the present wait without counting a failure', () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 1_000, jitter: 0 })
    backoff.next()
    expect([backoff.current(), backoff.current(), backoff.next()]).toEqual([100, 100, 200])
  })

  it('stays at its ceiling after thousands of failures', () => {
    const backoff = new Backoff({ baseMs: 1, maxMs: 5_000, jitter: 0 })
    expect(waits(5_000, backoff).at(-1)).toBe(5_000)
  })

  it('spreads those who failed together', () => {
    const backoff = new Backoff({ baseMs: 1_000, maxMs: 1_000 })
    const seen = waits(200, backoff)
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...seen)).toBeLessThan(1_000)
    expect(new Set(seen).size).toBeGreaterThan(100)
  })
})
