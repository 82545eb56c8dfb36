import { describe, expect, it } from 'vitest'
import { drainResidue } from '../../../server/collector/signals/drain-residue.ts'
import type { OpenSignal } from '../../../server/collector/signals/rule.ts'
import { factsWith, lookAt, scriptedView } from './scripted-view.ts'

type State = ReturnType<typeof drainResidue.start>
/** Seconds, what the node has counted by then, and the run that counted it. */
type Look = [at: number, accepted: number, epoch?: string]

const out = scriptedView({ nodes: [{ id: 'fra-1', drained: true }] })
const serving = scriptedView()

const stateAfter = (looks: readonly Look[], fleet = out, from: State = null): State =>
  looks.reduce<State>(
    (state, [at, accepted, epoch = 'run1']) =>
      drainResidue.take(
        state,
        {
          type: 'reading',
          node: 'fra-1',
          at: at * 1_000,
          facts: factsWith({ epoch, counters: { connections_accepted: { proxy: accepted } } }),
        },
        lookAt(drainResidue, fleet),
      ),
    from,
  )
const verdict = (state: State, now: number, fleet = out, open: OpenSignal | null = null) =>
  drainResidue.verdict(state, lookAt(drainResidue, fleet, { now: now * 1_000, open }))
const openSince = (at: number): OpenSignal => ({ startedAt: at * 1_000, openedAt: at * 1_000, memory: null })

describe('drain.residue', () => {
  it('takes what one answer counts by another name for no traffic', () => {
    const read = (state: State, at: number, counters: Record<string, { page: number }>): State =>
      drainResidue.take(
        state,
        { type: 'reading', node: 'fra-1', at: at * 1_000, facts: factsWith({ epoch: 'run1', counters }) },
        lookAt(drainResidue, out),
      )
    const both = { connections_accepted: { page: 10 }, requests: { page: 90_000 } }
    let state = read(null, 0, both)
    state = read(state, 5, { requests: { page: 90_000 } })
    state = read(state, 10, both)
    expect(verdict(state, 11).state).toBe('closed')
    state = read(state, 15, { ...both, connections_accepted: { page: 13 } })
    expect(verdict(state, 16).state).toBe('open')
  })

  it.each<[string, Look[], number, string]>([
    ['what it counted before it was out says nothing', [[0, 1_000]], 1, 'closed'],
    [
      'nothing comes',
      [
        [0, 10],
        [5, 10],
        [10, 10],
      ],
      11,
      'closed',
    ],
    [
      'two connections are too little',
      [
        [0, 10],
        [5, 12],
      ],
      6,
      'closed',
    ],
    [
      'three are enough',
      [
        [0, 10],
        [5, 13],
      ],
      6,
      'open',
    ],
    [
      'three, one at a time',
      [
        [0, 10],
        [5, 11],
        [10, 12],
        [15, 13],
      ],
      16,
      'open',
    ],
    [
      'three, half a minute ago',
      [
        [0, 10],
        [5, 13],
        [34, 13],
      ],
      34.9,
      'open',
    ],
    [
      'three, longer ago',
      [
        [0, 10],
        [5, 13],
        [35, 13],
      ],
      35,
      'closed',
    ],
    [
      'a process that began anew counts from zero',
      [
        [0, 1_000],
        [5, 3, 'run2'],
      ],
      6,
      'open',
    ],
    [
      'a process that began anew and takes nothing',
      [
        [0, 1_000],
        [5, 0, 'run2'],
      ],
      6,
      'closed',
    ],
    [
      'a counter that fell is no traffic',
      [
        [0, 10],
        [5, 4],
      ],
      6,
      'closed',
    ],
  ])('%s', (_title, looks, now, state) => {
    expect(verdict(stateAfter(looks), now).state).toBe(state)
  })

  it('does not take for residue what comes to a node that says that it serves again, before that is judged', () => {
    const resumed = [0, 5, 10].reduce<State>(
      (state, at) =>
        drainResidue.take(
          state,
          {
            type: 'reading',
            node: 'fra-1',
            at: at * 1_000,
            facts: {
              ...factsWith({ epoch: 'run1', counters: { connections_accepted: { proxy: at * 10 } } }),
              state: at === 0 ? 'drained' : 'serving',
            },
          },
          lookAt(drainResidue, out),
        ),
      null,
    )
    expect(verdict(resumed, 11).state).not.toBe('open')
  })

  it('counts nothing that comes during maintenance, neither in it nor when it is over', () => {
    const announced = scriptedView({
      nodes: [{ id: 'fra-1', drained: true }],
      inMaintenance: (_node, at) => at < 60_000,
    })
    const during = stateAfter(
      [
        [0, 10],
        [50, 50],
        [59, 90],
      ],
      announced,
    )
    expect(verdict(during, 59, announced).state).toBe('closed')
    expect(verdict(during, 61, announced).state).toBe('closed')
    const after = stateAfter([[60, 92]], announced, during)
    expect(verdict(after, 61, announced).state).toBe('closed')
    expect(verdict(stateAfter([[61, 93]], announced, after), 62, announced)).toMatchObject({
      state: 'open',
      startedAt: 60_000,
      impact: '3 visitors at a node that is out of service',
    })
  })

  it('says how much came and when, from the first that came', () => {
    const state = stateAfter([
      [0, 10],
      [5, 11],
      [10, 17],
    ])
    expect(verdict(state, 12)).toMatchObject({
      startedAt: 5_000,
      title: 'fra-1 takes traffic although it is drained',
      sentence: 'fra-1 is drained, and took 7 connections or requests since; the last 2 s ago',
      severity: 'warning',
    })
  })

  it('forgets what came when the node is given back, and closes', () => {
    const state = stateAfter([
      [0, 10],
      [5, 20],
    ])
    expect(verdict(state, 6, serving, openSince(5))).toMatchObject({ state: 'closed' })
    expect(stateAfter([[10, 30]], serving, state)).toBeNull()
  })

  it('asks requests of what counts no connections, and nothing of what counts neither', () => {
    const about = (counters: Parameters<typeof factsWith>[0]) =>
      drainResidue.about({ type: 'reading', node: 'fra-1', at: 0, facts: factsWith(counters) }, out)
    expect(about({ counters: { requests: { answer: 1 } } })).toBe('node:fra-1')
    expect(about({ counters: { bytes_up: { answer: 1 } } })).toBeNull()
  })

  it('stays open over a restart of the collector until it has been quiet for long enough', () => {
    expect(verdict(null, 6, out, openSince(5)).state).toBe('hold')
    const anew = stateAfter([[7, 20]])
    expect(verdict(anew, 8, out, openSince(5)).state).toBe('open')
    expect(verdict(anew, 36, out, openSince(5)).state).toBe('closed')
  })
})
