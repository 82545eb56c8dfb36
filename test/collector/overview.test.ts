import { describe, expect, it } from 'vitest'
import { regionState, verdictOf } from '../../server/collector/overview.ts'
import type { Incident, Node, ObservedState, Region } from '../../server/contract/index.ts'

const now = Date.parse('2026-04-27T18:10:00Z')
const nodesOf = (states: Record<string, ObservedState>): Node[] =>
  Object.entries(states).map(([id, state]) => ({ id, region: id.slice(0, 3), state }) as Node)
const regionsOf = (nodes: Node[]): Region[] =>
  [...new Set(nodes.map((node) => node.region))].map(
    (id) =>
      ({
        id,
        state: regionState(
          nodes.filter((node) => node.region === id).map((node) => node.state),
          'serving',
        ),
      }) as Region,
  )
const verdict = (states: Record<string, ObservedState>, incidents: Incident[] = []) => {
  const nodes = nodesOf(states)
  return verdictOf({ nodes, regions: regionsOf(nodes), incidents, drains: [], now })
}
const stuck: Incident = {
  id: 'i',
  title: 'fra-1 receives pushes but delivers none',
  severity: 'critical',
  state: 'open',
  signals: [{ kind: 'push.stuck', scope: 'node:fra-1', openedAt: '2026-04-27T18:07:30Z', sentence: '' }],
  regions: ['fra'],
  nodes: ['fra-1'],
  startedAt: '2026-04-27T18:07:00Z',
  detectedAt: '2026-04-27T18:07:30Z',
  impact: null,
  drains: [],
}
const fine = { 'fra-1': 'up', 'fra-2': 'up', 'iad-1': 'up', 'iad-2': 'up' } as const

describe('the state of a region', () => {
  it.each<[ObservedState[], ObservedState]>([
    [['up', 'up'], 'up'],
    [['up', 'degraded'], 'degraded'],
    [['degraded', 'unknown'], 'unknown'],
    [['unknown', 'down'], 'down'],
    [['drained', 'drained'], 'drained'],
    [['drained', 'draining'], 'draining'],
    [['up', 'draining'], 'draining'],
    [['up', 'drained'], 'up'],
    [[], 'unknown'],
  ])('of %j is %s', (states, state) => {
    expect(regionState(states, 'serving')).toBe(state)
  })

  it('is draining between two nodes of a regional drain', () => {
    expect(regionState(['drained', 'up'], 'drain')).toBe('draining')
  })
})

describe('the verdict', () => {
  it('says that all is well, and what is drained', () => {
    expect(verdict(fine)).toEqual({ level: 'ok', text: 'All 4 nodes in 2 regions do their job.' })
    expect(verdict({ ...fine, 'fra-1': 'drained', 'fra-2': 'drained' })).toEqual({
      level: 'ok',
      text: '2 of 4 nodes serve and do their job; fra is drained.',
    })
  })

  it('calls a push that is stuck an outage, with node and time', () => {
    expect(verdict(fine, [stuck])).toEqual({
      level: 'outage',
      text: '1 of 4 nodes needs you: fra-1 push stuck for 3 min.',
    })
  })

  it('calls a region that is down an outage', () => {
    expect(verdict({ ...fine, 'fra-1': 'down', 'fra-2': 'down' })).toEqual({
      level: 'outage',
      text: '2 of 4 nodes need you: fra-1 and fra-2 down.',
    })
  })

  it('asks for attention for other incidents, degraded and unknown nodes', () => {
    const settled: Incident = {
      ...stuck,
      signals: stuck.signals.map((signal) => ({ ...signal, closedAt: '2026-04-27T18:09:30Z' })),
    }
    expect(verdict(fine, [settled])).toMatchObject({
      level: 'attention',
      text: expect.stringContaining('1 incident open'),
    })
    expect(verdict({ ...fine, 'fra-1': 'degraded' })).toMatchObject({ level: 'attention' })
    expect(verdict({ ...fine, 'fra-1': 'unknown' })).toEqual({ level: 'attention', text: '1 node unknown.' })
    expect(verdict({ 'fra-1': 'unknown' }).text).toContain('Nothing is known yet')
  })
})
