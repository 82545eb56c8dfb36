import { z } from 'zod'
import { ceiling, port, spanMs } from './config-fields.ts'

/** The push part: one session with APNs. Of every timeout here: 0 switches it off. */
export const pushConfigSchema = z
  .object({
    host: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: 'Host of the push service', examples: ['api.push.apple.com'] }),
    port: port.default(443).meta({ description: 'TCP port of the push service', examples: [2197] }),
    topic: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII, which a header can carry')
      .meta({ description: "Topic of every push: the app's bundle id", examples: ['com.example.app'] }),
    keyId: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Id of the signing key', examples: ['ABC123DEFG'] }),
    teamId: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Id of the team', examples: ['DEF123GHIJ'] }),
    keyPath: z
      .string()
      .min(1)
      .meta({
        description: 'PKCS #8 file of the ES256 key, relative to the configuration file',
        examples: ['./AuthKey.p8'],
      }),
    ca: z
      .string()
      .optional()
      .meta({
        description: 'PEM file of a certificate authority to trust besides the built-in ones',
        examples: ['./push-ca.pem'],
      }),
    pingIntervalMs: spanMs(300_000, 'Milliseconds between two pings of the session; 0 sends none', 60_000),
    pingTimeoutMs: spanMs(
      10_000,
      'Milliseconds until a ping must be answered; then the session is replaced; 0 waits',
      5_000,
    ),
    requestTimeoutMs: spanMs(10_000, 'Milliseconds until a push must be answered; 0 waits', 5_000),
    connectTimeoutMs: spanMs(10_000, 'Milliseconds to open a session; 0 waits', 5_000),
    deadlineMs: spanMs(
      60_000,
      'Milliseconds that a push may wait to be sent, or until its APNs expiration where that is given; 0 waits',
      30_000,
    ),
    maxQueued: ceiling(10_000, 'Pushes that may wait to be sent; more are refused', 1_000),
    tokens: z
      .object({
        file: z
          .string()
          .min(1)
          .meta({
            description: 'The file, relative to the configuration file',
            examples: ['./tokens.json'],
          }),
      })
      .strict()
      .optional()
      .meta({
        description: 'Where device tokens are kept over a restart. Without it: in memory alone',
        examples: [{ file: './tokens.json' }],
      }),
  })
  .strict()
export type PushConfig = z.infer<typeof pushConfigSchema>
