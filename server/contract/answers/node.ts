import { z } from 'zod'
import { healthSchema } from '../health.ts'
import { count, isoTime, milliseconds } from '../parts.ts'
import { INTENTS, OBSERVED_STATES } from '../states.ts'
import { maintenanceMarkSchema } from './maintenance.ts'
import { nodeTableSchema } from './node-table.ts'

/** Newest measured numbers of a node; an absent part is absent, and `unknown` is never zero. */
export const nodeNumbersSchema = z
  .object({
    tunnels: count.optional(),
    connections: count.optional(),
    requests: count.optional(),
    pushReceived: count.optional(),
    pushDelivered: count.optional(),
    pushRejected: count.optional(),
    pushFailed: count.optional(),
    sessionInvalidations: count.optional(),
    tokensPruned: count.optional(),
    rssBytes: count.optional(),
    eventLoopDelayMs: milliseconds.optional(),
    openFds: count.optional(),
  })
  .meta({
    id: 'NodeNumbers',
    description: 'Newest measured numbers; what was not measured is absent, never zero',
  })
export type NodeNumbers = z.infer<typeof nodeNumbersSchema>

/** Names of numbers that nodes have, whether or not they are of now: what can be drawn of them. */
export const measuresSchema = z
  .array(nodeNumbersSchema.keyof())
  .describe('Numbers that were in the newest good answers, of now or not; empty before the first')
export type Measures = z.infer<typeof measuresSchema>

export const nodeSchema = z
  .object({
    id: z.string(),
    region: z.string(),
    kind: z.string().describe('Which adapter speaks to it, for example "tidegate"'),
    embedded: z.boolean().describe('It runs inside the collector process'),
    state: z.enum(OBSERVED_STATES).describe('What is observed'),
    intent: z.enum(INTENTS).describe('What the operator wants'),
    problems: z.array(z.string()),
    away: z
      .object({ drainId: z.string(), until: isoTime.nullable() })
      .describe('It does not answer, and a drain explains why, until then (null: until it is back)')
      .optional(),
    maintenance: maintenanceMarkSchema.optional(),
    version: z.string().nullable(),
    since: isoTime.describe('Since when the state holds'),
    pollIntervalMs: milliseconds.describe('Milliseconds between two of its polls').optional(),
    lastPollAt: isoTime.nullable(),
    lastAnswerAt: isoTime
      .nullable()
      .describe(
        'When it last gave a usable answer: the time of `numbers`, and of what is known of a node that is down',
      )
      .optional(),
    latencyMs: milliseconds.nullable().describe('Milliseconds the last poll took'),
    lastOutcome: z.string().nullable().describe('Outcome of the last poll in words, for example "refused"'),
    clockSkewMs: milliseconds
      .nullable()
      .describe(
        "Milliseconds by which the node's clock is ahead of the collector's; null before the first event",
      ),
    streamState: z.enum(['live', 'connecting', 'none']),
    numbers: nodeNumbersSchema,
  })
  .meta({ id: 'Node' })
export type Node = z.infer<typeof nodeSchema>

export const listenerSchema = healthSchema.shape.listeners.unwrap().element

/** The last document of a node: of a Tidegate node its health document, of another kind whatever it answered. */
export const nodeDocumentSchema = z.union([
  healthSchema.meta({ id: 'Health', description: 'The `/health` document of a Tidegate node' }),
  z.unknown(),
])

/** `GET /nodes/:id`. */
export const nodeDetailSchema = nodeSchema
  .extend({
    controlUrl: z.string().nullable(),
    listeners: z.array(listenerSchema),
    measures: measuresSchema,
    drains: z
      .object({
        verb: z.string().describe('What taking it out of service does'),
        proof: z.enum(['counted', 'none']).describe('Whether a drain can prove that it is empty'),
        hindrance: z.string().nullable().describe('Why that cannot be done at the moment'),
      })
      .nullable()
      .describe('How a drain takes it out; null where none can'),
    tables: z.array(nodeTableSchema).describe('What its kind knows beside its numbers, as of `lastAnswerAt`'),
    health: nodeDocumentSchema.describe('As GET /nodes/{id}/health answers it; null before the first'),
  })
  .meta({ id: 'NodeDetail' })
export type NodeDetail = z.infer<typeof nodeDetailSchema>
