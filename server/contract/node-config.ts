import { z } from 'zod'
import { HOST_ID_PATTERN, idSchema } from './ids.ts'

const port = z.number().int().min(0).max(65_535)
const listenPort = port.describe('TCP port; 0 takes a free one')
const ms = (fallback: number) => z.number().int().min(0).max(2_147_483_647).default(fallback)

/** `8080`, `[80, 8080]`, `{from: 8000, to: 8010}` or `"8000-8010"`. */
const portsSchema = z.union([
  listenPort,
  z.string().regex(/^\d{1,5}-\d{1,5}$/, 'must be a port, a list, or a range such as "8000-8010"'),
  z.object({ from: port, to: port }).strict(),
  z
    .array(z.union([listenPort, z.object({ from: port, to: port }).strict()]))
    .min(1)
    .max(256),
])

export const targetSchema = z
  .object({
    host: z.string().min(1).max(255).describe('for example 10.0.0.7'),
    port: z.union([port.min(1), z.literal('preserve')]).describe('for example 8080, or preserve'),
  })
  .strict()

export const routeSchema = z
  .object({
    name: z.string().min(1).max(64),
    priority: z.number().int().optional(),
    match: z
      .object({
        ports: portsSchema,
        domains: z
          .union([z.string().min(1).max(255), z.array(z.string().min(1).max(255)).min(1).max(256)])
          .optional()
          .describe('exact or *.example.com; a route with domains or a path speaks HTTP'),
        path: z.string().startsWith('/').max(1024).optional(),
      })
      .strict(),
    action: z
      .object({
        type: z.literal('forward'),
        targets: z.array(targetSchema).min(1).max(256),
        /** `http` parses requests also where no domain or path is matched; default `tcp` without them. */
        protocol: z.enum(['tcp', 'http']).optional(),
      })
      .strict(),
  })
  .strict()
export type RouteConfig = z.infer<typeof routeSchema>

/** The proxy part. All defaults are those of the design's table; units are in the names. */
export const proxyConfigSchema = z
  .object({
    host: z.string().default('0.0.0.0').describe('address that public listeners bind'),
    routes: z.array(routeSchema).max(1000).default([]),
    /** A public listener that answers health itself, so that balancers see readiness. */
    health: z
      .object({
        port: listenPort,
        paths: z
          .array(z.string().startsWith('/'))
          .min(1)
          .max(16)
          .default(['/healthz/ready', '/healthz/live', '/health']),
      })
      .strict()
      .optional(),
    /** Of every timeout here: 0 switches it off. */
    connectTimeoutMs: ms(10_000),
    initialDataTimeoutMs: ms(10_000).describe('first byte of a new connection, where routing needs one'),
    headersTimeoutMs: ms(10_000).describe("a request's head, complete"),
    keepAliveTimeoutMs: ms(75_000).describe('a kept-alive HTTP client without a request'),
    responseTimeoutMs: ms(60_000).describe('no response head from the target: 504, and the target is told'),
    bodyIdleTimeoutMs: ms(60_000).describe('a request body that stands still: 408'),
    readerIdleTimeoutMs: ms(60_000).describe('a reader that takes nothing'),
    socketTimeoutMs: ms(60_000),
    timeoutBehavior: z.enum(['reset', 'close', 'ignore']).default('reset'),
    inactivityTimeoutMs: ms(14_400_000),
    keepAlive: z.enum(['standard', 'extended', 'immortal']).default('standard'),
    socketCleanupGracePeriodMs: ms(5_000),
    allowHalfOpen: z.boolean().default(true),
    parityCheckTimeoutMs: ms(1_800_000),
    parityQuietMs: ms(600_000),
    stuckTimeoutMs: ms(0),
    tcpKeepAliveMs: ms(30_000),
    maxConnections: z.number().int().min(1).max(1_000_000).default(50_000),
    maxBufferedBytes: z
      .number()
      .int()
      .min(1_048_576)
      .default(268_435_456)
      .describe('bytes held for slow peers, all together; above it the slowest connections are ended'),
    maxConnectionsPerIp: z.number().int().min(1).optional(),
    connectionRatePerMinute: z.number().int().min(1).optional(),
  })
  .strict()
