import type { Node } from '../../contract/fleet.ts'
import type { NodeKind } from '../../contract/states.ts'

/** Kinds that carry other people's traffic. What else is watched may answer its polls and carry nothing. */
const CARRIERS: readonly string[] = [
  'tidegate',
  'haproxy',
  'envoy',
  'caddy',
  'nginx',
] satisfies readonly NodeKind[]

const kindsOf = (nodes: readonly Node[], ids: readonly string[]): string[] => [
  ...new Set(nodes.filter(({ id }) => ids.includes(id)).map(({ kind }) => kind)),
]

/**
 * Whether a node of one kind could do what one of another did. Tunnels move to relays of ours alone; one proxy may stand in for another,
 * whatever program it is; and of anything else only its like, or a proxy, is known to do its work.
 */
const canReplace = (leaving: string, staying: string): boolean => {
  if (leaving === 'tidegate') return staying === 'tidegate'
  return CARRIERS.includes(staying) || staying === leaving
}

/** Who could take over from the nodes that leave. Where those are not configured any more, everybody could. */
export const successorsOf = (nodes: readonly Node[], leaving: readonly string[]): Node[] => {
  const kinds = kindsOf(nodes, leaving)
  return nodes.filter(
    ({ id, kind }) =>
      !leaving.includes(id) && (kinds.length === 0 || kinds.some((each) => canReplace(each, kind))),
  )
}

/** True where what some node that leaves does would have nobody left among `serving`. */
export const leavesNobody = (
  nodes: readonly Node[],
  leaving: readonly string[],
  serving: readonly Node[],
): boolean => {
  const staying = serving.filter(({ id }) => !leaving.includes(id))
  const isAlone = (kind: string): boolean => !staying.some((node) => canReplace(kind, node.kind))
  return staying.length === 0 || kindsOf(nodes, leaving).some(isAlone)
}

/** Kinds that leave and of which none stays, though something of another kind could stand in. */
export const withoutLike = (
  nodes: readonly Node[],
  leaving: readonly string[],
  serving: readonly Node[],
): string[] =>
  kindsOf(nodes, leaving).filter(
    (kind) => !serving.some((node) => !leaving.includes(node.id) && node.kind === kind),
  )
