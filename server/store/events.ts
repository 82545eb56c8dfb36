import { decodeCursor, encodeCursor, pageSize } from '../contract/cursor.ts'
import { EVENT_TYPES, type EventPage, type FleetEvent } from '../contract/index.ts'
import type { Connection, SqlValue } from './connection.ts'
import type { Reader } from './reader.ts'
import type { EventFilter, EventInput } from './store.ts'
import { epochMs, isoTime } from './time.ts'

const rowsPerStatement = 500

/** How far a node's clock may be off for its times to be used to order events; older events were kept by the node meanwhile. */
const oldestPlausibleMs = 7 * 24 * 3_600_000

/**
 * The time by which an event is listed, kept and pruned. A node's own time is used where it is plausible: an event from the future would
 * stay on top of every list, and one older than what a node keeps would be deleted before anybody read it.
 */
const orderedAt = (event: EventInput): number => {
  const received = epochMs(event.receivedAt)
  const at = epochMs(event.at)
  return at > received || at < received - oldestPlausibleMs ? received : at
}

const insert = (count: number): string =>
  `INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "orderedAt", "data") VALUES ${new Array(
    count,
  )
    .fill('(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .join(', ')} ON CONFLICT ("origin", "epoch", "seq") DO NOTHING RETURNING "id", "origin", "epoch", "seq"`

const keyOf = (origin: unknown, epoch: unknown, seq: unknown): string => `${origin}\n${epoch}\n${seq}`

/** Stores what is new, all or nothing, and returns just that. */
export const appendEvents = async (
  connection: Connection,
  events: readonly EventInput[],
): Promise<FleetEvent[]> => {
  if (events.length === 0) return []
  const ids = await connection.transaction(async (run) => {
    const stored = new Map<string, number>()
    for (let start = 0; start < events.length; start += rowsPerStatement) {
      const batch = events.slice(start, start + rowsPerStatement)
      const args: SqlValue[] = []
      for (const event of batch) {
        args.push(event.origin, event.epoch, event.seq, event.source, event.node, event.region, event.type)
        args.push(epochMs(event.at), epochMs(event.receivedAt), orderedAt(event), JSON.stringify(event.data))
      }
      const { rows } = await run(insert(batch.length), args)
      for (const row of rows) stored.set(keyOf(row.origin, row.epoch, row.seq), Number(row.id))
    }
    return stored
  })
  const answer: FleetEvent[] = []
  for (const { origin, ...event } of events) {
    const key = keyOf(origin, event.epoch, event.seq)
    const id = ids.get(key)
    if (id === undefined) continue
    // The same event twice in one batch was stored once.
    ids.delete(key)
    answer.push({
      ...event,
      id,
      at: isoTime(epochMs(event.at)),
      receivedAt: isoTime(epochMs(event.receivedAt)),
    })
  }
  return answer
}

/** Patterns such as `push.*` become the existing types, because an index knows types and no patterns. */
const exactTypes = (types: string[]): string[] => [
  ...new Set(
    types.flatMap((type) =>
      type.endsWith('*') ? EVENT_TYPES.filter((each) => each.startsWith(type.slice(0, -1))) : [type],
    ),
  ),
]

/** A page of events by the time they are ordered by; events of the same instant in the order in which they were stored. */
export const readEvents = async (
  reader: Reader,
  filter: EventFilter,
  searchMs: number,
): Promise<EventPage> => {
  const order = filter.order ?? 'desc'
  const list = `events.${order}`
  const size = pageSize(filter.limit)
  const after = decodeCursor(list, filter.cursor, 'number')
  const { events, places, stoppedAt } = await reader.read(
    'events',
    {
      from: filter.from === undefined ? null : epochMs(filter.from),
      to: filter.to === undefined ? null : epochMs(filter.to),
      regions: filter.regions ?? null,
      nodes: filter.nodes ?? null,
      types: filter.types === undefined ? null : exactTypes(filter.types),
      text: filter.text ? filter.text : null,
      order,
      limit: size + 1,
      searchMs,
      after: after === null ? null : { at: after.at, id: Number(after.id) },
    },
    filter.caller,
  )
  const items = events.slice(0, size)
  const last = places[size - 1]
  if (events.length > size && last !== undefined) return { items, nextCursor: encodeCursor(list, last) }
  if (stoppedAt === null) return { items, nextCursor: null }
  return {
    items,
    nextCursor: encodeCursor(list, stoppedAt),
    partial: { searchedTo: isoTime(stoppedAt.at) },
  }
}

/** Newest `(epoch, seq)` of a stream. */
export const readPosition = async (
  reader: Reader,
  origin: string,
): Promise<{ epoch: string; seq: number } | null> => {
  const { rows } = await reader.lookUp(
    `SELECT "epoch", MAX("seq") AS "seq" FROM "events" WHERE "origin" = ?
     AND "epoch" = (SELECT "epoch" FROM "events" WHERE "origin" = ? ORDER BY "id" DESC LIMIT 1) GROUP BY "epoch"`,
    [origin, origin],
  )
  const row = rows[0]
  return row ? { epoch: String(row[0]), seq: Number(row[1]) } : null
}
