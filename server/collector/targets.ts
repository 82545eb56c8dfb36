import { AppError, type LivePublisher } from '../contract/index.ts'
import type { Store } from '../store/store.ts'
import type { Adapters, NodeTarget } from './adapters/registry.ts'
import type { RunningDrainDesk } from './drains/desk/drain-desk.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { FleetNode } from './fleet/fleet-node.ts'
import type { FleetChange, RegionConfig } from './fleet/members.ts'

export interface TargetsOptions {
  fleet: Fleet
  drains: RunningDrainDesk
  adapters: Pick<Adapters, 'drains'>
  store: Pick<Store, 'setWatched'>
  live: Pick<LivePublisher, 'changed'>
  /** Forgets what was kept of a node that left. */
  forget: (node: string) => void
}

/** The regions and nodes that are watched, as they change while drains have some of them. */
export class Targets {
  readonly #options: TargetsOptions

  constructor(options: TargetsOptions) {
    this.#options = options
  }

  /**
   * Takes a new set. Rejects with `ERR_CONFLICT`, and changes nothing, where a drain has a node that would leave, or that could not be
   * given back.
   *
   * @param commit writes down what is about to change; where it rejects nothing changes
   * @returns what changed, and the nodes that came and are not asked yet
   */
  async set(
    regions: readonly RegionConfig[],
    nodes: readonly NodeTarget[],
    commit: (change: FleetChange) => Promise<void>,
  ): Promise<{ change: FleetChange; added: FleetNode[] }> {
    const { fleet, drains, store, forget } = this.#options
    const { change, added, removed } = await drains.decide(async () => {
      const change = fleet.compare(regions, nodes)
      this.#refuseHeld(change, nodes)
      await commit(change)
      return { change, ...fleet.setTargets(regions, nodes) }
    })
    for (const { id } of removed) forget(id)
    store.setWatched(fleet.members())
    this.#tell(change)
    return { change, added }
  }

  /** Those of these nodes that a drain has: under way, planned, or with the node still out of service. */
  drained(nodes: readonly string[]): string[] {
    const held = new Set(this.#holds().flatMap((hold) => hold.nodes))
    return nodes.filter((node) => held.has(node))
  }

  /** A node that leaves while a drain has it would stay out of service, and no page would have its way back. */
  #refuseHeld({ removed, changed }: FleetChange, targets: readonly NodeTarget[]): void {
    const leaving = new Set(removed.map((node) => node.id))
    const next = new Map(targets.map((target) => [target.id, target]))
    const isLost = ({ id }: { id: string }): boolean => {
      const target = next.get(id)
      return target !== undefined && this.#options.adapters.drains(() => target) === null
    }
    const told = new Set<string>()
    /** Whoever took it out could not give it back any more. */
    const losing = new Set(changed.filter(isLost).map(({ id }) => id))
    const problems = this.#holds().flatMap(({ id, state, nodes }) =>
      nodes
        .filter((node) => (leaving.has(node) || losing.has(node)) && !told.has(node) && told.add(node))
        .map((node) => ({
          path: 'nodes',
          message: losing.has(node)
            ? `has no drain webhook for ${node} any more, by which drain ${id} (${state}) gives it back; bring it back, or end the drain: the file is then read again by itself`
            : `lacks ${node} in its region, which drain ${id} (${state}) has; bring it back, or end the drain: the file is then read again by itself`,
        })),
    )
    if (problems.length === 0) return
    throw new AppError('ERR_CONFLICT', `Nodes of drains that are under way would leave the configuration`, {
      problems,
      nodes: this.drained([...leaving, ...losing]),
    })
  }

  #holds(): { id: string; state: string; nodes: readonly string[] }[] {
    const { drains } = this.#options
    return [
      ...drains.active().map(({ id, state, steps }) => ({ id, state, nodes: steps.map(({ node }) => node) })),
      ...drains.held().map(({ drainId, state, nodes }) => ({ id: drainId, state, nodes })),
    ]
  }

  #tell({ added, removed, changed, regions }: FleetChange): void {
    const { live } = this.#options
    for (const topic of ['overview', 'tunnels'] as const) live.changed(topic)
    for (const { id, region } of [...added, ...removed, ...changed]) {
      live.changed(`node:${id}`)
      live.changed(`region:${region}`)
    }
    for (const id of regions) live.changed(`region:${id}`)
  }
}
