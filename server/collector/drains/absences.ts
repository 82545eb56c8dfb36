import type { Drain } from '../../contract/drains.ts'

/** How long a node that is held may be away, for the reboot that it was drained for, before that is an outage like any other. */
export const REBOOT_LIMIT_MS = 30 * 60_000

/** A drain explains why a node does not answer. */
export interface Absence {
  drainId: string
  /** For so long; null until the node is back. */
  limitMs: number | null
}

/**
 * Why this drain may have a node away: a process that was asked to end is away until it is back, and a node that was emptied and
 * is held may be restarted. One that counts nothing is explained since it was asked. A node that dies while it still has traffic, or that could not be brought back, is not explained.
 */
export const absenceIn = (drain: Drain, node: string): Absence | null => {
  const step = drain.steps.find((candidate) => candidate.node === node)
  if (step === undefined || drain.state === 'planned') return null
  const { outcome, phase } = step
  if (outcome === 'exited') return { drainId: drain.id, limitMs: null }
  // What was asked to go and counts nothing may do just that: a page that a balancer left out answers its checks with an error.
  if (outcome === undefined && phase === 'pre_drain' && isUncounted(drain, node))
    return { drainId: drain.id, limitMs: REBOOT_LIMIT_MS }
  const reboots =
    outcome === 'empty' ||
    outcome === 'unproven' ||
    outcome === 'held' ||
    (drain.strategy.mode === 'exit' && outcome === undefined && phase !== 'waiting')
  return reboots ? { drainId: drain.id, limitMs: REBOOT_LIMIT_MS } : null
}

/** By its plan it has nothing to wait for but its time. */
const isUncounted = ({ budget = [] }: Drain, node: string): boolean => {
  const phases = budget.filter((planned) => planned.node === node)
  return phases.length > 0 && phases.every(({ phase }) => phase === 'pre_drain')
}
