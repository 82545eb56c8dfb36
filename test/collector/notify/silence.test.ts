import { describe, expect, it } from 'vitest'
import { explainedByDrain } from '../../../server/collector/notify/silence.ts'
import type { Drain, Incident } from '../../../server/contract/index.ts'
import { drain, incident, iso, start } from '../../store/fixtures.ts'

const step = (node: string) => ({
  node,
  phase: 'waiting' as const,
  startedAt: null,
  endedAt: null,
  remaining: null,
})
const running = (more: Partial<Drain> = {}): Drain =>
  drain('d1', {
    state: 'running',
    steps: [step('fra-1'), step('fra-2')] as unknown as Drain['steps'],
    ...more,
  }).drain
const lost = (more: Partial<Incident> = {}): Incident =>
  incident('i1', {
    severity: 'warning',
    nodes: ['fra-1'],
    startedAt: iso(start + 1_000),
    signals: [{ kind: 'tunnel.storm', scope: 'region:fra', openedAt: iso(start + 1_000), sentence: 'lost' }],
    ...more,
  })

describe('what a drain explains', () => {
  it('is what its own nodes lose after it began', () => {
    expect(explainedByDrain(lost(), [running()])).toEqual({ reason: 'drain d1 (kernel update)' })
  })

  it.each([
    ['pre_drain', undefined, true],
    ['done', 'empty', true],
    ['done', 'held', true],
    // It serves, and nobody meant it to go: whoever is on call has to hear of it.
    ['waiting', undefined, false],
    ['done', 'kept_serving', false],
    ['done', 'back', false],
  ] as const)(
    'is that a node goes down only while it has it in hand: %s, %s',
    (phase, outcome, isExplained) => {
      const down = lost({
        signals: [
          { kind: 'node.down', scope: 'node:fra-1', openedAt: iso(start + 1_000), sentence: 'fra-1 is down' },
        ],
      })
      const its = { ...step('fra-1'), phase, ...(outcome === undefined ? {} : { outcome }) }
      const drains = [running({ steps: [its, step('fra-2')] as unknown as Drain['steps'] })]
      expect(explainedByDrain(down, drains) !== null).toBe(isExplained)
    },
  )

  it.each<[string, Incident, Drain[]]>([
    ['no drain', lost(), []],
    ['a drain that is planned for later', lost(), [running({ state: 'planned' })]],
    ['an outage', lost({ severity: 'critical' }), [running()]],
    ['a node that it does not have', lost({ nodes: ['fra-1', 'iad-1'] }), [running()]],
    ['an incident of no node', lost({ nodes: [] }), [running()]],
    ['what began before it', lost({ startedAt: iso(start - 1) }), [running()]],
    [
      'pushes that stand still',
      lost({ signals: [{ kind: 'push.stuck', scope: 'node:fra-1', openedAt: iso(start), sentence: '' }] }),
      [running()],
    ],
  ])('is not %s', (_, what, drains) => {
    expect(explainedByDrain(what, drains)).toBeNull()
  })
})
