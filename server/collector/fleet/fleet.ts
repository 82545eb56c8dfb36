import { isDeepStrictEqual } from 'node:util'
import type { Measures } from '../../contract/answers/node.ts'
import {
  AppError,
  type Drain,
  drainStateRule,
  type EventData,
  type EventType,
  type FleetEvent,
  INTENTS,
  type Incident,
  type Intent,
  type MaintenanceMark,
  type Node,
  type NodeDetail,
  type NodeNumbers,
  type ObservedState,
  type Region,
  type Signal,
  type Tunnel,
} from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import { Turn } from '../../time/turn.ts'
import type { DrainVerbs, Proof } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'
import type { PollOutcome, Reading } from '../adapters/reading.ts'
import type { Adapters, NodeTarget } from '../adapters/registry.ts'
import type { Absence } from '../drains/absences.ts'
import type { DrainFleet } from '../drains/drain-fleet.ts'
import type { Standing } from '../drains/standing.ts'
import { FleetNode } from './fleet-node.ts'
import { HostMap } from './host-map.ts'
import { regionState, regionWords } from './overview.ts'

/** Traffic where a drain took it away. */
const RESIDUE = 'drain.residue'
const INTENTS_KEY = 'collector.intents'

export interface RegionConfig {
  readonly id: string
  readonly name: string
  readonly at?: [number, number] | undefined
  readonly capacity?: { tunnels?: number | undefined } | undefined
}

export type RecordFleetEvent = <T extends EventType>(
  type: T,
  data: EventData<T>,
  where?: { node?: string | null; region?: string | null; at?: number },
) => Promise<FleetEvent | null>

export interface FleetOptions {
  regions: readonly RegionConfig[]
  nodes: readonly NodeTarget[]
  store: Pick<Store, 'setting' | 'setSetting'>
  adapters: Pick<Adapters, 'of' | 'drains'>
  record: RecordFleetEvent
  log: Log
  now: () => number
  pollIntervalMs: number
  openIncidents: () => Incident[]
  activeDrains: () => Drain[]
  /** Why a drain may have a node away, and for how long (ms, null: until it is back). */
  absence: (node: string) => Absence | null
  /** The maintenance window that covers all of these now; default none. */
  maintenance?: (whom: { regions: readonly string[]; nodes: readonly string[] }) => MaintenanceMark | null
  /** Where a drain has a node. */
  standing: (node: string) => Standing | null
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

/** The fleet in memory: the one truth that pages, rules and drains read. */
export class Fleet implements DrainFleet {
  readonly hosts = new HostMap()
  readonly record: RecordFleetEvent
  readonly #options: FleetOptions
  #regions: readonly RegionConfig[]
  #nodes: ReadonlyMap<string, FleetNode>
  #members: readonly FleetNode[]
  #byRegion: ReadonlyMap<string, readonly FleetNode[]>
  readonly #intents = new Map<string, Intent>()
  readonly #eventListeners = new Set<(event: FleetEvent) => void>()
  readonly #pollListeners = new Set<(node: string, reading: Reading) => void>()
  readonly #savingIntents = new Turn()

  constructor(options: FleetOptions) {
    this.#options = options
    this.record = options.record
    this.#regions = options.regions
    this.#members = options.nodes.map((target) => this.#nodeOf(target))
    this.#nodes = new Map(this.#members.map((node) => [node.id, node]))
    this.#byRegion = Map.groupBy(this.#members, (node) => node.region)
  }

