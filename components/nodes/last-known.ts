import type { Node } from '@/server/contract/fleet.ts'

/**
 * Whether a node's numbers are current; else the time of the last known ones (epoch ms, null where there never were any).
 *
 * @param pageKnown whether anything on the page is of now
 */
export const nodeNow = (
  node: Pick<Node, 'state' | 'lastOutcome' | 'lastAnswerAt' | 'lastPollAt'> | undefined,
  pageKnown: boolean,
): { isNow: true } | { isNow: false; answeredAt: number | null } => {
  if (!node) return { isNow: true }
  const gone =
    node.state === 'down' ||
    node.state === 'unknown' ||
    (node.lastOutcome !== null && node.lastOutcome !== undefined && node.lastOutcome !== 'ok')
  if (pageKnown && !gone) return { isNow: true }
  const at = node.lastAnswerAt ?? (node.lastOutcome === 'ok' ? node.lastPollAt : null)
  return { isNow: false, answeredAt: at === null || at === undefined ? null : Date.parse(at) }
}
