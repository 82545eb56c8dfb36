import type { DrainReport } from '../../contract/drains.ts'
import type { LostRequests } from './lost-requests.ts'
import type { RunMark } from './run-mark.ts'
import type { Counters } from './step-counters.ts'

/** A node that was asked to drain. */
export interface AskedNode {
  /** The run that was asked. */
  epoch: string
  /** What was seen of that run when it was asked; absent in records of older versions. */
  run?: RunMark
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
  baselines: Record<string, Counters & { run?: RunMark }>
  /** Null until a node has counted them. */
  connections: { finished: number | null; aborted: number | null }
  /** What visitors lost; null until the counters were read for the first time. */
  lost: LostRequests | null
  /** Failed requests of nodes that do not count what a drain cost: all that they answered with 5xx meanwhile. Null until one counts any. */
  requestsFailed: number | null
  /** Nodes that did not count something which others of the same drain did: sums leave them out, and the report says so. */
  uncounted: { connections: string[]; requests: string[] }
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
  connections: { finished: null, aborted: null },
  lost: null,
  requestsFailed: null,
  uncounted: { connections: [], requests: [] },
  phases: [],
  notes: [],
  accepted: [],
  ...more,
})

/** What was stored, also by an older version: what is missing starts from the beginning. `order` falls back to the nodes of the steps. */
export const progressOf = (stored: Record<string, unknown>, nodes: readonly string[]): DrainProgress => {
  const known = stored as Partial<DrainProgress>
  const order = Array.isArray(known.order) ? known.order : [...nodes]
  return newProgress(order, { begun: true, ...known, order })
}
