import type { Tunnel } from '@/server/contract/fleet.ts'
import { byName } from '../ui/by-name.ts'

export const TUNNEL_STATES = ['registered', 'lost'] as const

/** Lost ones first, then by name with numbers in order. */
export const matchTunnels = (
  tunnels: readonly Tunnel[],
  text: string,
  state: Tunnel['state'] | null,
): Tunnel[] => {
  const wanted = text.trim().toLowerCase()
  return tunnels
    .filter((tunnel) => !state || tunnel.state === state)
    .filter(
      (tunnel) =>
        !wanted ||
        [
          tunnel.hostId,
          tunnel.node,
          tunnel.region,
          tunnel.previousNode,
          tunnel.lastCloseCode,
          tunnel.lastCloseMeaning,
        ].some((value) =>
          String(value ?? '')
            .toLowerCase()
            .includes(wanted),
        ),
    )
    .toSorted((a, b) => (a.state === b.state ? byName(a.hostId, b.hostId) : a.state === 'lost' ? -1 : 1))
}
