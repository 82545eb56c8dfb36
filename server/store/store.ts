import type {
  Annotation,
  ApiToken,
  AuditRow,
  Drain,
  EventPage,
  FleetEvent,
  Incident,
  Intent,
  MaintenanceState,
  MaintenanceWindow,
  MetricName,
  NotificationKind,
  NotificationState,
  ObservedState,
  Page,
  SeriesAnswer,
  SeriesGap,
  TimelineItem,
  Tunnel,
} from '../contract/index.ts'

/** One poll of one node. Gauges as measured, counters as increases since the poll before; null where the node has no such part. */
export interface SampleRow {
  node: string
  region: string
  /** Collector's clock, epoch ms. */
  at: number
  values: Partial<Record<MetricName, number>>
}

/** An event on its way into the store. `origin` is the node's id, or `@collector`; `(origin, epoch, seq)` is unique. */
export interface EventInput extends Omit<FleetEvent, 'id'> {
  origin: string
}

/** Who asks for a read of many rows: each kind has its own waiting places. */
export type ReadCaller = 'page' | 'live' | 'room'

export interface EventFilter {
  /** ISO times, inclusive from, exclusive to; compared with the time by which events are ordered. */
  from?: string
  to?: string
  regions?: string[]
  nodes?: string[]
  /** Exact types, or prefixes that end in `*`. */
  types?: string[]
  /** Text to find in type, node or data. */
  text?: string
  /** `asc` for timelines, `desc` (default) for lists. */
  order?: 'asc' | 'desc'
  /** Default 100, at most 1 000. */
  limit?: number
  cursor?: string
  /** Default `page`. */
  caller?: ReadCaller
}

export interface SeriesQuery {
  scope: { kind: 'fleet' } | { kind: 'region' | 'node'; id: string }
  metrics: MetricName[]
  /** Epoch ms. */
  from: number
  to: number
  /** Wanted points a series; at most 600. */
  points: number
  /** Default `page`. */
  caller?: ReadCaller
}

/** A judgement of a scope, valid from `at` until the next one of that scope. */
export interface HistoryState {
  /** `node:fra-1`, `region:fra`, or `room`: the control room itself. */
  scope: string
  /** Epoch ms. */
  at: number
  state: ObservedState
  intent: Intent
  problems: readonly string[]
}

/** From `at` on the node or region is no longer in the configuration, until the next judgement of it. */
export interface HistoryEnd extends Omit<HistoryState, 'state'> {
  state: 'left'
}

/** A node's document as it was received. */
export interface HistoryDocument {
  node: string
  /** When it was read, epoch ms. */
  at: number
  data: unknown
}

/** Rows that a run of the retention deleted. */
export interface Pruned {
  samples: number
  events: number
  gaps: number
  /** Judgements and documents that were stored. */
  history: number
  /** Rows that went before their time, because the database had reached its size. */
  forSize: number
}

export interface StoredApiToken extends ApiToken {
  /** SHA-256 of the token in hex. */
  hash: string
}

/** A drain as kept: the DTO, plus what only the orchestrator needs to go on after a restart. */
export interface StoredDrain {
  drain: Drain
  resume: Record<string, unknown>
}

/** An incident as kept: the DTO, plus what only the book of incidents needs to go on after a restart. */
export interface StoredIncident {
  incident: Incident
  /** One more with each change. */
  version: number
  resume: Record<string, unknown>
  /** Signals (`kind|scope`) that are open in it, and those that an operator muted with it until they have closed once. */
  open: readonly string[]
  muted: readonly string[]
}

/** A maintenance window as kept; its state follows from the clock. */
export type StoredMaintenance = Omit<MaintenanceWindow, 'state' | 'held'>

export interface MaintenanceFilter {
  status?: MaintenanceState
  /** The time at which `status` is judged, epoch ms. */
  now: number
  /** Only what overlaps this span, epoch ms. */
  from?: number
  to?: number
  limit?: number
  cursor?: string
}

/** A message to people as kept. Times in epoch ms. */
export interface StoredNotification {
  /** A ULID, the same in every attempt. */
  id: string
  channel: string
  kind: NotificationKind
  incidentId: string | null
  reason: string
  state: NotificationState
  attempts: number
  /** Null: nothing more is attempted. */
  nextAttemptAt: number | null
  lastError: string | null
  createdAt: number
  sentAt: number | null
  /** As it is sent (JSON), from the first attempt on. */
  message: string | null
}

/** A message that was given up because it had waited for too long. */
export type ExpiredNotification = Pick<StoredNotification, 'id' | 'channel' | 'kind'>

/** The fields of a kept message that change. */
export type NotificationChange = Pick<StoredNotification, 'id'> &
  Partial<Pick<StoredNotification, 'state' | 'reason' | 'nextAttemptAt' | 'lastError' | 'sentAt' | 'message'>>

/** Decides what to write about one incident's messages from what was sent and what waits, oldest first. Must not throw. */
export type OutboxPlan = (known: readonly StoredNotification[]) => {
  add: readonly StoredNotification[]
  change: readonly NotificationChange[]
}

