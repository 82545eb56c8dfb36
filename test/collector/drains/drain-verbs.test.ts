import { afterEach, describe, expect, it } from 'vitest'
import { newProgress } from '../../../server/collector/drains/drain-progress.ts'
import { DRAIN_VERBS, isActiveDrain, nodesOut, whyNot } from '../../../server/contract/drain-rules.ts'
import {
  DRAIN_ACTIONS,
  type Drain,
  type DrainAction,
  type DrainStep,
} from '../../../server/contract/drains.ts'
import { AppError } from '../../../server/contract/errors.ts'
import { DRAIN_STATES } from '../../../server/contract/states.ts'
import { ana, DrainBench } from './drain-bench.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

const at = '2026-01-01T00:00:00.000Z'
const strategy = { maxUnavailable: 1, deadlineSeconds: 300, onDeadline: 'wait', mode: 'hold' } as const
const steps = (outcome?: DrainStep['outcome']): DrainStep[] =>
  ['fra-1', 'fra-2'].map((node) => ({
    node,
    phase: outcome === undefined ? 'waiting' : 'done',
    startedAt: null,
    endedAt: null,
    remaining: null,
    ...(outcome === undefined ? {} : { outcome }),
  }))

const drainIn = (state: Drain['state'], change: Partial<Drain> = {}): Drain => ({
  id: `d-${state}`,
  region: 'fra',
  reason: 'kernel update',
  strategy: state === 'planned' ? { ...strategy, startAt: '2036-01-01T00:00:00Z' } : strategy,
  state,
  version: 7,
  createdAt: at,
  createdBy: 'ana@example.com',
  updatedAt: at,
  updatedBy: 'ana@example.com',
  note: null,
  steps: steps(),
  moves: [],
  ...change,
})

/** What each state allows; everything else is refused with 409. */
const TABLE: [string, Drain, DrainAction[]][] = [
  ['planned', drainIn('planned'), ['abort']],
  ['running', drainIn('running'), ['pause', 'abort']],
  ['paused', drainIn('paused'), ['continue', 'abort']],
  ['drained', drainIn('drained', { steps: steps('empty') }), ['abort', 'resume']],
  ['resuming', drainIn('resuming', { steps: steps('empty') }), ['abort', 'resume']],
  ['resumed', drainIn('resumed', { steps: steps('back') }), []],
  ['aborting', drainIn('aborting'), ['abort']],
  ['aborted, serving', drainIn('aborted', { steps: steps('kept_serving') }), []],
  ['aborted, held', drainIn('aborted', { steps: steps('held') }), ['resume']],
  ['failed, with a node out', drainIn('failed', { steps: steps('out') }), ['resume']],
  ['failed, with everything back', drainIn('failed', { steps: steps('back') }), []],
  [
    'drained by exit',
    drainIn('drained', { steps: steps('exited'), strategy: { ...strategy, mode: 'exit' } }),
    [],
  ],
]

let bench: DrainBench | null = null
afterEach(async () => {
  await bench?.close()
  bench = null
})

/** The same drain in a region of its own for each verb, and one region that serves. */
const REGIONS = [...DRAIN_ACTIONS, 'elsewhere']
const inRegion = (drain: Drain, region: string): Drain => ({
  ...drain,
  id: `${drain.id}-${region}`,
  region,
  steps: drain.steps.map((step, index) => ({ ...step, node: `${region}-${index + 1}` })),
})

/** A verb that changes nothing, because the drain is on its way there already, leaves no audit row. */
const changes = (drain: Drain, action: DrainAction): boolean =>
  whyNot(drain, action) === null && DRAIN_VERBS[action].to !== drain.state

describe('the desk allows what the state allows', () => {
  it('names every state', () => {
    expect([...new Set(TABLE.map(([, drain]) => drain.state))].sort()).toEqual([...DRAIN_STATES].sort())
  })

  it.each(TABLE)('%s', async (_name, drain, allowed) => {
    bench = new DrainBench({ fleet: new ScriptedFleet(REGIONS) })
    const { fleet, store } = bench
    // Nobody answers but those elsewhere, so that no state goes on by itself.
    for (const node of fleet.scripted) node.answers = node.region === 'elsewhere'
    await store.open()
    for (const action of DRAIN_ACTIONS) {
      const mine = inRegion(drain, action)
      const order = mine.steps.map((step) => step.node)
      await store.createDrain({ drain: mine, resume: { ...newProgress(order, { begun: true }) } })
    }
    await bench.openDesk()
    const answers: Record<string, string> = {}
    for (const action of DRAIN_ACTIONS) {
      const { id, version } = inRegion(drain, action)
      answers[action] = await bench.desk
        .act(id, action, { version }, ana)
        .then(() => 'allowed')
        .catch((error: unknown) => (error instanceof AppError ? error.code : String(error)))
    }
    expect(answers).toEqual(
      Object.fromEntries(
        DRAIN_ACTIONS.map((action) => [action, allowed.includes(action) ? 'allowed' : 'ERR_CONFLICT']),
      ),
    )
    const rows = (await store.auditRows({})).items.map((row) => row.action).reverse()
    expect(rows).toEqual(
      DRAIN_ACTIONS.filter((action) => changes(drain, action)).map((action) => `drain.${action}`),
    )
  })
})

describe('the rules that the page asks', () => {
  it('walks every state with every verb', () => {
    const cells = new Set(TABLE.flatMap(([, drain]) => DRAIN_ACTIONS.map((verb) => `${drain.state} ${verb}`)))
    expect(cells.size).toBe(9 * 4)
  })

  it('let a state of a newer version own nothing and be steered by nobody', () => {
    const drain = drainIn('dreaming' as Drain['state'])
    expect(isActiveDrain(drain)).toBe(false)
    expect(nodesOut(drain)).toEqual([])
    expect(DRAIN_ACTIONS.filter((action) => whyNot(drain, action) === null)).toEqual([])
  })

  it.each(TABLE)('%s', (name, drain, allowed) => {
    expect(DRAIN_ACTIONS.filter((action) => whyNot(drain, action) === null)).toEqual(
      DRAIN_ACTIONS.filter((action) => allowed.includes(action)),
    )
    const ended = ['resumed', 'aborted, serving', 'aborted, held', 'drained by exit'].includes(name)
    expect(isActiveDrain(drain)).toBe(!ended && drain.state !== 'failed')
    const out = ['drained', 'aborted, held', 'failed, with a node out'].includes(name)
    expect(nodesOut(drain)).toEqual(out ? ['fra-1', 'fra-2'] : [])
  })
})
