import { z } from 'zod'
import { SCENARIOS } from '../demo.ts'
import { isoTime, pageSchema } from '../parts.ts'

export const scenarioSchema = z
  .object({
    name: z.enum(SCENARIOS),
    title: z.string(),
    does: z.string().describe('What it does to which node, in a sentence'),
    running: z.boolean(),
    startedAt: isoTime.nullable(),
    node: z.string().nullable(),
  })
  .meta({ id: 'Scenario' })
export type Scenario = z.infer<typeof scenarioSchema>

export const scenarioPageSchema = pageSchema(scenarioSchema)

/** `GET /demo`: how to join the demo fleet with a host of one's own. */
export const demoInfoSchema = z
  .object({
    relays: z.array(z.object({ node: z.string(), region: z.string(), url: z.string() })),
    spareHosts: z
      .array(z.object({ hostId: z.string(), token: z.string() }))
      .describe("Host ids that the demo's relays accept besides its own, with their tokens"),
  })
  .meta({ id: 'DemoInfo' })
export type DemoInfo = z.infer<typeof demoInfoSchema>
