import type { Measures } from '../../contract/answers/node.ts'
import {
  type Drain,
  drainStateRule,
  type Incident,
  type Intent,
  type Node,
  type NodeDetail,
  type NodeNumbers,
  type ObservedState,
  type Region,
  type Signal,
} from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { FleetNode } from './fleet-node.ts'
import type { HostMap } from './host-map.ts'
import type { Members, RegionConfig } from './members.ts'
import { CLOCK_PROBLEM_MS } from './node-clock.ts'
import { regionState, regionWords } from './overview.ts'
import type { Whereabouts } from './whereabouts.ts'

/** Traffic where a drain took it away. */
const RESIDUE = 'drain.residue'

export interface FleetPictureOptions {
  members: Members
  hosts: Pick<HostMap, 'hasList' | 'registeredOn'>
  whereabouts: Whereabouts
  openIncidents: () => Incident[]
  activeDrains: () => Drain[]
}

/** The fleet in the words of the contract, as pages and history have it: each node and region with what is known of it now. */
export class FleetPicture {
  readonly #options: FleetPictureOptions

  constructor(options: FleetPictureOptions) {
    this.#options = options
  }

  nodes(): Node[] {
    const hurt = this.#hurt()
    return this.#options.members.all.map((node) => this.#view(node, hurt))
  }

  /** @param drains how this node is taken out of service */
  node(node: FleetNode, drains: NodeDetail['drains']): NodeDetail {
    return {
      ...this.#view(node, this.#hurt()),
      controlUrl: withoutQuery(node.target.url),
      listeners: [...(node.facts?.listeners ?? [])],
      measures: measuresOf([node]),
      drains,
      tables: [...(node.facts?.tables ?? [])],
      health: node.known?.raw ?? null,
    }
  }

  /** How a node is judged, without all that its page shows: asked for after every poll. */
  judged(node: FleetNode): Pick<Node, 'state' | 'intent' | 'problems'> {
    const hurt = this.#hurt()
    return {
      state: this.#stateOf(node, hurt),
      intent: this.#options.whereabouts.intent(node.id),
      problems: problemsOf(node, hurt),
    }
  }

  regions(): Region[] {
    const drained = new Set(
      this.#options
        .activeDrains()
        .filter((drain) => drainStateRule(drain).wantsOut)
        .map((drain) => drain.region),
    )
    const hurt = this.#hurt()
    return this.#options.members.regions.map((config) => this.#region(config, drained.has(config.id), hurt))
  }

  #region(config: RegionConfig, isDrained: boolean, hurt: ReadonlyMap<string, Signal>): Region {
    const { whereabouts } = this.#options
    const members = this.#options.members.of(config.id)
    const states = members.map((node) => this.#stateOf(node, hurt))
    const words = regionWords(states)
    const measured = members.filter((node) => node.isMeasured)
    const relays = measured.filter((node) => node.facts?.gauges.tunnels !== undefined)
    const proxies = measured.filter((node) => node.facts?.gauges.connections !== undefined)
    const wanted = members.map((node) => whereabouts.intent(node.id))
    const maintenance = whereabouts.maintenance({ regions: [config.id], nodes: members.map(({ id }) => id) })
    const intent: Intent =
      isDrained || (wanted.length > 0 && wanted.every((word) => word === 'drain'))
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
        members.map((node, index) => (whereabouts.away(node.id) ? 'drained' : (states[index] ?? 'unknown'))),
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
  }

  /**
   * A host is counted where it registered last. A node's own count still holds hosts that have moved on since it was asked, so
   * it is used only of nodes whose list has never been read.
   */
  #tunnelsOn(node: FleetNode): number {
    const { hosts } = this.#options
    return hosts.hasList(node.id) ? hosts.registeredOn(node.id) : (node.facts?.gauges.tunnels ?? 0)
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
    const standing = this.#options.whereabouts.standing(node)
    if (standing !== null) return hurt.get(node.id)?.kind === RESIDUE ? 'draining' : standing.state
    return node.judgement.state === 'up' && hurt.has(node.id) ? 'degraded' : node.judgement.state
  }

  #view(node: FleetNode, hurt: ReadonlyMap<string, Signal>): Node {
    const { reading } = node
    const { whereabouts } = this.#options
    const away = whereabouts.away(node.id)
    const maintenance = whereabouts.maintenance({ regions: [node.region], nodes: [node.id] })
    return {
      id: node.id,
      region: node.region,
      kind: node.target.kind,
      embedded: node.embedded,
      state: this.#stateOf(node, hurt),
      intent: whereabouts.intent(node.id),
      problems: problemsOf(node, hurt),
      ...(away === null ? {} : { away }),
      ...(maintenance === null ? {} : { maintenance }),
      version: node.facts?.version ?? null,
      since: new Date(whereabouts.standing(node)?.since ?? sinceOf(node, hurt)).toISOString(),
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
