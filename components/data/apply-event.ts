import type { FleetEvent } from '@/server/contract/events.ts'
import type { Incident } from '@/server/contract/incidents.ts'
import type { LiveServerMessage } from '@/server/contract/live.ts'
import { type EventFilter, eventMatches } from './event-filter.ts'

/** A key of the query cache. */
export type CacheKey = readonly unknown[]

/** The part of the cache that a frame may look at. */
export interface CacheReader {
  get(key: CacheKey): unknown
  /** Every kept list of events with the filter that it was asked for. */
  eventLists(): { key: CacheKey; filter: EventFilter }[]
  /** Whether this is the first snapshot of a topic: the one that answers a subscription, and not one that says that something changed. */
  isFirst(topic: string): boolean
}

/**
 * What a frame does to the cache. `stale` marks for a refetch of what is on screen; charts ask for themselves when a step has ended.
 * `tell` hands events to the timelines that are kept: with `snapshotOf`, the newest ones of that topic, before which some may be
 * missing.
 */
export type CacheChange =
  | { do: 'set'; key: CacheKey; data: unknown }
  | { do: 'stale'; key: CacheKey }
  | { do: 'tell'; list: EventList; snapshotOf?: string }

export interface EventList {
  items: FleetEvent[]
  nextCursor: string | null
}

/** A tail of a day would otherwise hold a day. */
export const MAX_LIST_EVENTS = 500

/** After these, spans are missing from what was measured, or come to their end. */
const CHANGES_GAPS: ReadonlySet<string> = new Set(['stream.gap', 'node.down', 'node.recovered'])

const topicKey = (topic: string): CacheKey => {
  const colon = topic.indexOf(':')
  return colon < 0 ? [topic] : [topic.slice(0, colon), topic.slice(colon + 1)]
}

const asList = (data: unknown): EventList | null => {
  if (typeof data !== 'object' || data === null || !Array.isArray((data as EventList).items)) return null
  return data as EventList
}

/** Newest first, each id once, bounded. The same list where nothing is new. */
export const mergeEvents = (list: EventList, fresh: readonly FleetEvent[]): EventList => {
  const known = new Set(list.items.map((event) => event.id))
  const added = fresh.filter((event) => !known.has(event.id))
  if (added.length === 0) return list
  const items = [...added, ...list.items].sort((a, b) => b.id - a.id).slice(0, MAX_LIST_EVENTS)
  return { items, nextCursor: list.nextCursor }
}

const withEvents = (cache: CacheReader, events: readonly FleetEvent[]): CacheChange[] => {
  const changes: CacheChange[] = []
  for (const { key, filter } of cache.eventLists()) {
    const list = asList(cache.get(key))
    if (!list) continue
    const matching = events.filter((event) => eventMatches(event, filter))
    const merged = matching.length > 0 ? mergeEvents(list, matching) : list
    if (merged !== list) changes.push({ do: 'set', key, data: merged })
  }
  return changes
}

/**
 * Whether a new snapshot of an incident means that its timeline must be read again. What events tell is put into it as they come; a
 * note, a correction or an annotation comes without one, with a snapshot in which nothing that events tell has changed.
 */
const changesTimeline = (before: Incident | undefined, after: Incident, isFirst: boolean): boolean => {
  if (before === undefined) return false
  const scope = ({ regions, nodes, startedAt, resolvedAt, title, severity }: Incident) =>
    JSON.stringify([regions, nodes, startedAt, resolvedAt, title, severity])
  if (scope(before) !== scope(after)) return true
  return !isFirst && JSON.stringify(before) === JSON.stringify(after)
}

/**
 * What one frame of `/live` changes: pure, so that the same frames always leave the same cache. A frame that was seen before changes
 * nothing, because a resume may repeat frames.
 */
export const applyEvent = (cache: CacheReader, frame: LiveServerMessage): CacheChange[] => {
  switch (frame.type) {
    case 'snapshot': {
      const key = topicKey(frame.topic)
      const name = String(key[0])
      // An event topic's snapshot says that something may have been missed: whatever it carries is merged, then asked for again.
      if (name.startsWith('events')) {
        const data = Array.isArray(frame.data)
          ? { items: frame.data as FleetEvent[], nextCursor: null }
          : asList(frame.data)
        return [
          ...(data ? withEvents(cache, data.items) : []),
          ...(data ? [{ do: 'tell' as const, list: data, snapshotOf: frame.topic }] : []),
          { do: 'stale', key: ['events'] },
        ]
      }
      // It is gone, for example a node that left the configuration: a page that shows it asks, and learns so.
      if (frame.data === null) return [{ do: 'stale', key }]
      const changes: CacheChange[] = [{ do: 'set', key, data: frame.data }]
      if (name === 'incident') {
        const before = cache.get(key) as Incident | undefined
        if (changesTimeline(before, frame.data as Incident, cache.isFirst(frame.topic)))
          changes.push({ do: 'stale', key: ['timeline', key[1]] })
      }
      return changes
    }
    case 'event': {
      const changes = withEvents(cache, [frame.event])
      const { type } = frame.event
      changes.push({ do: 'tell', list: { items: [frame.event], nextCursor: null } })
      if (CHANGES_GAPS.has(type)) changes.push({ do: 'stale', key: ['timeline'] })
      if (type.startsWith('incident.')) changes.push({ do: 'stale', key: ['incidents'] })
      if (type.startsWith('drain.')) changes.push({ do: 'stale', key: ['drains'] })
      if (type === 'operator.acted' && String(frame.event.data.object).startsWith('maintenance:'))
        changes.push({ do: 'stale', key: ['maintenance'] })
      if (type.startsWith('tunnel.')) changes.push({ do: 'stale', key: ['tunnels'] })
      return changes
    }
    case 'sample':
    case 'error':
    case 'ping':
      return []
  }
}
