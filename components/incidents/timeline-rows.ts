import { type FoldedRow, foldTimeline } from '@/server/contract/fold-rows.ts'
import type { TimelineItem, TimelineKind } from '@/server/contract/incidents.ts'

export interface TimelineFilter {
  kinds: readonly TimelineKind[]
  /** Node id or actor; null for all. */
  source: string | null
  text: string
  /** Epoch ms, inclusive. */
  from: number | null
  to: number | null
}

const matches = (item: TimelineItem, filter: TimelineFilter): boolean => {
  if (filter.kinds.length > 0 && !filter.kinds.includes(item.kind)) return false
  if (filter.source && item.source !== filter.source) return false
  const at = Date.parse(item.at)
  if (filter.from !== null && at < filter.from) return false
  if (filter.to !== null && at > filter.to) return false
  return (
    !filter.text ||
    `${item.title} ${item.source} ${JSON.stringify(item.data)}`
      .toLowerCase()
      .includes(filter.text.toLowerCase())
  )
}

/**
 * What a timeline shows: its items folded, as the server folds them. A folded row takes its members with it; it shows when itself or
 * one of them matches.
 */
export const timelineRows = (items: readonly TimelineItem[], filter: TimelineFilter): FoldedRow[] =>
  foldTimeline(items).filter(
    ({ item, members }) => matches(item, filter) || members.some((member) => matches(member, filter)),
  )
