import type { Facts } from '../adapters/facts.ts'

/** What one node has counted of the drain's cost. Counters of a run ascend; a new run (another epoch) begins at zero. */
interface LostAt {
  epoch: string
  /** Value when the drain began, or 0 where the run began later. */
  base: number
  last: number
  /** From earlier runs. */
  before: number
}

/** Requests that visitors lost by a drain, by the node that counted them. Nodes that counted none are left out. */
export type LostRequests = Record<string, LostAt>

/**
 * What this node counts towards the drain: what it lost itself if it is one of the drained nodes, and what it could not pass on
 * because the host's former owner was one of them.
 */
const countedBy = (node: string, { drain }: Facts, drained: readonly string[]): number => {
  const own = drained.includes(node) ? (drain?.requestsFailed ?? 0) : 0
  const byOwner = drain?.failedByFormerOwner ?? {}
  return drained.reduce((sum, id) => sum + (byOwner[id] ?? 0), own)
}

/** Takes in one reading. `atStart`: what it counts already was lost before the drain began. Answers whether anything changed. */
export const noteLost = (
  lost: LostRequests,
  node: string,
  facts: Facts,
  drained: readonly string[],
  atStart: boolean,
): boolean => {
  const value = countedBy(node, facts, drained)
  const known = lost[node]
  if (known === undefined) {
    if (value === 0) return false
    lost[node] = { epoch: facts.epoch, base: atStart ? value : 0, last: value, before: 0 }
    return true
  }
  if (known.epoch !== facts.epoch) {
    lost[node] = {
      epoch: facts.epoch,
      base: 0,
      last: value,
      before: known.before + known.last - known.base,
    }
    return true
  }
  // Readings may come out of order; counters do not fall.
  if (value <= known.last) return false
  known.last = value
  return true
}

export const lostInAll = (lost: LostRequests): number =>
  Object.values(lost).reduce((sum, { base, last, before }) => sum + before + last - base, 0)
