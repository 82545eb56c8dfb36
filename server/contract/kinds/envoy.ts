import { z } from 'zod'
import { drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

/** An Envoy by its administration interface. */
export const envoyEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('envoy').meta({ description: 'Envoy', examples: ['envoy'] }),
    url: httpUrl.meta({
      description: 'Its administration interface',
      examples: ['http://10.1.0.4:9901'],
    }),
    ...tlsFields,
    ...drainFields,
  })
  .strict()
