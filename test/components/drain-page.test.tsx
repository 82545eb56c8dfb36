import { describe, expect, it } from 'vitest'
import { DrainActions } from '@/components/drains/drain-actions.tsx'
import { DrainForm } from '@/components/drains/drain-form.tsx'
import { leftOf, leftWords, mayHoldTunnels } from '@/components/drains/drain-left.ts'
import { DrainReportView } from '@/components/drains/drain-report-view.tsx'
import { RunningDrains } from '@/components/drains/running-drains.tsx'
import { RegionHeading } from '@/components/regions/region-heading.tsx'
import { DRAIN_VERBS, whyNot } from '@/server/contract/drain-rules.ts'
import {
  DRAIN_ACTIONS,
  type Drain,
  type DrainAction,
  type DrainReport,
  type DrainStep,
} from '@/server/contract/drains.ts'
import { DRAIN_STATES, type DrainState } from '@/server/contract/states.ts'
import { buttonsOf, render, wordsOf } from './render.tsx'

const at = '2026-11-21T10:00:00.000Z'
const step = (node: string, outcome?: DrainStep['outcome']): DrainStep => ({
  node,
  phase: outcome === 'kept_serving' ? 'waiting' : 'done',
  startedAt: at,
  endedAt: at,
  remaining: null,
  ...(outcome === undefined ? {} : { outcome }),
})
const drainIn = (state: DrainState, over: Partial<Drain> = {}): Drain => ({
  id: '01J00000000000000000000001',
  region: 'fra',
  reason: 'kernel update',
  strategy: { maxUnavailable: 1, deadlineSeconds: 300, onDeadline: 'wait', mode: 'hold' },
  state,
  version: 3,
  createdAt: at,
  createdBy: 'ana@example.com',
  updatedAt: at,
  updatedBy: 'ana@example.com',
  note: null,
  steps: [step('fra-1', 'empty'), step('fra-2', 'kept_serving')],
  moves: [],
  ...over,
})
const noGaps = { count: 0, moved: 0, stayed: 0, missing: 0, p50Ms: null, p99Ms: null, maxMs: null }
const reportOf = (over: Partial<DrainReport>): DrainReport => ({
  gaps: noGaps,
  connections: { finished: 3, aborted: null },
  requestsFailed: null,
  phases: [],
  moves: [],
  durationMs: 9_000,
  notes: [],
  ...over,
})

it('a report of programs that hold no tunnels says nothing of them, and shows a dash for what nobody counted', () => {
  const words = wordsOf(render(<DrainReportView report={reportOf({})} />))
  expect(words).not.toMatch(/tunnel|moved|missing|gap/i)
  expect(words).toMatch(/Connections finished\s*3/)
  expect(words).toMatch(/Connections cut\s*–/)
  expect(words).toMatch(/Requests failed\s*–/)
  const move = { hostId: 'a', from: 'fra-1', to: 'iad-1', gapMs: 12, at, state: 'moved' as const }
  const withTunnels = reportOf({ moves: [move], gaps: { ...noGaps, count: 1, moved: 1, maxMs: 12 } })
  expect(wordsOf(render(<DrainReportView report={withTunnels} />))).toContain('1 moved, none missing')
})

it('what is left is spoken of where it is counted', () => {
  const left = { connections: 2, requests: null, tunnels: null, pushes: null }
  const running = { ...step('web-1'), phase: 'connections' as const, endedAt: null, remaining: left }
  expect(leftOf({ steps: [running] })).toEqual(left)
  expect(leftWords({ moves: [] }, left)).toBe('2 connections')
  expect(leftOf({ steps: [running, { ...running, remaining: { ...left, tunnels: 4 } }] })?.tunnels).toBe(4)
  expect(mayHoldTunnels({ moves: [], steps: [running] })).toBe(false)
})

const exit = { strategy: { ...drainIn('drained').strategy, mode: 'exit' as const } }
const serving = { steps: [step('fra-1', 'back'), step('fra-2', 'kept_serving')] }
const held = { steps: [step('fra-1', 'held'), step('fra-2', 'out')] }

