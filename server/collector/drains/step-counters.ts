import { type Facts, totalOf } from '../adapters/facts.ts'

/** Counters of a node that a step compares: at its beginning and when the node is empty. Null of each that it does not count. */
export interface Counters {
  epoch: string
  closed: number | null
  aborted: number | null
  failed: number | null
}

export const countersOf = (facts: Facts): Counters => ({
  epoch: facts.epoch,
  closed: closedBy(facts),
  aborted: totalOf(facts, 'connections_cut') ?? absentOf(facts),
  failed: totalOf(facts, 'requests_failed') ?? absentOf(facts),
})

/** A node with a drain of its own also counts the parts that it does not have: of these it holds nothing. */
const absentOf = ({ drain }: Facts): 0 | null => (drain === null ? null : 0)

/** Where they are not counted: what came in and is not there any more. */
const closedBy = (facts: Facts): number | null => {
  const closed = totalOf(facts, 'connections_closed')
  if (closed !== undefined) return closed
  const accepted = totalOf(facts, 'connections_accepted')
  const { connections } = facts.gauges
  return accepted === undefined || connections === undefined
    ? absentOf(facts)
    : Math.max(0, accepted - connections)
}

/** What was counted between two looks; null where one of both did not count it. */
export const increaseOf = (before: number | null | undefined, now: number | null): number | null =>
  before === null || before === undefined || now === null ? null : now - before

/** A sum over nodes of which some count and some do not: null until one does. */
export const addCounted = (sum: number | null, more: number | null): number | null =>
  more === null ? sum : (sum ?? 0) + more
