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
  closed: totalOf(facts, 'connections_closed') ?? 0,
  aborted: totalOf(facts, 'connections_cut') ?? 0,
  failed: totalOf(facts, 'requests_failed') ?? 0,
})
