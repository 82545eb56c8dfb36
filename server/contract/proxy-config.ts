import { z } from 'zod'
import { acmeConfigSchema } from './acme-config.ts'
import { bindHost, bufferedBytes, listenPort, optionalCeiling, port, spanMs } from './config-fields.ts'
import { routeSchema } from './route-config.ts'

/** The proxy part. All defaults are those of the design's table; units are in the names. Of every timeout here: 0 switches it off. */
export const proxyConfigSchema = z
  .object({
    host: bindHost('public listeners bind', '0.0.0.0'),
    routes: z
      .array(routeSchema)
      .max(1000)
      .default([])
      .meta({
        description: 'What is forwarded where',
        examples: [
          [
            {
              name: 'db',
              match: { ports: 5432 },
              action: { type: 'forward', targets: [{ host: '10.0.0.7', port: 5432 }] },
            },
          ],
        ],
      }),
    health: z
      .object({
        port: listenPort('TCP port of that listener', 8079),
        paths: z
          .array(z.string().startsWith('/'))
          .min(1)
          .max(16)
          .default(['/healthz/ready', '/healthz/live', '/health'])
          .meta({ description: 'Paths that it answers', examples: [['/healthz/ready']] }),
      })
      .strict()
      .optional()
      .meta({
        description: 'A public listener that answers health itself, so that balancers see readiness',
        examples: [{ port: 8079 }],
      }),
    proxyProtocol: z
      .object({
        ports: z
          .array(port)
          .min(1)
          .max(256)
          .meta({
            description: 'Ports of routes at which balancers may say for whom they come',
            examples: [[443]],
          }),
        from: z
          .array(z.string().min(1).max(64))
          .min(1)
          .max(256)
          .meta({
            description:
              'Addresses or ranges of those balancers: each of their connections must begin with a header of the PROXY protocol, version 1 or 2. All others are clients themselves',
            examples: [['10.0.0.0/8']],
          }),
      })
      .strict()
      .optional()
      .meta({
        description: 'Who says for whom a connection comes: limits, records and routes then see that client',
        examples: [{ ports: [443], from: ['10.0.0.0/8'] }],
      }),
    acme: acmeConfigSchema.optional().meta({
      description:
        'How routes with `certificate: auto` get their certificates: by ACME, each name proved by HTTP-01',
      examples: [{ email: 'ops@example.com', store: '/var/lib/tidegate/acme' }],
    }),
    connectTimeoutMs: spanMs(10_000, 'Milliseconds to reach a target; 0 waits', 5_000),
    initialDataTimeoutMs: spanMs(
      10_000,
      'Milliseconds until the first byte of a new connection, where routing needs one; 0 waits',
      5_000,
    ),
    headersTimeoutMs: spanMs(10_000, "Milliseconds until a request's head is complete; 0 waits", 5_000),
    keepAliveTimeoutMs: spanMs(
      75_000,
      'Milliseconds that a kept-alive HTTP client may stay without a request; 0 for ever',
      30_000,
    ),
    responseTimeoutMs: spanMs(
      60_000,
      "Milliseconds until the head of a target's response; then 504, and the target is told; 0 waits",
      120_000,
    ),
    bodyIdleTimeoutMs: spanMs(
      60_000,
      "Milliseconds that a request's body may stand still; then 408; 0 waits",
      30_000,
    ),
    readerIdleTimeoutMs: spanMs(
      60_000,
      'Milliseconds that a reader may take nothing of what waits for it; 0 waits',
      30_000,
    ),
    socketTimeoutMs: spanMs(
      60_000,
      'Milliseconds after which a socket counts as quiet; `timeoutBehavior` says what then happens',
      120_000,
    ),
    timeoutBehavior: z
      .enum(['reset', 'close', 'ignore'])
      .default('reset')
      .meta({
        description:
          'What `socketTimeoutMs` does: `reset` begins it anew, `close` closes the connection, `ignore` does nothing',
        examples: ['close'],
      }),
    inactivityTimeoutMs: spanMs(
      14_400_000,
      'Milliseconds without a byte either way until a connection is closed; 0 never',
      3_600_000,
    ),
    keepAlive: z
      .enum(['standard', 'extended', 'immortal'])
      .default('standard')
      .meta({
        description:
          'How `inactivityTimeoutMs` is meant: as it is, six times as long (`extended`), or never (`immortal`)',
        examples: ['extended'],
      }),
    socketCleanupGracePeriodMs: spanMs(
      5_000,
      'Milliseconds in which pending bytes may still be written before a socket is destroyed',
      2_000,
    ),
    allowHalfOpen: z
      .boolean()
      .default(true)
      .meta({
        description: 'Whether one direction may end while the other goes on',
        examples: [false],
      }),
    parityCheckTimeoutMs: spanMs(
      1_800_000,
      'Milliseconds that one side may have ended while the other is silent until the connection is closed; 0 never',
      600_000,
    ),
    parityQuietMs: spanMs(
      600_000,
      'Milliseconds without a byte that must have passed as well before that',
      300_000,
    ),
    stuckTimeoutMs: spanMs(
      0,
      'Milliseconds of silence, with bytes one way and none back, until a connection is closed; 0 never',
      300_000,
    ),
    tcpKeepAliveMs: spanMs(
      30_000,
      'Milliseconds of silence until TCP keep-alive probes begin; 0 sends none',
      15_000,
    ),
    maxConnections: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(50_000)
      .meta({ description: 'Connections open at once', examples: [10_000] }),
    maxBufferedBytes: bufferedBytes(
      'Bytes held for slow peers, all together; above it the slowest connections are ended',
    ),
    maxConnectionsPerIp: optionalCeiling('Connections open at once from one address', 50),
    connectionRatePerMinute: optionalCeiling('New connections a minute from one address', 600),
  })
  .strict()
export type ProxyConfig = z.infer<typeof proxyConfigSchema>
