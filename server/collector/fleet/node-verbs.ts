import {
  type Actor,
  AppError,
  ERROR_CODES,
  type ErrorCode,
  type NodeConnection,
  nodeConnectionsSchema,
} from '../../contract/index.ts'
import type { Store } from '../../store/store.ts'
import { cleanText, cleanValue } from '../adapters/document.ts'
import type { ControlAnswer } from '../adapters/tidegate/control.ts'
import type { CollectorHandle } from '../handle.ts'
import type { Fleet } from './fleet.ts'

export type NodeVerbs = Pick<
  CollectorHandle,
  'connections' | 'kickTunnel' | 'closeConnection' | 'invalidatePushSession'
>

/** What an operator does to one node. The audit row is written first; where that fails, nothing happens. */
export const createNodeVerbs = (options: {
  fleet: Fleet
  store: Pick<Store, 'audit'>
  now: () => number
}): NodeVerbs => {
  const { fleet, store, now } = options

  const act = async (
    deed: { action: string; object: string; reason: string; node: string; actor: Actor },
    method: string,
    path: string,
    body?: unknown,
  ): Promise<void> => {
    const node = fleet.require(deed.node)
    await store.audit({
      at: new Date(now()).toISOString(),
      actor: deed.actor.name,
      address: deed.actor.address,
      action: deed.action,
      object: deed.object,
      before: null,
      after: null,
      reason: deed.reason,
    })
    const answer = await fleet.call(node.id, method, path, body)
    if (answer.status >= 300) throw errorOf(node.id, answer)
    await fleet.record(
      'operator.acted',
      { actor: deed.actor.name, action: deed.action, object: deed.object, reason: deed.reason },
      { node: node.id, region: node.region },
    )
  }

  return {
    async connections(id, limit): Promise<{ items: NodeConnection[]; total: number }> {
      const node = fleet.require(id)
      const answer = await fleet.call(
        node.id,
        'GET',
        `/connections?limit=${Math.min(1_000, Math.max(1, Math.trunc(limit)))}`,
      )
      if (answer.status !== 200) throw errorOf(id, answer)
      const parsed = nodeConnectionsSchema.safeParse(cleanValue(answer.body))
      if (!parsed.success) {
        throw new AppError('ERR_NODE_UNREACHABLE', `${id} answered GET /connections with something else`, {
          node: id,
        })
      }
      return parsed.data
    },

    async kickTunnel(hostId, reason, actor) {
      const tunnel = fleet.hosts.get(hostId)
      if (!tunnel) throw new AppError('ERR_NOT_FOUND', `No host ${hostId} is known`, { hostId })
      if (tunnel.state !== 'registered') {
        throw new AppError(
          'ERR_CONFLICT',
          `${hostId} has no tunnel at the moment; it was lost at ${tunnel.since}`,
          { hostId },
        )
      }
      await act(
        { action: 'tunnel.kick', object: `host:${hostId}`, reason, node: tunnel.node, actor },
        'DELETE',
        `/tunnels/${encodeURIComponent(hostId)}?reason=${encodeURIComponent(reason)}`,
      )
    },

    closeConnection: (node, id, reason, actor) =>
      act(
        { action: 'connection.close', object: `connection:${node}/${id}`, reason, node, actor },
        'DELETE',
        `/connections/${encodeURIComponent(id)}?reason=${encodeURIComponent(reason)}`,
      ),

    invalidatePushSession: (node, reason, actor) =>
      act(
        { action: 'push.invalidate', object: `node:${node}`, reason, node, actor },
        'POST',
        '/push/session/invalidate',
        { reason },
      ),
  }
}

/** A node's own error, with its code where we know it; anything else is an answer that cannot be used. */
const errorOf = (node: string, answer: ControlAnswer): AppError => {
  const error = (answer.body as { error?: { code?: unknown; message?: unknown } } | null)?.error
  const code = typeof error?.code === 'string' && error.code in ERROR_CODES ? (error.code as ErrorCode) : null
  const message =
    typeof error?.message === 'string' ? cleanText(error.message) : `it answered ${answer.status}`
  // That we may not ask it is our fault with the node, not the caller's with us.
  const usable =
    code !== null && code !== 'ERR_UNAUTHENTICATED' && code !== 'ERR_FORBIDDEN' && code !== 'ERR_INTERNAL'
  return new AppError(usable ? code : 'ERR_NODE_UNREACHABLE', `${node}: ${message}`, {
    node,
    status: answer.status,
  })
}
