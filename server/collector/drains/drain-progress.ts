import type { DrainReport } from '../../contract/drains.ts'
import type { LostRequests } from './lost-requests.ts'
import type { Counters } from './step-counters.ts'

/** A node that was asked to drain. */
export interface AskedNode {
  /** The run that was asked. */
  epoch: string
  /** It is known that it heard. */
  accepted: boolean
  /** It has no drain of its own: this one holds its deadline and finds its proof. */
  led?: boolean
  /** When it heard, epoch ms. */
  at?: number
  /** What its adapter wants to be told when it is given back. */
  kept?: string
}

/** What the orchestrator keeps beside the record so that it can go on after a restart. */
export interface DrainProgress {
  /** Nodes in the order in which they are drained. */
  order: string[]
  /** How the drain ends once it is aborted. */
  end: 'serving' | 'held'
  /** An administrator overrode blockers: then the floor below the fleet is not held for this drain. */
  forced: boolean
  /** Nodes were touched: what was not need not be brought back. */
  begun: boolean
  /** Whom was asked to drain; written before it is asked. */
  asked: Record<string, AskedNode>
  /** Counters of a node when its step began, to tell what finished and what was cut. */
  baselines: Record<string, Counters>
  connections: { finished: number; aborted: number }
  /** What visitors lost; null until the counters were read for the first time. */
  lost: LostRequests | null
  /** Failed requests of nodes that do not count what a drain cost: all that they answered with 5xx meanwhile. */
  requestsFailed: number
  phases: DrainReport['phases']
  notes: string[]
  /** Codes of worries that stood when an operator let the drain go on: they do not pause it again. */
  accepted: string[]
}

export const newProgress = (order: readonly string[], more: Partial<DrainProgress> = {}): DrainProgress => ({
  order: [...order],
  end: 'serving',
  forced: false,
  begun: false,
  asked: {},
  baselines: {},
  connections: { finished: 0, aborted: 0 },
  lost: null,
  requestsFailed: 0,
  phases: [],
  notes: [],
  accepted: [],
  ...more,
})

/** What was stored, also by an older version: what is missing begins anew. `order` falls back to the nodes of the steps. */
export const progressOf = (stored: Record<string, unknown>, nodes: readonly string[]): DrainProgress => {
  const known = stored as Partial<DrainProgress>
  const order = Array.isArray(known.order) ? known.order : [...nodes]
  return newProgress(order, { begun: true, ...known, order })
}
