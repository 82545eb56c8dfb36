import type { Judgement } from './judge.ts'

export interface OutageNode {
  id: string
  region: string
  judgement: Judgement
}

/** What is announced of nodes that went away, so that a region that vanishes at once is told once. */
export interface Announced {
  /** Nodes whose `node.down` was told, with the start of it (epoch ms). */
  nodes: Map<string, number>
  /** Regions whose `region.unreachable` was told, with the start of it. */
  regions: Map<string, number>
}

export type Announcement =
  | { kind: 'node.down'; node: string; region: string; since: number; reason: string }
  | { kind: 'node.recovered'; node: string; region: string; since: number }
  | { kind: 'region.unreachable'; region: string; nodes: string[]; since: number; reason: string }

/**
 * Compares what is judged with what was told, and answers what has to be told now. When all nodes of a region of two or more
 * vanish within one fall window, that is one `region.unreachable`: a node that is down waits while its whole region is
 * failing, until either all are down or one has answered. Nodes that are asked often do not wait for one that is asked seldom: they are
 * told at once, and the region when the last one is down.
 */
export const announce = (
  nodes: readonly OutageNode[],
  announced: Announced,
  /** How long the nodes of a region may take to fall together. */
  fallWindowMs: (region: string) => number,
): { announcements: Announcement[]; announced: Announced } => {
  const announcements: Announcement[] = []
  const next: Announced = { nodes: new Map(announced.nodes), regions: new Map(announced.regions) }

  for (const [region, members] of Map.groupBy(nodes, (node) => node.region)) {
    const alive = members.filter((node) => isAlive(node.judgement))
    if (alive.length > 0) next.regions.delete(region)
    for (const node of alive) {
      const since = next.nodes.get(node.id)
      if (since === undefined) continue
      next.nodes.delete(node.id)
      announcements.push({ kind: 'node.recovered', node: node.id, region, since })
    }

    const down = members.filter((node) => node.judgement.state === 'down')
    const untold = down.filter((node) => !next.nodes.has(node.id))
    if (untold.length === 0) continue
    const starts = members.map((node) => node.judgement.badSince)
    const failing = starts.filter((start): start is number => start !== null)
    const together =
      members.length >= 2 &&
      failing.length === members.length &&
      Math.max(...failing) - Math.min(...failing) <= fallWindowMs(region)
    if (together && down.length < members.length) continue

    // Also where some were told already: they are asked more often than the last one that fell with them.
    if (together) {
      const since = Math.min(...failing)
      next.regions.set(region, since)
      for (const node of untold) next.nodes.set(node.id, node.judgement.badSince ?? since)
      announcements.push({
        kind: 'region.unreachable',
        region,
        nodes: members.map((node) => node.id),
        since,
        reason: `none of its ${members.length} nodes answers: ${members[0]?.judgement.problems[0] ?? 'no answer'}`,
      })
      continue
    }
    for (const node of untold) {
      const since = node.judgement.badSince ?? node.judgement.since
      next.nodes.set(node.id, since)
      announcements.push({
        kind: 'node.down',
        node: node.id,
        region,
        since,
        reason: node.judgement.problems[0] ?? 'no answer',
      })
    }
  }
  return { announcements, announced: next }
}

const isAlive = (judgement: Judgement): boolean => judgement.state !== 'down' && judgement.state !== 'unknown'
