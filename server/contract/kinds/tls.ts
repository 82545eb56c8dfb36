import { z } from 'zod'
import { drainFields, entryFields, tlsFields } from './entry.ts'
import { hostAndPort } from './haproxy.ts'

/** Any port that speaks TLS, whatever is said inside. */
export const tlsEntrySchema = z
  .object({
    ...entryFields,
    kind: z.literal('tls').meta({ description: 'A port that speaks TLS', examples: ['tls'] }),
    address: z
      .string()
      .max(260)
      .refine((value) => hostAndPort(value) !== null, {
        message: 'must be host:port, for example mail.example.com:993 or [::1]:993',
      })
      .meta({ description: 'Host and port that are dialled', examples: ['mail.example.com:993'] }),
    servername: z
      .string()
      .max(253)
      .regex(
        /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/,
        'must be a host name, for example mail.example.com',
      )
      .optional()
      .meta({
        description:
          'Name that is asked for and that the certificate has to have; default the host of address',
        examples: ['mail.example.com'],
      }),
    ...tlsFields,
    ...drainFields,
  })
  .strict()
