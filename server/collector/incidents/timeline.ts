import {
  AppError,
  comparePlaces,
  concernsIncident,
  type FleetEvent,
  type FoldedRow,
  foldTimeline,
  type Incident,
  inTimelineOrder,
  itemOf,
  placeOf,
  type SeriesGap,
  type Timeline,
  type TimelineItem,
  type TimelinePlace,
  TOLD_TYPES,
  timelineSpan,
} from '../../contract/index.ts'
import type { EventFilter, Store, StoredMaintenance } from '../../store/store.ts'
import { maintenanceItems, touchesIncident } from './maintenance-items.ts'

const PAGE = 1_000
/** Events from either end of the time: how it began, and how it ended. */
const MAX_END = 10_000
/** Answers for one end; a search for rare events may take several for few. */
const MAX_ANSWERS = 40
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
/** Members in one answer, so that a storm is read in parts of a few megabytes. */
const MAX_MEMBERS = 5_000

export interface TimelineFilter {
  limit?: number
  cursor?: string
  kinds?: string[]
  nodes?: string[]
  text?: string
  /** Sends each folded row with the rows that were folded into it. */
  members?: boolean
}

type TimelineStore = Pick<Store, 'events' | 'timelineItems' | 'annotations' | 'gaps' | 'maintenance'>

/** Maintenance windows that are looked at for one timeline, in one answer of the store and in all. */
const WINDOWS_PAGE = 200
const MAX_WINDOWS = 5_000

/** Everything that happened around an incident, in order, not folded. */
export const gatherTimeline = async (
  store: TimelineStore,
  incident: Incident,
  now: number,
  /** Events from either end of its time. */
  maxEnd: number = MAX_END,
): Promise<{ items: TimelineItem[]; gaps: SeriesGap[]; from: string; to: string }> => {
  const { from: fromMs, to: toMs } = timelineSpan(incident, now)
  const from = new Date(fromMs).toISOString()
  const to = new Date(toMs).toISOString()
  const regions = new Set(incident.regions)
  const nodes = new Set(incident.nodes)

  const own = await readEnds(store, { from, to, regions: [...regions], types: [...TOLD_TYPES] }, maxEnd)
  // Where the tunnels went is told by the nodes that took them.
  const returns = await readEnds(store, { from, to, types: ['tunnel.registered'] }, maxEnd)
  const [notes, annotations, gaps, maintenance] = await Promise.all([
    store.timelineItems(incident.id),
    store.annotations({ from, to }),
    store.gaps({ from: fromMs, to: toMs }),
    readWindows(store, { now, from: fromMs, to: toMs }),
  ])

  const events = new Map<number, FleetEvent>()
  for (const event of [...own.events, ...returns.events])
    if (concernsIncident(event, incident)) events.set(event.id, event)
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
  for (const window of maintenance)
    if (touchesIncident(window, incident)) items.push(...maintenanceItems(window, now))
  const known = gaps.filter((gap) => gap.node === undefined || nodes.has(gap.node))
  for (const hole of [own.hole, returns.hole]) if (hole !== null) known.push(hole)
  return { items: items.sort(inTimelineOrder), gaps: known, from, to }
}

/** Windows of a time, all of them: most are of others, and of those that are left out nobody would know. */
const readWindows = async (
  store: Pick<Store, 'maintenance'>,
  span: { now: number; from: number; to: number },
): Promise<StoredMaintenance[]> => {
  const windows: StoredMaintenance[] = []
  let cursor: string | undefined
  do {
    const page = await store.maintenance({
      ...span,
      limit: WINDOWS_PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    })
    windows.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined && windows.length < MAX_WINDOWS)
  return windows
}

/** One page of the folded timeline. */
export const readTimeline = async (
  store: TimelineStore,
  incident: Incident,
  filter: TimelineFilter,
  now: number,
): Promise<Timeline> => {
  const gathered = await gatherTimeline(store, incident, now)
  const rows = foldTimeline(gathered.items).filter(
    ({ item, members }) => matches(item, filter) || members.some((member) => matches(member, filter)),
  )
  const limit = Math.min(Math.max(1, filter.limit ?? DEFAULT_LIMIT), MAX_LIMIT)
  // A place, not a number of rows: rows that are added meanwhile neither repeat nor hide one.
  const after = filter.cursor === undefined ? null : placeOfCursor(filter.cursor)
  const start = after === null ? 0 : rows.findIndex(({ item }) => comparePlaces(placeOf(item), after) > 0)
  const rest = start < 0 ? [] : rows.slice(start, start + limit)
  const page = filter.members ? rest.slice(0, countWithin(rest, MAX_MEMBERS)) : rest
  const last = page.at(-1)?.item
  const more = start >= 0 && start + page.length < rows.length
  return {
    items: page.map((row) => (filter.members ? withMembers(row) : row.item)),
    gaps: gathered.gaps,
    nextCursor: more && last ? cursorOf(last) : null,
  }
}

/** How many rows have together at most so many members; one at least. */
const countWithin = (rows: readonly FoldedRow[], most: number): number => {
  let sum = 0
  const full = rows.findIndex(({ members }) => {
    sum += Math.max(1, members.length)
    return sum > most
  })
  return full < 0 ? rows.length : Math.max(1, full)
}

const withMembers = ({ item, members }: FoldedRow): TimelineItem =>
  members.length === 0
    ? item
    : {
        ...item,
        members: members.slice(0, MAX_MEMBERS),
        ...(members.length > MAX_MEMBERS ? { membersLeftOut: members.length - MAX_MEMBERS } : {}),
      }

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

const cursorOf = (item: TimelineItem): string =>
  Buffer.from(JSON.stringify(placeOf(item))).toString('base64url')

/** Throws `ERR_INVALID` for what no answer of ours contained. */
const placeOfCursor = (cursor: string): TimelinePlace => {
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
