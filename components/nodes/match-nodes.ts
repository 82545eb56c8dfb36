import type { Node } from '@/server/contract/fleet.ts'
import { byName } from '../ui/by-name.ts'

/** Worst first: what needs attention is on top. */
const RANK: Readonly<Record<Node['state'], number>> = {
  down: 0,
  degraded: 1,
  unknown: 2,
  draining: 3,
  drained: 4,
  up: 5,
}

/** Nodes in which every word of the text is found, those that need somebody first, then by name with numbers in order. */
export const matchNodes = (nodes: readonly Node[], text: string, state: Node['state'] | null): Node[] => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return nodes
    .filter((node) => state === null || node.state === state)
    .filter(({ id, region, kind, version, problems }) => {
      const said = [id, region, kind, version ?? '', ...problems].join(' ').toLowerCase()
      return words.every((word) => said.includes(word))
    })
    .toSorted((a, b) => RANK[a.state] - RANK[b.state] || byName(a.id, b.id))
}
