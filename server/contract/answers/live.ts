import { z } from 'zod'
import { eventPageSchema, fleetEventSchema } from '../events.ts'
import { epochMs } from '../parts.ts'
import { drainSchema } from './drain.ts'
import { incidentSchema } from './incident.ts'
import { nodeDetailSchema } from './node.ts'
import { overviewSchema } from './overview.ts'
import { regionDetailSchema } from './region.ts'
import { metricName } from './series.ts'
import { tunnelPageSchema } from './tunnel.ts'

/** One node's newest poll. `values` holds what `/series` calls by the same names; counters are increases since the last poll. */
export const samplePointSchema = z.object({
  node: z.string(),
  region: z.string(),
  at: epochMs,
  values: z.partialRecord(metricName, z.number()),
})
export type SamplePoint = z.infer<typeof samplePointSchema>

const numbered = { hub: z.string(), seq: z.number(), topic: z.string() }

/** What the server sends on `/live`. `topics` names every subscribed topic that the frame belongs to; `topic` is the first of them. */
export const liveServerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('snapshot'), ...numbered, data: z.unknown() }),
  z.object({ type: z.literal('event'), ...numbered, topics: z.array(z.string()), event: fleetEventSchema }),
  z.object({
    type: z.literal('sample'),
    ...numbered,
    topics: z.array(z.string()),
    points: z.array(samplePointSchema),
  }),
  z.object({
    type: z.literal('error'),
    hub: z.string(),
    seq: z.number(),
    code: z.string(),
    message: z.string(),
  }),
  z.object({ type: z.literal('ping') }),
])
export type LiveServerMessage = z.infer<typeof liveServerSchema>

/** What a snapshot carries, by its topic before the colon or question mark: the same objects as the API. Null: no such object. */
export const SNAPSHOTS = {
  overview: overviewSchema,
  tunnels: tunnelPageSchema,
  events: eventPageSchema,
  region: regionDetailSchema.nullable(),
  node: nodeDetailSchema.nullable(),
  drain: drainSchema.nullable(),
  incident: incidentSchema.nullable(),
} as const
