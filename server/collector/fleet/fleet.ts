import type {
  Drain,
  EventData,
  EventType,
  FleetEvent,
  Incident,
  Intent,
  Node,
  NodeDetail,
  Region,
  Tunnel,
} from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { DrainVerbs, Proof } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'
import type { PollOutcome, Reading } from '../adapters/reading.ts'
import type { Adapters, NodeTarget } from '../adapters/registry.ts'
import type { DrainFleet } from '../drains/drain-fleet.ts'
import type { Standing } from '../drains/standing.ts'
import { FleetNode } from './fleet-node.ts'
import { FleetPicture } from './fleet-picture.ts'
import { HostMap } from './host-map.ts'
import { Intents } from './intents.ts'
import { type FleetChange, Members, type RegionConfig } from './members.ts'
import { Whereabouts, type WhereaboutsOptions } from './whereabouts.ts'

export type RecordFleetEvent = <T extends EventType>(
  type: T,
  data: EventData<T>,
  where?: { node?: string | null; region?: string | null; at?: number },
) => Promise<FleetEvent | null>

export interface FleetOptions extends Omit<WhereaboutsOptions, 'members' | 'intents'> {
  regions: readonly RegionConfig[]
  nodes: readonly NodeTarget[]
  store: Pick<Store, 'setting' | 'setSetting'>
  adapters: Pick<Adapters, 'of' | 'drains'>
  record: RecordFleetEvent
  log: Log
  pollIntervalMs: number
  openIncidents: () => Incident[]
  activeDrains: () => Drain[]
}

/** The fleet in memory: the one truth that pages, rules and drains read. */
export class Fleet implements DrainFleet {
  readonly hosts = new HostMap()
  readonly record: RecordFleetEvent
  readonly #options: FleetOptions
  readonly #members: Members
  readonly #intents: Intents
  readonly #whereabouts: Whereabouts
  readonly #picture: FleetPicture
  readonly #eventListeners = new Set<(event: FleetEvent) => void>()
  readonly #pollListeners = new Set<(node: string, reading: Reading) => void>()

