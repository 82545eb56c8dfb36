import type { Node } from '../../contract/fleet.ts'

const kindsOf = (nodes: readonly Node[], ids: readonly string[]): Set<string> =>
  new Set(nodes.filter(({ id }) => ids.includes(id)).map(({ kind }) => kind))

/**
 * Who could take over from the nodes that leave: only nodes of their kind, because nobody is known to do what a node of another kind
 * does. Where those that leave are not configured any more, everybody could.
 */
export const successorsOf = (nodes: readonly Node[], leaving: readonly string[]): Node[] => {
  const kinds = kindsOf(nodes, leaving)
  return nodes.filter(({ id, kind }) => !leaving.includes(id) && (kinds.size === 0 || kinds.has(kind)))
}

/** True where some kind of node that leaves would have nobody left among `serving`. */
export const leavesNobody = (
  nodes: readonly Node[],
  leaving: readonly string[],
  serving: readonly Node[],
): boolean => {
  const staying = serving.filter(({ id }) => !leaving.includes(id))
  const isAlone = (kind: string): boolean => !staying.some((node) => node.kind === kind)
  return staying.length === 0 || [...kindsOf(nodes, leaving)].some(isAlone)
}
