import { z } from 'zod'
import { isoTime, pageSchema } from '../parts.ts'

export const MAINTENANCE_STATES = ['planned', 'active', 'past'] as const
export type MaintenanceState = (typeof MAINTENANCE_STATES)[number]

/** A condition that would be an incident, were it not for the window. */
export const heldBackSchema = z
  .object({
    kind: z.string(),
    scope: z.string(),
    sentence: z.string(),
    since: isoTime.describe('When its evidence began'),
  })
  .meta({ id: 'HeldBack' })
export type HeldBack = z.infer<typeof heldBackSchema>

export const maintenanceWindowSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    reason: z.string(),
    from: isoTime,
    to: isoTime.describe('When it ends; of one that was ended early, when that was'),
    regions: z.array(z.string()),
    nodes: z.array(z.string()).describe('Without regions and nodes it is of the whole fleet'),
    state: z.enum(MAINTENANCE_STATES).describe("By the collector's clock, when it was asked"),
    createdAt: isoTime,
    createdBy: z.string(),
    endedBy: z.string().describe('Who ended it early; absent where nobody did').optional(),
    held: z
      .array(heldBackSchema)
      .describe(
        'Of an active one: what holds now and opens an incident if it still holds when the window ends',
      )
      .optional(),
  })
  .meta({ id: 'MaintenanceWindow' })
export type MaintenanceWindow = z.infer<typeof maintenanceWindowSchema>

export const maintenancePageSchema = pageSchema(maintenanceWindowSchema)

/** What a node or region says of the window that it is in. */
export const maintenanceMarkSchema = z
  .object({ id: z.string(), title: z.string(), reason: z.string(), until: isoTime })
  .meta({ id: 'MaintenanceMark', description: 'The maintenance window in which it is now' })
export type MaintenanceMark = z.infer<typeof maintenanceMarkSchema>
