import type { Drain } from '../../contract/drains.ts'

/** Where a drain has a node that does not say so itself. */
export interface Standing {
  state: 'draining' | 'drained'
  /** Epoch ms. */
  since: number
}

/**
 * A node that knows no states of its own answers its polls whether it serves or not: that it was asked to go, and that it is out, is
 * known by its drain alone. Null where this drain has nothing to do with it, or has not touched it, or has given it back.
 */
export const standingIn = (drain: Drain, node: string): Standing | null => {
  const step = drain.steps.find((candidate) => candidate.node === node)
  if (step === undefined || step.phase === 'waiting' || drain.state === 'planned') return null
  const { outcome, startedAt, endedAt } = step
  if (outcome === 'kept_serving' || outcome === 'back' || outcome === 'exited') return null
  const since = (at: string | null): number => Date.parse(at ?? drain.updatedAt)
  return outcome === undefined
    ? { state: 'draining', since: since(startedAt) }
    : { state: 'drained', since: since(endedAt) }
}