  /** What `setTargets` with these would change. */
  compare(regions: readonly RegionConfig[], targets: readonly NodeTarget[]): FleetChange {
    const stays = new Map(
      targets.flatMap((target) => (this.#nodes.get(target.id)?.is(target) ? [[target.id, target]] : [])),
    )
    const before = new Map(this.#regions.map((region) => [region.id, region]))
    const after = new Map(regions.map((region) => [region.id, region]))
    return {
      added: targets.filter(({ id }) => !stays.has(id)),
      removed: this.#members.filter(({ id }) => !stays.has(id)),
      changed: this.#members.filter(
        ({ id, target, embedded }) => !embedded && stays.has(id) && !isDeepStrictEqual(target, stays.get(id)),
      ),
      regions: [...new Set([...before.keys(), ...after.keys()])].filter(
        (id) => !isDeepStrictEqual(before.get(id), after.get(id)),
      ),
    }
  }

  /**
   * Takes a new set of regions and nodes. Who stays keeps all that is known of it, at whatever address; one that moved to another region
   * has left and come. Of who left nothing is kept, what was wanted of it included: should it return, it serves.
   */
  setTargets(
    regions: readonly RegionConfig[],
    targets: readonly NodeTarget[],
  ): { added: FleetNode[]; removed: FleetNode[] } {
    const { added, removed } = this.compare(regions, targets)
    for (const node of removed) {
      node.leave()
      this.hosts.forgetNode(node.id)
    }
    const came = new Map(added.map((target) => [target.id, this.#nodeOf(target)]))
    this.#regions = regions
    this.#members = targets.flatMap((target) => {
      const node = came.get(target.id) ?? this.#nodes.get(target.id)
      // Where one of our own process is, that process says: it may have moved since these were made.
      if (!target.embedded) node?.retarget(target)
      return node ?? []
    })
    this.#nodes = new Map(this.#members.map((node) => [node.id, node]))
    this.#byRegion = Map.groupBy(this.#members, (node) => node.region)
    const unwanted = removed.filter((node) => this.#intents.has(node.id)).map((node) => node.id)
    if (unwanted.length > 0) this.setIntent(unwanted, 'serving')
    return { added: [...came.values()], removed }
  }

  #nodeOf(target: NodeTarget): FleetNode {
    return new FleetNode(
      target,
      this.#options.adapters.of(target.kind),
      this.#options.now(),
      this.#options.pollIntervalMs,
    )
  }

  async loadIntents(): Promise<void> {
    const text = await this.#options.store.setting(INTENTS_KEY)
    if (text === null) return
    try {
      for (const [node, intent] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
        const known = INTENTS.find((word) => word === intent)
        // Of one that left while nobody looked nothing is kept either.
        if (known && this.#nodes.has(node)) this.#intents.set(node, known)
      }
    } catch (error) {
      this.#options.log.warn(
        { err: error },
        'the stored intents cannot be read; drains will state theirs again',
      )
    }
  }

  /** Every configured region, also one without nodes. */
  regionIds(): string[] {
    return this.#regions.map(({ id }) => id)
  }

  members(): readonly FleetNode[] {
    return this.#members
  }

  member(id: string): FleetNode | null {
    return this.#nodes.get(id) ?? null
  }

  /** The member, or `ERR_NOT_FOUND`. */
  require(id: string): FleetNode {
    const node = this.#nodes.get(id)
    if (!node) throw new AppError('ERR_NOT_FOUND', `There is no node ${id} in this fleet`, { id })
    return node
  }

  nodesOf(region: string): readonly FleetNode[] {
    return this.#byRegion.get(region) ?? []
  }

  nodes(): Node[] {
    const hurt = this.#hurt()
    return this.members().map((node) => this.#view(node, hurt))
  }

  node(id: string): NodeDetail | null {
    const node = this.#nodes.get(id)
    if (!node) return null
    return {
      ...this.#view(node, this.#hurt()),
      controlUrl: withoutQuery(node.target.url),
      listeners: [...(node.facts?.listeners ?? [])],
      measures: measuresOf([node]),
      drains: this.#drainsOf(node),
      tables: [...(node.facts?.tables ?? [])],
      health: node.known?.raw ?? null,
    }
  }

  /** How a node is judged, without all that its page shows: asked for after every poll. */
  judged(id: string): Pick<Node, 'state' | 'intent' | 'problems'> | null {
    const node = this.#nodes.get(id)
    if (!node) return null
    const hurt = this.#hurt()
    return { state: this.#stateOf(node, hurt), intent: this.intent(id), problems: problemsOf(node, hurt) }
  }

  regions(): Region[] {
    const drained = new Set(
      this.#options
        .activeDrains()
        .filter((drain) => drainStateRule(drain).wantsOut)
        .map((drain) => drain.region),
    )
    const hurt = this.#hurt()
    return this.#regions.map((config) => {
      const members = this.nodesOf(config.id)
      const states = members.map((node) => this.#stateOf(node, hurt))
      const words = regionWords(states)
      const measured = members.filter((node) => node.isMeasured)
      const relays = measured.filter((node) => node.facts?.gauges.tunnels !== undefined)
      const proxies = measured.filter((node) => node.facts?.gauges.connections !== undefined)
      const wanted = members.map((node) => this.intent(node.id))
      const maintenance = this.#maintenance({ regions: [config.id], nodes: members.map(({ id }) => id) })
      const intent: Intent =
        drained.has(config.id) || (wanted.length > 0 && wanted.every((word) => word === 'drain'))
          ? 'drain'
          : maintenance !== null
            ? 'maintenance'
            : 'serving'
      return {
        id: config.id,
        name: config.name,
        ...(config.at === undefined ? {} : { at: config.at }),
        // A node that is away because a drain took it out is out, like its neighbours.
        state: regionState(
          members.map((node, index) => (this.away(node.id) ? 'drained' : (states[index] ?? 'unknown'))),
          intent,
        ),
        ...(words === null ? {} : { words }),
        intent,
        ...(maintenance === null ? {} : { maintenance }),
        nodes: members.length,
        up: states.filter((state) => state === 'up').length,
        measures: measuresOf(members),
        tunnels: relays.length === 0 ? null : relays.reduce((sum, node) => sum + this.#tunnelsOn(node), 0),
        connections:
          proxies.length === 0
            ? null
            : proxies.reduce((sum, node) => sum + (node.facts?.gauges.connections ?? 0), 0),
        ...(config.capacity === undefined
          ? {}
          : { capacity: config.capacity.tunnels === undefined ? {} : { tunnels: config.capacity.tunnels } }),
      }
    })
  }

  /** What was read of a node last: facts of the newest good reading and when (epoch ms, 0 before the first); null before the first poll. */
  known(id: string): { facts: Facts | null; at: number; outcome: PollOutcome } | null {
    const node = this.#nodes.get(id)
    if (!node?.reading) return null
    return { facts: node.facts, at: node.known?.at ?? 0, outcome: node.reading.outcome }
  }

  /** Milliseconds between two polls of a node. */
  intervalOf(id: string): number {
    return this.#nodes.get(id)?.intervalMs ?? this.#options.pollIntervalMs
  }

  /** How a node is taken out of service; null where nobody can, or there is no such node. */
  drainVerbs(id: string): DrainVerbs | null {
    const node = this.#nodes.get(id)
    return node ? this.#options.adapters.drains(() => node.target) : null
  }

  #drainsOf(node: FleetNode): NodeDetail['drains'] {
    const verbs = this.drainVerbs(node.id)
    if (verbs === null) return null
    return { verb: verbs.verb, proof: this.drainProof(node.id), hindrance: verbs.hindrance ?? null }
  }

  drainProof(id: string): Proof {
    const node = this.#nodes.get(id)
    return node ? node.adapter.proves(node.target) : 'none'
  }

  tunnels(): Tunnel[] {
    return this.hosts.list()
  }

  /** A drain explains why this node does not answer; null where it answers, where none does, or where that has lasted too long. */
  away(id: string): NonNullable<Node['away']> | null {
    const node = this.#nodes.get(id)
    if (node?.judgement.state !== 'down') return null
    const absence = this.#options.absence(id)
    if (absence === null) return null
    const { drainId, limitMs } = absence
    if (limitMs === null) return { drainId, until: null }
    const until = (node.judgement.badSince ?? node.judgement.since) + limitMs
    return this.#options.now() <= until ? { drainId, until: new Date(until).toISOString() } : null
  }

  /** Whether a drain or maintenance explains that a node's process ends and another begins, also where no poll misses it. */
  mayRestart(id: string): boolean {
    const node = this.#nodes.get(id)
    if (node === undefined) return false
    return (
      this.#options.absence(id) !== null ||
      this.#maintenance({ regions: [node.region], nodes: [id] }) !== null
    )
  }

  /**
   * Where a drain has a node that answers and does not say by itself whether it serves: another program, or one that was drained by its
   * operator's URL. Null for all others.
   */
  standing(node: FleetNode): Standing | null {
    const { judgement, facts, target } = node
    const answers = judgement.state === 'up' || judgement.state === 'degraded'
    if (!answers || this.intent(node.id) === 'serving') return null
    const saysItself = facts?.state !== undefined && target.drain === undefined
    return saysItself ? null : this.#options.standing(node.id)
  }

  /** What is wanted of a node: what a drain wants before what maintenance allows. */
  intent(node: string): Intent {
    const wanted = this.#intents.get(node)
    if (wanted !== undefined) return wanted
    const region = this.#nodes.get(node)?.region
    const inMaintenance =
      region !== undefined && this.#maintenance({ regions: [region], nodes: [node] }) !== null
    return inMaintenance ? 'maintenance' : 'serving'
  }

  /** What the operator wants of these nodes from now on; kept over restarts. */
  setIntent(nodes: readonly string[], intent: Intent): void {
    for (const node of nodes) {
      if (intent === 'serving') this.#intents.delete(node)
      else this.#intents.set(node, intent)
    }
    const text = JSON.stringify(Object.fromEntries(this.#intents))
    this.#savingIntents
      .run(() => this.#options.store.setSetting(INTENTS_KEY, text))
      // The drain that wants it is durable by itself and will say so again.
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'the intents could not be saved'))
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

  #maintenance(whom: { regions: readonly string[]; nodes: readonly string[] }): MaintenanceMark | null {
    return this.#options.maintenance?.(whom) ?? null
  }

  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#options.log.error({ err: error }, 'a listener of the fleet threw')
    }
  }

  /**
   * A host is counted where it registered last. A node's own count still holds hosts that have moved on since it was asked, so
   * it is used only of nodes whose list has never been read.
   */
  #tunnelsOn(node: FleetNode): number {
    return this.hosts.hasList(node.id) ? this.hosts.registeredOn(node.id) : (node.facts?.gauges.tunnels ?? 0)
  }

  /** What open signals say of nodes that answer their polls as if all were well. */
  #hurt(): Map<string, Signal> {
    const hurt = new Map<string, Signal>()
    for (const incident of this.#options.openIncidents()) {
      for (const signal of incident.signals) {
        if (
          (signal.kind.startsWith('push.') || signal.kind === RESIDUE) &&
          signal.closedAt === undefined &&
          signal.scope.startsWith('node:')
        )
          hurt.set(signal.scope.slice('node:'.length), signal)
      }
    }
    return hurt
  }

  /**
   * As judged by its polls; but a node that an open signal names is not up, whatever its polls say, and one that is taken out and has no
   * word for that is what is seen of it: out, or still on its way while it takes traffic.
   */
  #stateOf(node: FleetNode, hurt: ReadonlyMap<string, Signal>): ObservedState {
    const standing = this.standing(node)
    if (standing !== null) return hurt.get(node.id)?.kind === RESIDUE ? 'draining' : standing.state
    return node.judgement.state === 'up' && hurt.has(node.id) ? 'degraded' : node.judgement.state
  }

