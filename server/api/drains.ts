import type { drainRoutes } from '../contract/api/drains.ts'
import { AppError, type DrainAction, roleAllows } from '../contract/index.ts'
import type { ApiOptions } from './context.ts'
import { given, noSuch } from './input.ts'
import type { Handler, Handlers } from './serve.ts'

/** Taking regions and nodes out of service, and back. */
export const drainHandlers = ({ collector: { drains } }: ApiOptions): Handlers<typeof drainRoutes> => {
  const known = async (id: string) => {
    const drain = await drains.get(id)
    if (drain === null) throw noSuch('drain', id)
    return drain
  }
  const act =
    (action: DrainAction): Handler<typeof drainRoutes.pauseDrain> =>
    async ({ params, body, caller }) => {
      const request = await body()
      const { id } = await known(params.id)
      return drains.act(id, action, request, caller)
    }
  return {
    previewDrain: async ({ body }) => drains.preview(await body()),
    async createDrain({ body, caller }) {
      const request = await body()
      if (request.force === true && !roleAllows(caller.role, 'admin')) {
        throw new AppError(
          'ERR_FORBIDDEN',
          `Only an administrator may override blockers; your role is ${caller.role}`,
          { needed: 'admin', role: caller.role },
        )
      }
      return drains.create(request, caller)
    },
    listDrains: ({ query }) => drains.list(given(query)),
    getDrain: ({ params }) => known(params.id),
    pauseDrain: act('pause'),
    continueDrain: act('continue'),
    abortDrain: act('abort'),
    resumeDrain: act('resume'),
  }
}
