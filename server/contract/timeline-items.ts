import { eventSentence } from './event-sentence.ts'
import { EVENT_TYPES, type EventType, type FleetEvent } from './events.ts'
import type { Incident, TimelineItem, TimelineKind } from './incidents.ts'

/** A timeline begins this much before its incident, in ms: what led up to it. */
export const TIMELINE_BEFORE_MS = 15 * 60_000
/** And ends this much after the end, in ms. */
export const TIMELINE_AFTER_MS = 60_000

/** Counted every second or for every connection: they are charts, not a story. */
const HIGH_RATE: readonly EventType[] = ['connection.closed', 'connections.counted', 'connection.refused']
/** The types that a timeline tells. */
export const TOLD_TYPES: readonly EventType[] = EVENT_TYPES.filter((type) => !HIGH_RATE.includes(type))
const TOLD: ReadonlySet<EventType> = new Set(TOLD_TYPES)

/** What of an incident decides which events its timeline tells. Where it changes, the timeline is another one. */
export type TimelineScope = Pick<Incident, 'id' | 'regions' | 'nodes' | 'startedAt' | 'resolvedAt'>

/** The span of an incident's timeline in epoch ms; while it is not resolved, up to `now`. */
export const timelineSpan = (
  { startedAt, resolvedAt }: Pick<Incident, 'startedAt' | 'resolvedAt'>,
  now: number,
): { from: number; to: number } => ({
  from: Date.parse(startedAt) - TIMELINE_BEFORE_MS,
  to: resolvedAt === undefined ? now + 1_000 : Date.parse(resolvedAt) + TIMELINE_AFTER_MS,
})

/**
 * Whether the timeline of an incident tells this event: it is of a node involved, of a whole region involved, about this very
 * incident, or says where a tunnel went that an involved node had. When it happened is asked apart, by `timelineSpan`.
 */
export const concernsIncident = (
  event: Pick<FleetEvent, 'type' | 'node' | 'region' | 'data'>,
  incident: TimelineScope,
): boolean => {
  if (!TOLD.has(event.type)) return false
  const { incidentId, previousNode } = event.data
  if (event.type === 'tunnel.registered' && typeof previousNode === 'string')
    if (incident.nodes.includes(previousNode)) return true
  if (event.region === null || !incident.regions.includes(event.region)) return false
  if (typeof incidentId === 'string') return incidentId === incident.id
  return event.node === null || incident.nodes.includes(event.node)
}

const kindOf = (type: EventType): TimelineKind => {
  if (type.startsWith('signal.')) return 'signal'
  if (type.startsWith('incident.')) return 'incident'
  if (type.startsWith('drain.')) return 'drain'
  return type === 'operator.acted' ? 'operator' : 'event'
}

/** Node id, `collector`, or who acted. */
const sourceOf = (event: FleetEvent): string => {
  if (event.source === 'node') return event.node ?? 'node'
  const actor = event.type === 'drain.planned' ? null : event.data.actor
  return typeof actor === 'string' ? actor : 'collector'
}

/** An event as a row of a timeline. */
export const itemOf = (event: FleetEvent): TimelineItem => ({
  id: `event:${event.id}`,
  at: event.at,
  receivedAt: event.receivedAt,
  kind: kindOf(event.type),
  source: sourceOf(event),
  title: eventSentence(event),
  data: { type: event.type, node: event.node, region: event.region, ...event.data },
})

/** The place of a row in its timeline. */
export type TimelinePlace = [at: string, id: string]
export const placeOf = (item: Pick<TimelineItem, 'at' | 'id'>): TimelinePlace => [item.at, item.id]

/** Ids of events end in a number; as text, 10 would stand before 9. */
export const comparePlaces = (a: TimelinePlace, b: TimelinePlace): number => {
  if (a[0] !== b[0]) return Date.parse(a[0]) - Date.parse(b[0]) || (a[0] < b[0] ? -1 : 1)
  const byNumber = numberIn(a[1]) - numberIn(b[1])
  return byNumber !== 0 ? byNumber : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0
}
const numberIn = (id: string): number => Number(/event:(\d+)$/.exec(id)?.[1] ?? Number.MAX_SAFE_INTEGER)

export const inTimelineOrder = (a: TimelineItem, b: TimelineItem): number =>
  comparePlaces(placeOf(a), placeOf(b))

/**
 * The rows of a timeline, not folded, with what happened since put in its place: what a fresh read would answer. The same list where
 * nothing of it belongs, or all of it is there already.
 *
 * @param now epoch ms by the server's clock
 */
export const withEvents = (
  items: readonly TimelineItem[],
  events: readonly FleetEvent[],
  incident: TimelineScope,
  now: number,
): readonly TimelineItem[] => {
  const { from, to } = timelineSpan(incident, now)
  const belonging = events.filter((event) => {
    if (!Number.isInteger(event.id) || !concernsIncident(event, incident)) return false
    // A node's clock may be off; the store then goes by the time at which the event was received.
    const at = Math.min(Date.parse(event.at), Date.parse(event.receivedAt))
    return at >= from && at <= to
  })
  if (belonging.length === 0) return items
  const known = new Set(items.map((item) => item.id))
  const added = new Map<string, TimelineItem>()
  for (const item of belonging.map(itemOf)) if (!known.has(item.id)) added.set(item.id, item)
  return added.size === 0 ? items : [...items, ...added.values()].sort(inTimelineOrder)
}
