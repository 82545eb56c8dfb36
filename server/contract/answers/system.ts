import { z } from 'zod'
import { count, isoTime, milliseconds } from '../parts.ts'
import { roomCheckSchema } from './room.ts'

const storeSchema = z.object({
  ok: z.boolean(),
  reason: z.string().nullable(),
  bytes: count.describe('On disk, the journal included'),
  samplesDropped: count
    .describe('Given up since the start, because too many waited while the store could not be written')
    .optional(),
  rows: z.record(z.string(), count),
  path: z.string().describe('The file').optional(),
  remedy: z.string().nullable().describe('One sentence: what to do; null while it is well').optional(),
  since: isoTime.nullable().describe('Since when it is not well').optional(),
  usedBytes: count
    .nullable()
    .describe(
      'What rows and indexes take; freed pages of the file are used again. Null where it cannot be read',
    )
    .optional(),
  growthBytesPerDay: z
    .number()
    .nullable()
    .describe('At the pace of the last hours; null before that is known')
    .optional(),
  oldest: z
    .object({ events: isoTime.nullable(), samples: isoTime.nullable() })
    .describe('Since when there are events and samples')
    .optional(),
  reads: z
    .object({ running: count, waiting: count, refused: count, tooSlow: count })
    .describe('Long reads: under way, waiting; refused and given up since the start')
    .optional(),
  backup: z
    .object({ at: isoTime, path: z.string(), bytes: count, durationMs: milliseconds })
    .nullable()
    .describe('The last backup by `tidegate backup`')
    .optional(),
})

const retentionSchema = z.object({
  raw: z.string(),
  events: z.string().optional(),
  incidents: z.literal('forever').optional(),
  sizeBytes: count.describe('Bytes beyond which the oldest rows go, whatever their age').optional(),
  last: z
    .object({ at: isoTime, samples: count, events: count, forSize: count })
    .nullable()
    .describe('When old rows were last removed, how many, and how many of them because of the size')
    .optional(),
})

/** `GET /system`. */
export const systemInfoSchema = z
  .object({
    version: z.string(),
    startedAt: isoTime,
    uptimeSeconds: count,
    store: storeSchema,
    collector: z.object({
      latenessP99Ms: milliseconds,
      pollsMissed: count,
      pollsUnderWay: count.describe('Polls that are under way now').optional(),
      pollsHeld: count
        .describe('Polls that began late because too many were under way, since the start')
        .optional(),
      lookupsHung: count
        .describe('Names of nodes that the resolver of this machine did not answer within a second')
        .optional(),
      targets: count,
      streams: count,
    }),
    room: roomCheckSchema.describe('What stands still, what waits, what was refused').optional(),
    live: z.object({
      hub: z.string(),
      seq: z.number(),
      subscribers: count,
      slowClosed: count,
      slowCut: count.describe('Browsers cut to a snapshot because they were slow').optional(),
    }),
    retention: retentionSchema,
  })
  .meta({ id: 'SystemInfo' })
export type SystemInfo = z.infer<typeof systemInfoSchema>
