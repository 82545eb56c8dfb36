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

/** Something that is wrong with the control room itself, or with what it can know: a banner on every page. */
export interface RoomProblem {
  /** Stable, for example `store_not_recording`, `events_stand_still`, `polls_late`, `clock_skew`. */
  code: string
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
