import type { Node } from '@/server/contract/fleet.ts'

/** The nodes of each region, in their order. `Map.groupBy` would keep older browsers from the first page. */
export const nodesByRegion = (nodes: readonly Node[]): Map<string, Node[]> => {
  const regions = new Map<string, Node[]>()
  for (const node of nodes) {
    const known = regions.get(node.region)
    if (known) known.push(node)
    else regions.set(node.region, [node])
  }
  return regions
}
