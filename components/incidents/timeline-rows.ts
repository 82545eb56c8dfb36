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

/** A row of the timeline, with the rows that it stands for. */
export interface TimelineRow {
  item: TimelineItem
  folded: TimelineItem[]
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

/** Rows in order of time. A folded row takes its members with it; it shows when itself or one of them matches. */
export const timelineRows = (items: readonly TimelineItem[], filter: TimelineFilter): TimelineRow[] => {
  const byId = new Map(items.map((item) => [item.id, item]))
  const inside = new Set(items.flatMap((item) => item.folded ?? []))
  return items
    .filter((item) => !inside.has(item.id))
    .map((item) => ({ item, folded: (item.folded ?? []).flatMap((id) => byId.get(id) ?? []) }))
    .filter((row) => matches(row.item, filter) || row.folded.some((member) => matches(member, filter)))
    .toSorted((a, b) => Date.parse(a.item.at) - Date.parse(b.item.at))
}
