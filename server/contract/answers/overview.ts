import { z } from 'zod'
import { count, isoTime, milliseconds } from '../parts.ts'
import { drainSchema, heldPartSchema } from './drain.ts'
import { incidentSchema } from './incident.ts'
import { nodeSchema } from './node.ts'
import { regionSchema } from './region.ts'
import { roomProblemSchema } from './room.ts'

export const VERDICT_LEVELS = ['ok', 'attention', 'outage'] as const
export type VerdictLevel = (typeof VERDICT_LEVELS)[number]

/** `GET /overview`. */
export const overviewSchema = z
  .object({
    at: isoTime,
    verdict: z.object({
      level: z.enum(VERDICT_LEVELS),
      text: z.string(),
      was: z.string().describe('The same in the past tense, for a page that has lost the server').optional(),
    }),
    regions: z.array(regionSchema),
    nodes: z.array(nodeSchema),
    incidents: z.array(incidentSchema),
    drains: z.array(drainSchema),
    held: z
      .array(heldPartSchema)
      .describe('What is out of service by a drain that ended, or holds: each has its Resume'),
    totals: z.object({
      nodes: count,
      up: count,
      unknown: count,
      tunnels: count.nullable(),
      connections: count.nullable(),
    }),
    live: z.object({ hub: z.string(), seq: z.number() }),
    collector: z
      .object({
        latenessP99Ms: milliseconds,
        storeOk: z.boolean(),
        startedAt: isoTime,
        pollIntervalMs: milliseconds.optional(),
      })
      .describe("The collector's own lateness: p99 of schedule delay over the last minute, in ms"),
    problems: z
      .array(roomProblemSchema)
      .describe('What is wrong with the room itself; empty where nothing is'),
    demo: z.boolean(),
  })
  .meta({ id: 'Overview' })
export type Overview = z.infer<typeof overviewSchema>
