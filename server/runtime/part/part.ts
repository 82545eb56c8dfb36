import type { EventData, EventType } from '../../contract/events.ts'
import type { Listener } from '../../contract/health.ts'
import type { Log } from '../../observe/log.ts'

/** What a part of a node is given: its identity, and where its facts go. A part knows nothing else of the product. */
export interface PartContext {
  readonly node: string
  readonly region: string
  readonly log: Log
  /** Appends to the node's event log; never throws, never blocks. */
  emit<T extends EventType>(type: T, data: EventData<T>): void
}

export type Readiness = { ready: true } | { ready: false; reason: string }

/**
 * Verbs that the proxy and the relay share, in the order in which a drain calls them. Every verb is safe to call twice; calling
 * a later one without the earlier is allowed.
 */
export interface ServingPart {
  /** Binds all listeners. Throws `ERR_PORT_TAKEN` with `{host, port}`; then nothing stays bound. */
  start(): Promise<void>
  /** Where it listens now (actual ports, also when 0 was configured). */
  listeners(): Listener[]
  /** What readiness paths on public listeners answer. Phase 1 sets it to not ready at once; everything is still served. */
  setReadiness(readiness: Readiness): void
  /**
   * Phase 2: takes no new work and tells peers (`Connection: close`); what is in flight goes on. A relay continues to serve its hosts,
   * which move meanwhile, and only tells peers.
   */
  stopAccepting(): Promise<void>
  /** What is in flight: connections (TCP and WebSocket through the part) and HTTP requests. Tunnels are not counted. */
  inFlight(): { connections: number; requests: number }
  /** The part of it that phase 2 waits for, where that is not all. */
  outstanding?(): { connections: number; requests: number }
  /** Resolves when nothing is in flight that phase 2 waits for; `signal` ends the wait early (resolves, never rejects). */
  whenIdle(signal: AbortSignal): Promise<void>
  /** Aborts what is left of phase 2 and resolves when it is gone. Answers how many connections and requests were cut. */
  abortRest(): Promise<{ connections: number; requests: number }>
  /** Back to serving: binds the same actual ports again. Throws `ERR_PORT_TAKEN`; then the part stays as it was. */
  resume(): Promise<void>
  /** Finishes: unbinds everything, waits for what is in flight to end by itself no longer than its grace period. */
  close(): Promise<void>
  /** Ends everything now. */
  destroy(): Promise<void>
}
