import type { FleetEvent } from '@/server/contract/events.ts'
import type { Timeline, TimelineItem } from '@/server/contract/incidents.ts'

import {
  concernsIncident,
  inTimelineOrder,
  type TimelineScope,
  withEvents,
} from '@/server/contract/timeline-items.ts'
import { get, query } from './http.ts'

/** The rows of an incident, not folded: what happens later is put among them, and the page folds what it shows. */
export interface TimelineData {
  items: readonly TimelineItem[]
  gaps: Timeline['gaps']
  /** False where the server left rows out: then nothing can be put among them, and all of it is read again. */
  whole: boolean
  /** When the read began, epoch ms by this browser's clock: what happened before is in it. */
  readAt: number
}

const MAX_PAGES = 10

/** Reads an incident's timeline, page after page, with the rows folded into each row. */
export const readTimeline = async (
  id: string,
  signal?: AbortSignal,
  read: (path: string, signal?: AbortSignal) => Promise<Timeline> = get<Timeline>,
): Promise<TimelineData> => {
  const readAt = Date.now()
  const items: TimelineItem[] = []
  const gaps: Timeline['gaps'] = []
  let leftOut = false
  let cursor: string | null = null
  for (let page = 0; page < MAX_PAGES; page++) {
    const part: Timeline = await read(
      `/incidents/${encodeURIComponent(id)}/timeline${query({ limit: 1000, members: 'yes', cursor })}`,
      signal,
    )
    for (const row of part.items) {
      items.push(...(row.members ?? [row]))
      if (row.membersLeftOut !== undefined) leftOut = true
    }
    // Each page says the same about the whole timeline.
    if (page === 0) gaps.push(...part.gaps)
    cursor = part.nextCursor
    if (!cursor) break
  }
  return { items: items.sort(inTimelineOrder), gaps, whole: !leftOut && cursor === null, readAt }
}

/** Everything that a timeline shows except the events of single connections; `concernsIncident` decides on each. */
const TOLD =
  'node.*,route.*,target.*,certificate.*,tunnel.*,directory.*,push.*,token.*,drain.*,region.*,stream.*,signal.*,incident.*,operator.*'

/** The topics that carry what an incident's timeline may show next; the nodes that took the tunnels report where those went. */
export const timelineTopics = ({ regions }: Pick<TimelineScope, 'regions'>): string[] => [
  ...regions.map((region) => `events?type=${TOLD}&region=${encodeURIComponent(region)}`),
  'events?type=tunnel.registered',
]

/**
 * A timeline with what happened since. The same object where nothing of it belongs; null where something does and cannot be put among
 * rows of which some are missing.
 *
 * @param now epoch ms by the server's clock
 */
export const timelineWith = (
  timeline: TimelineData,
  events: readonly FleetEvent[],
  incident: TimelineScope,
  now: number,
): TimelineData | null => {
  if (!timeline.whole) return events.some((event) => concernsIncident(event, incident)) ? null : timeline
  const items = withEvents(timeline.items, events, incident, now)
  return items === timeline.items ? timeline : { ...timeline, items }
}

/** The newest event that a timeline shows, by its number; 0 where it shows none. */
export const newestTold = ({ items }: Pick<TimelineData, 'items'>): number =>
  items.reduce((newest, { id }) => Math.max(newest, Number(/^event:(\d+)$/.exec(id)?.[1] ?? 0)), 0)
