import type { Health } from '../../contract/health.ts'

/** Counters of a node that a step compares: at its beginning and when the node is empty. */
export interface Counters {
  epoch: string
  closed: number
  aborted: number
  failed: number
}

export const countersOf = (document: Health): Counters => ({
  epoch: document.epoch,
  closed: document.proxy?.connections.closed ?? 0,
  aborted: document.proxy?.closedBy.drain_deadline ?? 0,
  failed: (document.proxy?.requests.byStatus['5xx'] ?? 0) + (document.relay?.requests.byStatus['5xx'] ?? 0),
})
