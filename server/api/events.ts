import { z } from 'zod'
import type { EventFilter } from '../store/store.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { toCsv } from './csv.ts'
import { given, listParameter, pageParameters, readQuery, timeParameter } from './input.ts'

const query = z
  .object({
    ...pageParameters,
    from: timeParameter.optional(),
    to: timeParameter.optional(),
    region: listParameter.optional(),
    node: listParameter.optional(),
    type: listParameter.optional(),
    q: z.string().max(200).optional(),
    order: z.enum(['asc', 'desc']).optional(),
  })
  .strict()

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

const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString()

/** Facts, as JSON or, for a spreadsheet, as CSV; there the next page's cursor stands in a header. */
export const addEvents = (app: ApiApp, { needs }: Access, { store }: ApiOptions): void => {
  app.get(
    '/events',
    needs('viewer', async (c) => {
      const { from, to, region, node, type, q, ...page } = readQuery(c, query)
      const filter: EventFilter = given({
        ...page,
        from: iso(from),
        to: iso(to),
        regions: region,
        nodes: node,
        types: type,
        text: q,
      })
      const asCsv = /\btext\/csv\b/i.test(c.req.header('accept') ?? '')
      const events = await store.events(
        asCsv && filter.limit === undefined ? { ...filter, limit: 1_000 } : filter,
      )
      c.header('Vary', 'Accept')
      if (!asCsv) return c.json(events)
      if (events.nextCursor !== null) c.header('X-Next-Cursor', events.nextCursor)
      const rows = events.items.map((event) => ({ ...event }))
      return c.body(toCsv(columns, rows), 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="events.csv"',
      })
    }),
  )
}
