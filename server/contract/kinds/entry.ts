import { z } from 'zod'
import { idSchema } from '../ids.ts'

/** An address that is asked over HTTP, without credentials in it. */
export const httpUrl = z.string().refine(
  (value) => {
    const url = URL.canParse(value) ? new URL(value) : null
    return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === ''
  },
  { message: 'must be an http or https URL, for example https://fra-1.internal:9460' },
)

/** What every entry of `nodes` has, whatever its kind. */
export const entryFields = {
  id: idSchema.meta({ description: 'Name of the node, unique in the fleet', examples: ['fra-1'] }),
  region: idSchema.meta({ description: 'The region that it belongs to', examples: ['fra'] }),
  intervalMs: z
    .number()
    .int()
    .min(1_000)
    .max(3_600_000)
    .optional()
    .meta({
      description: 'Milliseconds between two polls of this node; default polling.intervalMs',
      examples: [15_000],
    }),
  timeoutMs: z
    .number()
    .int()
    .min(100)
    .max(3_600_000)
    .optional()
    .meta({
      description:
        'Milliseconds that a poll of this node may take, below its interval; default polling.timeoutMs',
      examples: [5_000],
    }),
}

const file = z.string().min(1).max(4_096)

/** How a node that is asked over TLS is trusted, and how we show who we are. Files are PEM, relative to the configuration file. */
export const tlsFields = {
  ca: file.optional().meta({
    description:
      'File of the certificate authorities that are trusted for this node instead of the public ones',
    examples: ['./ops-ca.pem'],
  }),
  cert: file.optional().meta({
    description: 'File of the client certificate that is shown to this node; needs key',
    examples: ['./collector.pem'],
  }),
  key: file
    .optional()
    .meta({ description: "File of the client certificate's key", examples: ['./collector.key'] }),
}

/** What the files of `tlsFields` hold, as PEM text. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Of a program that asks for a user and a password (RFC 7617) before it says how it is. */
export const authFields = {
  auth: z
    .object({
      user: z
        .string()
        .min(1)
        .max(256)
        .regex(/^[^:\p{Cc}]*$/u, 'must have no colon and no control character (RFC 7617)')
        .meta({ description: 'User that the program asks for', examples: ['tidegate'] }),
      password: z
        .string()
        .max(512)
        .regex(/^\P{Cc}*$/u, 'must have no control character (RFC 7617)')
        .meta({ description: 'The password of that user', examples: ['${STATUS_PASSWORD}'] }),
    })
    .strict()
    .optional()
    .meta({
      description: 'User and password (HTTP basic) that are sent with every poll of this node',
      examples: [{ user: 'tidegate', password: '${STATUS_PASSWORD}' }],
    }),
}

/** An operator's URL that takes a system out of service and gives it back. */
export const webhookSchema = z
  .object({
    url: httpUrl.meta({
      description: 'Where drain and resume are posted',
      examples: ['https://ops.example.com/drain'],
    }),
    secret: z
      .string()
      .min(16, 'must have at least 16 characters')
      .max(512)
      .meta({
        description:
          'Signs every call: header Tidegate-Signature, t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">',
        examples: ['${DRAIN_SECRET}'],
      }),
    timeoutMs: z
      .number()
      .int()
      .min(100)
      .max(60_000)
      .optional()
      .meta({ description: 'Milliseconds that one call may take; default 5000', examples: [5_000] }),
    ca: file.optional().meta({
      description:
        'File (PEM, relative to the configuration file) of the certificate authorities that are trusted for this URL instead of the public ones',
      examples: ['./ops-ca.pem'],
    }),
    cert: file.optional().meta({
      description: 'File of the client certificate that is shown to this URL; needs key',
      examples: ['./collector.pem'],
    }),
    key: file
      .optional()
      .meta({ description: "File of the client certificate's key", examples: ['./collector.key'] }),
  })
  .strict()

/** Of a system that has no drain verb of its own, or is to be drained otherwise. */
export const drainFields = {
  drain: z
    .object({
      webhook: webhookSchema.meta({
        description: 'Called to take the node out of service and to give it back',
        examples: [{ url: 'https://ops.example.com/drain', secret: '${DRAIN_SECRET}' }],
      }),
    })
    .strict()
    .optional()
    .meta({
      description: 'How this node is drained where its kind has no verb of its own',
      examples: [{ webhook: { url: 'https://ops.example.com/drain', secret: '${DRAIN_SECRET}' } }],
    }),
}
