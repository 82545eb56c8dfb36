import type { QueuedPushPart, TunnelPart } from '../part/drain-parts.ts'
import type { ServingPart } from '../part/part.ts'

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

/** What phase 2 still waits for. */
export const outstandingOf = (serving: readonly ServingPart[]): { connections: number; requests: number } => {
  const sum = { connections: 0, requests: 0 }
  for (const part of serving) {
    const { connections, requests } = part.outstanding?.() ?? part.inFlight()
    sum.connections += connections
    sum.requests += requests
  }
  return sum
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
