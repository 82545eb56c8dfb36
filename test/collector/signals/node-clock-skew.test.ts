import { describe, expect, it } from 'vitest'
import { nodeClockSkew } from '../../../server/collector/signals/node-clock-skew.ts'
import type { SignalFact } from '../../../server/collector/signals/rule.ts'
import { Play } from './play.ts'
import { factsWith } from './scripted-view.ts'

const reading = (at: number): SignalFact => ({ type: 'reading', node: 'fra-1', at, facts: factsWith() })
const play = () => new Play(nodeClockSkew)
type Rule = ReturnType<typeof play>

/** Readings every 5 s, from a moment on, with a clock that is off by so much. */
const read = (rule: Rule, ms: number, from: number, to: number) => {
  rule.node = { ...rule.node, clockSkewMs: ms }
  for (let at = from; at <= to; at += 5_000) rule.take(reading(at))
  return rule.look(to)
}

describe('node.clock_skew', () => {
  it.each([
    [4_999, 'closed'],
    [-4_999, 'closed'],
    [5_000, 'open'],
    [-5_000, 'open'],
    [3_600_000, 'open'],
  ])('of %i ms for a minute is %s', (ms, state) => {
    expect(read(play(), ms, 0, 60_000).state).toBe(state)
  })

  it('opens after a minute and not before, and says by how much it is off', () => {
    const rule = play()
    expect(read(rule, 12_000, 0, 55_000).state).toBe('closed')
    expect(read(rule, 12_000, 60_000, 60_000)).toMatchObject({
      startedAt: 0,
      title: 'The clock of fra-1 is wrong',
      sentence: 'the clock of fra-1 is 12 s ahead; its times are corrected',
    })
    expect(read(rule, -90_000, 65_000, 65_000)).toMatchObject({ impact: 'clock of fra-1 90 s behind' })
  })

  it('begins anew where it was right in between', () => {
    const rule = play()
    read(rule, 12_000, 0, 50_000)
    read(rule, 100, 55_000, 55_000)
    expect(read(rule, 12_000, 60_000, 115_000).state).toBe('closed')
  })

  it('closes below half of what opens it, so that a clock at the limit does not come and go', () => {
    const rule = play()
    read(rule, 5_100, 0, 60_000)
    expect(read(rule, 4_900, 65_000, 65_000).state).toBe('open')
    expect(read(rule, 2_500, 70_000, 70_000).state).toBe('open')
    expect(read(rule, 2_499, 75_000, 75_000)).toEqual({
      state: 'closed',
      because: 'the clock of fra-1 is right',
    })
    expect(read(rule, 4_900, 80_000, 200_000).state).toBe('closed')
  })

  it('blames our own clock where most of at least three differ alike, and the one that differs otherwise', () => {
    const rule = play()
    rule.others = [
      { id: 'fra-2', clockSkewMs: 600_500 },
      { id: 'iad-1', clockSkewMs: 599_000 },
    ]
    expect(read(rule, 600_000, 0, 60_000)).toMatchObject({ state: 'closed' })
    rule.others = [
      { id: 'fra-2', clockSkewMs: 0 },
      { id: 'iad-1', clockSkewMs: null },
    ]
    expect(read(rule, 600_000, 65_000, 65_000).state).toBe('open')
    rule.others = [
      { id: 'fra-2', clockSkewMs: 0 },
      { id: 'iad-1', clockSkewMs: -50 },
    ]
    expect(read(rule, 600_000, 70_000, 70_000).state).toBe('open')
  })

  it('says nothing of a clock that nobody could read, nor of a node that does not answer', () => {
    const rule = play()
    rule.node = { id: 'fra-1', clockSkewMs: null }
    rule.take(reading(0))
    expect(rule.look(60_000).state).toBe('closed')
    rule.node = { id: 'fra-1', clockSkewMs: 9_000, state: 'down' }
    expect(rule.look(60_000).state).toBe('hold')
  })

  it('holds over a restart of the collector until the clock is read, and keeps since when', () => {
    const rule = play()
    read(rule, 12_000, 0, 60_000)
    rule.restart()
    expect(rule.look(61_000).state).toBe('hold')
    expect(read(rule, 12_000, 65_000, 65_000)).toMatchObject({ state: 'open', startedAt: 0 })
  })

  it('counts from now where our clock was set back meanwhile', () => {
    const rule = play()
    read(rule, 12_000, 3_600_000, 3_630_000)
    expect(rule.look(0).state).toBe('closed')
    expect(read(rule, 12_000, 5_000, 60_000).state).toBe('open')
  })
})
