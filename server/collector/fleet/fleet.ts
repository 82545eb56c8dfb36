import {
  AppError,
  type Drain,
  drainStateRule,
  type EventData,
  type EventType,
  type FleetEvent,
  type Health,
  INTENTS,
  type Incident,
  type Intent,
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
import type { EventStream } from '../adapters/adapter.ts'
import type { PollResult, PollTarget } from '../adapters/poll.ts'
import type { Control, ControlAnswer } from '../adapters/tidegate/control.ts'
import type { Absence } from '../drains/absences.ts'
import type { DrainFleet } from '../drains/drain-fleet.ts'
import { type Judgement, unknownJudgement } from '../watch/judge.ts'
import type { NetworkDoubt } from '../watch/network-doubt.ts'
import { prunedOf, sumOf } from '../watch/sample.ts'
import { HostMap } from './host-map.ts'
import { NodeClock } from './node-clock.ts'
import { regionState, regionWords } from './overview.ts'

const INTENTS_KEY = 'collector.intents'

export interface RegionConfig {
  readonly id: string
  readonly name: string
  readonly at?: [number, number] | undefined
  readonly capacity?: { tunnels?: number | undefined } | undefined
}

export interface NodeTarget {
  readonly id: string
  readonly region: string
  readonly kind: 'tidegate'
  readonly url: string
  readonly token: string
  readonly embedded: boolean
}

/** One node as the collector holds it. */
export interface FleetNode extends PollTarget {
  readonly kind: 'tidegate'
  url: string
  token: string
  judgement: Judgement
  /** The newest poll, whatever its outcome. */
  poll: PollResult | null
  /** The newest good document, and when it was read (epoch ms). */
  document: Health | null
  documentAt: number | null
  /** What increases are counted from. */
  counted: Health | null
  /** Since when it is not known whether it, or our own way to it, is gone. */
  doubt: NetworkDoubt | null
  /** When its event stream broke, epoch ms: numbers measured before that are not of now. Null while it never did. */
  brokeAt: number | null
  /** Largest gap reported by a registration since the last sample. */
  gapMs: number | null
  stream: EventStream | null
  /** Why its list of tunnels could not be read although it answered; null while it can. */
  tunnelsUnread: string | null
  /** A long list costs the event loop: when it may be read again in passing, monotonic ms. */
  tunnelsAgainAt: number
  readonly clock: NodeClock
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
  control: Control
  record: RecordFleetEvent
  log: Log
  now: () => number
  pollIntervalMs: number
  openIncidents: () => Incident[]
  activeDrains: () => Drain[]
  /** Why a drain may have a node away, and for how long (ms, null: until it is back). */
  absence: (node: string) => Absence | null
}

/** The fleet in memory: the one truth that pages, rules and drains read. */
export class Fleet implements DrainFleet {
  readonly pollIntervalMs: number
  readonly hosts = new HostMap()
  readonly record: RecordFleetEvent
  readonly #options: FleetOptions
  readonly #nodes = new Map<string, FleetNode>()
  readonly #members: readonly FleetNode[]
  readonly #byRegion: ReadonlyMap<string, readonly FleetNode[]>
  readonly #intents = new Map<string, Intent>()
  readonly #eventListeners = new Set<(event: FleetEvent) => void>()
  readonly #pollListeners = new Set<(node: string, poll: PollResult) => void>()
  #savingIntents: Promise<void> = Promise.resolve()

  constructor(options: FleetOptions) {
    this.#options = options
    this.pollIntervalMs = options.pollIntervalMs
    this.record = options.record
    for (const node of options.nodes) {
      this.#nodes.set(node.id, {
        ...node,
        judgement: unknownJudgement(options.now()),
        poll: null,
        document: null,
        documentAt: null,
        counted: null,
        doubt: null,
        brokeAt: null,
        gapMs: null,
        stream: null,
        tunnelsUnread: null,
        tunnelsAgainAt: 0,
        clock: new NodeClock(),
      })
    }
    this.#members = [...this.#nodes.values()]
    this.#byRegion = Map.groupBy(this.#members, (node) => node.region)
  }

  async loadIntents(): Promise<void> {
    const text = await this.#options.store.setting(INTENTS_KEY)
    if (text === null) return
    try {
      for (const [node, intent] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
        const known = INTENTS.find((word) => word === intent)
        if (known) this.#intents.set(node, known)
      }
    } catch (error) {
      this.#options.log.warn(
        { err: error },
        'the stored intents cannot be read; drains will state theirs again',
      )
    }
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
      controlUrl: node.url,
      listeners: node.document?.listeners ?? [],
      health: node.document,
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
    return this.#options.regions.map((config) => {
      const members = this.nodesOf(config.id)
      const states = members.map((node) => stateOf(node, hurt))
      const words = regionWords(states)
      const measured = members.filter(isMeasured)
      const relays = measured.filter((node) => node.document?.relay)
      const proxies = measured.filter((node) => node.document?.proxy)
      const wanted = members.map((node) => this.intent(node.id))
      const intent: Intent =
        drained.has(config.id) || (wanted.length > 0 && wanted.every((word) => word === 'drain'))
          ? 'drain'
          : wanted.length > 0 && wanted.every((word) => word === 'maintenance')
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
        nodes: members.length,
        up: states.filter((state) => state === 'up').length,
        tunnels: relays.length === 0 ? null : relays.reduce((sum, node) => sum + this.#tunnelsOn(node), 0),
        connections:
          proxies.length === 0
            ? null
            : proxies.reduce((sum, node) => sum + (node.document?.proxy?.connections.active ?? 0), 0),
        ...(config.capacity === undefined
          ? {}
          : { capacity: config.capacity.tunnels === undefined ? {} : { tunnels: config.capacity.tunnels } }),
      }
    })
  }

  /** The last good document and when it was read (epoch ms, 0 before the first); null before the first poll. */
  health(id: string): { document: Health | null; at: number; outcome: string } | null {
    const node = this.#nodes.get(id)
    if (!node?.poll) return null
    return { document: node.document, at: node.documentAt ?? 0, outcome: node.poll.outcome }
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

  intent(node: string): Intent {
    return this.#intents.get(node) ?? 'serving'
  }

  /** What the operator wants of these nodes from now on; kept over restarts. */
  setIntent(nodes: readonly string[], intent: Intent): void {
    for (const node of nodes) {
      if (intent === 'serving') this.#intents.delete(node)
      else this.#intents.set(node, intent)
    }
    const text = JSON.stringify(Object.fromEntries(this.#intents))
    this.#savingIntents = this.#savingIntents
      .then(() => this.#options.store.setSetting(INTENTS_KEY, text))
      // The drain that wants it is durable by itself and will say so again.
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'the intents could not be saved'))
  }

  call(
    id: string,
    method: string,
    path: string,
    body?: unknown,
    options?: { timeoutMs?: number },
  ): Promise<ControlAnswer> {
    const node = this.#nodes.get(id)
    if (!node)
      return Promise.reject(new AppError('ERR_NOT_FOUND', `There is no node ${id} in this fleet`, { id }))
    return this.#options.control.call(node, method, path, body, options)
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
  onPoll(listener: (node: string, poll: PollResult) => void): () => void {
    this.#pollListeners.add(listener)
    return () => this.#pollListeners.delete(listener)
  }

  tellEvent(event: FleetEvent): void {
    for (const listener of this.#eventListeners) this.#tell(() => listener(event))
  }

  tellPoll(node: string, poll: PollResult): void {
    for (const listener of this.#pollListeners) this.#tell(() => listener(node, poll))
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
    return this.hosts.hasList(node.id)
      ? this.hosts.registeredOn(node.id)
      : (node.document?.relay?.tunnels.current ?? 0)
  }

  /** What open signals say of nodes that answer their polls as if all were well. */
  #hurt(): Map<string, Signal> {
    const hurt = new Map<string, Signal>()
    for (const incident of this.#options.openIncidents()) {
      for (const signal of incident.signals) {
        if (
          signal.kind.startsWith('push.') &&
          signal.closedAt === undefined &&
          signal.scope.startsWith('node:')
        )
          hurt.set(signal.scope.slice('node:'.length), signal)
      }
    }
    return hurt
  }

  #view(node: FleetNode, hurt: ReadonlyMap<string, Signal>): Node {
    const { judgement, poll } = node
    const away = this.away(node.id)
    const answers = judgement.state === 'up' || judgement.state === 'degraded'
    const pain = answers && judgement.problems.length === 0 ? hurt.get(node.id)?.sentence : undefined
    return {
      id: node.id,
      region: node.region,
      kind: node.kind,
      embedded: node.embedded,
      state: stateOf(node, hurt),
      intent: this.intent(node.id),
      problems: [...(pain === undefined ? judgement.problems : [pain]), ...ownProblems(node)],
      ...(away === null ? {} : { away }),
      version: node.document?.version ?? null,
      since: new Date(sinceOf(node, hurt)).toISOString(),
      lastPollAt: poll === null ? null : new Date(poll.at).toISOString(),
      lastAnswerAt: node.documentAt === null ? null : new Date(node.documentAt).toISOString(),
      latencyMs: poll === null ? null : poll.durationMs,
      lastOutcome: poll?.outcome ?? null,
      clockSkewMs: node.clock.skewMs,
      streamState: node.stream?.state ?? 'none',
      numbers: isMeasured(node) ? this.#numbers(node) : {},
    }
  }

  #numbers(node: FleetNode): NodeNumbers {
    const document = node.document
    if (!document) return {}
    const numbers: NodeNumbers = {
      rssBytes: document.process.rssBytes,
      eventLoopDelayMs: document.process.eventLoopDelayP99Ms,
    }
    if (document.process.openFds !== null) numbers.openFds = document.process.openFds
    if (document.proxy) numbers.connections = document.proxy.connections.active
    if (document.relay) numbers.tunnels = this.#tunnelsOn(node)
    if (document.proxy || document.relay) {
      numbers.requests = (document.proxy?.requests.total ?? 0) + (document.relay?.requests.total ?? 0)
    }
    if (document.push) {
      numbers.pushReceived = document.push.received
      numbers.pushDelivered = document.push.sendOk
      numbers.pushRejected = sumOf(document.push.sendRejected)
      numbers.pushFailed = document.push.sendFail
      numbers.sessionInvalidations = document.push.sessionInvalidations
      numbers.tokensPruned = prunedOf(document.push)
    }
    return numbers
  }
}

/** A clock that is wrong by more than this is a problem; what is less is corrected without a word. */
export const CLOCK_PROBLEM_MS = 5_000

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

/**
 * Whether a node's numbers are of now. Those of a node that is down, not known, or did not answer its last poll are old; so are
 * those from before its event stream broke, because a process that dies ends its stream first.
 */
const isMeasured = (node: FleetNode): boolean =>
  node.document !== null &&
  node.poll?.outcome === 'ok' &&
  (node.brokeAt === null || (node.documentAt ?? 0) > node.brokeAt) &&
  node.judgement.state !== 'down' &&
  node.judgement.state !== 'unknown'

/** As judged by its polls; but a node that an open signal names is not up, whatever its polls say. */
const stateOf = (node: FleetNode, hurt: ReadonlyMap<string, Signal>): ObservedState =>
  node.judgement.state === 'up' && hurt.has(node.id) ? 'degraded' : node.judgement.state

/** Since when it is in that state: degraded counts from the signal, where that came before the polls saw it, or in their stead. */
const sinceOf = (node: FleetNode, hurt: ReadonlyMap<string, Signal>): number => {
  const { state, since } = node.judgement
  const openedAt = Date.parse(hurt.get(node.id)?.openedAt ?? '')
  if (Number.isNaN(openedAt)) return since
  if (state === 'up') return openedAt
  return state === 'degraded' ? Math.min(since, openedAt) : since
}
