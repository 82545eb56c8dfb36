import { type Incident, isWholeFleet, maintenanceSubject, type TimelineItem } from '../../contract/index.ts'
import type { StoredMaintenance } from '../../store/store.ts'

/** Whether a window is of something that an incident is about. */
export const touchesIncident = (
  window: StoredMaintenance,
  { regions, nodes }: Pick<Incident, 'regions' | 'nodes'>,
): boolean =>
  isWholeFleet(window) ||
  regions.some((region) => window.regions.includes(region)) ||
  nodes.some((node) => window.nodes.includes(node))

/** A window as rows of a timeline: its beginning, and once it is over its end. `now` in epoch ms. */
export const maintenanceItems = (window: StoredMaintenance, now: number): TimelineItem[] => {
  const { id, title, reason, from, to, regions, nodes, createdBy, endedBy } = window
  const subject = maintenanceSubject(window)
  const data = { maintenanceId: id, from, to, regions, nodes, reason }
  const row = (at: string, which: string, source: string, words: string): TimelineItem => ({
    id: `maintenance:${id}:${which}`,
    at,
    receivedAt: at,
    kind: 'annotation',
    source,
    title: words,
    data,
  })
  const begun = Date.parse(from) <= now
  const ended = Date.parse(to) <= now
  return [
    ...(begun
      ? [row(from, 'begun', createdBy, `maintenance of ${subject} begins: ${title} (until ${to}; ${reason})`)]
      : []),
    ...(ended ? [row(to, 'ended', endedBy ?? 'collector', `maintenance of ${subject} ended: ${title}`)] : []),
  ]
}
