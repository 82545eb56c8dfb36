import { z } from 'zod'
import { optionalCeiling } from './config-fields.ts'

const entry = z.string().min(1).max(64)
const entries = () => z.array(entry).min(1).max(4096).optional()

/** Who may use a route, and how much. How addresses are written is checked with the routes as a whole. */
export const routeSecuritySchema = z
  .object({
    ipAllowList: entries().meta({
      description:
        'Addresses, ranges or patterns such as `10.0.*.7`: nobody else is served. A client that is on both lists is blocked',
      examples: [['10.0.0.0/8']],
    }),
    ipBlockList: entries().meta({
      description: 'Addresses, ranges or patterns that are not served',
      examples: [['192.0.2.7', '198.51.100.0/24']],
    }),
    basicAuth: z
      .object({
        realm: z
          .string()
          .regex(
            /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/,
            'must be up to 64 printable ASCII characters without quotes',
          )
          .optional()
          .meta({
            description: 'What people are shown when they are asked',
            default: 'tidegate',
            examples: ['ops'],
          }),
        users: z
          .record(
            z.string().regex(/^[^:\p{Cc}]{1,128}$/u, 'must be a name without colon, up to 128 characters'),
            z.string().min(1).max(512),
          )
          .meta({
            description: 'A password for each name. Secrets: refer to them',
            examples: [{ alice: '${ALICE_PASSWORD}' }],
          }),
      })
      .strict()
      .optional()
      .meta({
        description: 'Requests need a name and its password (RFC 7617)',
        examples: [{ realm: 'ops', users: { alice: '${ALICE_PASSWORD}' } }],
      }),
    bearer: z
      .object({
        tokens: z
          .array(z.string().min(8).max(4096))
          .min(1)
          .max(256)
          .meta({
            description: 'Tokens that are good, 8 characters or more. Secrets: refer to them',
            examples: [['${API_TOKEN}']],
          }),
      })
      .strict()
      .optional()
      .meta({
        description: 'Requests need a token (RFC 6750); beside `basicAuth` either is enough',
        examples: [{ tokens: ['${API_TOKEN}'] }],
      }),
    maxConnections: optionalCeiling('Connections of the route open at once', 1_000),
    maxConnectionsPerIp: optionalCeiling('Connections of the route open at once from one address', 50),
    connectionRatePerMinute: optionalCeiling('New connections of the route a minute from one address', 600),
    requestRatePerMinute: optionalCeiling('Requests of the route a minute from one address', 6_000),
  })
  .strict()
export type RouteSecurity = z.infer<typeof routeSecuritySchema>
