import { z } from 'zod'
import { bindHost, bufferedBytes, ceiling, listenPort, spanMs } from './config-fields.ts'
import { HOST_ID_PATTERN } from './ids.ts'

/** The relay part. Of every timeout here: 0 switches it off. */
export const relayConfigSchema = z
  .object({
    host: bindHost('the relay binds', '0.0.0.0'),
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
    pingIntervalMs: spanMs(
      30_000,
      'Milliseconds between two pings of a tunnel, both ways; three missed close it; 0 sends none',
      15_000,
    ),
    responseTimeoutMs: spanMs(
      30_000,
      "Milliseconds until the head of a host's response; then 504; 0 waits",
      60_000,
    ),
    bodyIdleTimeoutMs: spanMs(60_000, "Milliseconds between two parts of an upload's body; 0 waits", 30_000),
    readerIdleTimeoutMs: spanMs(
      60_000,
      'Milliseconds that a client may take nothing of what waits for it; 0 waits',
      30_000,
    ),
    maxBufferedBytes: bufferedBytes(
      'Bytes that wait for slow clients and hosts, all together; beyond it the slowest are ended',
    ),
    maxPendingPerTunnel: ceiling(
      1_000,
      'Requests that may wait for one host; more are answered 503 at once',
      200,
    ),
    maxTunnels: ceiling(50_000, 'Tunnels open at once', 5_000),
    directoryTtlMs: spanMs(
      90_000,
      'Milliseconds that an entry of the directory holds without being renewed',
      60_000,
    ),
  })
  .strict()
export type RelayConfig = z.infer<typeof relayConfigSchema>
