import { z } from 'zod'
import { demoInfoSchema, scenarioPageSchema, scenarioSchema } from '../answers/demo.ts'
import { SCENARIOS } from '../demo.ts'
import { pageQuery } from './parameters.ts'
import { route, V1 } from './route.ts'

const tag = 'Demo'
const withName = z.object({ name: z.enum(SCENARIOS).describe('Name of the game day') })

/** Game days of the demo fleet; they exist only while it runs. */
export const demoRoutes = {
  getDemo: route({
    method: 'GET',
    path: `${V1}/demo`,
    tag,
    role: 'operator',
    summary: 'How to join the demo fleet with your own host',
    answer: demoInfoSchema,
    errors: ['ERR_NOT_FOUND'],
  }),
  listScenarios: route({
    method: 'GET',
    path: `${V1}/demo/scenarios`,
    tag,
    role: 'operator',
    summary: 'The game days there are',
    query: pageQuery,
    answer: scenarioPageSchema,
    errors: ['ERR_NOT_FOUND'],
  }),
  startScenario: route({
    method: 'POST',
    path: `${V1}/demo/scenarios/:name`,
    tag,
    role: 'operator',
    summary: 'Starts a game day',
    params: withName,
    body: z
      .object({
        node: z
          .string()
          .min(1)
          .max(63)
          .describe('Id of the node that it happens to; left out, the usual one of this game day')
          .optional(),
      })
      .strict()
      .meta({ description: 'Where it happens', examples: [{ node: 'fra-1' }] }),
    answer: scenarioSchema,
    status: 202,
    errors: ['ERR_CONFLICT'],
  }),
  endScenario: route({
    method: 'DELETE',
    path: `${V1}/demo/scenarios/:name`,
    tag,
    role: 'operator',
    summary: 'Ends a game day; ending one that does not run is harmless',
    params: withName,
  }),
}
