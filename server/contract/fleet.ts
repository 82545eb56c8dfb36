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
  version: string | null
  /** Since when the state holds. */
  since: IsoTime
  lastPollAt: IsoTime | null
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
  verdict: { level: VerdictLevel; text: string }
  regions: Region[]
  nodes: Node[]
  incidents: Incident[]
  drains: Drain[]
  /** What is out of service by a drain that ended, or holds: each has its Resume. */
  held: HeldPart[]
  totals: { nodes: number; up: number; unknown: number; tunnels: number | null; connections: number | null }
  live: { hub: string; seq: number }
  /** The collector's own lateness: p99 of schedule delay over the last minute, in ms. */
  collector: { latenessP99Ms: number; storeOk: boolean; startedAt: IsoTime }
  /** What is wrong with the room itself; empty where nothing is. */
  problems: RoomProblem[]
  demo: boolean
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
