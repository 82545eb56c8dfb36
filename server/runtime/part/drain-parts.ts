import type { DrainHealth } from '../../contract/health.ts'
import type { DrainPhase, NodeState } from '../../contract/states.ts'

interface TunnelPace {
  /** How many tunnels are told to leave each second; without it all at once, in slices. */
  tunnelsPerSecond?: number | undefined
  /** Ends the work early; tunnels that have not left stay. */
  signal: AbortSignal
}

/** What the drain needs of the relay beyond a serving part. */
export interface TunnelPart {
  /** New tunnels are refused with 4001 while on. */
  setCordon(on: boolean): void
  /** Phase 2: hosts are told and move while they are served; resolves when each has moved, is gone, or had its time to move. */
  moveTunnels(pace: TunnelPace): Promise<void>
  /** Phase 3: what has not moved is taken from the directory and closed; resolves when no tunnel is left, or at the signal. */
  drainTunnels(pace: TunnelPace): Promise<{ moved: number; left: number }>
  /** Closes every tunnel that is left with 4001; resolves when their sockets are gone. */
  endTunnels(): Promise<void>
  stats(): { tunnels: { current: number }; requests: { failed?: Record<string, number> | undefined } }
  /** Frees the public port at the end of phase 3. */
  unbind(): Promise<void>
  /** Resolves when no public request or WebSocket at all is in flight, or when `signal` ends the wait. */
  whenEmpty(signal: AbortSignal): Promise<void>
  /** Cuts every public request and WebSocket; resolves when they are gone. */
  abortAll(): Promise<{ connections: number; requests: number }>
}

/** What the drain needs of the push client. */
export interface QueuedPushPart {
  /** Pushes accepted and not yet settled. */
  pending(): number
  /** Resolves when nothing is pending; `signal` ends the wait early (resolves). */
  flush(signal: AbortSignal): Promise<unknown>
  /** New pushes are refused with `ERR_DRAINING` while on. */
  refuse(on: boolean): void
  close(): Promise<void>
  destroy(): Promise<void> | void
}

/** What `POST /drain` and `POST /resume` answer. */
export interface DrainStatus {
  drainId: string | null
  state: NodeState
  phase: DrainPhase | null
  startedAt: string | null
  reason: string | null
  remaining: DrainHealth['remaining']
}