  constructor(options: FleetOptions) {
    const { regions, nodes, store, log, openIncidents, activeDrains } = options
    this.#options = options
    this.record = options.record
    const members = new Members(regions, nodes, (target) => this.#nodeOf(target))
    const intents = new Intents(store, log)
    const whereabouts = new Whereabouts({ ...options, members, intents })
    this.#picture = new FleetPicture({ members, hosts: this.hosts, whereabouts, openIncidents, activeDrains })
    this.#members = members
    this.#intents = intents
    this.#whereabouts = whereabouts
  }

  /** What `setTargets` with these would change. */
  compare(regions: readonly RegionConfig[], targets: readonly NodeTarget[]): FleetChange {
    return this.#members.compare(regions, targets)
  }

  /**
   * Takes a new set of regions and nodes. Who stays keeps all that is known of it, at whatever address; one that moved to another region
   * has left and come. Of who left nothing is kept, what was wanted of it included: should it return, it serves.
   */
  setTargets(
    regions: readonly RegionConfig[],
    targets: readonly NodeTarget[],
  ): { added: FleetNode[]; removed: FleetNode[] } {
    const { added, removed } = this.#members.set(regions, targets)
    for (const { id, target } of removed) {
      this.hosts.forgetNode(id)
      this.#options.adapters.drains(() => target)?.forget?.()
    }
    const unwanted = removed.map(({ id }) => id).filter((id) => this.#intents.of(id) !== undefined)
    if (unwanted.length > 0) this.setIntent(unwanted, 'serving')
    return { added, removed }
  }

  loadIntents(): Promise<void> {
    return this.#intents.load((node) => this.member(node) !== null)
  }

  /** Every configured region, also one without nodes. */
  regionIds(): string[] {
    return this.#members.regions.map(({ id }) => id)
  }

  members(): readonly FleetNode[] {
    return this.#members.all
  }

  member(id: string): FleetNode | null {
    return this.#members.get(id)
  }

  /** The member, or `ERR_NOT_FOUND`. */
  require(id: string): FleetNode {
    return this.#members.require(id)
  }

  nodesOf(region: string): readonly FleetNode[] {
    return this.#members.of(region)
  }

  nodes(): Node[] {
    return this.#picture.nodes()
  }

  node(id: string): NodeDetail | null {
    const node = this.member(id)
    return node && this.#picture.node(node, this.#drainsOf(node))
  }

  /** How a node is judged, without all that its page shows: asked for after every poll. */
  judged(id: string): Pick<Node, 'state' | 'intent' | 'problems'> | null {
    const node = this.member(id)
    return node && this.#picture.judged(node)
  }

  regions(): Region[] {
    return this.#picture.regions()
  }

  /** What was read of a node last: facts of the newest good reading and when (epoch ms, 0 before the first); null before the first poll. */
  known(id: string): { facts: Facts | null; at: number; outcome: PollOutcome } | null {
    const node = this.member(id)
    if (!node?.reading) return null
    return { facts: node.facts, at: node.known?.at ?? 0, outcome: node.reading.outcome }
  }

  /** Milliseconds between two polls of a node. */
  intervalOf(id: string): number {
    return this.member(id)?.intervalMs ?? this.#options.pollIntervalMs
  }

  /** How a node is taken out of service; null where nobody can, or there is no such node. */
  drainVerbs(id: string): DrainVerbs | null {
    const node = this.member(id)
    return node ? this.#options.adapters.drains(() => node.target) : null
  }

  drainProof(id: string): Proof {
    const node = this.member(id)
    return node ? node.adapter.proves(node.target) : 'none'
  }

  tunnels(): Tunnel[] {
    return this.hosts.list()
  }

  /** A drain explains why this node does not answer; null where it answers, where none does, or where that has lasted too long. */
  away(id: string): NonNullable<Node['away']> | null {
    return this.#whereabouts.away(id)
  }

  /** Whether a drain or maintenance explains that a node's process ends and another begins, also where no poll misses it. */
  mayRestart(id: string): boolean {
    return this.#whereabouts.mayRestart(id)
  }

  /**
   * Where a drain has a node that answers and does not say by itself whether it serves: another program, or one that was drained by its
   * operator's URL. Null for all others.
   */
  standing(node: FleetNode): Standing | null {
    return this.#whereabouts.standing(node)
  }

  /** What is wanted of a node: what a drain wants before what maintenance allows. */
  intent(node: string): Intent {
    return this.#whereabouts.intent(node)
  }

  /** What the operator wants of these nodes from now on; kept over restarts. */
  setIntent(nodes: readonly string[], intent: Intent): void {
    this.#intents.set(nodes, intent)
  }

  openIncidents(): Incident[] {
    return this.#options.openIncidents()
  }

  /** Calls back for every event once it is stored. Answers the function that ends it. */
  onEvent(listener: (event: FleetEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Calls back after every poll has been judged. Answers the function that ends it. */
  onPoll(listener: (node: string, reading: Reading) => void): () => void {
    this.#pollListeners.add(listener)
    return () => this.#pollListeners.delete(listener)
  }

  tellEvent(event: FleetEvent): void {
    for (const listener of this.#eventListeners) this.#tell(() => listener(event))
  }

  tellPoll(node: string, reading: Reading): void {
    for (const listener of this.#pollListeners) this.#tell(() => listener(node, reading))
  }

  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#options.log.error({ err: error }, 'a listener of the fleet threw')
    }
  }

  #nodeOf(target: NodeTarget): FleetNode {
    const { adapters, now, pollIntervalMs } = this.#options
    return new FleetNode(target, adapters.of(target.kind), now(), pollIntervalMs)
  }

  #drainsOf(node: FleetNode): NodeDetail['drains'] {
    const verbs = this.drainVerbs(node.id)
    if (verbs === null) return null
    return { verb: verbs.verb, proof: this.drainProof(node.id), hindrance: verbs.hindrance ?? null }
  }
}
