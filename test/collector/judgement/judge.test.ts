import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../server/collector/adapters/reading.ts'
import { factsOf } from '../../../server/collector/adapters/tidegate/facts.ts'
import {
  type Judgement,
  judge,
  judgeStall,
  pollsToFall,
  unknownJudgement,
} from '../../../server/collector/judgement/judge.ts'
import type { Health } from '../../../server/contract/index.ts'
import { healthDocument } from '../adapters/tidegate/health-document.ts'

let clock = 0
const tick = (): number => {
  clock += 1_000
  return clock
}
const good = (parts: Partial<Health> = {}, more: Partial<Reading> = {}): Reading => ({
  at: tick(),
  durationMs: 5,
  outcome: 'ok',
  status: 200,
  reason: 'answered',
  facts: factsOf(healthDocument(parts)),
  ...more,
})
const bad = (outcome: Reading['outcome'] = 'refused'): Reading => ({
  at: tick(),
  durationMs: 5,
  outcome,
  status: null,
  reason: 'no',
})
const run = (polls: Reading[], from: Judgement = unknownJudgement(0)): Judgement =>
  polls.reduce((held, poll) => judge(held, poll), from)
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)

describe('judge', () => {
  it.each([
    ['is unknown before two good polls', () => [good()], 'unknown'],
    ['is up after two good polls', () => [good(), good()], 'up'],
    ['stays up for two bad polls', () => [good(), good(), bad(), bad()], 'up'],
    ['is down after three bad polls in a row', () => [good(), good(), bad(), bad(), bad()], 'down'],
    ['is down from the start after three bad polls', () => [bad(), bad(), bad()], 'down'],
    [
      'forgets bad polls that a good one interrupts',
      () => [good(), good(), bad(), bad(), good(), bad(), bad()],
      'up',
    ],
    ['stays down for one good poll', () => [bad(), bad(), bad(), good()], 'down'],
    ['comes back with two good polls', () => [bad(), bad(), bad(), good(), good()], 'up'],
    [
      'counts every outcome that is not ok',
      () => [bad('redirect'), bad('too_large'), bad('wrong_region')],
      'down',
    ],
    [
      'is degraded after two polls that say not ok',
      () => [good(), good(), good({ ok: false }), good({ ok: false })],
      'degraded',
    ],
    ['is not degraded by one of them', () => [good(), good(), good({ ok: false })], 'up'],
    [
      'is degraded when two of three polls fail, again and again',
      () => [good(), good(), ...times(5, () => [bad('timeout'), bad('timeout'), good()]).flat()],
      'degraded',
    ],
    [
      'is degraded when one of three polls fails, again and again',
      () => [good(), good(), ...times(5, () => [bad('timeout'), good(), good()]).flat()],
      'degraded',
    ],
    [
      'is up again when the failing has ended',
      () => [good(), good(), ...times(5, () => [bad(), bad(), good()]).flat(), ...times(9, good)],
      'up',
    ],
    ['is up after an outage that has ended, not flapping', () => [...times(4, bad), good(), good()], 'up'],
    ['is draining as soon as it says so', () => [good(), good(), good({ state: 'draining' })], 'draining'],
    ['is drained as soon as it says so', () => [good({ state: 'drained' })], 'drained'],
    ['serves again only after two polls that agree', () => [good({ state: 'drained' }), good()], 'drained'],
    ['serves again after two polls that agree', () => [good({ state: 'drained' }), good(), good()], 'up'],
    [
      'is not up while it starts',
      () => [good({ state: 'starting' }), good({ state: 'starting' })],
      'unknown',
    ],
  ])('%s', (_title, polls, state) => {
    expect(run(polls()).state).toBe(state)
  })

  it('comes back degraded when two good polls disagree about how well', () => {
    expect(run([bad(), bad(), bad(), good(), good({ ok: false })]).state).toBe('degraded')
  })

  it('is degraded by answers four times slower than its own median and above 500 ms', () => {
    const settled = run(times(10, () => good({}, { durationMs: 150 })))
    const slow = run(
      times(2, () => good({}, { durationMs: 700 })),
      settled,
    )
    expect(slow.state).toBe('degraded')
    expect(slow.problems.join()).toContain('slow: 700 ms against a median of 150 ms')
    expect(
      run(
        times(2, () => good({}, { durationMs: 450 })),
        settled,
      ).state,
    ).toBe('up')
    const alwaysSlow = run(times(10, () => good({}, { durationMs: 600 })))
    expect(
      run(
        times(2, () => good({}, { durationMs: 900 })),
        alwaysSlow,
      ).state,
    ).toBe('up')
  })

  it('is degraded by a document with a malformed part', () => {
    expect(run(times(2, () => good({}, { partial: ['the push part is malformed'] }))).state).toBe('degraded')
  })

  it('sees a restart by the epoch, once', () => {
    const settled = run([good(), good()])
    const restarted = judge(settled, good({ epoch: 'run2' }))
    expect(restarted.restarted).toBe(true)
    expect(judge(restarted, good({ epoch: 'run2' })).restarted).toBe(false)
  })

  it('keeps since while the state holds', () => {
    const settled = run([good(), good()])
    expect(run([good(), good()], settled).since).toBe(settled.since)
  })

  it('knows nothing after a stall of the collector, and does not count bad polls of before', () => {
    const failing = run([good(), good(), bad(), bad()])
    const stalled = judgeStall(failing, clock)
    expect(stalled.state).toBe('unknown')
    expect(judge(stalled, bad()).state).toBe('unknown')
    expect(run([good(), good()], stalled).state).toBe('up')
  })

  it('says that it flaps, and how much', () => {
    const judged = run([good(), good(), ...times(5, () => [bad('timeout'), bad('timeout'), good()]).flat()])
    expect(judged.problems).toEqual(['flapping: 6 of the last 9 polls failed'])
  })

  it('does not take the slowness of a sick node for what is usual', () => {
    const judged = run([...times(20, good), ...times(60, () => good({}, { durationMs: 1_900 }))])
    expect(judged).toMatchObject({ state: 'degraded', problems: ['slow: 1900 ms against a median of 5 ms'] })
  })

  it('calls a node slow that was so since the collector started', () => {
    expect(run(times(60, () => good({}, { durationMs: 2_900 })))).toMatchObject({
      state: 'degraded',
      problems: ['slow: 2900 ms'],
    })
  })

  it("does not call a node slow for the collector's own lag", () => {
    const judged = run([...times(20, good), ...times(5, () => good({}, { durationMs: 900, ownLagMs: 880 }))])
    expect(judged).toMatchObject({ state: 'up', problems: [] })
    expect(Math.max(...judged.baseline)).toBeLessThan(50)
  })

  describe('where polls get lost', () => {
    const lost = (): Reading => bad('timeout')
    /** So many polls of which every n-th is lost, the last one not. */
    const lossy = (polls: number, every: number) =>
      Array.from({ length: polls }, (_, index) => (index % every === every - 2 ? lost() : good()))
    const stateAfter = (every: number, ...then: Reading[]) => run([...lossy(400, every), ...then]).state

    it.each([
      [0, 3, 3],
      [0.0019, 3, 3],
      [0.005, 3, 4],
      [0.01, 3, 4],
      [0.02, 3, 5],
      [0.05, 3, 6],
      [0.5, 3, 6],
      [1, 3, 6],
      [0.05, 5, 6],
      [0.05, 10, 10],
      [0.05, 1, 2],
    ])('a share of %f makes of a fall of %i one of %i', (lossRate, fall, needed) => {
      expect(pollsToFall(lossRate, fall)).toBe(needed)
    })

    it('three in a row are no outage where one in twenty is usual, and six are', () => {
      expect(stateAfter(20, ...times(5, lost))).toBe('up')
      expect(stateAfter(20, ...times(6, lost))).toBe('down')
    })

    it('three are one where none was lost before', () => {
      expect(run([...times(400, good), ...times(3, lost)]).state).toBe('down')
    })

    it('a refusal is an answer: three of those are enough, and so is one beside two losses', () => {
      expect(stateAfter(20, ...times(3, bad))).toBe('down')
      expect(stateAfter(20, lost(), lost(), bad())).toBe('down')
    })

    it('an outage is no loss: when it is over, three in a row are one again', () => {
      const back = run([...times(400, good), ...times(50, lost), ...times(5, good)])
      expect([back.state, back.lossRate]).toEqual(['up', 0])
      expect(run(times(3, lost), back).state).toBe('down')
    })

    it('forgets losses that are long ago, and remembers them over a stall of its own', () => {
      const before = run(lossy(400, 20))
      expect(before.lossRate).toBeCloseTo(0.05, 2)
      expect(judgeStall(before, tick()).lossRate).toBe(before.lossRate)
      expect(run(times(1_000, good), before).lossRate).toBeLessThan(0.002)
    })

    it('is degraded, in words, from one in ten on, until it is better than seven in a hundred', () => {
      const one = run(lossy(200, 8))
      expect(one).toMatchObject({ state: 'degraded', lossy: true })
      expect(one.problems.join()).toMatch(/lossy: 1\d % of its polls get lost/)
      expect(run(lossy(400, 20), one)).toMatchObject({ state: 'up', lossy: false, problems: [] })
    })

    it('does not flap by three in nine where that is nothing unusual, and does by five', () => {
      const usual = run(lossy(400, 30))
      const some = [lost(), good(), lost(), good(), lost(), good()]
      expect(run(some, usual)).toMatchObject({ state: 'up', flapping: false })
      expect(run([...some, lost(), lost(), good()], usual)).toMatchObject({
        state: 'degraded',
        flapping: true,
      })
    })
  })
})
