import { z } from 'zod'
import { entryFields, httpUrl, tlsFields } from './entry.ts'

/** One of our own nodes, by its control listener. */
export const tidegateEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('tidegate').meta({ description: 'A Tidegate node', examples: ['tidegate'] }),
    url: httpUrl.meta({
      description: "The node's control listener",
      examples: ['https://fra-1.internal:9460'],
    }),
    token: z
      .string()
      .min(16, 'must have at least 16 characters')
      .max(512)
      .meta({ description: "The node's control token", examples: ['${FRA1_TOKEN}'] }),
    ...tlsFields,
  })
  .strict()
