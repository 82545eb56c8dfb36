import type { Drain, DrainMove, Remaining } from '@/server/contract/drains.ts'

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
  if (move.to !== null) return move.to === move.from ? 'here' : 'moved'
  // Until its node closes tunnels, a tunnel that has not moved has not been touched either.
  const step = drain.steps.find((candidate) => candidate.node === move.from)
  if (!step || !LEAVING.has(step.phase)) return 'here'
  return SETTLED.has(drain.state) ? 'missing' : 'between'
}
