import type { FleetEvent } from '../../contract/events.ts'
import type { TlsMaterial } from '../../contract/kinds/entry.ts'
import type { NodeConnection, NodeDrainRequest, NodeTunnel } from '../../contract/node-api.ts'
import type { NodeKind } from '../../contract/states.ts'
import type { EventInput } from '../../store/store.ts'
import type { Facts } from './facts.ts'
import type { PollOutcome, Reading } from './reading.ts'
import type { Refusal } from './refusals.ts'

/** Where a node answers, and who it should be. Each kind adds what else it needs to be asked. */
export interface Target {
  readonly id: string
  readonly region: string
  readonly kind: NodeKind
  readonly url: string
  /** Its address was made by this process; `polling.allow` is about addresses that somebody wrote. */
  readonly embedded: boolean
  /** Milliseconds between two polls, and for one; absent: as `polling` says. */
  readonly intervalMs?: number | undefined
  readonly timeoutMs?: number | undefined
  /** How it is trusted over TLS and how we show who we are; absent: the public authorities, and no client certificate. */
  readonly tls?: TlsMaterial | undefined
  /** How it is drained where not by verbs of its kind: these win over them. */
  readonly drain?: { readonly webhook: WebhookTarget } | undefined
}

/** An operator's URL that takes a system out of service and gives it back. */
export interface WebhookTarget {
  readonly url: string
  readonly secret: string
  readonly timeoutMs?: number | undefined
  /** How it is trusted over TLS; absent: the public authorities. */
  readonly tls?: TlsMaterial | undefined
}

/** Whether a drain of such a node can be proved to have emptied it: its open connections are counted, or nothing is. */
export type Proof = 'counted' | 'none'

/**
 * What one kind of node is to the collector. Nothing else reads its documents or speaks to it: judging, samples, signals, plans and
 * drains see readings and verbs. What a kind cannot do is absent, never a function that fails.
 */
export interface Adapter<T extends Target = Target> {
  readonly kind: T['kind']
  /** Asks a node once. Resolves with a reading for every failure; never rejects. */
  probe(target: T): Promise<Reading>
  proves(target: T): Proof
  /** Follows the node's own events. `target` is called again for each connection: a node may move. */
  follow?(target: () => T, sink: EventSink): EventStream
  /** How a node of this kind is taken out of service; null where this one cannot be. */
  drains?(target: () => T): DrainVerbs | null
  /** Which hosts are registered on it now. Rejects with `ERR_NODE_UNREACHABLE` where it does not answer. */
  tunnels?(target: T): Promise<TunnelsAnswer>
  connections?(target: T, limit: number): Promise<{ items: NodeConnection[]; total: number }>
  /** Closes one tunnel. Rejects with the node's own code where it is one of ours, else with `ERR_NODE_UNREACHABLE`. */
  kickTunnel?(target: T, hostId: string, reason: string): Promise<void>
  closeConnection?(target: T, id: string, reason: string): Promise<void>
  invalidatePushSession?(target: T, reason: string): Promise<void>
  /** Drops what is kept open to a node and what is remembered of it, for example because it moved. */
  forget(id: string): void
  close(): Promise<void>
}

export interface TunnelList {
  items: NodeTunnel[]
  /** Who owns which host according to the directory, as far as this node sees it. */
  directory?: Record<string, string> | undefined
}

/** `unreadable`: it answered, and why that cannot be read; null where it has no list to give at the moment. */
export type TunnelsAnswer = TunnelList | { unreadable: string } | null

/**
 * What came of asking for something. `unheard`: no answer, so that nobody knows whether the node heard. `kept`: what the adapter wants
 * to be told when the node is given back, also by the collector's next process; at most {@link MAX_KEPT_CHARS}.
 */
export type Asked =
  | { kind: 'accepted'; kept?: string }
  | { kind: 'refused'; why: string }
  | { kind: 'unheard'; why: string }

/** What a look at a node brought. Only one that stayed without any answer counts towards the end of its process. */
export type Observation =
  | { facts: Facts }
  /** It answered, but not with anything that can be used. */
  | { facts: null; silent: false }
  /** No answer at all. `refused`: nobody listens there, so the machine is up and says that the process is not. */
  | { facts: null; silent: true; refused: boolean }

/** Outcomes of a poll for which nothing at all came back. */
const UNANSWERED: readonly PollOutcome[] = ['refused', 'timeout', 'dns']

