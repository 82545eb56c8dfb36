import { z } from 'zod'
import { count } from '../parts.ts'
import { INTENTS, OBSERVED_STATES } from '../states.ts'
import { maintenanceMarkSchema } from './maintenance.ts'
import { measuresSchema, nodeSchema } from './node.ts'

export const regionSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    at: z
      .tuple([z.number(), z.number()])
      .describe('Latitude and longitude in degrees, for the map')
      .optional(),
    state: z.enum(OBSERVED_STATES).describe('What is observed'),
    words: z
      .string()
      .describe('What the one word cannot say, for example "1 of 2 down"; absent where all nodes are alike')
      .optional(),
    intent: z.enum(INTENTS).describe('What the operator wants'),
    maintenance: maintenanceMarkSchema.describe('It is in maintenance as a whole').optional(),
    nodes: count,
    up: count,
    tunnels: count.nullable().describe('Null while no node of the region has been measured'),
    connections: count.nullable().describe('Null while no node of the region has been measured'),
    measures: measuresSchema.optional(),
    capacity: z.object({ tunnels: count.optional() }).optional(),
  })
  .meta({ id: 'Region' })
export type Region = z.infer<typeof regionSchema>

/** `GET /regions/:id`. */
export const regionDetailSchema = regionSchema
  .extend({ nodeList: z.array(nodeSchema) })
  .meta({ id: 'RegionDetail' })
export type RegionDetail = z.infer<typeof regionDetailSchema>
