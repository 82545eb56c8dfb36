import type { EventType, FleetEvent } from '../contract/events.ts'
import type { ReadTools } from './read-tools.ts'
import type { SqlTable, SqlValue } from './sql-message.ts'

/** A search for events, with everything worked out that needs no database. Times are epoch ms. */
export interface EventSearch {
  /** Inclusive from, exclusive to. */
  from: number | null
  to: number | null
  regions: string[] | null
  nodes: string[] | null
  /** Exact types. */
  types: string[] | null
  /** Found anywhere in type, node or data, whatever its case. */
  text: string | null
  order: 'asc' | 'desc'
  /** Rows wanted. */
  limit: number
  after: EventPlace | null
  /** How long it looks; then it returns what it has, and where to continue. */
  searchMs: number
}

/** A place in the order of events. */
export interface EventPlace {
  at: number
  id: number
}

export interface EventsFound {
  events: FleetEvent[]
  /** The place of each event. */
  places: EventPlace[]
  /** How far the search got when its time was up; null where it looked at everything it had to. */
  stoppedAt: EventPlace | null
}

/** Part of a read's time that is kept back to send what was found. */
const reserveMs = 200
/** How long one statement of a search should take, so that others need not wait long. */
const statementMs = 20
const firstRows = 5_000

const columns = [
  'id',
  'source',
  'seq',
  'epoch',
  'node',
  'region',
  'type',
  'at',
  'receivedAt',
  'data',
  'orderedAt',
]
const selected = columns.map((name) => `"${name}"`).join(', ')

const iso = (value: unknown): string => new Date(Number(value)).toISOString()

/** An event whose data was damaged on disk is still listed, as one whose data cannot be read. */
const dataOf = (text: unknown): Record<string, unknown> => {
  try {
    return JSON.parse(String(text)) as Record<string, unknown>
  } catch {
    return { unreadable: true }
  }
}

const toEvent = (row: unknown[]): FleetEvent => {
  const [id, source, seq, epoch, node, region, type, at, receivedAt, data] = row
  return {
    id: Number(id),
    source: source as FleetEvent['source'],
    seq: Number(seq),
    epoch: String(epoch),
    node: node as string | null,
    region: region as string | null,
    type: type as EventType,
    at: iso(at),
    receivedAt: iso(receivedAt),
    data: dataOf(data),
  }
}

const likeText = (text: string): string => text.toLowerCase().replace(/[\\%_]/g, (sign) => `\\${sign}`)

const filters = (search: EventSearch): { where: string[]; args: SqlValue[] } => {
  const where: string[] = []
  const args: SqlValue[] = []
  const oneOf = (column: string, values: string[] | null) => {
    if (values === null) return
    where.push(`"${column}" IN (${values.map(() => '?').join(', ') || 'NULL'})`)
    args.push(...values)
  }
  oneOf('region', search.regions)
  oneOf('node', search.nodes)
  oneOf('type', search.types)
  if (search.text !== null) {
    const pattern = `%${likeText(search.text)}%`
    const found = ['type', 'node', 'data'].map((column) => `lower("${column}") LIKE ? ESCAPE '\\'`)
    where.push(`(${found.join(' OR ')})`)
    args.push(pattern, pattern, pattern)
  }
  return { where, args }
}

/** First and last time there are events of, and about how many ms hold a given number of them; null where there are none. */
const extent = async (
  tools: ReadTools,
): Promise<{ first: number; last: number; msPerRow: number } | null> => {
  const { rows } = await tools.run(
    'SELECT (SELECT MIN("orderedAt") FROM "events"), (SELECT MAX("orderedAt") FROM "events"), (SELECT MIN("id") FROM "events"), (SELECT MAX("id") FROM "events")',
    [],
  )
  const [first, last, firstId, lastId] = rows[0] ?? []
  if (first === null || first === undefined) return null
  const count = Math.max(1, Number(lastId) - Number(firstId))
  return {
    first: Number(first),
    last: Number(last),
    msPerRow: Math.max(1, Number(last) - Number(first)) / count,
  }
}

/**
 * Events in their order. Without a filter an index answers at once. With one, the time asked for is searched span by span, each as long
 * as a short statement can look through, until enough is found or the time is up: rare matches cost several answers, never one long one.
 */
export const searchEvents = async (tools: ReadTools, search: EventSearch): Promise<EventsFound> => {
  const { order, limit, after } = search
  const filter = filters(search)
  const direction = order === 'desc' ? 'DESC' : 'ASC'
  const found: unknown[][] = []
  const take = async (from: number | null, to: number | null): Promise<void> => {
    const where = [...filter.where]
    const args = [...filter.args]
    if (from !== null) {
      where.push('"orderedAt" >= ?')
      args.push(from)
    }
    if (to !== null) {
      where.push('"orderedAt" < ?')
      args.push(to)
    }
    if (after !== null) {
      where.push(`("orderedAt", "id") ${order === 'desc' ? '<' : '>'} (?, ?)`)
      args.push(after.at, after.id)
    }
    const table: SqlTable = await tools.run(
      `SELECT ${selected} FROM "events"${where.length > 0 ? ` WHERE ${where.join(' AND ')}` : ''} ORDER BY "orderedAt" ${direction}, "id" ${direction} LIMIT ?`,
      [...args, limit - found.length],
    )
    found.push(...table.rows)
  }
  const answer = (stoppedAt: EventPlace | null): EventsFound => ({
    events: found.map(toEvent),
    places: found.map((row) => ({ at: Number(row.at(-1)), id: Number(row[0]) })),
    stoppedAt,
  })

  if (filter.where.length === 0) {
    await take(search.from, search.to)
    return answer(null)
  }
  const whole = await extent(tools)
  if (whole === null) return answer(null)
  let from = Math.max(search.from ?? whole.first, whole.first)
  let to = Math.min(search.to ?? whole.last + 1, whole.last + 1)
  if (after !== null) {
    if (order === 'desc') to = Math.min(to, after.at + 1)
    else from = Math.max(from, after.at)
  }
  const endsAt = performance.now() + Math.min(search.searchMs, tools.leftMs() - reserveMs)
  let span = Math.ceil(firstRows * whole.msPerRow)
  // Each answer advances by at least one span, or a client that follows the cursor would never arrive.
  for (let spans = 0; from < to && found.length < limit; spans++) {
    if (spans > 0 && performance.now() >= endsAt)
      return answer(order === 'desc' ? { at: to, id: 0 } : { at: from - 1, id: Number.MAX_SAFE_INTEGER })
    const startedAt = performance.now()
    if (order === 'desc') {
      const edge = Math.max(from, to - span)
      await take(edge, to)
      to = edge
    } else {
      const edge = Math.min(to, from + span)
      await take(from, edge)
      from = edge
    }
    const tookMs = performance.now() - startedAt
    if (tookMs < statementMs) span *= tookMs < statementMs / 4 ? 4 : 2
    else if (tookMs > 2 * statementMs) span = Math.max(1, Math.ceil(span / 2))
  }
  return answer(null)
}
