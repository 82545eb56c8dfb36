import { describe, expect, it } from 'vitest'
import { openWithoutTls } from '../../../server/api/open-without-tls.ts'
import { overviewOf, regionState, regionWords, verdictOf } from '../../../server/collector/fleet/overview.ts'
import type { Incident, Node, ObservedState, Region, RoomProblem } from '../../../server/contract/index.ts'
import { durationWords } from '../../../server/contract/words.ts'

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
const verdict = (
  states: Record<string, ObservedState>,
  incidents: Incident[] = [],
  problems: RoomProblem[] = [],
) => {
  const nodes = nodesOf(states)
  return verdictOf({ nodes, regions: regionsOf(nodes), incidents, problems, now })
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

const mark = { id: 'm', title: 'Kernel update', reason: 'x', until: '2026-04-27T19:00:00Z' }

describe('the verdict while a region is in maintenance', () => {
  const said = (states: Record<string, ObservedState>, whole = true, incidents: Incident[] = []) => {
    const nodes = nodesOf(states).map((node) =>
      node.region === 'fra' && (whole || node.id === 'fra-1') ? { ...node, maintenance: mark } : node,
    )
    const regions = regionsOf(nodes).map((region) =>
      whole && region.id === 'fra' ? { ...region, maintenance: mark } : region,
    )
    const { level, text } = verdictOf({ nodes, regions, incidents, problems: [], now })
    return `${level}: ${text}`
  }
  const down = { ...fine, 'fra-1': 'down', 'fra-2': 'down' } as const

  it.each<[string, Record<string, ObservedState>, boolean, string]>([
    ['all is up', fine, true, 'ok: All 4 nodes in 2 regions do their job.'],
    ['all of it is down', down, true, 'ok: 2 of 4 nodes serve and do their job; fra is in maintenance.'],
    [
      'one of its nodes is down',
      { ...fine, 'fra-1': 'down' },
      true,
      'ok: 3 of 4 nodes serve and do their job; fra is in maintenance.',
    ],
    [
      'only the other node is down',
      { ...fine, 'fra-2': 'down' },
      false,
      'attention: 1 of 4 nodes needs you: fra-2 down.',
    ],
    ['both are down and one is announced', down, false, 'outage: 1 of 4 nodes needs you: fra-2 down.'],
    [
      'everything else is down',
      { ...fine, 'iad-1': 'down', 'iad-2': 'down' },
      true,
      'outage: 2 of 4 nodes need you: iad-1 and iad-2 down.',
    ],
    [
      'nothing serves',
      { ...down, 'iad-1': 'drained', 'iad-2': 'drained' },
      true,
      'outage: Nothing serves: fra is in maintenance, iad is drained.',
    ],
  ])('where %s', (_, states, whole, words) => {
    expect(said(states, whole)).toBe(words)
  })

  it('goes on to tell an incident that was open before', () => {
    expect(said(fine, true, [stuck])).toMatch(/^outage: 1 of 4 nodes needs you: fra-1 push stuck/)
  })
})

describe('the state of a region', () => {
  it.each<[ObservedState[], ObservedState]>([
    [['up', 'up'], 'up'],
    [['up', 'degraded'], 'degraded'],
    [['degraded', 'unknown'], 'unknown'],
    [['unknown', 'down'], 'down'],
    [['down', 'down'], 'down'],
    [['up', 'down'], 'degraded'],
    [['degraded', 'down', 'unknown'], 'degraded'],
    [['drained', 'down'], 'down'],
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

  it('says how many of its nodes are what, where they differ', () => {
    expect(regionWords(['up', 'down'])).toBe('1 of 2 down')
    expect(regionWords(['up', 'down', 'unknown', 'degraded'])).toBe(
      '1 of 4 down, 1 of 4 unknown, 1 of 4 degraded',
    )
    expect(regionWords(['up', 'drained'])).toBe('1 of 2 drained')
    expect(regionWords(['up', 'up'])).toBeNull()
    expect(regionWords(['down', 'down'])).toBeNull()
  })
})

describe('the verdict', () => {
  it('says that all is well, and what is drained', () => {
    expect(verdict(fine)).toEqual({
      level: 'ok',
      text: 'All 4 nodes in 2 regions do their job.',
      was: 'all 4 nodes did their job',
    })
    expect(verdict({ ...fine, 'fra-1': 'drained', 'fra-2': 'drained' })).toEqual({
      level: 'ok',
      text: '2 of 4 nodes serve and do their job; fra is drained.',
      was: '2 of 4 nodes served and did their job; fra was drained',
    })
    expect(verdict({ 'fra-1': 'up' }).text).toMatch(/^1 node in \d regions? does its job\.$/)
    expect(verdict({ 'fra-1': 'up', 'fra-2': 'drained' }).text).toMatch(
      /^1 of 2 nodes serves and does its job; fra-2 is drained\.$/,
    )
  })

  it('is an outage when nothing serves, whatever took the nodes out', () => {
    const nobody = {
      'fra-1': 'drained',
      'fra-2': 'drained',
      'iad-1': 'draining',
      'iad-2': 'drained',
    } as const
    expect(verdict(nobody)).toEqual({
      level: 'outage',
      text: 'Nothing serves: fra is drained, iad is draining.',
      was: 'nothing served: fra was drained, iad was draining',
    })
    expect(verdict({ ...nobody, 'iad-1': 'down' })).toMatchObject({
      level: 'outage',
      text: expect.stringMatching(/^Nothing serves: iad-1 down; /),
    })
  })

  it('asks for attention while one node of a region is down, before any incident is open', () => {
    expect(verdict({ ...fine, 'iad-2': 'down' })).toEqual({
      level: 'attention',
      text: '1 of 4 nodes needs you: iad-2 down.',
      was: '1 of 4 nodes needed you: iad-2 down',
    })
  })

  it('names a file that is refused, and leaves its mistakes to the banner', () => {
    const problem: RoomProblem = {
      code: 'config_refused',
      text: 'tidegate.yaml has 2 problems and is not in force: a.b is 1; must be 2; c is not a known key here.',
      remedy: 'Mend the file.',
      since: '2026-04-27T18:08:12Z',
    }
    expect(verdict(fine, [], [problem]).text).toBe(
      'All 4 nodes in 2 regions do their job, but tidegate.yaml has 2 problems and is not in force.',
    )
  })

  it('says so when the room itself does not record, however well the fleet does', () => {
    const problem: RoomProblem = {
      code: 'store_not_recording',
      text: 'Nothing has been recorded since 18:08:12.',
      remedy: 'Free space on the disk.',
      since: '2026-04-27T18:08:12Z',
    }
    expect(verdict(fine, [], [problem])).toEqual({
      level: 'attention',
      text: 'All 4 nodes in 2 regions do their job, but nothing has been recorded since 18:08:12.',
      was: 'all 4 nodes did their job',
    })
    expect(verdict(fine, [stuck], [problem]).level).toBe('outage')
  })

  it('says why nothing is known where each node has a reason of its own, and promises no second question', () => {
    const nodes = nodesOf({ 'fra-1': 'unknown', 'fra-2': 'unknown' }).map((node) => ({
      ...node,
      problems: [`this machine has no way to ${node.id}`],
    }))
    expect(verdictOf({ nodes, regions: regionsOf(nodes), incidents: [], problems: [], now }).text).toBe(
      'Nothing is known of 2 nodes; of fra-1: this machine has no way to fra-1.',
    )
  })

  it('says that the whole network is gone, where that is what is seen', () => {
    const nodes = nodesOf({ 'fra-1': 'unknown', 'iad-1': 'unknown' }).map((node) => ({
      ...node,
      problems: ['the collector reaches no node of any region; its own network may be gone'],
    }))
    expect(verdictOf({ nodes, regions: regionsOf(nodes), incidents: [], problems: [], now })).toEqual({
      level: 'attention',
      text: 'Nothing is known of 2 nodes: the collector reaches no node of any region; its own network may be gone.',
      was: 'nothing was known of 2 nodes',
    })
  })

  it('calls a push that is stuck an outage, with node and time', () => {
    expect(verdict(fine, [stuck])).toEqual({
      level: 'outage',
      text: '1 of 4 nodes needs you: fra-1 push stuck for 3 min.',
      was: '1 of 4 nodes needed you: fra-1 push stuck for 3 min',
    })
  })

  it('calls a region that is down an outage', () => {
    expect(verdict({ ...fine, 'fra-1': 'down', 'fra-2': 'down' })).toEqual({
      level: 'outage',
      text: '2 of 4 nodes need you: fra-1 and fra-2 down.',
      was: '2 of 4 nodes needed you: fra-1 and fra-2 down',
    })
  })

  it('asks for attention for other incidents, degraded and unknown nodes', () => {
    const settled: Incident = {
      ...stuck,
      signals: stuck.signals.map((signal) => ({ ...signal, closedAt: '2026-04-27T18:09:30Z' })),
    }
    expect(verdict(fine, [settled])).toEqual({
      level: 'attention',
      text: '1 incident open, quiet for 30 s: all 4 nodes in 2 regions do their job again.',
      was: '1 incident open, quiet; all 4 nodes did their job',
    })
    const other = { ...stuck, signals: [], id: 'j' }
    expect(verdict({ ...fine, 'fra-1': 'unknown' }, [settled, other])).toMatchObject({
      text: '2 incidents open: fra-1 receives pushes but delivers none and 1 more; 1 node unknown.',
    })
    expect(verdict({ ...fine, 'fra-1': 'degraded' })).toMatchObject({ level: 'attention' })
    expect(verdict({ ...fine, 'fra-1': 'unknown' })).toEqual({
      level: 'attention',
      text: '1 node unknown.',
      was: '1 node unknown',
    })
    expect(verdict({ 'fra-1': 'unknown' }).text).toContain('Nothing is known yet')
  })
})

describe('spans in words', () => {
  it('are cut in one way everywhere, so that a headline never says 3 min beside a row that says 2', () => {
    expect(durationWords(179_999)).toBe('2 min')
    expect(durationWords(119_999)).toBe('119 s')
    expect(durationWords(7_500_000)).toBe('2 h 5 min')
    expect(durationWords(59_900)).toBe('59 s')
    expect(durationWords(192_700)).toBe('3 min')
  })
})

describe('the overview', () => {
  it('shows a store that does not record as a problem even where nobody has told of it', () => {
    const nodes = nodesOf(fine)
    const overview = overviewOf({
      regions: regionsOf(nodes),
      nodes,
      incidents: [],
      drains: [],
      held: [],
      live: { hub: 'h', seq: 1 },
      collector: { latenessP99Ms: 0, storeOk: false, startedAt: '2026-04-27T17:00:00Z' },
      problems: [],
      demo: false,
      now,
    })
    expect(overview.problems).toMatchObject([{ code: 'store_not_recording' }])
    expect(overview.verdict.level).toBe('attention')
  })

  it('names an address that is open without TLS, and the fleet does its job all the same', () => {
    const nodes = nodesOf(fine)
    const open = openWithoutTls({
      host: '0.0.0.0',
      isTls: false,
      isProxied: false,
      since: 'now',
    }) as RoomProblem
    const overview = overviewOf({
      regions: regionsOf(nodes),
      nodes,
      incidents: [],
      drains: [],
      held: [],
      live: { hub: 'h', seq: 1 },
      collector: { latenessP99Ms: 0, storeOk: true, startedAt: '2026-04-27T17:00:00Z' },
      problems: [open],
      demo: false,
      now,
    })
    expect(overview.problems).toMatchObject([{ code: 'open_without_tls' }])
    expect(overview.verdict.level).toBe('ok')
    expect(overview.verdict.text).not.toContain('TLS')
  })

  it('is in the headline with its brief alone, where it has one: the banner says the rest', () => {
    const nodes = nodesOf({ 'fra-1': 'up' })
    const problem: RoomProblem = {
      code: 'notifications_failing',
      text: 'Hook (webhook) has not taken a notification since 2026-04-27 18:00 UTC: 10.0.0.9:443 answered 503.',
      brief: 'Hook does not take notifications',
      remedy: 'Look at the channel.',
      since: '2026-04-27T18:00:00Z',
    }
    const said = verdictOf({ nodes, regions: regionsOf(nodes), incidents: [], problems: [problem], now })
    expect(said.text).toBe('1 node in 1 region does its job, but Hook does not take notifications.')
  })
})
