import type { Health, Listener } from '../../contract/health.ts'
import type { NodeCordonRequest, NodeDrainRequest } from '../../contract/node-api.ts'
import type { RouteConfig } from '../../contract/route-config.ts'
import type { EventLog } from '../events/event-log.ts'
import type { DrainStatus } from './drain-parts.ts'
import type { NodeParts } from './node-parts.ts'
import type { Readiness } from './part.ts'

/** One running node. Every verb is safe to call twice. */
export interface TidegateNode {
  readonly id: string
  readonly region: string
  readonly events: EventLog
  /** Binds everything, or, where a drain wish is found, starts `drained` and binds nothing public. Throws `ERR_PORT_TAKEN`, `ERR_DATA_FOLDER`, `ERR_CONFIG`. */
  start(): Promise<void>
  /** Starts an operator's drain and answers at once; the same id again answers with the one that runs. See `NodeDrain.begin` for errors. */
  beginDrain(request: NodeDrainRequest): Promise<DrainStatus>
  /** As `beginDrain`, but resolves when the drain has ended: drained, aborted or taken over; the status says which. */
  drain(request: NodeDrainRequest): Promise<DrainStatus>
  /** Refuses new tunnels, durably, until `resume`. */
  cordon(request: NodeCordonRequest): Promise<DrainStatus>
  /** Back to serving. Rejects with `ERR_PORT_TAKEN`; the node then stays as it was. */
  resume(): Promise<DrainStatus>
  /** The whole sequence for a signal: four phases, then the control listener. */
  drainForSignal(signal: string): Promise<void>
  /** Finishes without a drain: what is in flight gets its grace period. */
  close(): Promise<void>
  /** Ends everything now. */
  destroy(): Promise<void>
  health(): Health
  readiness(): Readiness
  drainStatus(): DrainStatus
  /** Public listeners with their actual ports. */
  listeners(): Listener[]
  /** Replaces all routes at once. Rejects with `ERR_INVALID`, `ERR_UNSUPPORTED` (no proxy), `ERR_PORT_TAKEN`. */
  setRoutes(routes: RouteConfig[]): Promise<void>
  readonly parts: NodeParts
  /** Where the control listener is, while there is one. */
  readonly control: { url: string; token: string } | null
}