const NAMES: Record<string, DrainAction> = {
  Pause: 'pause',
  Continue: 'continue',
  'Abort…': 'abort',
  'Resume fra': 'resume',
}
/** What a page shows of each state, written down by hand; the rules must say the same. */
const TABLE: [name: string, drain: Drain, buttons: string[]][] = [
  ['planned', drainIn('planned'), ['Abort…']],
  ['running', drainIn('running'), ['Pause', 'Abort…']],
  ['running, to exit', drainIn('running', exit), ['Pause', 'Abort…']],
  ['paused', drainIn('paused'), ['Continue', 'Abort…']],
  ['drained', drainIn('drained'), ['Resume fra', 'Abort…']],
  ['drained by exit', drainIn('drained', exit), []],
  ['resuming', drainIn('resuming'), ['Abort…']],
  ['resumed', drainIn('resumed', serving), []],
  ['aborting', drainIn('aborting'), []],
  ['aborted, serving', drainIn('aborted', serving), []],
  ['aborted, held', drainIn('aborted', held), ['Resume fra']],
  ['failed, serving', drainIn('failed', serving), []],
  ['failed, with a node out', drainIn('failed', held), ['Resume fra']],
]
/** Pressing it would lead where the drain is already. */
const leadsNowhere = (drain: Drain, action: DrainAction) => DRAIN_VERBS[action].to === drain.state

describe('the levers of a drain', () => {
  it('are tried in every state', () => {
    expect(new Set(TABLE.map(([, drain]) => drain.state))).toEqual(new Set(DRAIN_STATES))
  })

  it.each(TABLE)(
    'on the page of one that is %s are those that the server would obey',
    (_name, drain, buttons) => {
      for (const role of ['operator', 'admin'] as const) {
        const shown = buttonsOf(render(<DrainActions drain={drain} />, { role }))
        expect(shown).toEqual(buttons)
        const offered = shown.map((name) => NAMES[name])
        for (const action of DRAIN_ACTIONS) {
          const possible = whyNot(drain, action) === null && !leadsNowhere(drain, action)
          expect([action, offered.includes(action)]).toEqual([action, possible])
        }
      }
    },
  )

  it('say of tunnels that they stay where there are tunnels', () => {
    const left = { connections: 2, requests: null, tunnels: null, pushes: null }
    const running = { ...step('fra-1'), phase: 'connections' as const, endedAt: null, remaining: left }
    const said = (tunnels: number | null) => {
      const drain = drainIn('running', { steps: [{ ...running, remaining: { ...left, tunnels } }] })
      return wordsOf(render(<DrainActions drain={drain} />, { role: 'operator' }))
    }
    expect(said(null)).toContain('so that they take traffic.')
    expect(said(3)).toContain('tunnels that have moved stay where they are.')
  })

  it.each(TABLE)('are not shown to a viewer of one that is %s, who is told why', (_name, drain, buttons) => {
    const html = render(<DrainActions drain={drain} />, { role: 'viewer' })
    expect(buttonsOf(html)).toEqual([])
    expect(wordsOf(html).includes('need the operator role')).toBe(
      buttons.length > 0 || drain.state === 'aborting',
    )
  })
})

