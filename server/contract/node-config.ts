import { z } from 'zod'
import { HOST_ID_PATTERN, idSchema } from './ids.ts'
import { routeSchema } from './route-config.ts'

const port = z.number().int().min(0).max(65_535)
const ms = (fallback: number) => z.number().int().min(0).max(2_147_483_647).default(fallback)

/** A port as a listener takes it, with what it is for. */
const listenPort = (what: string, example: number) =>
  port.meta({ description: `${what}; 0 takes a free one`, examples: [example] })

/** The proxy part. All defaults are those of the design's table; units are in the names. Of every timeout here: 0 switches it off. */
export const proxyConfigSchema = z
  .object({
    host: z
      .string()
      .default('0.0.0.0')
      .meta({ description: 'Address that public listeners bind', examples: ['10.0.0.5'] }),
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
    connectTimeoutMs: ms(10_000).meta({
      description: 'Milliseconds to reach a target; 0 waits',
      examples: [5_000],
    }),
    initialDataTimeoutMs: ms(10_000).meta({
      description: 'Milliseconds until the first byte of a new connection, where routing needs one; 0 waits',
      examples: [5_000],
    }),
    headersTimeoutMs: ms(10_000).meta({
      description: "Milliseconds until a request's head is complete; 0 waits",
      examples: [5_000],
    }),
    keepAliveTimeoutMs: ms(75_000).meta({
      description: 'Milliseconds that a kept-alive HTTP client may stay without a request; 0 for ever',
      examples: [30_000],
    }),
    responseTimeoutMs: ms(60_000).meta({
      description:
        "Milliseconds until the head of a target's response; then 504, and the target is told; 0 waits",
      examples: [120_000],
    }),
    bodyIdleTimeoutMs: ms(60_000).meta({
      description: "Milliseconds that a request's body may stand still; then 408; 0 waits",
      examples: [30_000],
    }),
    readerIdleTimeoutMs: ms(60_000).meta({
      description: 'Milliseconds that a reader may take nothing of what waits for it; 0 waits',
      examples: [30_000],
    }),
    socketTimeoutMs: ms(60_000).meta({
      description:
        'Milliseconds after which a socket counts as quiet; `timeoutBehavior` says what then happens',
      examples: [120_000],
    }),
    timeoutBehavior: z
      .enum(['reset', 'close', 'ignore'])
      .default('reset')
      .meta({
        description:
          'What `socketTimeoutMs` does: `reset` begins it anew, `close` closes the connection, `ignore` does nothing',
        examples: ['close'],
      }),
    inactivityTimeoutMs: ms(14_400_000).meta({
      description: 'Milliseconds without a byte either way until a connection is closed; 0 never',
      examples: [3_600_000],
    }),
    keepAlive: z
      .enum(['standard', 'extended', 'immortal'])
      .default('standard')
      .meta({
        description:
          'How `inactivityTimeoutMs` is meant: as it is, six times as long (`extended`), or never (`immortal`)',
        examples: ['extended'],
      }),
    socketCleanupGracePeriodMs: ms(5_000).meta({
      description: 'Milliseconds in which pending bytes may still be written before a socket is destroyed',
      examples: [2_000],
    }),
    allowHalfOpen: z
      .boolean()
      .default(true)
      .meta({
        description: 'Whether one direction may end while the other goes on',
        examples: [false],
      }),
    parityCheckTimeoutMs: ms(1_800_000).meta({
      description:
        'Milliseconds that one side may have ended while the other is silent until the connection is closed; 0 never',
      examples: [600_000],
    }),
    parityQuietMs: ms(600_000).meta({
      description: 'Milliseconds without a byte that must have passed as well before that',
      examples: [300_000],
    }),
    stuckTimeoutMs: ms(0).meta({
      description:
        'Milliseconds of silence, with bytes one way and none back, until a connection is closed; 0 never',
      examples: [300_000],
    }),
    tcpKeepAliveMs: ms(30_000).meta({
      description: 'Milliseconds of silence until TCP keep-alive probes begin; 0 sends none',
      examples: [15_000],
    }),
    maxConnections: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(50_000)
      .meta({ description: 'Connections open at once', examples: [10_000] }),
    maxBufferedBytes: z
      .number()
      .int()
      .min(1_048_576)
      .default(268_435_456)
      .meta({
        description: 'Bytes held for slow peers, all together; above it the slowest connections are ended',
        examples: [67_108_864],
      }),
    maxConnectionsPerIp: z
      .number()
      .int()
      .min(1)
      .optional()
      .meta({
        description: 'Connections open at once from one address. Without it: no limit',
        examples: [50],
      }),
    connectionRatePerMinute: z
      .number()
      .int()
      .min(1)
      .optional()
      .meta({
        description: 'New connections a minute from one address. Without it: no limit',
        examples: [600],
      }),
  })
  .strict()
export type ProxyConfig = z.infer<typeof proxyConfigSchema>

