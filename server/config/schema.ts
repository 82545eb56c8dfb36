import { z } from 'zod'
import { detectSchema } from '../collector/signals/detect.ts'
import { idSchema } from '../contract/ids.ts'
import { httpUrl, type TlsMaterial } from '../contract/kinds/entry.ts'
import { nodeEntrySchema } from '../contract/kinds/node-entry.ts'
import { nodeConfigSchema } from '../contract/node-config.ts'
import { notifySchema } from '../contract/notify-config.ts'
import { addressRange, proxyRange } from './address-range.ts'

const milliseconds = z.number().int().min(100).max(3_600_000)

const serverSchema = z
  .object({
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .meta({
        description:
          'Address that the one port binds. Loopback by default: the control room is not public by accident',
        examples: ['0.0.0.0'],
      }),
    port: z
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(3000)
      .meta({ description: 'TCP port of pages, API and `/live`; 0 takes a free one', examples: [8443] }),
    url: httpUrl.optional().meta({
      description:
        "The address in operators' browsers, which the Origin rule compares with. Without it: localhost with the port",
      examples: ['https://gate.example.com'],
    }),
    trustedProxies: z
      .array(proxyRange)
      .max(64)
      .default([])
      .meta({
        description:
          'Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or CIDR ranges',
        examples: [['10.0.0.5', '10.1.0.0/16']],
      }),
    hosts: z
      .array(
        z
          .string()
          .max(253)
          .regex(
            /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i,
            'must be a host name without scheme and port, for example gate.internal',
          ),
      )
      .max(64)
      .default([])
      .meta({
        description:
          'More names under which browsers and proxies reach the server, besides that of `url`, localhost and any address',
        examples: [['gate.internal']],
      }),
  })
  .strict()

const pollingSchema = z
  .object({
    intervalMs: z
      .number()
      .int()
      .min(1000)
      .max(3_600_000)
      .default(5000)
      .meta({ description: 'Milliseconds between two polls of a node', examples: [5000] }),
    timeoutMs: milliseconds.default(3000).meta({
      description: 'Milliseconds that a poll may take, connecting included; less than the interval',
      examples: [3000],
    }),
    allow: z
      .array(addressRange)
      .max(256)
      .default([])
      .meta({
        description:
          'Addresses or CIDR ranges that polls may go to, besides those that `nodes` names literally',
        examples: [['10.0.0.0/8', 'fd00::/8']],
      }),
  })
  .strict()

const regionSchema = z
  .object({
    id: idSchema.meta({
      description: 'Name of the region in addresses, a lower-case DNS label; unique',
      examples: ['fra'],
    }),
    name: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'What people read. Without it: the id', examples: ['Frankfurt'] }),
    at: z
      .tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)])
      .optional()
      .meta({ description: 'Latitude and longitude in degrees', examples: [[50.11, 8.68]] }),
    capacity: z
      .object({
        tunnels: z
          .number()
          .int()
          .min(1)
          .optional()
          .meta({ description: 'Tunnels that the whole region can hold', examples: [2000] }),
      })
      .strict()
      .optional()
      .meta({
        description: 'What the region can hold; a drain is planned and watched by it',
        examples: [{ tunnels: 2000 }],
      }),
  })
  .strict()

const unitsMs = { h: 3_600_000, d: 86_400_000 }
const unitsBytes = { MB: 1e6, GB: 1e9, TB: 1e12 }

/** A span such as `48h` or `14d`, between two others; read as milliseconds. */
const span = (leastMs: number, mostMs: number, says: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,5}[hd]$/, `must be ${says}`)
    .transform((text) => Number(text.slice(0, -1)) * unitsMs[text.slice(-1) as keyof typeof unitsMs])
    .refine((ms) => ms >= leastMs && ms <= mostMs, { message: `must be ${says}` })

