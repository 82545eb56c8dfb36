import type { EventType, FleetEvent, Page } from '../contract/index.ts'
import type { Connection, SqlRow, SqlValue } from './connection.ts'
import { decodeCursor, pageSize, toPage } from './cursor.ts'
import type { EventFilter, EventInput } from './store.ts'
import { epochMs, isoTime } from './time.ts'

const rowsPerStatement = 500

const toEvent = (row: SqlRow): FleetEvent => ({
  id: Number(row.id),
  source: row.source as FleetEvent['source'],
  seq: Number(row.seq),
  epoch: String(row.epoch),
  node: row.node as string | null,
  region: row.region as string | null,
  type: row.type as EventType,
  at: isoTime(row.at),
  receivedAt: isoTime(row.receivedAt),
  data: JSON.parse(String(row.data)) as Record<string, unknown>,
})

const insert = (count: number): string =>
  `INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "data") VALUES ${new Array(
    count,
  )
    .fill('(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .join(', ')} ON CONFLICT ("origin", "epoch", "seq") DO NOTHING RETURNING "id", "origin", "epoch", "seq"`

const keyOf = (origin: unknown, epoch: unknown, seq: unknown): string => `${origin}\n${epoch}\n${seq}`

/** Stores what is new, all or nothing, and answers just that. */
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
        args.push(epochMs(event.at), epochMs(event.receivedAt), JSON.stringify(event.data))
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

const likeText = (text: string): string => text.toLowerCase().replace(/[\\%_]/g, (sign) => `\\${sign}`)

const conditions = (filter: EventFilter): { where: string[]; args: SqlValue[] } => {
  const where: string[] = []
  const args: SqlValue[] = []
  const add = (sql: string, ...values: SqlValue[]) => {
    where.push(sql)
    args.push(...values)
  }
  const oneOf = (column: string, values: string[]) =>
    add(`"${column}" IN (${values.map(() => '?').join(', ') || 'NULL'})`, ...values)
  if (filter.from !== undefined) add('"at" >= ?', epochMs(filter.from))
  if (filter.to !== undefined) add('"at" < ?', epochMs(filter.to))
  if (filter.regions) oneOf('region', filter.regions)
  if (filter.nodes) oneOf('node', filter.nodes)
  if (filter.types) {
    const exact = filter.types.filter((type) => !type.endsWith('*'))
    const alternatives = exact.length > 0 ? [`"type" IN (${exact.map(() => '?').join(', ')})`] : []
    args.push(...exact)
    for (const type of filter.types.filter((each) => each.endsWith('*'))) {
      alternatives.push(`"type" LIKE ? ESCAPE '\\'`)
      args.push(`${likeText(type.slice(0, -1))}%`)
    }
    where.push(`(${alternatives.join(' OR ') || '1 = 0'})`)
  }
  if (filter.text) {
    const pattern = `%${likeText(filter.text)}%`
    const found = ['type', 'node', 'data'].map((column) => `lower("${column}") LIKE ? ESCAPE '\\'`)
    add(`(${found.join(' OR ')})`, pattern, pattern, pattern)
  }
  return { where, args }
}

/** A page of events by their own time; of one instant, in the order in which they were stored. */
export const readEvents = async (connection: Connection, filter: EventFilter): Promise<Page<FleetEvent>> => {
  const order = filter.order ?? 'desc'
  const list = `events.${order}`
  const size = pageSize(filter.limit)
  const after = decodeCursor(list, filter.cursor, 'number')
  const { where, args } = conditions(filter)
  if (after) {
    where.push(`("at", "id") ${order === 'desc' ? '<' : '>'} (?, ?)`)
    args.push(after.at, after.id)
  }
  const { rows } = await connection.query(
    `SELECT * FROM "events"${where.length > 0 ? ` WHERE ${where.join(' AND ')}` : ''} ORDER BY "at" ${order}, "id" ${order} LIMIT ?`,
    [...args, size + 1],
  )
  return toPage(list, rows, size, (row) => ({ at: Number(row.at), id: Number(row.id) }), toEvent)
}

/** Newest `(epoch, seq)` of a stream. */
export const readPosition = async (
  connection: Connection,
  origin: string,
): Promise<{ epoch: string; seq: number } | null> => {
  const { rows } = await connection.query(
    `SELECT "epoch", MAX("seq") AS "seq" FROM "events" WHERE "origin" = ?
     AND "epoch" = (SELECT "epoch" FROM "events" WHERE "origin" = ? ORDER BY "id" DESC LIMIT 1) GROUP BY "epoch"`,
    [origin, origin],
  )
  const row = rows[0]
  return row ? { epoch: String(row.epoch), seq: Number(row.seq) } : null
}
