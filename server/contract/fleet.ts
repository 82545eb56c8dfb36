import type { Drain, HeldPart } from './drains.ts'
import type { Health, Listener } from './health.ts'
import type { IsoTime } from './ids.ts'
import type { Incident } from './incidents.ts'
import type { Intent, ObservedState } from './states.ts'

export type VerdictLevel = 'ok' | 'attention' | 'outage'

export interface Region {
  id: string
  name: string
  /** Latitude and longitude in degrees, for the map. */
  at?: [number, number]
  state: ObservedState
  /** What the one word cannot say, for example `1 of 2 down`; absent where all nodes are alike. */
  words?: string
  intent: Intent
  nodes: number
  up: number
  /** Null while no node of the region has been measured. */
  tunnels: number | null
  connections: number | null
  capacity?: { tunnels?: number }
}

/** Newest measured numbers of a node; an absent part is absent, and `unknown` is never zero. */
export interface NodeNumbers {
  tunnels?: number
  connections?: number
  requests?: number
  pushReceived?: number
  pushDelivered?: number
  pushRejected?: number
  pushFailed?: number
  sessionInvalidations?: number
  tokensPruned?: number
  rssBytes?: number
  eventLoopDelayMs?: number
  openFds?: number
}

export interface Node {
  id: string
  region: string
  kind: string
  embedded: boolean
  state: ObservedState
  intent: Intent
  problems: string[]
  /** It does not answer, and a drain explains why, until then (null: until it is back). */
  away?: { drainId: string; until: IsoTime | null }
  version: string | null
  /** Since when the state holds. */
  since: IsoTime
  lastPollAt: IsoTime | null
  /** When it last answered with a usable document: the time of `numbers`, and of what is known of a node that is down. */
  lastAnswerAt?: IsoTime | null
  /** Milliseconds the last poll took. */
  latencyMs: number | null
  /** Outcome of the last poll in words, for example `refused`. */
  lastOutcome: string | null
  /** Milliseconds by which the node's clock is ahead of the collector's; null before the first event. */
  clockSkewMs: number | null
  streamState: 'live' | 'connecting' | 'none'
  numbers: NodeNumbers
}

/** `GET /nodes/:id`. */
export interface NodeDetail extends Node {
  controlUrl: string | null
  listeners: Listener[]
  health: Health | null
}

/**
 * Codes of what can be wrong with the control room itself. Where one holds, the verdict is `attention` at least; but for
 * `open_without_tls`, which is about how the room was set up.
 * `store_not_recording` the store cannot be written; `events_stand_still` events wait and are not stored; `events_dropped` events
 * were given up; `streams_stand_still` the events of a node are not read; `polls_late` polls begin late or not at all;
 * `network_lost` no node is reached, and the reason is most likely here; `detection_stands_still` conditions are not looked at;
 * `drains_stand_still` a drain is not driven; `live_stands_still` pages get nothing new; `clock_skew` a node's clock is wrong;
 * `hosts_overflow` there are more hosts than are kept; `store_rows_unreadable` rows of the database are left out; `open_without_tls` the
 * room is open to a network, with nothing known that encrypts.
 */
export const ROOM_PROBLEM_CODES = [
  'store_not_recording',
  'network_lost',
  'events_stand_still',
  'polls_late',
  'detection_stands_still',
  'drains_stand_still',
  'streams_stand_still',
  'live_stands_still',
  'events_dropped',
  'hosts_overflow',
  'clock_skew',
  'store_rows_unreadable',
  'open_without_tls',
] as const
export type RoomProblemCode = (typeof ROOM_PROBLEM_CODES)[number]

/** How the control room itself is doing. */
export interface RoomCheck {
  problems: RoomProblem[]
  events: {
    /** Read from nodes or made here, and not stored yet. */
    queued: number
    queuedBytes: number
    /** Refused by the store one by one and given up, since the start. */
    dropped: number
    stored: number
    /** Milliseconds that the oldest unstored event has waited; null while none does. */
    oldestAgeMs: number | null
    lastStoredAt: IsoTime | null
    /** Events of nodes that were refused since the start, by reason. */
    refused: Record<string, number>
    /** Milliseconds for which nodes were read more slowly because they sent too much. */
    throttledMs: number
  }
  hosts: { known: number; overflowed: number; forgotten: number }
  /** Milliseconds since each part last made progress; a part that has nothing to do is absent. */
  parts: Record<string, number>
}

/** Something that is wrong with the control room itself, or with what it can know: a banner on every page. */
export interface RoomProblem {
  /** Stable. */
  code: RoomProblemCode
  /** One sentence: what is wrong. */
  text: string
  /** One sentence: what to do. */
  remedy: string
  since: IsoTime
}

export interface Overview {
  at: IsoTime
  /** `was` says the same in the past tense, for a page that has lost the server. */
  verdict: { level: VerdictLevel; text: string; was?: string }
  regions: Region[]
  nodes: Node[]
  incidents: Incident[]
  drains: Drain[]
  /** What is out of service by a drain that ended, or holds: each has its Resume. */
  held: HeldPart[]
  totals: { nodes: number; up: number; unknown: number; tunnels: number | null; connections: number | null }
  live: { hub: string; seq: number }
  /** The collector's own lateness: p99 of schedule delay over the last minute, in ms. */
  collector: { latenessP99Ms: number; storeOk: boolean; startedAt: IsoTime; pollIntervalMs?: number }
  /** What is wrong with the room itself; empty where nothing is. */
  problems: RoomProblem[]
  demo: boolean
}

/** The worst that one node's polls, or one region's, said within a span. */
export interface HeartbeatCell {
  /** Epoch ms of the worst poll, or of the newest where all are alike. */
  at: number
  state: ObservedState
  /** Why, in words, where it is not up: `refused: ECONNREFUSED`. */
  note: string | null
}

/** `GET /heartbeats`: recent polls, one strip a region, or one a node of a region. */
export interface Heartbeats {
  at: IsoTime
  /** Milliseconds of one cell. */
  cellMs: number
  /** Oldest first, all of the same length; null where nothing was asked in that span. */
  strips: { scope: string; cells: (HeartbeatCell | null)[] }[]
}

export interface Tunnel {
  hostId: string
  region: string
  node: string
  state: 'registered' | 'lost'
  since: IsoTime
  lastGapMs: number | null
  lastCloseCode: number | null
  lastCloseMeaning: string | null
  /** Where it was before it came here. */
  previousNode: string | null
  presence: { directory: string | null; relay: boolean; lastPongAt: IsoTime | null }
}
