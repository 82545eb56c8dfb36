import type { ServingPart } from '../part.ts'

/** What the drain needs of the relay beyond a serving part. */
export interface TunnelPart {
  /** New tunnels are refused with 4001 while on. */
  setCordon(on: boolean): void
  /** Tunnel by tunnel in slices at the pace; an aborted signal ends it early and `left` says what remains. */
  drainTunnels(options: {
    tunnelsPerSecond?: number | undefined
    signal: AbortSignal
  }): Promise<{ moved: number; left: number }>
  stats(): { tunnels: { current: number } }
  tunnels(): { hostId: string }[]
  /** Closes one tunnel; its directory entry goes with it. */
  closeTunnel(hostId: string, code: number, reason: string): boolean
  /** Resolves when no tunnel is left, or when `signal` ends the wait. */
  whenNoTunnels(signal: AbortSignal): Promise<void>
  /** Frees the public port at the end of phase 3. */
  unbind(): Promise<void>
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

/** All that one drain sequence runs over; absent parts are absent. */
export interface DrainParts {
  /** Proxy and relay. */
  readonly serving: readonly ServingPart[]
  readonly relay?: TunnelPart | undefined
  readonly push?: QueuedPushPart | undefined
}

export interface Remaining {
  connections: number
  requests: number
  tunnels: number
  pushes: number
}

/** What is still in flight on this node now. */
export const remainingOf = (parts: DrainParts): Remaining => {
  const remaining: Remaining = { connections: 0, requests: 0, tunnels: 0, pushes: parts.push?.pending() ?? 0 }
  for (const part of parts.serving) {
    const inFlight = part.inFlight()
    remaining.connections += inFlight.connections
    remaining.requests += inFlight.requests
  }
  remaining.tunnels = parts.relay?.stats().tunnels.current ?? 0
  return remaining
}