  #view(node: FleetNode, hurt: ReadonlyMap<string, Signal>): Node {
    const { reading } = node
    const away = this.away(node.id)
    const maintenance = this.#maintenance({ regions: [node.region], nodes: [node.id] })
    return {
      id: node.id,
      region: node.region,
      kind: node.target.kind,
      embedded: node.embedded,
      state: this.#stateOf(node, hurt),
      intent: this.intent(node.id),
      problems: problemsOf(node, hurt),
      ...(away === null ? {} : { away }),
      ...(maintenance === null ? {} : { maintenance }),
      version: node.facts?.version ?? null,
      since: new Date(this.standing(node)?.since ?? sinceOf(node, hurt)).toISOString(),
      pollIntervalMs: node.intervalMs,
      lastPollAt: reading === null ? null : new Date(reading.at).toISOString(),
      lastAnswerAt: node.known === null ? null : new Date(node.known.at).toISOString(),
      latencyMs: reading === null ? null : reading.durationMs,
      lastOutcome: reading?.outcome ?? null,
      clockSkewMs: node.clock.skewMs,
      streamState: node.stream?.state ?? 'none',
      numbers: node.isMeasured ? this.#numbers(node) : {},
    }
  }

  #numbers(node: FleetNode): NodeNumbers {
    const { numbers } = node
    return numbers.tunnels === undefined ? numbers : { ...numbers, tunnels: this.#tunnelsOn(node) }
  }
}

