import { nodeDetailSchema } from '../answers/node.ts'
import { route, V1, withId } from './route.ts'

const tag = 'Fleet'

/** Calls that are documented and not built yet: `ERR_UNSUPPORTED`, to those who will be allowed to use them. */
export const laterRoutes = {
  setPushBreaker: route({
    method: 'POST',
    path: `${V1}/nodes/:id/push/breaker`,
    tag,
    role: 'operator',
    summary: "Not built yet: sets a push client's breaker",
    params: withId,
    answer: nodeDetailSchema,
    errors: ['ERR_UNSUPPORTED'],
  }),
  restoreTokens: route({
    method: 'POST',
    path: `${V1}/nodes/:id/tokens/restore`,
    tag,
    role: 'operator',
    summary: 'Not built yet: restores pruned device tokens',
    params: withId,
    answer: nodeDetailSchema,
    errors: ['ERR_UNSUPPORTED'],
  }),
}
