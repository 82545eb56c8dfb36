import type { Node } from '../../contract/fleet.ts'
import type { NodeKind } from '../../contract/states.ts'
import type { Pool } from '../adapters/adapter.ts'
import type { DrainFleet } from './drain-fleet.ts'

type Watched = Pick<DrainFleet, 'nodes' | 'drainVerbs'>

/** Kinds that carry other people's traffic. What else is watched may answer its polls and carry nothing. */
const CARRIERS: readonly string[] = [
  'tidegate',
  'haproxy',
  'envoy',
  'caddy',
  'nginx',
] satisfies readonly NodeKind[]

const poolOf = (fleet: Watched, { id }: Node): Pool | undefined => fleet.drainVerbs(id)?.pool

const leavingOf = (fleet: Watched, ids: readonly string[]): Node[] =>
  fleet.nodes().filter(({ id }) => ids.includes(id))

/**
 * Whether one node could do what another did. Tunnels move to relays of ours alone; one proxy may stand in for another, whatever
 * program it is, but what stands behind a proxy for none; and of anything else only its like, or a proxy, is known to do its work.
 */
const canReplace = (fleet: Watched, leaving: Node, staying: Node): boolean => {
  if (leaving.kind === 'tidegate') return staying.kind === 'tidegate'
  if (!CARRIERS.includes(staying.kind)) return staying.kind === leaving.kind
  const isProxy = CARRIERS.includes(leaving.kind) && poolOf(fleet, leaving) === undefined
  return !isProxy || poolOf(fleet, staying) === undefined
}

/** These, and all that are the same things by other addresses. */
export const withTwins = (fleet: Pick<DrainFleet, 'drainVerbs'>, ids: readonly string[]): string[] => [
  ...new Set([...ids, ...ids.flatMap((id) => fleet.drainVerbs(id)?.twins ?? [])]),
]

/** Who could take over from the nodes that leave. Where those are not configured any more, everybody could. */
export const successorsOf = (fleet: Watched, leaving: readonly string[]): Node[] => {
  const going = leavingOf(fleet, leaving)
  const gone = withTwins(fleet, leaving)
  return fleet
    .nodes()
    .filter(
      (node) =>
        !gone.includes(node.id) &&
        (going.length === 0 || going.some((each) => canReplace(fleet, each, node))),
    )
}

/** True where what some node that leaves does would have nobody left among `serving`. */
export const leavesNobody = (
  fleet: Watched,
  leaving: readonly string[],
  serving: readonly Node[],
): boolean => {
  const gone = withTwins(fleet, leaving)
  const staying = serving.filter(({ id }) => !gone.includes(id))
  const going = leavingOf(fleet, leaving)
  return (
    staying.length === 0 ||
    going.some((each) => !staying.some((node) => canReplace(fleet, each, node))) ||
    going.some((each) => emptiesPool(fleet, each, going, staying))
  )
}

/** Kinds that leave and of which none stays, though something of another kind could stand in. */
export const withoutLike = (
  fleet: Watched,
  leaving: readonly string[],
  serving: readonly Node[],
): string[] => {
  const kinds = [...new Set(leavingOf(fleet, leaving).map(({ kind }) => kind))]
  return kinds.filter((kind) => !serving.some((node) => !leaving.includes(node.id) && node.kind === kind))
}

/**
 * Whether the proxy before this node would have no other to turn to: another region is no help to a visitor whom it lets in. Where the
 * whole region goes nobody is to be let in there.
 */
const emptiesPool = (
  fleet: Watched,
  node: Node,
  going: readonly Node[],
  staying: readonly Node[],
): boolean => {
  const pool = poolOf(fleet, node)
  if (pool === undefined || pool.others === null || leavesAsWhole(fleet, node, going)) return false
  const stays = new Set(staying.map(({ id }) => id))
  const peers = fleet.nodes().filter((each) => each.kind === node.kind && each.id !== node.id)
  const leaving = new Set(
    peers.flatMap((peer) => {
      const its = stays.has(peer.id) ? undefined : poolOf(fleet, peer)
      return its?.name === pool.name ? [its.member] : []
    }),
  )
  return pool.others.every((member) => leaving.has(member))
}

const leavesAsWhole = (fleet: Watched, { region, kind }: Node, going: readonly Node[]): boolean =>
  going.length > 1 &&
  fleet
    .nodes()
    .filter((node) => node.region === region && node.kind === kind)
    .every(({ id }) => going.some((node) => node.id === id))