/** A clock that is wrong by more than this is a problem; what is less is corrected without a word. */
export const CLOCK_PROBLEM_MS = 5_000

/** What is wrong with a node: as its polls found, else as an open signal says, and with what it says of itself. */
const problemsOf = (node: FleetNode, hurt: ReadonlyMap<string, Signal>): string[] => {
  const { state, problems } = node.judgement
  const answers = state === 'up' || state === 'degraded'
  const pain = answers && problems.length === 0 ? hurt.get(node.id)?.sentence : undefined
  return [...(pain === undefined ? problems : [pain]), ...ownProblems(node)]
}

/** What is wrong with what the node says, beside what polls find. */
const ownProblems = (node: FleetNode): string[] => {
  const skewMs = node.clock.skewMs ?? 0
  const clock =
    Math.abs(skewMs) < CLOCK_PROBLEM_MS
      ? []
      : [
          `its clock is ${durationWords(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead' : 'behind'}; its times are corrected`,
        ]
  const tunnels =
    node.tunnelsUnread === null
      ? []
      : [`its list of tunnels cannot be read (${node.tunnelsUnread}); hosts are known by its events alone`]
  return [...(node.stream?.problems() ?? []), ...clock, ...tunnels]
}

/** What these nodes measure, whether or not they answer at the moment. */
const measuresOf = (nodes: readonly FleetNode[]): Measures => [
  ...new Set(nodes.flatMap((node) => Object.keys(node.numbers) as Measures)),
]

/** A query may hold a secret; where a node answers is said without. */
const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '')

/** Since when it is in that state: degraded counts from the signal, where that came before the polls saw it, or in their stead. */
const sinceOf = (node: FleetNode, hurt: ReadonlyMap<string, Signal>): number => {
  const { state, since } = node.judgement
  const openedAt = Date.parse(hurt.get(node.id)?.openedAt ?? '')
  if (Number.isNaN(openedAt)) return since
  if (state === 'up') return openedAt
  return state === 'degraded' ? Math.min(since, openedAt) : since
}
