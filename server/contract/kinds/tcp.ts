import { z } from 'zod'
import { drainFields, entryFields } from './entry.ts'
import { hostAndPort } from './haproxy.ts'

/** Any port that takes connections. */
export const tcpEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('tcp').meta({ description: 'A port that takes connections', examples: ['tcp'] }),
    address: z
      .string()
      .max(260)
      .refine((value) => hostAndPort(value) !== null, {
        message: 'must be host:port, for example db.internal:5432 or [::1]:5432',
      })
      .meta({ description: 'Host and port that are dialled', examples: ['db.internal:5432'] }),
    ...drainFields,
  })
  .strict()
