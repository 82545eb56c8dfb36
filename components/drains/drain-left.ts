import type {
  Drain,
  DrainMove,
  DrainOutcome,
  DrainStep,
  GapStatistics,
  Remaining,
} from '@/server/contract/drains.ts'
import type { DrainStepPhase } from '@/server/contract/states.ts'
import { formatNumber } from '../ui/format.ts'
import type { Glyph } from '../ui/state-glyph.tsx'

/** What is left on all nodes together; null as soon as one node that is not empty yet is not known. */
export const leftOf = (drain: Pick<Drain, 'steps'>): Remaining | null => {
  const open = drain.steps.filter((step) => step.phase !== 'done')
  if (open.some((step) => step.remaining === null)) return null
  const sum = (name: keyof Remaining) =>
    open.reduce((total, step) => total + (step.remaining?.[name] ?? 0), 0)
  return {
    connections: sum('connections'),
    requests: sum('requests'),
    tunnels: sum('tunnels'),
    pushes: sum('pushes'),
  }
}

/** Where one tunnel of the drain is: elsewhere, still on its node, between two nodes, or lost once the drain is over. */
export type MoveState = 'moved' | 'here' | 'between' | 'missing'

const SETTLED = new Set(['drained', 'resuming', 'resumed', 'aborted', 'failed'])
const LEAVING = new Set(['tunnels', 'proving', 'done'])

export const moveState = (drain: Pick<Drain, 'state' | 'steps'>, move: DrainMove): MoveState => {
  if (move.state === 'here' || move.state === 'moved') return move.state
  if (move.state === 'nowhere') return SETTLED.has(drain.state) ? 'missing' : 'between'
  if (move.to !== null) return move.to === move.from ? 'here' : 'moved'
  // A record that does not say: until its node closes tunnels, a tunnel that has not moved has not been touched either.
  const step = drain.steps.find((candidate) => candidate.node === move.from)
  if (!step || !LEAVING.has(step.phase)) return 'here'
  return SETTLED.has(drain.state) ? 'missing' : 'between'
}

/** `6 moved, 6 stayed, none missing`: every tunnel that was in scope, once. */
export const movedWords = (gaps: Pick<GapStatistics, 'missing'> & Partial<GapStatistics>): string => {
  const moved = gaps.moved ?? gaps.count ?? 0
  const stayed = gaps.stayed ?? 0
  return [
    `${formatNumber(moved)} moved`,
    ...(stayed > 0 ? [`${formatNumber(stayed)} stayed`] : []),
    gaps.missing > 0 ? `${formatNumber(gaps.missing)} missing` : 'none missing',
  ].join(', ')
}

const OUTCOMES: Record<DrainOutcome, { word: string; shape: Glyph; tone: string }> = {
  empty: { word: 'empty, held out of service', shape: 'drained', tone: 'text-drained' },
  exited: { word: 'empty, its process has ended', shape: 'done', tone: 'text-drained' },
  kept_serving: { word: 'kept serving', shape: 'up', tone: 'text-up' },
  back: { word: 'serves again', shape: 'up', tone: 'text-up' },
  held: { word: 'held out of service', shape: 'drained', tone: 'text-drained' },
  out: { word: 'could not be brought back', shape: 'down', tone: 'text-down' },
}
const PHASES: Record<DrainStepPhase, { word: string; shape: Glyph; tone: string }> = {
  waiting: { word: 'waiting', shape: 'waiting', tone: 'text-faint' },
  pre_drain: { word: 'leaving the balancer', shape: 'draining', tone: 'text-draining' },
  connections: { word: 'finishing connections', shape: 'draining', tone: 'text-draining' },
  tunnels: { word: 'moving tunnels', shape: 'draining', tone: 'text-draining' },
  proving: { word: 'proving it empty', shape: 'draining', tone: 'text-draining' },
  done: { word: 'empty', shape: 'done', tone: 'text-up' },
}
const OVER = new Set(['aborted', 'failed', 'resumed'])

/** Where one node of a drain stands: how its step ended, or the phase it is in. A drain that is over proves nothing any more. */
export const stepLook = (
  drain: Pick<Drain, 'state'>,
  step: Pick<DrainStep, 'phase' | 'outcome'>,
): { word: string; shape: Glyph; tone: string } => {
  if (step.outcome !== undefined) return OUTCOMES[step.outcome]
  if (OVER.has(drain.state) && step.phase !== 'done') return OUTCOMES.kept_serving
  return PHASES[step.phase]
}
