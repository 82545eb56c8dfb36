import { type Actor, AppError } from '../../contract/index.ts'
import type { Store } from '../../store/store.ts'
import type { CollectorHandle } from '../handle.ts'
import type { Fleet } from './fleet.ts'
import type { FleetNode } from './fleet-node.ts'

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
    deed: { action: string; object: string; reason: string; actor: Actor },
    node: FleetNode,
    verb: (() => Promise<void>) | undefined,
  ): Promise<void> => {
    if (verb === undefined) throw unsupported(node, deed.action)
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
    await verb()
    await fleet.record(
      'operator.acted',
      { actor: deed.actor.name, action: deed.action, object: deed.object, reason: deed.reason },
      { node: node.id, region: node.region },
    )
  }

  return {
    async connections(id, limit) {
      const node = fleet.require(id)
      const { adapter, target } = node
      if (!adapter.connections) throw unsupported(node, 'connections.list')
      return adapter.connections(target, limit)
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
      const node = fleet.require(tunnel.node)
      const kick = node.adapter.kickTunnel?.bind(node.adapter, node.target, hostId, reason)
      await act({ action: 'tunnel.kick', object: `host:${hostId}`, reason, actor }, node, kick)
    },

    async closeConnection(id, connection, reason, actor) {
      const node = fleet.require(id)
      const close = node.adapter.closeConnection?.bind(node.adapter, node.target, connection, reason)
      const object = `connection:${id}/${connection}`
      await act({ action: 'connection.close', object, reason, actor }, node, close)
    },

    async invalidatePushSession(id, reason, actor) {
      const node = fleet.require(id)
      const invalidate = node.adapter.invalidatePushSession?.bind(node.adapter, node.target, reason)
      await act({ action: 'push.invalidate', object: `node:${id}`, reason, actor }, node, invalidate)
    },
  }
}

const unsupported = (node: FleetNode, action: string): AppError =>
  new AppError(
    'ERR_UNSUPPORTED',
    `${node.id} is a node of kind ${node.target.kind}, which cannot be asked for ${action}`,
    { node: node.id, kind: node.target.kind, action },
  )
