import { z } from 'zod'
import { jsonMapSchema } from '../json-map.ts'
import { drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

/** Anything that answers a GET with JSON. */
export const jsonEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('json').meta({ description: 'Anything that answers with JSON', examples: ['json'] }),
    url: httpUrl.meta({
      description: 'The whole address that is asked, with path and query',
      examples: ['https://push.example.com/health'],
    }),
    map: jsonMapSchema.meta({
      description:
        'Where in the answer each name stands: JSON Pointers (RFC 6901) by the names of docs/adapters.md',
      examples: [{ ok: '/ok', connections: '/stats/open' }],
    }),
    ...tlsFields,
    ...drainFields,
  })
  .strict()
