import { z } from 'zod'
import { eventPageSchema } from '../events.ts'
import { listParameter, pageParameters, timeParameter } from './parameters.ts'
import { route, V1 } from './route.ts'

/** Facts. */
export const eventRoutes = {
  listEvents: route({
    method: 'GET',
    path: `${V1}/events`,
    tag: 'Events',
    role: 'viewer',
    summary: 'What happened, newest first',
    description:
      'With `Accept: text/csv` a table for a spreadsheet, 1 000 rows by default; the cursor of the next page is then in the header X-Next-Cursor. `type` takes patterns such as `tunnel.*`.',
    query: z
      .object({
        ...pageParameters,
        from: timeParameter.optional(),
        to: timeParameter.optional(),
        region: listParameter.optional(),
        node: listParameter.optional(),
        type: listParameter.optional(),
        q: z.string().max(200).describe('Text to find in the event').optional(),
        order: z.enum(['asc', 'desc']).describe('Oldest or newest first; default `desc`').optional(),
      })
      .strict(),
    answer: eventPageSchema,
    also: { 'text/csv': 'The same as a table, RFC 4180' },
    errors: ['ERR_TOO_SLOW'],
  }),
}