export type ProxyConfig = z.infer<typeof proxyConfigSchema>

export const relayConfigSchema = z
  .object({
    host: z.string().default('0.0.0.0'),
    port: listenPort,
    /** `hostId.<domain>` is forwarded too, beside `/hosts/:hostId/*`. */
    domain: z.string().max(255).optional(),
    /** `memory`: this node alone. `shared`: between the nodes embedded in one collector. */
    directory: z.enum(['memory', 'shared']).default('memory'),
    /** Host id → token. Each token is bound to its host id. */
    tokens: z.record(
      z.string().regex(HOST_ID_PATTERN, 'host ids match [a-z0-9-]{1,63}'),
      z.string().min(8).max(512),
    ),
    pingIntervalMs: ms(30_000),
    /** Until a host's response headers; 0 waits. */
    responseTimeoutMs: ms(30_000),
    /** Between two parts of an upload's body; 0 waits. */
    bodyIdleTimeoutMs: ms(60_000),
    /** While a client takes nothing of what waits for it; 0 waits. */
    readerIdleTimeoutMs: ms(60_000),
    /** What may wait for slow clients and hosts altogether; beyond it the slowest are ended. */
    maxBufferedBytes: z.number().int().min(1_048_576).default(268_435_456),
    maxPendingPerTunnel: z.number().int().min(1).default(1_000),
    maxTunnels: z.number().int().min(1).default(50_000),
    directoryTtlMs: ms(90_000),
  })
  .strict()
export type RelayConfig = z.infer<typeof relayConfigSchema>

export const pushConfigSchema = z
  .object({
    host: z.string().min(1).max(255).describe('for example api.push.apple.com'),
    port: port.default(443),
    topic: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII, which a header can carry')
      .describe('for example com.example.app'),
    keyId: z.string().min(1).max(64),
    teamId: z.string().min(1).max(64),
    /** PKCS #8 file of the ES256 key, relative to the configuration file. */
    keyPath: z.string().min(1),
    ca: z
      .string()
      .optional()
      .describe('PEM file of a certificate authority to trust besides the built-in ones'),
    pingIntervalMs: ms(300_000),
    pingTimeoutMs: ms(10_000),
    requestTimeoutMs: ms(10_000),
    connectTimeoutMs: ms(10_000),
    deadlineMs: ms(60_000).describe(
      'how long a push may wait to be sent, in ms; its APNs expiration where that lies ahead',
    ),
    maxQueued: z.number().int().min(1).default(10_000),
    tokens: z
      .object({ file: z.string().min(1) })
      .strict()
      .optional()
      .describe('durable token store, for example ./tokens.json'),
  })
  .strict()
export type PushConfig = z.infer<typeof pushConfigSchema>

export const controlConfigSchema = z
  .object({
    host: z.string().default('127.0.0.1'),
    port: listenPort.default(9460),
    token: z.string().min(16).max(512).optional(),
  })
  .strict()
export type ControlConfig = z.infer<typeof controlConfigSchema>

/** One node: an entry of `embedded` in `tidegate.yaml`, or, with `control`, the file of `tidegate node --config`. */
export const nodeConfigSchema = z
  .object({
    id: idSchema,
    region: idSchema,
    /** Folder for the durable drain wish and the control token; default `<TIDEGATE_DATA>/nodes/<id>`. */
    data: z.string().optional(),
    control: controlConfigSchema.optional(),
    proxy: proxyConfigSchema.optional(),
    relay: relayConfigSchema.optional(),
    push: pushConfigSchema.optional(),
  })
  .strict()
export type NodeConfig = z.infer<typeof nodeConfigSchema>
