import { z } from 'zod'
import { detectSchema } from '../collector/signals/detect.ts'
import { idSchema } from '../contract/ids.ts'
import { httpUrl } from '../contract/kinds/entry.ts'
import { nodeEntrySchema } from '../contract/kinds/node-entry.ts'
import { nodeConfigSchema } from '../contract/node-config.ts'
import { addressRange, proxyRange } from './address-range.ts'

const milliseconds = z.number().int().min(100).max(3_600_000)

const serverSchema = z
  .object({
    /** Address that the one port binds. Loopback by default: the control room is not public by accident. */
    host: z.string().min(1).default('127.0.0.1'),
    port: z.number().int().min(0).max(65_535).default(3000),
    /** The address in operators' browsers; the Origin rule compares with it. Default: localhost with the port. */
    url: httpUrl.optional(),
    /** Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or CIDR ranges. */
    trustedProxies: z.array(proxyRange).max(64).default([]),
    /** More names under which browsers and proxies reach the server, besides that of `url`, localhost and any address. */
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
      .default([]),
  })
  .strict()

const pollingSchema = z
  .object({
    /** Milliseconds between two polls of a node. */
    intervalMs: milliseconds.min(1000, 'must be at least 1000').default(5000),
    /** Milliseconds a poll may take; below the interval. */
    timeoutMs: milliseconds.default(3000),
    /** CIDRs that polls may go to, besides what `nodes` names literally. */
    allow: z.array(addressRange).max(256).default([]),
  })
  .strict()

const regionSchema = z
  .object({
    id: idSchema,
    name: z.string().min(1).max(100).optional(),
    /** Latitude and longitude in degrees. */
    at: z.tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)]).optional(),
    capacity: z
      .object({ tunnels: z.number().int().min(1).optional() })
      .strict()
      .optional(),
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
    /** Samples as they were polled. Default 48h. */
    raw: span(unitsMs.h, 30 * unitsMs.d, 'from 1h to 30d, for example 48h').optional(),
    /** Default 14d. */
    events: span(unitsMs.h, 400 * unitsMs.d, 'from 1h to 400d, for example 14d').optional(),
    /** Incidents are never removed. */
    incidents: z.literal('forever', { error: 'must be forever; incidents are never removed' }).optional(),
    /** What samples, events and everything else may take on the disk together; beyond it the oldest go. Default 10GB. */
    size: z
      .string()
      .regex(/^[1-9]\d{0,5}(?:MB|GB|TB)$/, 'must be at least 50MB, for example 10GB')
      .transform((text) => Number(text.slice(0, -2)) * unitsBytes[text.slice(-2) as keyof typeof unitsBytes])
      .refine((bytes) => bytes >= 50e6, { message: 'must be at least 50MB, for example 10GB' })
      .optional(),
  })
  .strict()

/** `tidegate.yaml`: one strict schema, so that a misspelt key is a mistake and not a silent default. */
export const configSchema = z
  .object({
    server: serverSchema.prefault({}),
    store: z
      .object({
        url: z
          .string()
          .regex(
            /^file:/,
            'must begin with file:, for example file:./data/tidegate.db; other stores come later',
          )
          .optional(),
      })
      .strict()
      .prefault({}),
    polling: pollingSchema.prefault({}),
    regions: z.array(regionSchema).min(1, 'needs at least one region').max(1000),
    nodes: z.array(nodeEntrySchema).max(10_000).default([]),
    embedded: z.array(nodeConfigSchema).max(64).default([]),
    /** Thresholds of signals, for all, for one region or for one node; what is absent keeps its default. */
    detect: detectSchema.prefault({}),
    retention: retentionSchema.prefault({}),
  })
  .strict()

export type Config = z.infer<typeof configSchema>
