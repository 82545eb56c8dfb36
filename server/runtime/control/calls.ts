import { z } from 'zod'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import { hostIdSchema } from '../../contract/ids.ts'
import {
  deviceTokenSchema,
  nodeCordonSchema,
  nodeDrainSchema,
  pushRequestSchema,
  registerTokenSchema,
} from '../../contract/node-api.ts'
import { type RouteConfig, routeSchema } from '../../contract/node-config.ts'
import type { ProxyPart, PushPart, RelayPart } from '../node/node-parts.ts'
import type { TidegateNode } from '../node/tidegate-node.ts'
import { type Answer, type Call, invalid, parseInput, queryInteger } from './call.ts'
import { readEventCursor } from './event-cursor.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** One documented call of a node. */
export interface ControlCall {
  method: Method
  /** Segments; `:name` stands for any one segment. */
  path: string
  /** Answered without the control token: health and metrics alone. */
  open?: boolean
  handle(call: Call): Answer | Promise<Answer>
}

/** `{routes}`; a bare list is taken as one, so that problems are always told by their path below `routes`. */
const routesSchema = z.preprocess(
  (body) => (Array.isArray(body) ? { routes: body } : body),
  z
    .object({ routes: z.array(routeSchema).max(1000) })
    .strict()
    .transform((body) => body.routes),
)
const invalidateSchema = z.object({ reason: z.string().trim().min(1, 'say why').max(200) }).strict()
const noBodySchema = z.object({ reason: z.string().max(500).optional() }).strict()

const later = (what: string): Answer => {
  throw new AppError('ERR_UNSUPPORTED', `${what} comes with a later version`, {})
}

/** Every call of the control listener, beside the event stream. */
export const controlCalls = (
  node: TidegateNode,
  metrics: () => Promise<{ type: string; content: string }>,
): ControlCall[] => {
  const without = (part: string) =>
    new AppError('ERR_UNSUPPORTED', `Node ${node.id} has no ${part}`, { node: node.id, part })
  const proxy = (): ProxyPart => {
    if (node.parts.proxy === undefined) throw without('proxy')
    return node.parts.proxy
  }
  const relay = (): RelayPart => {
    if (node.parts.relay === undefined) throw without('relay')
    return node.parts.relay
  }
  const push = (): PushPart => {
    if (node.parts.push === undefined) throw without('push')
    return node.parts.push
  }

  return [
    { method: 'GET', path: '/health', open: true, handle: () => ({ status: 200, body: node.health() }) },
    {
      method: 'GET',
      path: '/healthz/live',
      open: true,
      handle: () => ({ status: 200, body: { live: true } }),
    },
    {
      method: 'GET',
      path: '/healthz/ready',
      open: true,
      handle: () => {
        const readiness = node.readiness()
        return { status: readiness.ready ? 200 : 503, body: readiness }
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      open: true,
      handle: async () => ({ status: 200, text: await metrics() }),
    },

    {
      method: 'GET',
      path: '/events',
      handle: ({ query }) => {
        const limit = queryInteger(query, 'limit', 100, 1_000)
        const { after, gap } = readEventCursor(query.get('after'), node.events)
        const slice = node.events.read(after, limit)
        return { status: 200, body: { ...slice, epoch: node.events.epoch, ...(gap === null ? {} : { gap }) } }
      },
    },

    {
      method: 'GET',
      path: '/tunnels',
      handle: async () => {
        const items = relay().tunnels()
        // The directory is another thread's; that it does not answer must not hide the tunnels that are here.
        const directory = await node.parts.owners?.().catch(() => undefined)
        return { status: 200, body: { items, ...(directory === undefined ? {} : { directory }) } }
      },
    },
    {
      method: 'DELETE',
      path: '/tunnels/:hostId',
      handle: ({ params, query }) => {
        const hostId = parseInput(hostIdSchema, params.hostId, 'The host id')
        const reason = query.get('reason')?.trim() ?? ''
        if (reason === '' || reason.length > 500)
          throw invalid('reason', 'is needed: say why, in at most 500 characters')
        if (!relay().closeTunnel(hostId, CLOSE.kicked, reason)) {
          throw new AppError('ERR_NOT_FOUND', `Host ${hostId} has no tunnel on ${node.id}`, {
            hostId,
            node: node.id,
          })
        }
        return { status: 204 }
      },
    },

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

    { method: 'GET', path: '/routes', handle: () => ({ status: 200, body: { routes: proxy().routes() } }) },
    {
      method: 'PUT',
      path: '/routes',
      handle: async (call) => {
        const routes: RouteConfig[] = await call.body(routesSchema)
        proxy()
        await node.setRoutes(routes)
        return { status: 200, body: { routes: proxy().routes() } }
      },
    },

    {
      method: 'POST',
      path: '/drain',
      handle: async (call) => ({
        status: 202,
        body: await node.beginDrain(await call.body(nodeDrainSchema)),
      }),
    },
    {
      method: 'POST',
      path: '/resume',
      handle: async (call) => {
        await call.body(noBodySchema)
        return { status: 200, body: await node.resume() }
      },
    },
    {
      method: 'POST',
      path: '/cordon',
      handle: async (call) => ({ status: 200, body: await node.cordon(await call.body(nodeCordonSchema)) }),
    },

    {
      method: 'POST',
      path: '/push',
      handle: async (call) => ({
        status: 202,
        body: { outcomes: await push().send(await call.body(pushRequestSchema)) },
      }),
    },
    {
      method: 'POST',
      path: '/push/session/invalidate',
      handle: async (call) => {
        const { reason } = await call.body(invalidateSchema)
        push().invalidate(reason)
        return { status: 200, body: push().stats() }
      },
    },
    { method: 'POST', path: '/push/breaker', handle: () => later('The prune breaker') },
    { method: 'GET', path: '/tokens/quarantine', handle: () => later('The quarantine of pruned tokens') },
    {
      method: 'POST',
      path: '/tokens/quarantine/restore',
      handle: () => later('The quarantine of pruned tokens'),
    },
    {
      method: 'GET',
      path: '/tokens',
      handle: ({ query }) => {
        const filter: { limit: number; key?: string; cursor?: string } = {
          limit: queryInteger(query, 'limit', 100, 1_000),
        }
        const key = query.get('key')
        const cursor = query.get('cursor')
        if (key !== null) filter.key = key
        if (cursor !== null) filter.cursor = cursor
        const { items, nextCursor } = push().tokens.list(filter)
        // A device token is a secret: it goes in, and only its fingerprint comes out.
        return {
          status: 200,
          body: {
            items: items.map(({ fingerprint, key: owner, registeredAt }) => ({
              token: fingerprint,
              key: owner,
              registeredAt,
            })),
            nextCursor,
          },
        }
      },
    },
    {
      method: 'PUT',
      path: '/tokens/:token',
      handle: async (call) => {
        const { key } = await call.body(registerTokenSchema)
        const token = parseInput(deviceTokenSchema, call.params.token, 'The token')
        await push().tokens.register(token, key)
        return { status: 204 }
      },
    },
    {
      method: 'DELETE',
      path: '/tokens/:token',
      handle: async ({ params }) => {
        if (!(await push().tokens.unregister(params.token ?? ''))) {
          throw new AppError('ERR_NOT_FOUND', 'This device token is not registered')
        }
        return { status: 204 }
      },
    },
  ]
}
