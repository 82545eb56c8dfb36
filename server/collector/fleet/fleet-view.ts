import type { Drain } from '../../contract/index.ts'
import type { FleetView, NodeView } from '../signals/rule.ts'
import type { Announced } from '../watch/outages.ts'
import type { Fleet } from './fleet.ts'
import type { FleetNode } from './fleet-node.ts'

export interface FleetViewSources {
  fleet: Fleet
  announced: () => Announced
  activeDrains: () => readonly Drain[]
}

/** A node as rules see it; what costs something is asked for only where a rule looks. */
class LiveNodeView implements NodeView {
  readonly #node: FleetNode
  readonly #sources: FleetViewSources

  constructor(node: FleetNode, sources: FleetViewSources) {
    this.#node = node
    this.#sources = sources
  }

  get id(): string {
    return this.#node.id
  }

  get region(): string {
    return this.#node.region
  }

  get state(): NodeView['state'] {
    return this.#node.judgement.state
  }

  get problems(): readonly string[] {
    return this.#node.judgement.problems
  }

  get downSince(): number | null {
    return this.#sources.announced().nodes.get(this.id) ?? null
  }

  get away(): boolean {
    return this.#sources.fleet.away(this.id) !== null
  }

  get mayRestart(): boolean {
    const { fleet } = this.#sources
    return this.draining || fleet.mayRestart(this.id)
  }

  get outcome(): NodeView['outcome'] {
    return this.#node.reading?.outcome ?? null
  }

  get clockSkewMs(): number | null {
    return this.#node.clock.skewMs
  }

  get place(): string {
    // One of our own process has another port with each start: that is no other place.
    return this.#node.embedded ? 'embedded' : this.#node.target.url
  }

  get draining(): boolean {
    return this.#sources
      .activeDrains()
      .some((drain) => drain.node === this.id || drain.steps.some((step) => step.node === this.id))
  }
}

/** The fleet as the rules of signals see it: always of now. */
export class LiveFleetView implements FleetView {
  readonly #sources: FleetViewSources

  constructor(sources: FleetViewSources) {
    this.#sources = sources
  }

  regions(): readonly string[] {
    return [...new Set(this.#sources.fleet.members().map((node) => node.region))]
  }

  nodes(): readonly NodeView[] {
    return this.#views(this.#sources.fleet.members())
  }

  node(id: string): NodeView | null {
    const node = this.#sources.fleet.member(id)
    return node && new LiveNodeView(node, this.#sources)
  }

  nodesOf(region: string): readonly NodeView[] {
    return this.#views(this.#sources.fleet.nodesOf(region))
  }

  unreachableSince(region: string): number | null {
    return this.#sources.announced().regions.get(region) ?? null
  }

  registeredHosts(region: string): ReadonlySet<string> {
    return this.#sources.fleet.hosts.registeredHosts(region)
  }

  #views(nodes: readonly FleetNode[]): NodeView[] {
    return nodes.map((node) => new LiveNodeView(node, this.#sources))
  }
}
