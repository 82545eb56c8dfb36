import { z } from 'zod'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

/** An Envoy by its administration interface. */
export const envoyEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('envoy').meta({ description: 'Envoy', examples: ['envoy'] }),
    url: httpUrl.meta({
      description: 'Its administration interface',
      examples: ['http://10.1.0.4:9901'],
    }),
    keep: z
      .array(
        z
          .string()
          .min(1)
          .max(256)
          .regex(/^\P{Cc}+$/u, 'must have no control character'),
      )
      .max(64)
      .optional()
      .meta({
        description:
          'Listeners and connection managers that are not counted, and that a drain does not wait for, by the prefix of their statistics',
        examples: [['health', '0.0.0.0_10001']],
      }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
