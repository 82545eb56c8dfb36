import { hasSettled, isOver } from '@/server/contract/drain-rules.ts'
import type {
  Drain,
  DrainMove,
  DrainOutcome,
  DrainStep,
  GapStatistics,
  Remaining,
} from '@/server/contract/drains.ts'
import { DRAIN_OUTCOME_WORDS, DRAIN_STEP_WORDS } from '@/server/contract/state-words.ts'
import type { DrainStepPhase } from '@/server/contract/states.ts'
import { listWords } from '@/server/contract/words.ts'
import { formatNumber, plural } from '../ui/format.ts'
import type { Glyph } from '../ui/state-glyph.tsx'

/**
 * What is left on all nodes together; null as soon as one node that is not empty yet is not known. Tunnels, requests and pushes are
 * summed over the nodes that count them, and null where none does.
 */
export const leftOf = (drain: Pick<Drain, 'steps'>): Remaining | null => {
  const open = drain.steps.filter((step) => step.phase !== 'done')
  if (open.some((step) => step.remaining === null)) return null
  const sum = (name: keyof Remaining): number | null => {
    const counted = open.flatMap(({ remaining }) => remaining?.[name] ?? [])
    return counted.length === 0 && open.length > 0 ? null : counted.reduce((total, count) => total + count, 0)
  }
  return {
    connections: sum('connections') ?? 0,
    requests: sum('requests'),
    tunnels: sum('tunnels'),
    pushes: sum('pushes'),
  }
}

/** `1 of 3 nodes empty`, `2 of 3 nodes out, 1 of them unproven`. */
export const doneWords = ({ steps }: Pick<Drain, 'steps'>): string => {
  const done = steps.filter((step) => step.phase === 'done').length
  const unproven = steps.filter((step) => step.outcome === 'unproven').length
  const of = `${done} of ${plural(steps.length, 'node')}`
  return unproven === 0 ? `${of} empty` : `${of} out, ${unproven} of them unproven`
}

/** Where one tunnel of the drain is: elsewhere, still on its node, between two nodes, or lost once the drain is over. */
export type MoveState = 'moved' | 'here' | 'between' | 'missing'

const LEAVING = new Set(['tunnels', 'proving', 'done'])

export const moveState = (drain: Pick<Drain, 'state' | 'steps'>, move: DrainMove): MoveState => {
  if (move.state === 'here' || move.state === 'moved') return move.state
  if (move.state === 'nowhere') return hasSettled(drain) ? 'missing' : 'between'
  if (move.to !== null) return move.to === move.from ? 'here' : 'moved'
  // A record that does not say: until its node closes tunnels, a tunnel that has not moved has not been touched either.
  const step = drain.steps.find((candidate) => candidate.node === move.from)
  if (!step || !LEAVING.has(step.phase)) return 'here'
  return hasSettled(drain) ? 'missing' : 'between'
}

const SERVES: ReadonlySet<DrainOutcome | undefined> = new Set(['back', 'kept_serving', undefined])

/** How the nodes of a drain that ended early are left: `all 2 nodes serve`, `fra-2 is out of service`. */
export const leftAs = ({ steps }: Pick<Drain, 'steps'>): string => {
  const out = steps.flatMap(({ node, outcome }) => (SERVES.has(outcome) ? [] : [node]))
  if (out.length === 0)
    return steps.length === 1 ? `${steps[0]?.node} serves` : `all ${plural(steps.length, 'node')} serve`
  return `${listWords(out)} ${out.length === 1 ? 'is' : 'are'} out of service`
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

/** Where no node counts tunnels there are none to mention. */
export const mayHoldTunnels = ({ moves, steps }: Pick<Drain, 'moves' | 'steps'>): boolean =>
  moves.length > 0 || steps.some(({ remaining }) => remaining !== null && remaining.tunnels !== null)

/** `2 tunnels and 5 connections`; tunnels are mentioned where the drain has some in scope, or a node counts some. */
export const leftWords = (drain: Pick<Drain, 'moves'>, left: Remaining): string => {
  const tunnels = drain.moves.length > 0 || (left.tunnels ?? 0) > 0
  return `${tunnels && left.tunnels !== null ? `${plural(left.tunnels, 'tunnel')} and ` : ''}${plural(left.connections, 'connection')}`
}

type Look = { shape: Glyph; tone: string }
const OUTCOMES: Record<DrainOutcome, Look> = {
  empty: { shape: 'drained', tone: 'text-drained' },
  unproven: { shape: 'drained', tone: 'text-degraded' },
  exited: { shape: 'done', tone: 'text-drained' },
  kept_serving: { shape: 'up', tone: 'text-up' },
  back: { shape: 'up', tone: 'text-up' },
  held: { shape: 'drained', tone: 'text-drained' },
  out: { shape: 'down', tone: 'text-down' },
}
const PHASES: Record<DrainStepPhase, Look> = {
  waiting: { shape: 'waiting', tone: 'text-faint' },
  pre_drain: { shape: 'draining', tone: 'text-draining' },
  connections: { shape: 'draining', tone: 'text-draining' },
  tunnels: { shape: 'draining', tone: 'text-draining' },
  proving: { shape: 'draining', tone: 'text-draining' },
  done: { shape: 'done', tone: 'text-up' },
}
/** How far one node of a drain has got: how its step ended, or the phase it is in. A drain that is over proves nothing any more. */
export const stepLook = (
  drain: Pick<Drain, 'state'>,
  step: Pick<DrainStep, 'phase' | 'outcome'>,
): Look & { word: string } => {
  const outcome =
    step.outcome ?? (isOver(drain) && step.phase !== 'done' ? ('kept_serving' as const) : undefined)
  return outcome === undefined
    ? { word: DRAIN_STEP_WORDS[step.phase], ...PHASES[step.phase] }
    : { word: DRAIN_OUTCOME_WORDS[outcome], ...OUTCOMES[outcome] }
}
