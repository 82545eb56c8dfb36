import { type Actor, AppError, type NodeConnection } from '../../contract/index.ts'
import type { Store } from '../../store/store.ts'
import type { Fleet } from './fleet.ts'
import type { FleetNode } from './fleet-node.ts'

/** What an operator does to one node. The audit row is written first; where that fails, nothing happens. */
export class NodeVerbs {
  readonly #fleet: Fleet
  readonly #store: Pick<Store, 'audit'>
  readonly #now: () => number

  constructor(options: { fleet: Fleet; store: Pick<Store, 'audit'>; now: () => number }) {
    this.#fleet = options.fleet
    this.#store = options.store
    this.#now = options.now
  }

  async connections(id: string, limit: number): Promise<{ items: NodeConnection[]; total: number }> {
    const node = this.#fleet.require(id)
    const { adapter, target } = node
    if (!adapter.connections) throw unsupported(node, 'connections.list')
    return adapter.connections(target, limit)
  }

  async kickTunnel(hostId: string, reason: string, actor: Actor): Promise<void> {
    const tunnel = this.#fleet.hosts.get(hostId)
    if (!tunnel) throw new AppError('ERR_NOT_FOUND', `There is no host ${hostId}`, { hostId })
    if (tunnel.state !== 'registered') {
      throw new AppError(
        'ERR_CONFLICT',
        `${hostId} has no tunnel at the moment; it was lost at ${tunnel.since}`,
        { hostId },
      )
    }
    const node = this.#fleet.require(tunnel.node)
    const kick = node.adapter.kickTunnel?.bind(node.adapter, node.target, hostId, reason)
    await this.#act({ action: 'tunnel.kick', object: `host:${hostId}`, reason, actor }, node, kick)
  }

  async closeConnection(id: string, connection: string, reason: string, actor: Actor): Promise<void> {
    const node = this.#fleet.require(id)
    const close = node.adapter.closeConnection?.bind(node.adapter, node.target, connection, reason)
    const object = `connection:${id}/${connection}`
    await this.#act({ action: 'connection.close', object, reason, actor }, node, close)
  }

  async invalidatePushSession(id: string, reason: string, actor: Actor): Promise<void> {
    const node = this.#fleet.require(id)
    const invalidate = node.adapter.invalidatePushSession?.bind(node.adapter, node.target, reason)
    await this.#act({ action: 'push.invalidate', object: `node:${id}`, reason, actor }, node, invalidate)
  }

  async #act(
    deed: { action: string; object: string; reason: string; actor: Actor },
    node: FleetNode,
    verb: (() => Promise<void>) | undefined,
  ): Promise<void> {
    if (verb === undefined) throw unsupported(node, deed.action)
    const { action, object, reason, actor } = deed
    await this.#store.audit({
      at: new Date(this.#now()).toISOString(),
      actor: actor.name,
      address: actor.address,
      action,
      object,
      before: null,
      after: null,
      reason,
    })
    await verb()
    await this.#fleet.record(
      'operator.acted',
      { actor: actor.name, action, object, reason },
      { node: node.id, region: node.region },
    )
  }
}

const unsupported = (node: FleetNode, action: string): AppError =>
  new AppError(
    'ERR_UNSUPPORTED',
    `${node.id} is a node of kind ${node.target.kind}, which cannot be asked for ${action}`,
    { node: node.id, kind: node.target.kind, action },
  )
