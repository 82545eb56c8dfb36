import { describe, expect, it } from 'vitest'
import { drainsAtHand, isForgotten } from '@/components/drains/held-words.ts'
import { headlineOf } from '@/components/fleet/headline.ts'
import { concerning, worstFirst } from '@/components/incidents/worst-first.ts'
import { nodeNow } from '@/components/nodes/last-known.ts'
import { pageCounts } from '@/components/shell/page-counts.ts'
import { roomProblems } from '@/components/shell/room-problems.ts'
import type { Drain, HeldPart } from '@/server/contract/drains.ts'
import type { Overview } from '@/server/contract/fleet.ts'
import type { Incident } from '@/server/contract/incidents.ts'

const at = '2026-11-21T15:03:48.000Z'
const overview = (over: object = {}): Overview =>
  ({
    at,
    verdict: {
      level: 'ok',
      text: 'All 6 nodes in 3 regions do their job.',
      was: 'all 6 nodes did their job',
    },
    incidents: [],
    drains: [],
    held: [],
    problems: [],
    collector: { latenessP99Ms: 1, storeOk: true, startedAt: at },
    ...over,
  }) as unknown as Overview

describe('the headline', () => {
  it('with the server dead is hollow and neutral, and says since when nothing is known and what was then', () => {
    expect(headlineOf(overview(), false, 'utc')).toEqual({
      text: 'Not known since 15:03:48 (then: all 6 nodes did their job)',
      shape: 'unknown',
      tone: 'text-unknown',
      level: 'unknown',
    })
  })
  it('says the verdict while it is known', () => {
    expect(headlineOf(overview(), true, 'utc')).toMatchObject({ level: 'ok', tone: 'text-up' })
  })
})

describe('a node that does not answer', () => {
  const node = { state: 'up', lastOutcome: 'ok', lastPollAt: at, lastAnswerAt: at } as const
  it.each([
    ['is up', node, true, { isNow: true }],
    [
      'is down',
      { ...node, state: 'down', lastOutcome: 'refused' } as const,
      true,
      { isNow: false, answeredAt: Date.parse(at) },
    ],
    [
      'is not known',
      { ...node, state: 'unknown' } as const,
      true,
      { isNow: false, answeredAt: Date.parse(at) },
    ],
    [
      'missed its last poll',
      { ...node, lastOutcome: 'timeout' } as const,
      true,
      { isNow: false, answeredAt: Date.parse(at) },
    ],
    [
      'never answered',
      { state: 'down', lastOutcome: 'refused', lastPollAt: at, lastAnswerAt: null } as const,
      true,
      { isNow: false, answeredAt: null },
    ],
    ['is up, but the server is silent', node, false, { isNow: false, answeredAt: Date.parse(at) }],
  ])('has a Now only while it has one: %s', (_name, of, pageKnown, answer) => {
    expect(nodeNow(of, pageKnown)).toEqual(answer)
  })
})

describe('what every page says', () => {
  const incident = (id: string, over: Partial<Incident> = {}): Incident =>
    ({ id, severity: 'warning', state: 'open', startedAt: at, nodes: [], regions: [], ...over }) as Incident

  it('names a store that does not record, also where the server did not', () => {
    const failing = overview({ collector: { latenessP99Ms: 1, storeOk: false, startedAt: at } })
    expect(roomProblems(failing)).toMatchObject([{ code: 'store_not_recording' }])
    const named = { code: 'store_rows_unreadable' as const, text: 'x', remedy: 'y', since: at }
    expect(roomProblems({ ...failing, problems: [named] })).toEqual([named])
    expect(roomProblems(overview())).toEqual([])
    expect(roomProblems(undefined)).toEqual([])
  })

  it('puts the worst incident first, and of equals the one that nobody has taken', () => {
    const list = [
      incident('old'),
      incident('taken', { severity: 'critical', state: 'acknowledged' }),
      incident('worst', { severity: 'critical', startedAt: '2026-11-21T16:00:00.000Z' }),
      incident('over', { severity: 'critical', state: 'resolved' }),
    ]
    expect(worstFirst(list).map(({ id }) => id)).toEqual(['worst', 'taken', 'old'])
  })

  it('links a node and a region to their own', () => {
    const list = [incident('a', { nodes: ['fra-1'], regions: ['fra'] }), incident('b', { regions: ['iad'] })]
    expect(concerning(list, { node: 'fra-1' }).map(({ id }) => id)).toEqual(['a'])
    expect(concerning(list, { region: 'iad' }).map(({ id }) => id)).toEqual(['b'])
  })

  it('recalls what has been held for more than four hours', () => {
    const now = Date.parse(at)
    const since = (ms: number) => ({ since: new Date(now - ms).toISOString() })
    expect(isForgotten(since(4 * 3_600_000), now)).toBe(false)
    expect(isForgotten(since(4 * 3_600_000 + 1), now)).toBe(true)
    expect(isForgotten(since(9e9), 0)).toBe(false)
  })

  it('offers the way back on the first page as soon as a region is drained, not only after an abort', () => {
    const running = { id: 'd1', state: 'running' } as Drain
    const drained = { id: 'd2', state: 'drained' } as Drain
    const ended = { id: 'd3', state: 'drained' } as Drain
    const held = [{ drainId: 'd1' }, { drainId: 'd2' }, { drainId: 'd4' }] as HeldPart[]
    expect(drainsAtHand({ drains: [running, drained, ended], held })).toEqual({
      // One that is being emptied or brought back is told by its progress; one that ended its processes holds nothing.
      underWay: [running, ended],
      held: [{ drainId: 'd2' }, { drainId: 'd4' }],
    })
  })

  it('counts what is open beside Incidents and Drains, a held region once', () => {
    const drain = { id: 'd1', state: 'drained', strategy: { mode: 'hold' } } as Drain
    const held = [{ drainId: 'd1' }, { drainId: 'd2' }] as HeldPart[]
    const counted = pageCounts(overview({ incidents: [incident('a')], drains: [drain], held }))
    expect(counted).toEqual({ '/incidents': 1, '/drains': 2 })
  })
})
