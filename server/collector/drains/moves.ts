import type { DrainMove } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { Tunnel } from '../../contract/fleet.ts'

const isOn = (tunnel: Tunnel, nodes: ReadonlySet<string>): boolean =>
  tunnel.state === 'registered' && nodes.has(tunnel.node)

const moveOf = (tunnel: Tunnel): DrainMove => ({
  hostId: tunnel.hostId,
  from: tunnel.node,
  to: null,
  gapMs: null,
  at: null,
  state: 'here',
})

/** Every tunnel of the leaving nodes, by name. */
export const movesAtStart = (tunnels: readonly Tunnel[], leaving: ReadonlySet<string>): DrainMove[] =>
  tunnels.filter((tunnel) => isOn(tunnel, leaving)).map(moveOf)

/**
 * Adds tunnels that appeared on a leaving node after the plan, and says of each where the fleet sees it now. Who has moved has
 * moved, whatever becomes of it there. The same array where nothing changed.
 */
export const followMoves = (
  moves: readonly DrainMove[],
  tunnels: readonly Tunnel[],
  leaving: ReadonlySet<string>,
): readonly DrainMove[] => {
  const seen = new Map(tunnels.map((tunnel) => [tunnel.hostId, tunnel]))
  let changed = false
  const next = moves.map((move) => {
    const now = whereNow(move, seen.get(move.hostId), leaving)
    changed ||= now !== move
    return now
  })
  const known = new Set(moves.map((move) => move.hostId))
  for (const tunnel of tunnels) {
    if (known.has(tunnel.hostId) || !isOn(tunnel, leaving)) continue
    next.push(moveOf(tunnel))
    changed = true
  }
  return changed ? next : moves
}

const whereNow = (move: DrainMove, tunnel: Tunnel | undefined, leaving: ReadonlySet<string>): DrainMove => {
  if (move.to !== null) return move.state === 'moved' ? move : { ...move, state: 'moved' }
  if (tunnel === undefined || tunnel.state !== 'registered')
    return move.state === 'nowhere' ? move : { ...move, state: 'nowhere' }
  // Between two leaving nodes it has not left yet.
  if (leaving.has(tunnel.node))
    return move.state === 'here' && move.from === tunnel.node
      ? move
      : { ...move, from: tunnel.node, state: 'here' }
  return { ...move, to: tunnel.node, gapMs: tunnel.lastGapMs, at: tunnel.since, state: 'moved' }
}

/** A host registered elsewhere and says how long it was away. The same array where that is no news. */
export const noticeRegistered = (
  moves: readonly DrainMove[],
  event: FleetEvent,
  leaving: ReadonlySet<string>,
): readonly DrainMove[] => {
  const { node, data } = event
  if (node === null || leaving.has(node) || typeof data.hostId !== 'string') return moves
  const index = moves.findIndex((move) => move.hostId === data.hostId && move.gapMs === null)
  const known = moves[index]
  if (known === undefined) return moves
  const next = [...moves]
  const gapMs = typeof data.gapMs === 'number' ? data.gapMs : null
  next[index] = { ...known, to: node, gapMs, at: event.at, state: 'moved' }
  return next
}

/** A few of them by name. */
export const namesOf = (moves: readonly DrainMove[]): string => {
  const shown = moves.slice(0, 5).map((move) => move.hostId)
  return moves.length > shown.length
    ? `${shown.join(', ')} and ${moves.length - shown.length} more`
    : shown.join(', ')
}
