import { z } from 'zod'
import { epochMs, isoTime, milliseconds } from '../parts.ts'
import { OBSERVED_STATES } from '../states.ts'

/** The worst that one node's polls, or one region's, said within a span. */
export const heartbeatCellSchema = z
  .object({
    at: epochMs.describe('Epoch milliseconds of the worst poll, or of the newest where all are alike'),
    state: z.enum(OBSERVED_STATES),
    note: z
      .string()
      .nullable()
      .describe('Why, in words, where it is not up, for example "refused: ECONNREFUSED"'),
  })
  .meta({ id: 'HeartbeatCell' })
export type HeartbeatCell = z.infer<typeof heartbeatCellSchema>

/** `GET /heartbeats`: recent polls, one strip a region, or one a node of a region. */
export const heartbeatsSchema = z
  .object({
    at: isoTime,
    cellMs: milliseconds.describe('Milliseconds of one cell'),
    strips: z
      .array(z.object({ scope: z.string(), cells: z.array(heartbeatCellSchema.nullable()) }))
      .describe('Oldest first, all of the same length; a cell is null where nothing was asked in that span'),
  })
  .meta({ id: 'Heartbeats' })
export type Heartbeats = z.infer<typeof heartbeatsSchema>
