import { z } from 'zod'
import { JSON_PRESETS, jsonMapSchema } from '../json-map.ts'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

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
  .refine((entry) => entry.preset !== undefined || entry.map !== undefined, {
    path: ['map'],
    // With every other mistake of the entry, not after they are mended.
    when: ({ value }) => typeof value === 'object' && value !== null,
    message: `it is needed where no preset is named, for example { ok: /ok, connections: /stats/open }; presets are ${JSON_PRESETS.join(', ')}`,
  })
