import { describe, expect, it } from 'vitest'
import { NODE_CHARTS } from '@/components/charts/chart-specs.ts'
import { chartsWith, measuresOf } from '@/components/charts/charts-with.ts'
import { NO_STRATEGY, strategyOf, strategyPaths, strategyWords } from '@/components/drains/strategy-values.ts'
import { matchNodes } from '@/components/nodes/match-nodes.ts'
import { isCurrent, PAGES } from '@/components/shell/pages.ts'
import { roomProblems, shortText } from '@/components/shell/room-problems.ts'
import { strategySchema } from '@/server/contract/drains.ts'
import type { Node } from '@/server/contract/fleet.ts'

const at = '2026-04-27T18:00:00.000Z'
const node = (id: string, rest: Partial<Node> = {}): Node =>
  ({
    id,
    region: id.split('-')[0] ?? 'fra',
    kind: 'tidegate',
    embedded: false,
    state: 'up',
    intent: 'serving',
    problems: [],
    version: '0.1.0',
    since: at,
    lastPollAt: at,
    lastAnswerAt: at,
    latencyMs: 3,
    lastOutcome: 'ok',
    clockSkewMs: 0,
    streamState: 'live',
    numbers: {},
    ...rest,
  }) as Node

describe('the strategy of a drain, as its fields hold it', () => {
  it('asks for nothing that would be so anyway', () => {
    expect(strategyOf(NO_STRATEGY)).toEqual({ values: {} })
    expect(strategyWords(strategyOf(NO_STRATEGY))).toBe('one node at a time, hold when empty')
  })

  it('hands on what was written, as the server takes it', () => {
    const checked = strategyOf({ ...NO_STRATEGY, maxUnavailable: '2', tunnelsPerSecond: '0.5', mode: 'exit' })
    expect(checked).toEqual({ values: { maxUnavailable: 2, tunnelsPerSecond: 0.5, mode: 'exit' } })
    expect(strategySchema.partial().safeParse('values' in checked && checked.values).success).toBe(true)
    expect(strategyWords(checked)).toBe('2 nodes at a time, exit when empty')
  })

  it.each([
    ['maxUnavailable', '0'],
    ['maxUnavailable', '1.5'],
    ['maxUnavailable', '101'],
    ['maxUnavailable', 'two'],
    ['tunnelsPerSecond', '0'],
    ['tunnelsPerSecond', '10001'],
    ['deadlineSeconds', '-1'],
    ['deadlineSeconds', '86401'],
  ] as const)('says in a sentence what is wrong with %s %s, at that field alone', (field, text) => {
    const checked = strategyOf({ ...NO_STRATEGY, [field]: text })
    expect('problems' in checked && Object.keys(checked.problems)).toEqual([field])
    expect('problems' in checked && checked.problems[field]).toMatch(/^[A-Z].*\.$/)
    expect(strategyWords(checked)).toBe('needs correcting')
  })

  it('finds the field of what the server refused', () => {
    expect(strategyPaths({ 'strategy.maxUnavailable': 'must be at most 100', region: 'is missing' })).toEqual(
      {
        maxUnavailable: 'must be at most 100',
        region: 'is missing',
      },
    )
  })
})

describe('charts', () => {
  const ids = (measures: Parameters<typeof chartsWith>[1]) =>
    chartsWith(NODE_CHARTS, measures).map(({ id }) => id)

  it('are those of what is measured, and that of the poll', () => {
    expect(ids(['connections', 'requests'])).toEqual(['connections', 'requests', 'latency_ms'])
    expect(ids(['pushReceived', 'sessionInvalidations', 'tunnels'])).toEqual([
      'tunnels',
      'pushes',
      'reconnects',
      'session_invalidations',
      'latency_ms',
    ])
  })

  it('are all there while it is not known what is measured', () => {
    expect(ids(undefined)).toHaveLength(8)
    const never = { kind: 'nginx', lastAnswerAt: null } as const
    expect(ids(measuresOf([], [never]))).toHaveLength(8)
    expect(ids(measuresOf([], []))).toHaveLength(8)
  })

  it('of what says no number are that of the poll alone, whether or not it ever answered', () => {
    const never = { kind: 'tls', lastAnswerAt: null } as const
    const answered = { kind: 'json', lastAnswerAt: '2026-01-01T00:00:00.000Z' } as const
    expect(ids(measuresOf([], [never, answered]))).toEqual(['latency_ms'])
  })
})

describe('the list of all nodes', () => {
  const nodes = [
    node('fra-2'),
    node('fra-10', { kind: 'json' }),
    node('iad-1', { state: 'down', problems: ['refused: ECONNREFUSED'] }),
    node('sjc-1', { state: 'degraded', version: null, problems: ['slow: 900 ms'] }),
  ]
  const shown = (text: string, state: Node['state'] | null = null) =>
    matchNodes(nodes, text, state).map(({ id }) => id)

  it('has those first that need somebody, then names with their numbers in order', () => {
    expect(shown('')).toEqual(['iad-1', 'sjc-1', 'fra-2', 'fra-10'])
  })

  it('is filtered by state, and by every word of id, region, kind, version and problem', () => {
    expect(shown('', 'down')).toEqual(['iad-1'])
    expect(shown('fra JSON')).toEqual(['fra-10'])
    expect(shown('refused')).toEqual(['iad-1'])
    expect(shown('0.1.0 fra')).toEqual(['fra-2', 'fra-10'])
    expect(shown('fra nowhere')).toEqual([])
  })

  it('is a page of its own, to which the page of a node belongs', () => {
    const of = (path: string) => PAGES.filter(({ href }) => isCurrent(href, path)).map(({ href }) => href)
    expect(of('/nodes')).toEqual(['/nodes'])
    expect(of('/nodes/fra-1')).toEqual(['/nodes'])
    expect(new Set(PAGES.map(({ key }) => key)).size).toBe(PAGES.length)
  })
})

describe('the line of a problem of the room', () => {
  it('leaves to its list what that says one by one', () => {
    const text = 'tidegate.yaml has 2 problems and is not in force: a.b is 1; must be 2; c is not known.'
    expect(shortText({ text, details: ['a.b is 1; must be 2', 'c is not known'] })).toBe(
      'tidegate.yaml has 2 problems and is not in force.',
    )
    expect(shortText({ text })).toBe(text)
    expect(shortText({ text, details: [] })).toBe(text)
    expect(shortText({ text, details: ['something else'] })).toBe(text)
  })

  it('stands also where the server names no failing store', () => {
    const overview = { at, problems: [], collector: { latenessP99Ms: 0, storeOk: false, startedAt: at } }
    expect(roomProblems(overview as never).map(({ code }) => code)).toEqual(['store_not_recording'])
  })
})