describe('a region that an ended drain still holds', () => {
  const ended = drainIn('aborted', held)
  const overview = {
    at,
    verdict: { level: 'attention', text: 'fra is held' },
    regions: [
      {
        id: 'fra',
        name: 'Frankfurt',
        state: 'drained',
        intent: 'drain',
        nodes: 2,
        up: 0,
        tunnels: 0,
        connections: 0,
      },
    ],
    nodes: [],
    incidents: [],
    drains: [],
    held: [
      {
        region: 'fra',
        nodes: ['fra-1', 'fra-2'],
        drainId: ended.id,
        state: ended.state,
        version: ended.version,
        since: at,
        reason: ended.reason,
      },
    ],
    totals: { nodes: 2, up: 0, unknown: 0, tunnels: 0, connections: 0 },
    live: { hub: 'h', seq: 1 },
    collector: { latenessP99Ms: 0, storeOk: true, startedAt: at },
    problems: [],
    demo: false,
  }
  const answers: [readonly unknown[], unknown][] = [[['overview'], overview]]

  it.each([
    ['the first page', <RunningDrains key="home" />],
    ['its own page', <RegionHeading key="region" region="fra" />],
  ])('is recalled on %s with its way back', (_where, element) => {
    const html = render(element, { answers })
    expect(buttonsOf(html)).toContain('Resume fra')
    expect(wordsOf(html)).toContain('fra is held out of service: kernel update')
    expect(buttonsOf(render(element, { answers, role: 'viewer' }))).not.toContain('Resume fra')
  })
})

describe('the form of a new drain', () => {
  const blockedPlan = {
    moves: [{ node: 'fra-1', connections: 1, tunnels: 1, requests: 0, pushes: 0 }],
    nodes: [{ node: 'fra-1', kind: 'json', verb: 'webhook: POST ops.example.com', proof: 'none' }],
    forecast: [],
    phases: [{ node: 'fra-1', phase: 'tunnels', seconds: 10, limitSeconds: null }],
    totalSeconds: 10,
    blockers: [{ code: 'capacity', message: 'iad would hold 8 tunnels, above its capacity of 5' }],
    warnings: [],
  }
  const shown = (role: 'viewer' | 'operator' | 'admin', plan = blockedPlan) =>
    render(<DrainForm />, { role, answers: [[['plan', { region: 'fra' }], plan]], search: 'region=fra' })

  it('lets an administrator override what blocks it, and nobody else', () => {
    expect(wordsOf(shown('admin'))).toContain('Override the blockers')
    expect(wordsOf(shown('operator'))).not.toContain('Override the blockers')
    for (const role of ['admin', 'operator'] as const)
      expect(wordsOf(shown(role))).toContain('iad would hold 8 tunnels, above its capacity of 5')
  })

  it('offers nobody to override what nobody can', () => {
    const blockers = [...blockedPlan.blockers, { code: 'cannot_drain', message: 'fra-1 is a json node' }]
    expect(wordsOf(shown('admin', { ...blockedPlan, blockers }))).not.toContain('Override the blockers')
  })

  it('counts one of each in its own form', () => {
    expect(wordsOf(shown('operator'))).toContain('1 tunnel and 1 connection move off 1 node')
  })

  it('says of what is not known that it is not', () => {
    const unknown = { connections: null, tunnels: null, requests: null, pushes: null }
    const moves = [...blockedPlan.moves, { node: 'fra-2', ...unknown }] as never
    const words = wordsOf(shown('operator', { ...blockedPlan, moves }))
    expect(words).toContain('At least 1 tunnel and at least 1 connection move off 2 nodes')
    expect(words).toMatch(/fra-2\s*unknown/)
    const nothing = { ...blockedPlan, moves: [{ node: 'fra-2', ...unknown }] as never }
    const ours = { node: 'fra-2', kind: 'tidegate', verb: 'its own drain: POST /drain', proof: 'counted' }
    expect(wordsOf(shown('operator', { ...nothing, nodes: [ours] }))).toContain(
      'An unknown number of tunnels and an unknown number of connections move off 1 node',
    )
    // What never counts tunnels is not asked for them.
    const others = wordsOf(shown('operator', nothing))
    expect(others).toContain('An unknown number of connections move off 1 node')
    expect(others).not.toMatch(/NodeTunnels|Node Tunnels|number of tunnels/)
  })

  it('offers a viewer nothing to press, and says whom to ask', () => {
    expect(buttonsOf(shown('viewer'))).toEqual([])
    expect(wordsOf(shown('viewer'))).toContain('Ask an administrator')
  })
})