/** What a poll that brought no facts says of a node: a certificate, a status or a body that cannot be used is still an answer. */
export const unread = ({
  outcome,
  status,
  isAbsent,
}: Pick<Reading, 'outcome' | 'status' | 'isAbsent'>): Observation =>
  status === null && UNANSWERED.includes(outcome)
    ? { facts: null, silent: true, refused: isAbsent === true }
    : { facts: null, silent: false }

/** Of what an adapter has kept with a drain. */
export const MAX_KEPT_CHARS = 16_384

/** What giving a node back says beside the wish itself. */
export interface ResumeOrder {
  readonly drainId: string
  /** Of the drain, as it is now: each state in which nodes are given back is a wish of its own. */
  readonly version: number
  readonly reason: string
  readonly initiator: string
  /** As it was kept when the node was last told to go. */
  readonly kept?: string | undefined
  /** This run of the node was told to end (mode `exit`): where that cannot be undone, only another one serves again. */
  readonly isEnding?: boolean
}

/** A node that is one of several behind the same proxy, which alone decides who gets what it would have got. */
export interface Pool {
  /** The same value for all that can replace each other. */
  readonly name: string
  /** This one's name in it. */
  readonly member: string
  /** The others that took new sessions when the proxy was last looked at, watched or not; null before the first look. */
  readonly others: readonly string[] | null
}

/** How one node is taken out of service and given back. Each verb may be asked again; none rejects. */
export interface DrainVerbs {
  /** What taking it out does, for people, for example "set server web/web-1 state drain". */
  readonly verb: string
  /** Why it cannot be taken out as things are, in a sentence that names it; absent where nothing is known against it. */
  readonly hindrance?: string | undefined
  /** True where a drain may end its process (`mode: exit`). */
  readonly exits?: boolean
  /** Other nodes that are the same thing by another address: what is done to one is done to all. */
  readonly twins?: readonly string[]
  /** Absent where the node is behind no proxy that we know of. */
  readonly pool?: Pool
  /** New tunnels are refused from now on, everything else is served. Absent where nothing like it exists. */
  cordon?(order: { drainId: string; reason: string }): Promise<Asked>
  drain(order: NodeDrainRequest): Promise<Asked>
  /** Asks the node to serve again; that it does is observed, or said by `ready`. */
  resume(order: ResumeOrder): Promise<Asked>
  /** Whether a node that says it serves takes traffic already. Absent where its word is enough. */
  ready?(order: ResumeOrder): Promise<Asked>
  /** Asks the node itself, now. */
  observe(): Promise<Observation>
  /** Its drain has ended, or it is watched no more: what is remembered of wishes is dropped. Absent where nothing is. */
  forget?(): void
}

export interface StreamPosition {
  epoch: string
  seq: number
}

export interface EventStream {
  readonly state: 'live' | 'connecting'
  /** The newest event that was taken in or skipped for good; null before the first contact. */
  readonly position: StreamPosition | null
  /** What is wrong with what the node sends, in sentences. */
  problems(): string[]
  /** Events that were refused since the start, by reason, and ms for which the node was read more slowly. */
  figures(): { refused: Readonly<Record<Refusal, number>>; throttledMs: number }
  start(): void
  /** Connects again at once, for example because the node moved. */
  restart(): void
  close(): void
}

/** Part of a node's stream that cannot be had any more. */
export interface StreamGap {
  fromSeq: number
  /** Null where it is not known how much it was. */
  toSeq: number | null
  /** Null where it is not known since when. */
  fromMs: number | null
  toMs: number
  reason: string
}

/** Who takes in what a stream reads. */
export interface EventSink {
  /** Learns the node's clock from live events, and puts their times into ours. */
  readonly clock: {
    sawLive(at: number, receivedAt: number): void
    timeOf(at: number, receivedAt: number, floor: number): number
  }
  /** Whether we ourselves were late just now, so that when an event was received says nothing of when it was sent. */
  isLagging(): boolean
  /** Takes an event; false where there is no room at the moment. */
  accept(event: EventInput, bytes: number): boolean
  /** Resolves when there may be room again. */
  room(): Promise<void>
  /** An event that is told and not stored. */
  onLiveOnly(event: Omit<FleetEvent, 'id'>): void
  /** Part of the stream cannot be had any more. */
  onGap(gap: StreamGap): void
  onLive(): void
  onChange(): void
}
