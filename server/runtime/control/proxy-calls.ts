import { z } from 'zod'
import { AppError } from '../../contract/errors.ts'
import { type RouteConfig, routeSchema } from '../../contract/route-config.ts'
import type { TidegateNode } from '../part/node-face.ts'
import type { ProxyPart } from '../part/node-parts.ts'
import { shownRoutes } from '../proxy/routes/shown-routes.ts'
import { queryInteger, without } from './call.ts'
import type { ControlCall } from './router.ts'

/** `{routes}`; a bare list is taken as one, so that the path of a problem always begins with `routes`. */
const routesSchema = z.preprocess(
  (body) => (Array.isArray(body) ? { routes: body } : body),
  z
    .object({ routes: z.array(routeSchema).max(1000) })
    .strict()
    .transform((body) => body.routes),
)

/** Connections and routes of the node's proxy. Each answers `ERR_UNSUPPORTED` where the node has none. */
export const proxyCalls = (node: TidegateNode): ControlCall[] => {
  const proxy = (): ProxyPart => node.parts.proxy ?? without(node.id, 'proxy')

  return [
    {
      method: 'GET',
      path: '/connections',
      handle: ({ query }) => {
        const filter: { limit: number; route?: string; ip?: string } = {
          limit: queryInteger(query, 'limit', 100, 1_000),
        }
        const route = query.get('route')
        const ip = query.get('ip')
        if (route !== null) filter.route = route
        if (ip !== null) filter.ip = ip
        return { status: 200, body: proxy().connections(filter) }
      },
    },
    {
      method: 'DELETE',
      path: '/connections/:id',
      handle: ({ params }) => {
        const id = params.id ?? ''
        if (!proxy().closeConnection(id)) {
          throw new AppError('ERR_NOT_FOUND', `There is no connection ${id.slice(0, 64)} on ${node.id}`, {
            id: id.slice(0, 64),
          })
        }
        return { status: 204 }
      },
    },

    {
      method: 'GET',
      path: '/routes',
      handle: () => ({ status: 200, body: { routes: shownRoutes(proxy().routes()) } }),
    },
    {
      method: 'PUT',
      path: '/routes',
      handle: async (call) => {
        const routes: RouteConfig[] = await call.body(routesSchema)
        proxy()
        await node.setRoutes(routes)
        return { status: 200, body: { routes: shownRoutes(proxy().routes()) } }
      },
    },
  ]
}
