import { z } from 'zod'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'

/** An nginx, by its `stub_status`. */
export const nginxEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('nginx').meta({ description: 'nginx, by its stub_status', examples: ['nginx'] }),
    url: httpUrl.meta({
      description: 'The whole address of a location with stub_status',
      examples: ['http://10.1.0.6/stub_status'],
    }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
