import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import { hostIdSchema } from '../../contract/ids.ts'
import type { TidegateNode } from '../part/node-face.ts'
import type { RelayPart } from '../part/node-parts.ts'
import { invalid, parseInput, without } from './call.ts'
import type { ControlCall } from './router.ts'

/** Tunnels of the node's relay. Each answers `ERR_UNSUPPORTED` where the node has none. */
export const tunnelCalls = (node: TidegateNode): ControlCall[] => {
  const relay = (): RelayPart => node.parts.relay ?? without(node.id, 'relay')

  return [
    {
      method: 'GET',
      path: '/tunnels',
      handle: async () => {
        const items = relay().tunnels()
        // The directory is in another thread; even if it does not answer, the tunnels that are here are listed.
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
  ]
}
