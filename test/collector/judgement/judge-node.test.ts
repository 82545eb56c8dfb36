import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../server/collector/adapters/reading.ts'
import { JUDGE_DEFAULTS, judge, unknownJudgement } from '../../../server/collector/judgement/judge.ts'
import { judgeNode } from '../../../server/collector/judgement/judge-node.ts'
import { factsWith } from '../signals/scripted-view.ts'

const reading = (at: number, outcome: Reading['outcome'] = 'ok'): Reading => ({
  at,
  durationMs: 5,
  outcome,
  status: null,
  reason: '',
  ...(outcome === 'ok' ? { facts: factsWith() } : {}),
})

describe('a node that has not been asked often yet', () => {
  /** What it is after two good polls and so many that got lost, beside others that lost such a share of theirs. */
  const stateAfter = (timeouts: number, lossRate: number, embedded = false) => {
    let judgement = judge(judge(unknownJudgement(0), reading(1_000)), reading(2_000))
    for (let poll = 0; poll < timeouts; poll += 1) {
      const at = 10_000 + poll * 1_000
      const others = ['fra-2', 'iad-1', 'iad-2'].map((id) => ({
        ...{ id, region: id.slice(0, 3), embedded: embedded && id !== 'iad-2', intervalMs: 1_000 },
        reading: reading(at - 500),
        judgement: id === 'iad-2' ? { lossRate: 0, asked: 1 } : { lossRate, asked: 200 },
      }))
      const who = { id: 'fra-1', region: 'fra', embedded: false, intervalMs: 1_000 }
      const own = { ...who, reading: null, doubt: null, judgement }
      judgement = judgeNode(own, reading(at, 'timeout'), [own, ...others], JUDGE_DEFAULTS).judgement
    }
    return judgement.state
  }

  it('is down after three polls without an answer where the others lose none', () => {
    expect([stateAfter(2, 0), stateAfter(3, 0)]).toEqual(['up', 'down'])
  })

  it('learns from the others how many get lost anyway', () => {
    expect([stateAfter(5, 0.05), stateAfter(6, 0.05)]).toEqual(['up', 'down'])
  })

  it('learns nothing from nodes of our own process, to which nothing gets lost', () => {
    expect(stateAfter(3, 0.05, true)).toBe('down')
  })
})
