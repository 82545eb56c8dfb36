import { z } from 'zod'
import { nodeConnectionSchema } from '../node-api.ts'
import { count, pageSchema } from '../parts.ts'

/** `GET /connections`: of one node, or of the fleet. */
export const connectionListSchema = pageSchema(nodeConnectionSchema)
  .extend({
    total: count.describe('Open connections, those that are not listed included'),
    unknown: z
      .array(z.string())
      .describe('Of the whole fleet: nodes that did not answer in time, or cannot list their connections')
      .optional(),
  })
  .meta({ id: 'ConnectionList' })
export type ConnectionList = z.infer<typeof connectionListSchema>