/** What a summary has to say, as of the moment at which it is requested. */
export interface HeldBackSummary {
  /** Ids of incidents, open ones first; only the first of many. */
  ids: readonly string[]
  incidents: number
  /** How many of these are not over. */
  open: number
  /** Messages that were left to it: that something is wrong, and that something is over. */
  messages: number
  ends: number
  /** Not over, of all that summaries of the channel have told. */
  stillOpen: number
}

/** How a channel is doing, as far as the store knows. Times in epoch ms. */
export interface ChannelFigures {
  waiting: number
  /** Tests apart. */
  sentLastHour: number
  lastSentAt: number | null
  lastSummaryAt: number | null
  /** The summary that waits for its first attempt. */
  waitingSummaryId: string | null
  /** When the oldest message that was tried in vain and still waits was written. */
  failingSince: number | null
}

export interface StoreHealth {
  ok: boolean
  reason: string | null
  /** Size of the database on disk in bytes, its journal included. */
  bytes: number
  /** Samples lost since the start because the spool in memory was full while the store could not be written. */
  samplesDropped?: number
  /** The file. */
  path?: string
  /** One sentence: what to do; null while it is well. */
  remedy?: string | null
  /** Since when it is not well. */
  since?: string | null
  /** Long reads: under way, waiting; since the start refused because too many waited, and given up because they took too long. */
  reads?: { running: number; waiting: number; refused: number; tooSlow: number }
  /** Rows that cannot be read and are left out of every list: how many were found, and one of them. */
  unreadable?: { count: number; example: string | null }
}

/** A node that is polled. */
export interface WatchedNode {
  readonly id: string
  /** Milliseconds between two polls. */
  readonly intervalMs: number
}

/**
 * Everything that outlives the process. All writes go through one writer; every method may reject with
 * `ERR_STORE_UNAVAILABLE`. What resolves is durable, except samples (up to one second may be lost in a crash).
 */
export interface Store {
  /** Applies migrations, before anything listens. Throws `ERR_DATABASE_NEWER`, `ERR_DATA_FOLDER`. */
  open(): Promise<void>
  close(): Promise<void>
  health(): StoreHealth
  rowCounts(): Promise<Record<string, number>>
  /** Deletes what is older than its retention, or more than its size, in small batches. */
  prune(): Promise<Pruned>

  /** Queues samples; they are written in one raw batch at the latest a second later. */
  writeSamples(rows: readonly SampleRow[]): void
  flush(): Promise<void>
  series(query: SeriesQuery): Promise<SeriesAnswer>
  /** Nodes that are polled from now on: nothing is missing for others, however old their last samples are. */
  setWatched(nodes: readonly WatchedNode[]): void
  /** Newest sample time of each node, epoch ms. */
  lastSampleAt(): Promise<Map<string, number>>

  /** Stores what is not there yet, in one batch, and returns just those rows with their ids, in input order. */
  appendEvents(events: readonly EventInput[]): Promise<FleetEvent[]>
  events(filter: EventFilter): Promise<EventPage>
  /** Where a node's stream was read to: its newest stored `(epoch, seq)`, or null. */
  position(origin: string): Promise<{ epoch: string; seq: number } | null>

  /** Records that data of a node (or, without one, of the collector) is missing between two epoch ms. */
  addGap(gap: SeriesGap): Promise<void>
  gaps(filter: { from: number; to: number; nodes?: string[] }): Promise<SeriesGap[]>

  /** Stores judgements, and documents that changed. Nothing is stored where it rejects. */
  writeHistory(
    states: readonly (HistoryState | HistoryEnd)[],
    documents: readonly HistoryDocument[],
  ): Promise<void>
  /** Every scope's last judgement at or before `at` (epoch ms); a scope that had left is absent. */
  statesAt(at: number): Promise<HistoryState[]>
  /** The document of a node that was the newest at `at` (epoch ms), or null. */
  documentAt(node: string, at: number): Promise<HistoryDocument | null>

  saveTunnels(rows: readonly Tunnel[]): Promise<void>
  forgetTunnels(hostIds: readonly string[]): Promise<void>
  tunnels(): Promise<Tunnel[]>

