import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../contract/index.ts'
import type { NodeTarget } from '../adapters/registry.ts'
import type { FleetNode } from './fleet-node.ts'

/** A region as the configuration describes it. */
export interface RegionConfig {
  readonly id: string
  readonly name: string
  readonly at?: [number, number] | undefined
  readonly capacity?: { tunnels?: number | undefined } | undefined
}

/** What another set of targets changes. */
export interface FleetChange {
  added: NodeTarget[]
  removed: FleetNode[]
  /** Nodes that stay, at another address or with another secret. */
  changed: FleetNode[]
  /** Regions that came, left, or are described otherwise. */
  regions: string[]
}

/** The regions and nodes that there are. */
export class Members {
  readonly #nodeOf: (target: NodeTarget) => FleetNode
  #regions: readonly RegionConfig[]
  #all: readonly FleetNode[]
  #byId: ReadonlyMap<string, FleetNode>
  #byRegion: ReadonlyMap<string, readonly FleetNode[]>

  /** @param nodeOf makes the node of a target that came */
  constructor(
    regions: readonly RegionConfig[],
    targets: readonly NodeTarget[],
    nodeOf: (target: NodeTarget) => FleetNode,
  ) {
    this.#nodeOf = nodeOf
    this.#regions = regions
    this.#all = targets.map(nodeOf)
    this.#byId = new Map(this.#all.map((node) => [node.id, node]))
    this.#byRegion = Map.groupBy(this.#all, (node) => node.region)
  }

  /** Every configured region, also one without nodes. */
  get regions(): readonly RegionConfig[] {
    return this.#regions
  }

  get all(): readonly FleetNode[] {
    return this.#all
  }

  get(id: string): FleetNode | null {
    return this.#byId.get(id) ?? null
  }

  /** The member, or `ERR_NOT_FOUND`. */
  require(id: string): FleetNode {
    const node = this.#byId.get(id)
    if (!node) throw new AppError('ERR_NOT_FOUND', `There is no node ${id} in this fleet`, { id })
    return node
  }

  /** The nodes of a region. */
  of(region: string): readonly FleetNode[] {
    return this.#byRegion.get(region) ?? []
  }

  /** What `set` with these would change. */
  compare(regions: readonly RegionConfig[], targets: readonly NodeTarget[]): FleetChange {
    const stays = new Map(
      targets.flatMap((target) => (this.#byId.get(target.id)?.is(target) ? [[target.id, target]] : [])),
    )
    const before = new Map(this.#regions.map((region) => [region.id, region]))
    const after = new Map(regions.map((region) => [region.id, region]))
    return {
      added: targets.filter(({ id }) => !stays.has(id)),
      removed: this.#all.filter(({ id }) => !stays.has(id)),
      changed: this.#all.filter(
        ({ id, target, embedded }) => !embedded && stays.has(id) && !isDeepStrictEqual(target, stays.get(id)),
      ),
      regions: [...new Set([...before.keys(), ...after.keys()])].filter(
        (id) => !isDeepStrictEqual(before.get(id), after.get(id)),
      ),
    }
  }

  /** Takes a new set. Who stays keeps all that is known of it, at whatever address; one that moved to another region has left and come. */
  set(
    regions: readonly RegionConfig[],
    targets: readonly NodeTarget[],
  ): { added: FleetNode[]; removed: FleetNode[] } {
    const { added, removed } = this.compare(regions, targets)
    for (const node of removed) node.leave()
    const came = new Map(added.map((target) => [target.id, this.#nodeOf(target)]))
    this.#regions = regions
    this.#all = targets.flatMap((target) => {
      const node = came.get(target.id) ?? this.#byId.get(target.id)
      // Where one of our own process is, that process says: it may have moved since these were made.
      if (!target.embedded) node?.retarget(target)
      return node ?? []
    })
    this.#byId = new Map(this.#all.map((node) => [node.id, node]))
    this.#byRegion = Map.groupBy(this.#all, (node) => node.region)
    return { added: [...came.values()], removed }
  }
}
