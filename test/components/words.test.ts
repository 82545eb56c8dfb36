import { describe, expect, it } from 'vitest'
import { errorText } from '@/components/data/error-text.ts'
import { ApiError } from '@/components/data/http.ts'
import { leftOf, movedWords, moveState, stepLook } from '@/components/drains/drain-left.ts'
import { drainSentence } from '@/components/drains/drain-sentence.ts'
import { foldRuns } from '@/components/events/fold-runs.ts'
import { timelineRows } from '@/components/incidents/timeline-rows.ts'
import { titleOf } from '@/components/shell/title-of.ts'
import { matchTunnels } from '@/components/tunnels/match-tunnels.ts'
import { formatBytes, formatDuration, formatNumber, UNKNOWN } from '@/components/ui/format.ts'
import type { Drain, DrainStep } from '@/server/contract/drains.ts'
import type { FleetEvent } from '@/server/contract/events.ts'
import type { Overview, Tunnel } from '@/server/contract/fleet.ts'
import type { TimelineItem } from '@/server/contract/incidents.ts'

describe('numbers', () => {
  it.each([
    [840, '840\u202fms'],
    [1_500, '1.5\u202fs'],
    [63_000, '63\u202fs'],
    [119_999, '119\u202fs'],
    [179_999, '2\u202fmin'],
    [180_000, '3\u202fmin'],
    [7_500_000, '2\u202fh 5\u202fmin'],
    [null, UNKNOWN],
  ])('says %s ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
  it('groups digits, and never shows zero for what is not known', () => {
    expect(formatNumber(1_240)).toBe('1\u202f240')
    expect(formatNumber(undefined)).toBe(UNKNOWN)
    expect(formatBytes(84_000_000)).toBe('84\u202fMB')
  })
})

describe('the title of the tab', () => {
  const overview = (over: object): Overview =>
    ({ verdict: { level: 'ok', text: '' }, incidents: [], demo: true, ...over }) as unknown as Overview
  it('carries the state first, then the place, and DEMO', () => {
    const outage = overview({ verdict: { level: 'outage', text: '' }, incidents: [{ state: 'open' }] })
    expect(titleOf('/tunnels', outage, false)).toEqual({
      title: '● 1 incident · Tunnels · Tidegate DEMO',
      icon: '/icon-demo-outage.svg',
    })
  })
  it('says so when it is stale, whatever the last verdict was', () => {
    expect(titleOf('/', overview({ demo: false }), true)).toEqual({
      title: '◌ stale · Tidegate',
      icon: '/icon-unknown.svg',
    })
  })
})

describe('errors in words', () => {
  it('says who changed a drain first', () => {
    const error = new ApiError('ERR_VERSION_CONFLICT', 'x', 409, {
      by: 'bo@example.com',
      at: new Date().toISOString(),
    })
    expect(errorText(error)).toContain('bo@example.com changed it first')
  })
  it('says when to try again', () => {
    expect(errorText(new ApiError('ERR_RATE_LIMITED', 'x', 429, {}, 60))).toContain('60 s')
  })
})

describe('lists', () => {
  const tunnel = (hostId: string, over: Partial<Tunnel> = {}): Tunnel =>
    ({ hostId, node: 'fra-1', region: 'fra', state: 'registered', ...over }) as Tunnel
  it('shows lost hosts first and finds by close code', () => {
    const all = [
      tunnel('host-10'),
      tunnel('host-2'),
      tunnel('host-3', { state: 'lost', lastCloseCode: 1006 }),
    ]
    expect(matchTunnels(all, '', null).map((it) => it.hostId)).toEqual(['host-3', 'host-2', 'host-10'])
    expect(matchTunnels(all, '1006', null).map((it) => it.hostId)).toEqual(['host-3'])
    expect(matchTunnels(all, '', 'registered')).toHaveLength(2)
  })

  const item = (id: string, at: number, over: Partial<TimelineItem> = {}): TimelineItem => ({
    id,
    at: new Date(at).toISOString(),
    receivedAt: new Date(at).toISOString(),
    kind: 'event',
    source: 'fra-1',
    title: id,
    data: {},
    ...over,
  })
  const everything = { kinds: [], source: null, text: '', from: null, to: null }
  it('hides rows that repeat behind the one that stands for them, and shows it when one of them matches', () => {
    const again = (id: string, at: number, client: string) =>
      item(id, at, { title: 'push failed: timeout', data: { client } })
    const items = [again('a', 1_000, '192.0.2.1'), again('b', 2_000, '192.0.2.2')]
    expect(timelineRows(items, everything).map((row) => [row.item.title, row.members.length])).toEqual([
      ['2 × push failed: timeout', 2],
    ])
    expect(timelineRows(items, { ...everything, text: '192.0.2.2' })).toHaveLength(1)
    expect(timelineRows(items, { ...everything, text: 'nothing' })).toHaveLength(0)
  })
  it('filters the timeline by kind, source and span', () => {
    const items = [
      item('a', 1_000),
      item('b', 2_000),
      item('n', 3_000, { kind: 'note', source: 'ana@example.com' }),
    ]
    expect(timelineRows(items, everything).map((row) => row.item.id)).toEqual(['a', 'b', 'n'])
    expect(timelineRows(items, { ...everything, kinds: ['note'] }).map((row) => row.item.id)).toEqual(['n'])
    expect(timelineRows(items, { ...everything, from: 1_500, to: 2_500 }).map((row) => row.item.id)).toEqual([
      'b',
    ])
  })

  it('folds what six nodes did at once into one change', () => {
    const at = (ms: number) => new Date(ms).toISOString()
    const events = [
      { id: 4, type: 'node.started', at: at(9_000) },
      { id: 3, type: 'push.session_connected', at: at(8_900) },
      { id: 2, type: 'node.started', at: at(8_800) },
      { id: 1, type: 'node.down', at: at(1_000) },
    ] as FleetEvent[]
    expect(foldRuns(events).map((run) => [run.event.id, run.alike])).toEqual([
      [4, 1],
      [3, 0],
      [1, 0],
    ])
  })
})

describe('a drain in words', () => {
  it('that was aborted says moved, stayed, missing, and never counts as missing what never left', () => {
    expect(movedWords({ count: 6, moved: 6, stayed: 6, missing: 0 })).toBe('6 moved, 6 stayed, none missing')
    expect(movedWords({ count: 7, moved: 8, stayed: 0, missing: 1 })).toBe('8 moved, 1 missing')
    expect(stepLook({ state: 'aborted' }, { phase: 'proving' }).word).toBe('kept serving')
    expect(stepLook({ state: 'aborted' }, { phase: 'done', outcome: 'held' }).word).toBe(
      'held out of service',
    )
    expect(stepLook({ state: 'running' }, { phase: 'proving' }).word).toBe('proving it empty')
  })

  const step = (node: string, phase: DrainStep['phase'], remaining: DrainStep['remaining']): DrainStep => ({
    node,
    phase,
    remaining,
    startedAt: null,
    endedAt: null,
  })
  const none = { connections: 0, requests: 0, tunnels: 0, pushes: 0 }
  const move = (hostId: string, from: string, to: string | null) => ({
    hostId,
    from,
    to,
    gapMs: null,
    at: null,
  })
  const drain = (over: Partial<Drain>): Drain =>
    ({ region: 'fra', state: 'running', steps: [], moves: [], strategy: { mode: 'hold' }, ...over }) as Drain

  it('never counts a node that has not been measured as empty', () => {
    const steps = [step('fra-1', 'proving', none), step('fra-2', 'waiting', null)]
    expect(leftOf({ steps })).toBeNull()
    const moves = [move('a', 'fra-1', 'iad-1'), move('b', 'fra-2', null)]
    expect(drainSentence(drain({ steps, moves }))).toBe(
      '1 tunnel left; connections are not known; 0 of 2 nodes empty.',
    )
  })
  it('that ended early without tunnels says who serves and who does not', () => {
    const outcome = (node: string, of: NonNullable<DrainStep['outcome']>) => ({
      ...step(node, 'done', none),
      outcome: of,
    })
    const gaps = { count: 0, moved: 0, stayed: 0, p50Ms: null, p99Ms: null, maxMs: null, missing: 0 }
    const ended = (state: Drain['state'], ...steps: DrainStep[]) =>
      drainSentence(drain({ state, steps, report: { gaps } as never }))
    expect(ended('aborted', outcome('lb-1', 'back'), outcome('lb-2', 'kept_serving'))).toBe(
      'Aborted: all 2 nodes serve.',
    )
    expect(ended('aborted', outcome('lb-1', 'held'), outcome('lb-2', 'back'))).toBe(
      'Aborted: lb-1 is out of service.',
    )
    expect(ended('failed', outcome('lb-1', 'out'), outcome('lb-2', 'held'))).toBe(
      'The drain failed: lb-1 and lb-2 are out of service.',
    )
    expect(ended('aborted', step('lb-1', 'waiting', null))).toBe('Aborted: lb-1 serves.')
  })
  it('speaks of tunnels only where there are some', () => {
    const left = { ...none, connections: 2 }
    expect(drainSentence(drain({ steps: [step('nginx-1', 'connections', left)] }))).toBe(
      '2 connections left; 0 of 1 node empty.',
    )
    expect(drainSentence(drain({ steps: [step('caddy-1', 'pre_drain', null)] }))).toBe(
      'How many connections are left is not known; 0 of 1 node empty.',
    )
    const holding = step('fra-1', 'tunnels', { ...left, tunnels: 1 })
    expect(drainSentence(drain({ steps: [holding] }))).toBe(
      '1 tunnel and 2 connections left; 0 of 1 node empty.',
    )
  })
  it.each([
    ['waiting', 'running', 'here'],
    ['tunnels', 'running', 'between'],
    ['done', 'drained', 'missing'],
    ['connections', 'aborted', 'here'],
  ] as const)('says of a tunnel that is nowhere, in phase %s of a %s drain: %s', (phase, state, word) => {
    const one = drain({ state, steps: [step('fra-1', phase, none)] })
    expect(moveState(one, move('a', 'fra-1', null))).toBe(word)
  })
})
