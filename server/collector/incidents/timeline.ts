import {
  AppError,
  EVENT_TYPES,
  type EventType,
  type FleetEvent,
  type Incident,
  type SeriesGap,
  type Timeline,
  type TimelineItem,
} from '../../contract/index.ts'
import type { EventFilter, Store } from '../../store/store.ts'
import { foldRows } from './fold-rows.ts'
import { kindOf, sourceOf, titleOf } from './titles.ts'

export const BEFORE_MS = 15 * 60_000
export const AFTER_MS = 60_000
/** Counted every second or for every connection: they are charts, not a story. */
const HIGH_RATE: readonly EventType[] = ['connection.closed', 'connections.counted', 'connection.refused']
const TOLD_TYPES = EVENT_TYPES.filter((type) => !HIGH_RATE.includes(type))
const PAGE = 1_000
/** Events from either end of the time: how it began, and how it ended. */
const MAX_END = 10_000
/** Answers for one end; a search for rare events may take several for few. */
const MAX_ANSWERS = 40
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

export interface TimelineFilter {
  limit?: number
  cursor?: string
  kinds?: string[]
  nodes?: string[]
  text?: string
}

type TimelineStore = Pick<Store, 'events' | 'timelineItems' | 'annotations' | 'gaps'>

/** Everything that happened around an incident, in order, not folded. */
export const gatherTimeline = async (
  store: TimelineStore,
  incident: Incident,
  now: number,
  /** Events from either end of its time. */
  maxEnd: number = MAX_END,
): Promise<{ items: TimelineItem[]; gaps: SeriesGap[]; from: string; to: string }> => {
  const fromMs = Date.parse(incident.startedAt) - BEFORE_MS
  const toMs = incident.resolvedAt === undefined ? now + 1_000 : Date.parse(incident.resolvedAt) + AFTER_MS
  const from = new Date(fromMs).toISOString()
  const to = new Date(toMs).toISOString()
  const regions = new Set(incident.regions)
  const nodes = new Set(incident.nodes)

  const own = await readEnds(store, { from, to, regions: [...regions], types: TOLD_TYPES }, maxEnd)
  // Where the tunnels went is told by the nodes that took them.
  const returns = await readEnds(store, { from, to, types: ['tunnel.registered'] }, maxEnd)
  const [notes, annotations, gaps] = await Promise.all([
    store.timelineItems(incident.id),
    store.annotations({ from, to }),
    store.gaps({ from: fromMs, to: toMs }),
  ])

  const events = new Map<number, FleetEvent>()
  for (const event of own.events) if (concerns(event, incident.id, nodes)) events.set(event.id, event)
  for (const event of returns.events) {
    const previous = event.data.previousNode
    if (typeof previous === 'string' && nodes.has(previous)) events.set(event.id, event)
  }
  const items: TimelineItem[] = [...events.values()].map(itemOf)
  items.push(...notes)
  for (const mark of annotations) {
    if (mark.regions.length > 0 && !mark.regions.some((region) => regions.has(region))) continue
    items.push({
      id: `annotation:${mark.id}`,
      at: mark.at,
      receivedAt: mark.at,
      kind: 'annotation',
      source: mark.actor,
      title: `${mark.kind}: ${mark.title}`,
      data: { kind: mark.kind, regions: mark.regions },
    })
  }
  const known = gaps.filter((gap) => gap.node === undefined || nodes.has(gap.node))
  for (const hole of [own.hole, returns.hole]) if (hole !== null) known.push(hole)
  return { items: items.sort(inOrder), gaps: known, from, to }
}

/** One page of the folded timeline. */
export const readTimeline = async (
  store: TimelineStore,
  incident: Incident,
  filter: TimelineFilter,
  now: number,
): Promise<Timeline> => {
  const gathered = await gatherTimeline(store, incident, now)
  const rows = foldRows(gathered.items).filter((row) => matches(row, filter))
  const limit = Math.min(Math.max(1, filter.limit ?? DEFAULT_LIMIT), MAX_LIMIT)
  // A place, not a number of rows: rows that are added meanwhile neither repeat nor hide one.
  const after = filter.cursor === undefined ? null : placeOfCursor(filter.cursor)
  const start = after === null ? 0 : rows.findIndex((row) => comparePlaces(placeOf(row), after) > 0)
  const page = start < 0 ? [] : rows.slice(start, start + limit)
  const last = page.at(-1)
  const more = start >= 0 && start + limit < rows.length
  return { items: page, gaps: gathered.gaps, nextCursor: more && last ? cursorOf(last) : null }
}

