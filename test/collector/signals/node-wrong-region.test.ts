import { describe, expect, it } from 'vitest'
import type { PollOutcome } from '../../../server/collector/adapters/reading.ts'
import { nodeDown } from '../../../server/collector/signals/node-down.ts'
import { nodeWrongRegion } from '../../../server/collector/signals/node-wrong-region.ts'
import type { NodeView, SignalFact } from '../../../server/collector/signals/rule.ts'
import { Play } from './play.ts'
import { factsWith, lookAt, scriptedView } from './scripted-view.ts'

const failed = (at: number, outcome: PollOutcome = 'wrong_region'): SignalFact => ({
  type: 'failed',
  node: 'fra-1',
  at,
  outcome,
  reason: 'answers for region iad, configured is fra',
})
const good = (at: number): SignalFact => ({ type: 'reading', node: 'fra-1', at, facts: factsWith() })
const play = (polls?: number) => new Play(nodeWrongRegion, polls === undefined ? {} : { polls })

describe('node.wrong_region', () => {
  it.each([
    [1, 2, 'closed'],
    [2, 2, 'open'],
    [3, 2, 'open'],
    [1, 1, 'open'],
    [4, 5, 'closed'],
  ])('after %i such answers where %i are needed is %s', (answers, needed, state) => {
    const rule = play(needed)
    for (let poll = 1; poll <= answers; poll += 1) rule.take(failed(poll * 1_000))
    expect(rule.look(answers * 1_000).state).toBe(state)
  })

  it('says what is answered, since when, and who else serves', () => {
    const rule = play()
    rule.others = [{ id: 'fra-2' }]
    rule.take(failed(1_000)).take(failed(2_000))
    expect(rule.look(61_000)).toMatchObject({
      startedAt: 1_000,
      title: 'fra-1 answers for another region',
      sentence: 'fra-1 answers for region iad, configured is fra; 1 other node of fra serves',
      severity: 'warning',
      impact: 'fra-1 of another region for 60 s',
    })
    rule.others = []
    expect(rule.look(61_000)).toMatchObject({ severity: 'critical' })
  })

  it('neither counts nor forgives polls without an answer, and closes with the first right one', () => {
    const rule = play()
    rule.take(failed(1_000)).take(failed(2_000, 'timeout'))
    expect(rule.look(2_000).state).toBe('closed')
    rule.take(failed(3_000))
    expect(rule.look(3_000).state).toBe('open')
    rule.take(failed(4_000, 'refused'))
    expect(rule.look(4_000).state).toBe('open')
    rule.take(good(5_000))
    expect(rule.look(5_000)).toEqual({ state: 'closed', because: 'fra-1 answers for fra' })
  })

  it('holds over a restart of the collector until something is answered, and then goes on from where it was', () => {
    const rule = play()
    rule.take(failed(1_000)).take(failed(2_000)).look(2_000)
    rule.restart()
    expect(rule.look(3_000).state).toBe('hold')
    expect(rule.take(failed(9_000)).look(9_000).state).toBe('hold')
    expect(rule.take(failed(10_000)).look(10_000)).toMatchObject({ state: 'open', startedAt: 1_000 })
  })

  it.each<[PollOutcome, NodeView['state'], string]>([
    ['wrong_region', 'down', 'closed'],
    ['wrong_node', 'down', 'open'],
    ['refused', 'down', 'open'],
  ])('leaves of a node that is down by %s what node.down says: %s, %s', (outcome, state, expected) => {
    const fleet = scriptedView({ nodes: [{ id: 'fra-1', state, outcome, downSince: 1_000 }] })
    expect(nodeDown.verdict(null, lookAt(nodeDown, fleet, { now: 5_000 })).state).toBe(expected)
  })
})
