import type { eventRoutes } from '../contract/api/events.ts'
import type { EventFilter } from '../store/store.ts'
import type { ApiOptions } from './context.ts'
import { toCsv } from './csv.ts'
import { given, isoOf } from './input.ts'
import type { Handlers } from './serve.ts'

const columns = [
  'id',
  'at',
  'receivedAt',
  'region',
  'node',
  'type',
  'source',
  'epoch',
  'seq',
  'data',
] as const

/** Facts, as JSON or, for a spreadsheet, as CSV, which has the next page's cursor in a header. */
export const eventHandlers = ({ store }: ApiOptions): Handlers<typeof eventRoutes> => ({
  async listEvents({ query, context }) {
    const { from, to, region, node, type, q, ...page } = query
    const filter: EventFilter = given({
      ...page,
      from: isoOf(from),
      to: isoOf(to),
      regions: region,
      nodes: node,
      types: type,
      text: q,
    })
    const asCsv = /\btext\/csv\b/i.test(context.req.header('accept') ?? '')
    const events = await store.events(
      asCsv && filter.limit === undefined ? { ...filter, limit: 1_000 } : filter,
    )
    context.header('Vary', 'Accept')
    if (!asCsv) return events
    if (events.nextCursor !== null) context.header('X-Next-Cursor', events.nextCursor)
    const rows = events.items.map((event) => ({ ...event }))
    return context.body(toCsv(columns, rows), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="events.csv"',
    })
  },
})