/** How long things are kept; what lies around an incident is kept longer. */
const retentionSchema = z
  .object({
    raw: span(unitsMs.h, 30 * unitsMs.d, 'from 1h to 30d, for example 48h')
      .optional()
      .meta({
        description: 'How long samples are kept as they were polled: hours (`h`) or days (`d`)',
        default: '48h',
        examples: ['72h'],
      }),
    events: span(unitsMs.h, 400 * unitsMs.d, 'from 1h to 400d, for example 14d')
      .optional()
      .meta({
        description: 'How long events are kept: hours (`h`) or days (`d`)',
        default: '14d',
        examples: ['30d'],
      }),
    incidents: z
      .literal('forever', { error: 'must be forever; incidents are never removed' })
      .optional()
      .meta({ description: 'Incidents are never removed', default: 'forever', examples: ['forever'] }),
    size: z
      .string()
      .regex(/^[1-9]\d{0,5}(?:MB|GB|TB)$/, 'must be at least 50MB, for example 10GB')
      .transform((text) => Number(text.slice(0, -2)) * unitsBytes[text.slice(-2) as keyof typeof unitsBytes])
      .refine((bytes) => bytes >= 50e6, { message: 'must be at least 50MB, for example 10GB' })
      .optional()
      .meta({
        description:
          'What samples, events and everything else may take on the disk together, in `MB`, `GB` or `TB`; beyond it the oldest go',
        default: '10GB',
        examples: ['50GB'],
      }),
  })
  .strict()

/** `tidegate.yaml`: one strict schema, so that a misspelt key is a mistake and not a silent default. */
export const configSchema = z
  .object({
    server: serverSchema.prefault({}).meta({
      description: 'Where the control room itself listens, and who may stand in front of it',
      examples: [{ host: '0.0.0.0', port: 3000, url: 'https://gate.example.com' }],
    }),
    store: z
      .object({
        url: z
          .string()
          .regex(
            /^file:/,
            'must begin with file:, for example file:./data/tidegate.db; other stores come later',
          )
          .optional()
          .meta({
            description:
              'The database file; `DATABASE_URL` comes before it. Without both: `tidegate.db` in the data folder',
            examples: ['file:./data/tidegate.db'],
          }),
      })
      .strict()
      .prefault({})
      .meta({
        description: 'Where everything is written down',
        examples: [{ url: 'file:./data/tidegate.db' }],
      }),
    polling: pollingSchema.prefault({}).meta({
      description: 'How nodes are asked how they are',
      examples: [{ intervalMs: 5000, timeoutMs: 3000 }],
    }),
    regions: z
      .array(regionSchema)
      .min(1)
      .max(1000)
      .meta({
        description: 'The regions; at least one',
        examples: [[{ id: 'fra', name: 'Frankfurt', at: [50.11, 8.68] }]],
      }),
    nodes: z
      .array(nodeEntrySchema)
      .max(10_000)
      .default([])
      .meta({
        description:
          'Nodes elsewhere that are watched, one entry each; `kind` chooses what reads it ([adapters](adapters.md)). One node at least, here or in `embedded`',
        examples: [
          [
            {
              id: 'fra-1',
              region: 'fra',
              kind: 'tidegate',
              url: 'https://fra-1.internal:9460',
              token: '${FRA1_TOKEN}',
            },
          ],
        ],
      }),
    embedded: z
      .array(nodeConfigSchema)
      .max(64)
      .default([])
      .meta({
        description: 'Nodes that run in this process; each entry is a whole `node.yaml`, see below',
        examples: [[{ id: 'fra-2', region: 'fra', proxy: { routes: [] } }]],
      }),
    detect: detectSchema.prefault({}).meta({
      description:
        'Thresholds of signals ([what they mean](signals.md)), for all, for one region or for one node; what is absent keeps its default',
      examples: [{ 'push.stuck': { received: 50 } }],
    }),
    notify: notifySchema.prefault([]).meta({
      description: 'Who is told of incidents, and how ([notifications](notifications.md))',
      examples: [
        [
          {
            name: 'team',
            kind: 'slack',
            url: 'https://hooks.slack.com/services/T000/B000/XXX',
            min: 'warning',
          },
        ],
      ],
    }),
    retention: retentionSchema.prefault({}).meta({
      description: 'How long things are kept; what lies around an incident is kept longer',
      examples: [{ raw: '48h', events: '14d' }],
    }),
  })
  .strict()

type Written = z.infer<typeof configSchema>

/** As it was read: the contents of an entry's TLS files are beside their names. */
export type Config = Omit<Written, 'nodes'> & {
  nodes: (Written['nodes'][number] & { tls?: TlsMaterial })[]
}