/** An event belongs when it is of a node involved, of the whole region, or about this very incident. */
const concerns = (event: FleetEvent, incidentId: string, nodes: ReadonlySet<string>): boolean => {
  const about = event.data.incidentId
  if (typeof about === 'string') return about === incidentId
  return event.node === null || nodes.has(event.node)
}

export const itemOf = (event: FleetEvent): TimelineItem => ({
  id: `event:${event.id}`,
  at: event.at,
  receivedAt: event.receivedAt,
  kind: kindOf(event.type),
  source: sourceOf(event),
  title: titleOf(event),
  data: { type: event.type, node: event.node, region: event.region, ...event.data },
})

/** Both ends of a time: all of it where it is short, else its first and its last events and what lies between as a hole. */
const readEnds = async (
  store: Pick<Store, 'events'>,
  filter: EventFilter,
  maxEnd: number,
): Promise<{ events: FleetEvent[]; hole: SeriesGap | null }> => {
  const first = await readSome(store, { ...filter, order: 'asc' }, maxEnd)
  if (first.whole) return { events: first.events, hole: null }
  const last = await readSome(store, { ...filter, order: 'desc' }, maxEnd)
  const seen = new Set(first.events.map(({ id }) => id))
  const rest = last.events.filter(({ id }) => !seen.has(id)).reverse()
  const events = [...first.events, ...rest]
  // The two ends met: what is later than the one is earlier than the other.
  if (last.whole || rest.length < last.events.length) return { events, hole: null }
  const hole: SeriesGap = {
    from: Date.parse(first.reachedAt ?? filter.from ?? ''),
    to: Date.parse(last.reachedAt ?? filter.to ?? ''),
    reason: `only the first ${first.events.length} and the last ${last.events.length} events are shown; /events has those between`,
  }
  return { events, hole }
}

/** Events in one direction, up to a number of them. `reachedAt` is how far it looked. */
const readSome = async (
  store: Pick<Store, 'events'>,
  filter: EventFilter,
  max: number,
): Promise<{ events: FleetEvent[]; whole: boolean; reachedAt: string | null }> => {
  const events: FleetEvent[] = []
  let cursor: string | undefined
  let searchedTo: string | undefined
  for (let answers = 0; answers < MAX_ANSWERS && events.length < max; answers += 1) {
    const answer = await store.events({
      ...filter,
      limit: Math.min(PAGE, max - events.length),
      ...(cursor === undefined ? {} : { cursor }),
    })
    events.push(...answer.items)
    searchedTo = answer.partial?.searchedTo
    if (answer.nextCursor === null) return { events, whole: true, reachedAt: null }
    cursor = answer.nextCursor
  }
  return { events, whole: false, reachedAt: searchedTo ?? events.at(-1)?.at ?? null }
}

const matches = (row: TimelineItem, filter: TimelineFilter): boolean => {
  if (filter.kinds !== undefined && filter.kinds.length > 0 && !filter.kinds.includes(row.kind)) return false
  if (filter.nodes !== undefined && filter.nodes.length > 0) {
    const node = row.data.node
    if (typeof node === 'string' ? !filter.nodes.includes(node) : row.kind === 'event') return false
  }
  if (filter.text !== undefined && filter.text !== '') {
    const needle = filter.text.toLowerCase()
    if (!`${row.title} ${row.source} ${JSON.stringify(row.data)}`.toLowerCase().includes(needle)) return false
  }
  return true
}

type Place = [at: string, id: string]
const placeOf = (item: TimelineItem): Place => [item.at, item.id]
const cursorOf = (item: TimelineItem): string =>
  Buffer.from(JSON.stringify(placeOf(item))).toString('base64url')

/** Throws `ERR_INVALID` for what no answer of ours contained. */
const placeOfCursor = (cursor: string): Place => {
  let value: unknown = null
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    // refused below, like everything else that is no place
  }
  if (Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string')
    return [value[0], value[1]]
  const problem = { path: 'cursor', message: 'is not a cursor that an answer contained' }
  throw new AppError('ERR_INVALID', `The cursor ${problem.message}`, { problems: [problem] })
}

/** Ids of events end in a number; as text, 10 would stand before 9. */
const comparePlaces = (a: Place, b: Place): number => {
  if (a[0] !== b[0]) return Date.parse(a[0]) - Date.parse(b[0]) || (a[0] < b[0] ? -1 : 1)
  const byNumber = numberIn(a[1]) - numberIn(b[1])
  return byNumber !== 0 ? byNumber : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0
}
const numberIn = (id: string): number => Number(/event:(\d+)$/.exec(id)?.[1] ?? Number.MAX_SAFE_INTEGER)
const inOrder = (a: TimelineItem, b: TimelineItem): number => comparePlaces(placeOf(a), placeOf(b))
