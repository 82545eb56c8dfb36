import { z } from 'zod'
import { JSON_PRESETS, jsonMapSchema } from '../json-map.ts'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'
import { isMapped, needsMap } from './mapped.ts'

/** Anything that answers a GET with JSON. */
export const jsonEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('json').meta({ description: 'Anything that answers with JSON', examples: ['json'] }),
    url: httpUrl.meta({
      description: 'The whole address that is asked, with path and query',
      examples: ['https://push.example.com/health'],
    }),
    preset: z
      .enum(JSON_PRESETS)
      .optional()
      .meta({
        description: 'The program, where its answer is known; map adds to it and replaces single names',
        examples: ['push-gateway'],
      }),
    map: jsonMapSchema.optional().meta({
      description:
        'Where in the answer each name stands: JSON Pointers (RFC 6901) by the names of docs/adapters.md; needed without preset',
      examples: [{ ok: '/ok', connections: '/stats/open' }],
    }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
  .refine(isMapped, needsMap('{ ok: /ok, connections: /stats/open }', JSON_PRESETS))
