import { type Facts, totalOf } from '../adapters/facts.ts'

/** Counters of a node that a step compares: at its beginning and when the node is empty. */
export interface Counters {
  epoch: string
  closed: number
  aborted: number
  failed: number
}

export const countersOf = (facts: Facts): Counters => ({
  epoch: facts.epoch,
  closed: closedBy(facts),
  aborted: totalOf(facts, 'connections_cut') ?? 0,
  failed: totalOf(facts, 'requests_failed') ?? 0,
})

/** Where they are not counted: what came in and is not there any more. */
const closedBy = (facts: Facts): number => {
  const accepted = totalOf(facts, 'connections_accepted')
  const { connections } = facts.gauges
  const gone = accepted === undefined || connections === undefined ? 0 : Math.max(0, accepted - connections)
  return totalOf(facts, 'connections_closed') ?? gone
}
