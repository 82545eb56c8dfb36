import { describe, expect, it } from 'vitest'
import { drainStalled } from '../../../server/collector/signals/drain-stalled.ts'
import type { StepView } from '../../../server/collector/signals/rule.ts'
import { lookAt, scriptedView } from './scripted-view.ts'

const step: StepView = { phase: 'connections', since: 10_000, plannedMs: 55_000, note: null }
const verdict = (now: number, more: Partial<StepView> | null = {}) => {
  const fleet = scriptedView({ nodes: [{ id: 'fra-1', step: more && { ...step, ...more } }] })
  return drainStalled.verdict(null, lookAt(drainStalled, fleet, { now }))
}

describe('drain.stalled', () => {
  it.each([
    ['within the plan', 60_000, 'closed'],
    ['just below the grace', 10_000 + 55_000 + 59_999, 'closed'],
    ['at it', 10_000 + 55_000 + 60_000, 'open'],
    ['by a clock that was set back', 0, 'closed'],
  ])('%s', (_title, now, state) => {
    expect(verdict(now).state).toBe(state)
  })

  it('closes when the step, or the drain, has ended', () => {
    expect(verdict(1e9, null)).toEqual({ state: 'closed', because: 'it is not being drained' })
  })

  it('says where it stands, how long, and what the drain says of it', () => {
    expect(verdict(190_000, { note: 'Waiting for 3 connections of fra-1 to end' })).toMatchObject({
      startedAt: 65_000,
      sentence:
        'fra-1 is finishing connections for 3 min, planned were 55 s: Waiting for 3 connections of fra-1 to end',
      title: 'The drain of fra-1 takes longer than planned',
      impact: '2 min beyond the plan',
    })
  })
})
