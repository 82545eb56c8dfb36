import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../server/collector/adapters/facts.ts'
import { RunNames } from '../../../server/collector/adapters/run-names.ts'
import { isSameRun, markOf } from '../../../server/collector/drains/run-mark.ts'

const facts = (epoch: string, uptimeMs: number | null, accepted: number | null): Facts => ({
  ok: true,
  problems: [],
  version: null,
  epoch,
  uptimeMs,
  newestSeq: null,
  gauges: {},
  counters: accepted === null ? {} : { connections_accepted: { all: accepted } },
  listeners: [],
  lastDeliveryAt: null,
  drain: null,
})

const HOUR = 3_600_000
const MINUTE = 60_000
const DAY = 24 * HOUR

describe('a run that another process of the collector named', () => {
  it.each<[string, [number | null, number | null], [number | null, number | null], number, boolean]>([
    ['goes on where it runs for as much longer as has passed', [DAY, 40], [DAY + MINUTE, 40], MINUTE, true],
    ['goes on also where nothing was ever counted', [DAY, 0], [DAY + MINUTE, 0], MINUTE, true],
    ['is another where it runs for a shorter time', [DAY, 40], [5_000, 1], MINUTE, false],
    [
      'is another where it runs for a shorter time, our clock an hour ahead',
      [DAY, 40],
      [5_000, 1],
      HOUR,
      false,
    ],
    [
      'is another where it runs for a shorter time, our clock an hour behind',
      [DAY, 40],
      [5_000, 1],
      -HOUR,
      false,
    ],
    ['goes on where our clock was set an hour ahead', [MINUTE, 40], [2 * MINUTE, 41], HOUR + MINUTE, true],
    ['goes on where our clock was set an hour back', [MINUTE, 40], [2 * MINUTE, 41], MINUTE - HOUR, true],
    ['is another where it counts less', [null, 40], [null, 3], MINUTE, false],
    ['goes on where it counts no less', [null, 40], [null, 40], MINUTE, true],
    ['goes on where nothing says otherwise', [null, null], [null, null], MINUTE, true],
    [
      'is another where its time does not fit and it has counted less',
      [MINUTE, 40],
      [HOUR, 4],
      5 * HOUR,
      false,
    ],
    [
      'is another where its time does not fit and nothing was counted',
      [MINUTE, 0],
      [HOUR, 0],
      5 * HOUR,
      false,
    ],
  ])('%s', (_title, before, now, passedMs, same) => {
    const at = Date.parse('2026-01-01T00:00:00Z')
    const mark = markOf(facts(new RunNames().next(at), ...before), at)
    expect(isSameRun(mark, facts(new RunNames().next(at), ...now), at + passedMs)).toBe(same)
  })

  it('is not asked for where names say it all', () => {
    const names = new RunNames()
    const same = (one: string, other: string) =>
      isSameRun(markOf(facts(one, DAY, 40), 0), facts(other, DAY + 1_000, 41), 1_000)
    expect(same('run-a', 'run-a')).toBe(true)
    expect(same('run-a', 'run-b')).toBe(false)
    // One process of the collector told both apart.
    expect(same(names.next(0), names.next(5))).toBe(false)
    // Another process number, or another restart epoch, before what we named ourselves.
    expect(same(`0-${names.next(0)}`, `1-${new RunNames().next(5)}`)).toBe(false)
    expect(same(`0-${names.next(0)}`, `0-${new RunNames().next(5)}`)).toBe(true)
    // As an older version named it.
    expect(same('seen-1000-1', new RunNames().next(5))).toBe(true)
  })
})