export const relayConfigSchema = z
  .object({
    host: z
      .string()
      .default('0.0.0.0')
      .meta({ description: 'Address that the relay binds', examples: ['10.0.0.5'] }),
    port: listenPort('TCP port for hosts and visitors', 8081),
    domain: z
      .string()
      .max(255)
      .optional()
      .meta({
        description: '`HOST_ID.DOMAIN` is forwarded too, besides `/hosts/HOST_ID/*`',
        examples: ['hosts.example.com'],
      }),
    directory: z
      .enum(['memory', 'shared'])
      .default('memory')
      .meta({
        description:
          'Who owns which host: `memory` for this node alone, `shared` between the nodes embedded in one collector',
        examples: ['shared'],
      }),
    tokens: z
      .record(
        z.string().regex(HOST_ID_PATTERN, 'host ids match [a-z0-9-]{1,63}, for example host-07'),
        z.string().min(8).max(512),
      )
      .meta({
        description:
          'A token for each host, by its id; 8 to 512 characters, good for that id alone. Secrets: refer to them',
        examples: [{ 'host-a': '${HOST_A_TOKEN}' }],
      }),
    pingIntervalMs: ms(30_000).meta({
      description:
        'Milliseconds between two pings of a tunnel, both ways; three missed close it; 0 sends none',
      examples: [15_000],
    }),
    responseTimeoutMs: ms(30_000).meta({
      description: "Milliseconds until the head of a host's response; then 504; 0 waits",
      examples: [60_000],
    }),
    bodyIdleTimeoutMs: ms(60_000).meta({
      description: "Milliseconds between two parts of an upload's body; 0 waits",
      examples: [30_000],
    }),
    readerIdleTimeoutMs: ms(60_000).meta({
      description: 'Milliseconds that a client may take nothing of what waits for it; 0 waits',
      examples: [30_000],
    }),
    maxBufferedBytes: z
      .number()
      .int()
      .min(1_048_576)
      .default(268_435_456)
      .meta({
        description:
          'Bytes that wait for slow clients and hosts, all together; beyond it the slowest are ended',
        examples: [67_108_864],
      }),
    maxPendingPerTunnel: z
      .number()
      .int()
      .min(1)
      .default(1_000)
      .meta({
        description: 'Requests that may wait for one host; more are answered 503 at once',
        examples: [200],
      }),
    maxTunnels: z
      .number()
      .int()
      .min(1)
      .default(50_000)
      .meta({ description: 'Tunnels open at once', examples: [5_000] }),
    directoryTtlMs: ms(90_000).meta({
      description: 'Milliseconds that an entry of the directory holds without being renewed',
      examples: [60_000],
    }),
  })
  .strict()
export type RelayConfig = z.infer<typeof relayConfigSchema>

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
    pingIntervalMs: ms(300_000).meta({
      description: 'Milliseconds between two pings of the session; 0 sends none',
      examples: [60_000],
    }),
    pingTimeoutMs: ms(10_000).meta({
      description: 'Milliseconds until a ping must be answered; then the session is replaced; 0 waits',
      examples: [5_000],
    }),
    requestTimeoutMs: ms(10_000).meta({
      description: 'Milliseconds until a push must be answered; 0 waits',
      examples: [5_000],
    }),
    connectTimeoutMs: ms(10_000).meta({
      description: 'Milliseconds to open a session; 0 waits',
      examples: [5_000],
    }),
    deadlineMs: ms(60_000).meta({
      description:
        'Milliseconds that a push may wait to be sent, or until its APNs expiration where that is given; 0 waits',
      examples: [30_000],
    }),
    maxQueued: z
      .number()
      .int()
      .min(1)
      .default(10_000)
      .meta({ description: 'Pushes that may wait to be sent; more are refused', examples: [1_000] }),
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

export const controlConfigSchema = z
  .object({
    host: z
      .string()
      .default('127.0.0.1')
      .meta({ description: 'Address that the control listener binds', examples: ['10.0.0.5'] }),
    port: port.default(9460).meta({ description: 'TCP port; 0 takes a free one', examples: [9460] }),
    token: z
      .string()
      .min(16)
      .max(512)
      .optional()
      .meta({
        description:
          'Who may ask and order, 16 to 512 characters. A secret: refer to it. Without it: one is made and kept in `data`',
        examples: ['${CONTROL_TOKEN}'],
      }),
  })
  .strict()
export type ControlConfig = z.infer<typeof controlConfigSchema>

/** One node: an entry of `embedded` in `tidegate.yaml`, or, with `control`, the file of `tidegate node --config`. */
export const nodeConfigSchema = z
  .object({
    id: idSchema.meta({
      description: 'Name of the node, a lower-case DNS label; the same as in `tidegate.yaml`',
      examples: ['fra-1'],
    }),
    region: idSchema.meta({ description: 'Id of its region', examples: ['fra'] }),
    data: z
      .string()
      .optional()
      .meta({
        description:
          'Folder for the durable wish of a drain and the control token, relative to the configuration file. Without it: `nodes/ID` in the data folder (`TIDEGATE_DATA`)',
        examples: ['./data/fra-1'],
      }),
    control: controlConfigSchema.optional().meta({
      description: 'The listener at which the collector asks and orders',
      examples: [{ host: '10.0.0.5', port: 9460, token: '${CONTROL_TOKEN}' }],
    }),
    proxy: proxyConfigSchema.optional().meta({
      description: 'The proxy: public listeners that forward to targets',
      examples: [{ routes: [] }],
    }),
    relay: relayConfigSchema.optional().meta({
      description: 'The relay: hosts behind firewalls hold tunnels to it, visitors reach them through it',
      examples: [{ port: 8081, tokens: { 'host-a': '${HOST_A_TOKEN}' } }],
    }),
    push: pushConfigSchema.optional().meta({
      description: 'Push notifications over one APNs session',
      examples: [
        {
          host: 'api.push.apple.com',
          topic: 'com.example.app',
          keyId: 'ABC123DEFG',
          teamId: 'DEF123GHIJ',
          keyPath: './AuthKey.p8',
        },
      ],
    }),
  })
  .strict()
export type NodeConfig = z.infer<typeof nodeConfigSchema>
