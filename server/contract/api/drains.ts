import { z } from 'zod'
import { drainPageSchema, drainSchema } from '../answers/drain.ts'
import { drainPlanSchema } from '../answers/drain-plan.ts'
import { type DrainAction, drainActionSchema, drainCreateSchema, drainPreviewSchema } from '../drains.ts'
import { flagParameter, idParameter, pageParameters } from './parameters.ts'
import { route, V1, withId } from './route.ts'

const tag = 'Drains'

const action = (verb: DrainAction, summary: string) =>
  route({
    method: 'POST',
    path: `${V1}/drains/:id/${verb}`,
    tag,
    role: 'operator',
    summary,
    params: withId,
    body: drainActionSchema,
    answer: drainSchema,
    errors: ['ERR_CONFLICT', 'ERR_VERSION_CONFLICT', 'ERR_DRAIN_RUNNING', 'ERR_DRAIN_BLOCKED'],
  })

/** Taking regions and nodes out of service, and back. */
export const drainRoutes = {
  previewDrain: route({
    method: 'POST',
    path: `${V1}/drains/preview`,
    tag,
    role: 'operator',
    summary: 'The plan of a drain, which touches nothing',
    body: drainPreviewSchema,
    answer: drainPlanSchema,
    errors: ['ERR_NOT_FOUND'],
  }),
  createDrain: route({
    method: 'POST',
    path: `${V1}/drains`,
    tag,
    role: 'operator',
    summary: 'Starts a drain',
    description:
      '`confirm` repeats the id of the region or node. `force` overrides blockers, and needs the role admin.',
    body: drainCreateSchema,
    answer: drainSchema,
    status: 201,
    errors: [
      'ERR_NOT_FOUND',
      'ERR_CONFLICT',
      'ERR_DRAIN_RUNNING',
      'ERR_DRAIN_BLOCKED',
      'ERR_CONFIRM_MISMATCH',
    ],
  }),
  listDrains: route({
    method: 'GET',
    path: `${V1}/drains`,
    tag,
    role: 'viewer',
    summary: 'Drains, newest first',
    query: z
      .object({
        ...pageParameters,
        active: flagParameter.describe('Only drains that own their region or node now').optional(),
        region: idParameter.optional(),
      })
      .strict(),
    answer: drainPageSchema,
  }),
  getDrain: route({
    method: 'GET',
    path: `${V1}/drains/:id`,
    tag,
    role: 'viewer',
    summary: 'A drain, with its report once it has one',
    params: withId,
    answer: drainSchema,
  }),
  pauseDrain: action('pause', 'Stops a running drain where it is'),
  continueDrain: action('continue', 'Lets a paused drain continue'),
  abortDrain: action('abort', 'Ends a drain early; `end` says whether the nodes serve again or are held'),
  resumeDrain: action('resume', 'Brings what is out of service back'),
}
