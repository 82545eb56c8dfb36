import { z } from 'zod'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

/** A Caddy, by its admin endpoint. */
export const caddyEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('caddy').meta({ description: 'Caddy, by its admin endpoint', examples: ['caddy'] }),
    url: httpUrl.meta({
      description: 'The admin endpoint, below which its paths are asked',
      examples: ['http://10.1.0.5:2019'],
    }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