  /**
   * Inserts (`expectedVersion` 0), or replaces the record if its stored version is still that; else rejects with `ERR_VERSION_CONFLICT
   * {version}`. Rejects with `ERR_CONFLICT {key, incidentId, muted}` where another incident holds one of its signals. The messages about
   * the change are written in the same transaction.
   */
  saveIncident(stored: StoredIncident, expectedVersion: number, outbox?: OutboxPlan): Promise<void>
  /** The incident with what is kept beside it. */
  storedIncident(id: string): Promise<StoredIncident | null>
  /** Incidents that are not resolved, that were resolved since (epoch ms), or that hold a muted signal. */
  unsettledIncidents(since: number): Promise<StoredIncident[]>
  /** A muted signal has closed: it may open again. */
  unmuteSignal(key: string): Promise<void>
  incident(id: string): Promise<Incident | null>
  incidents(filter: {
    status?: string
    from?: string
    to?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Incident>>
  /** Notes, operator actions and milestones of one incident: rows that are not events. */
  addTimelineItem(incidentId: string, item: TimelineItem): Promise<void>
  timelineItems(incidentId: string): Promise<TimelineItem[]>
  /** Writes the changes that a plan makes to one incident's messages, in one transaction. */
  planNotifications(incidentId: string, plan: OutboxPlan): Promise<void>
  addNotification(row: StoredNotification): Promise<void>
  /** What is due at `now` (epoch ms) in these channels, and what a killed process left behind; oldest first. */
  dueNotifications(
    channels: readonly string[],
    now: number,
    leaseMs: number,
    limit: number,
  ): Promise<StoredNotification[]>
  /** Takes one for an attempt, for `leaseMs`; false where somebody else has it. Counts the attempt, and keeps the first `message`. */
  claimNotification(claim: {
    id: string
    owner: string
    now: number
    leaseMs: number
    message: string
  }): Promise<boolean>
  /** Writes its outcome, with its row on the incident's timeline; false where it is somebody else's by now. */
  settleNotification(
    owner: string,
    change: NotificationChange,
    item: { incidentId: string; row: TimelineItem } | null,
  ): Promise<boolean>
  /** What was sent or waits for these incidents, oldest first. */
  conversations(incidentIds: readonly string[]): Promise<StoredNotification[]>
  /** Takes what a channel left to a summary for told at `now`, and answers what that is. Asked again it answers the same. */
  takeHeldBack(held: { channel: string; reason: string; now: number }): Promise<HeldBackSummary>
  /** That summary was told, or given up: then nothing of it was told. What came too late for it waits for an attempt of its own. */
  endHeldBack(held: { channel: string; reason: string; isTold: boolean; now: number }): Promise<void>
  /** What waits for another attempt is tried at `now`. */
  hurryNotifications(channel: string, now: number): Promise<void>
  /** Whatever waits is due this many ms earlier: the clock was set back. */
  advanceNotifications(ms: number): Promise<void>
  /** Gives up what is older than `since` and was tried `attempts` times, or belongs to none of the channels; returns those. */
  expireNotifications(options: {
    since: number
    attempts: number
    channels: readonly string[]
    reason: string
  }): Promise<ExpiredNotification[]>
  channelFigures(now: number): Promise<Map<string, ChannelFigures>>
  notifications(filter: {
    channel?: string
    incident?: string
    state?: string
    limit?: number
    cursor?: string
  }): Promise<Page<StoredNotification>>
  addAnnotation(annotation: Annotation): Promise<void>
  annotations(filter: { from: string; to: string }): Promise<Annotation[]>

  /** Inserts a window. Its audit row is written in the same transaction. */
  addMaintenance(window: StoredMaintenance, audit: Omit<AuditRow, 'id'>): Promise<void>
  /** Replaces a window with the ended one, or removes it (null). Rejects with `ERR_CONFLICT` where somebody ended it first. */
  endMaintenance(
    before: StoredMaintenance,
    ended: StoredMaintenance | null,
    audit: Omit<AuditRow, 'id'>,
  ): Promise<void>
  maintenanceWindow(id: string): Promise<StoredMaintenance | null>
  /** Windows that end after `at`, epoch ms. */
  maintenanceSince(at: number): Promise<StoredMaintenance[]>
  /** The latest beginning first. */
  maintenance(filter: MaintenanceFilter): Promise<Page<StoredMaintenance>>

  /**
   * Inserts; rejects with `ERR_DRAIN_RUNNING` where an active drain of the same region or node exists, `ERR_VERSION_CONFLICT {version}`
   * where this one does. Its audit rows are written in the same transaction.
   */
  createDrain(stored: StoredDrain, audit?: readonly Omit<AuditRow, 'id'>[]): Promise<void>
  /** Replaces the record if its stored version is still `expectedVersion`; else rejects with `ERR_VERSION_CONFLICT {by, at, version}`. */
  saveDrain(
    stored: StoredDrain,
    expectedVersion: number,
    audit?: readonly Omit<AuditRow, 'id'>[],
  ): Promise<void>
  drain(id: string): Promise<StoredDrain | null>
  drains(filter: {
    active?: boolean
    region?: string
    limit?: number
    cursor?: string
  }): Promise<Page<StoredDrain>>

  audit(row: Omit<AuditRow, 'id'>): Promise<void>
  /**
   * Writes a row for work that must go on although the store is away, such as a drain: then the row is in the emergency log on disk, and
   * in the audit once the store is back. Rejects only where neither can be written.
   */
  auditAlways?(row: Omit<AuditRow, 'id'>): Promise<'stored' | 'logged'>
  auditRows(filter: { limit?: number; cursor?: string }): Promise<Page<AuditRow>>

  apiTokens(): Promise<StoredApiToken[]>
  addApiToken(token: StoredApiToken): Promise<void>
  removeApiToken(id: string): Promise<boolean>
  touchApiToken(id: string, at: string): Promise<void>

  /** Small durable facts, for example that this data folder has held a real configuration. */
  setting(key: string): Promise<string | null>
  setSetting(key: string, value: string | null): Promise<void>
}
