import { z } from 'zod'
import { AppError } from '../../contract/errors.ts'
import { deviceTokenSchema, pushRequestSchema, registerTokenSchema } from '../../contract/node-api.ts'
import type { TidegateNode } from '../part/node-face.ts'
import type { PushPart } from '../part/node-parts.ts'
import { type Answer, parseInput, queryInteger, without } from './call.ts'
import type { ControlCall } from './router.ts'

const invalidateSchema = z.object({ reason: z.string().trim().min(1, 'say why').max(200) }).strict()

const later = (what: string): Answer => {
  throw new AppError('ERR_UNSUPPORTED', `${what} comes with a later version`, {})
}

const pushOf = (node: TidegateNode): PushPart => node.parts.push ?? without(node.id, 'push')

/** Pushes and the session they go through. Each answers `ERR_UNSUPPORTED` where the node has no push client. */
export const pushCalls = (node: TidegateNode): ControlCall[] => {
  const push = (): PushPart => pushOf(node)

  return [
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
  ]
}

/** Device tokens. Each answers `ERR_UNSUPPORTED` where the node has no push client. */
export const tokenCalls = (node: TidegateNode): ControlCall[] => {
  const push = (): PushPart => pushOf(node)

  return [
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
