import {
  type Annotation,
  AppError,
  type AuditRow,
  type EventPage,
  type FleetEvent,
  type Incident,
  type Page,
  type SeriesAnswer,
  type SeriesGap,
  type TimelineItem,
  type Tunnel,
} from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import { addApiToken, readApiTokens, removeApiToken, touchApiToken } from './api-tokens.ts'
import { readAudit, writeAudit } from './audit.ts'
import { Database } from './database.ts'
import { createDrain, readDrain, readDrains, saveDrain } from './drains.ts'
import type { EmergencyLog } from './emergency-log.ts'
import { appendEvents, readEvents, readPosition } from './events.ts'
import type { PrismaClient } from './generated/client.ts'
import { readDocumentAt, readStatesAt, writeHistory } from './history.ts'
import { HOLE_INTERVALS, Holes } from './holes.ts'
import {
  addAnnotation,
  addTimelineItem,
  readAnnotations,
  readIncident,
  readIncidents,
  readStoredIncident,
  readTimelineItems,
  readUnsettled,
  saveIncident,
  unmuteSignal,
} from './incidents.ts'
import {
  addMaintenance,
  endMaintenance,
  readMaintenance,
  readMaintenanceSince,
  readOneMaintenance,
} from './maintenance.ts'
import {
  addNotification,
  advanceNotifications,
  claimNotification,
  endHeldBack,
  expireNotifications,
  hurryNotifications,
  planNotifications,
  readChannelFigures,
  readConversations,
  readDue,
  readNotifications,
  settleNotification,
  takeHeldBack,
  writeOutbox,
} from './notifications.ts'
import { defaultRetention, Pruner, type Retention } from './retention.ts'
import { RoomFigures, type StoreMeasure } from './room-figures.ts'
import { SampleWriter } from './samples.ts'
import { SeriesReader } from './series.ts'
import type {
  ChannelFigures,
  EventFilter,
  EventInput,
  ExpiredNotification,
  HeldBackSummary,
  HistoryDocument,
  HistoryEnd,
  HistoryState,
  MaintenanceFilter,
  OutboxPlan,
  Pruned,
  SampleRow,
  SeriesQuery,
  Store,
  StoredApiToken,
  StoredDrain,
  StoredIncident,
  StoredMaintenance,
  StoredNotification,
  StoreHealth,
  WatchedNode,
} from './store.ts'
import { forgetTunnels, readTunnels, saveTunnels } from './tunnels.ts'

export type { PrismaClient } from './generated/client.ts'
export type { StoreMeasure } from './room-figures.ts'

export interface SqliteStoreOptions {
  /** `file:` and a path, relative to the working directory or absolute. */
  url: string
  log: Log
  /** Usual time between two polls of a node, in ms; three of them without a sample are a gap. Default 5 000. */
  expectedIntervalMs?: number
  retention?: Partial<Retention>
  /** A read of many rows may take so long, in ms. Default 15 000. */
  readLimitMs?: number
  /** A search of events answers after so long what it has found, in ms. Default 2 000. */
  searchLimitMs?: number
  /** Epoch ms; for tests. */
  now?: () => number
}

/** The store on SQLite: Prisma for what is read and written whole, raw batches for samples and events; one connection writes, one reads. */
export class SqliteStore implements Store {
  readonly #database: Database
  readonly #log: Log
  readonly #searchLimitMs: number
  readonly #retention: Retention
  readonly #samples: SampleWriter
  readonly #holes: Holes
  readonly #now: () => number
  readonly #series: SeriesReader
  readonly #pruner: Pruner
  readonly #figures: RoomFigures

  constructor(options: SqliteStoreOptions) {
    const { url, log, readLimitMs, now = Date.now, expectedIntervalMs: pollIntervalMs = 5_000 } = options
    this.#log = log
    this.#searchLimitMs = options.searchLimitMs ?? 2_000
    this.#retention = { ...defaultRetention, ...options.retention }
    this.#database = new Database({ url, log, readLimitMs, now, whenBack: () => this.#samples.flush() })
    const { connection, reader, path } = this.#database
    const holes = new Holes(HOLE_INTERVALS * pollIntervalMs)
    this.#holes = holes
    this.#now = now
    this.#samples = new SampleWriter(connection, log, holes, () => reader.forget())
    const { known } = this.#samples
    this.#series = new SeriesReader({ reader, samples: this.#samples, holes, pollIntervalMs, now })
    const retention = this.#retention
    this.#pruner = new Pruner({ connection, reader, nodes: () => [...known.keys()], retention, now })
    this.#figures = new RoomFigures({ reader, path, retention, nodes: () => known.keys(), now })
  }

  /** For what has a Prisma adapter of its own. Its statements take their turn on the store's one connection. */
  get prisma(): PrismaClient {
    return this.#database.prisma
  }

  /** What was written while the store could not be; replayed into the audit by itself. */
  get emergency(): EmergencyLog {
    return this.#database.emergency
  }

  open(): Promise<void> {
    return this.#database.open(() => this.#samples.load())
  }

  close(): Promise<void> {
    return this.#database.close(() => this.#samples.close())
  }

  health(): StoreHealth {
    return { ...this.#database.health(), samplesDropped: this.#samples.dropped }
  }

  rowCounts(): Promise<Record<string, number>> {
    return this.#guard(() => this.#figures.rowCounts())
  }

  /** How long things are kept from now on; what is absent keeps its default. The next pruning goes by it. */
  setRetention(retention: Partial<Retention>): void {
    Object.assign(this.#retention, defaultRetention, retention)
  }

  /** Size, growth, retention and the last backup, for the system page. */
  measure(): Promise<StoreMeasure> {
    return this.#guard(() => this.#figures.measure())
  }

  async prune(): Promise<Pruned> {
    const pruned = await this.#guard(() => this.#pruner.prune())
    await this.#guard(() => this.#figures.sawPruned(pruned))
    if (pruned.forSize > 0)
      this.#log.warn(
        { rows: pruned.forSize, maxBytes: this.#retention.maxBytes },
        'the database had reached its size: rows went before their time',
      )
    return pruned
  }

  writeSamples(rows: readonly SampleRow[]): void {
    this.#samples.write(rows)
  }

  flush(): Promise<void> {
    return this.#samples.flush()
  }

  series(query: SeriesQuery): Promise<SeriesAnswer> {
    return this.#guard(() => this.#series.series(query))
  }

  setWatched(nodes: readonly WatchedNode[]): void {
    this.#holes.setWatched(nodes, this.#now())
    this.#series.setWatched(nodes)
  }

  async lastSampleAt(): Promise<Map<string, number>> {
    return new Map([...this.#samples.known].map(([node, { lastAt }]) => [node, lastAt]))
  }

  appendEvents(events: readonly EventInput[]): Promise<FleetEvent[]> {
    return appendEvents(this.#database.connection, events)
  }

  events(filter: EventFilter): Promise<EventPage> {
    return this.#guard(() => readEvents(this.#database.reader, filter, this.#searchLimitMs))
  }

  position(origin: string): Promise<{ epoch: string; seq: number } | null> {
    return this.#guard(() => readPosition(this.#database.reader, origin))
  }

  async addGap(gap: SeriesGap): Promise<void> {
    await this.#database.connection.query(
      'INSERT INTO "gaps" ("from", "to", "reason", "node") VALUES (?, ?, ?, ?)',
      [Math.trunc(gap.from), Math.trunc(gap.to), gap.reason, gap.node ?? null],
    )
  }

  gaps(filter: { from: number; to: number; nodes?: string[] }): Promise<SeriesGap[]> {
    return this.#guard(() => this.#series.gaps(filter))
  }

  writeHistory(
    states: readonly (HistoryState | HistoryEnd)[],
    documents: readonly HistoryDocument[],
  ): Promise<void> {
    return writeHistory(this.#database.connection, states, documents)
  }

  statesAt(at: number): Promise<HistoryState[]> {
    return this.#guard(() => readStatesAt(this.#database.reader, at))
  }

  documentAt(node: string, at: number): Promise<HistoryDocument | null> {
    return this.#guard(() => readDocumentAt(this.#database.reader, node, at))
  }

  saveTunnels(rows: readonly Tunnel[]): Promise<void> {
    return saveTunnels(this.#database.connection, rows)
  }

  forgetTunnels(hostIds: readonly string[]): Promise<void> {
    return forgetTunnels(this.#database.connection, hostIds)
  }

  tunnels(): Promise<Tunnel[]> {
    return this.#guard(() => readTunnels(this.prisma, this.#database.unreadable))
  }

  saveIncident(stored: StoredIncident, expectedVersion: number, outbox?: OutboxPlan): Promise<void> {
    return saveIncident(this.#database.connection, stored, expectedVersion, async (run) => {
      if (outbox !== undefined) await writeOutbox(run, stored.incident.id, outbox)
    })
  }

  storedIncident(id: string): Promise<StoredIncident | null> {
    return this.#guard(() => readStoredIncident(this.#database.connection, id, this.#database.unreadable))
  }

  unsettledIncidents(since: number): Promise<StoredIncident[]> {
    return this.#guard(() => readUnsettled(this.#database.connection, since, this.#database.unreadable))
  }

  unmuteSignal(key: string): Promise<void> {
    return this.#guard(() => unmuteSignal(this.#database.connection, key))
  }

  incident(id: string): Promise<Incident | null> {
    return this.#guard(() => readIncident(this.prisma, id, this.#database.unreadable))
  }

  incidents(filter: Parameters<Store['incidents']>[0]): Promise<Page<Incident>> {
    return this.#guard(() => readIncidents(this.prisma, filter, this.#database.unreadable))
  }

  addTimelineItem(incidentId: string, item: TimelineItem): Promise<void> {
    return addTimelineItem(this.#database.connection, incidentId, item)
  }

  timelineItems(incidentId: string): Promise<TimelineItem[]> {
    return this.#guard(() => readTimelineItems(this.prisma, incidentId, this.#database.unreadable))
  }

  planNotifications(incidentId: string, plan: OutboxPlan): Promise<void> {
    return planNotifications(this.#database.connection, incidentId, plan)
  }

  addNotification(row: StoredNotification): Promise<void> {
    return addNotification(this.#database.connection, row)
  }

  dueNotifications(...[channels, now, leaseMs, limit]: Parameters<Store['dueNotifications']>) {
    return readDue(this.#database.connection, channels, now, leaseMs, limit)
  }

  claimNotification(claim: Parameters<Store['claimNotification']>[0]): Promise<boolean> {
    return claimNotification(this.#database.connection, claim)
  }

  settleNotification(...[owner, change, item]: Parameters<Store['settleNotification']>): Promise<boolean> {
    return settleNotification(this.#database.connection, owner, change, item)
  }

  conversations(incidentIds: readonly string[]): Promise<StoredNotification[]> {
    return readConversations(this.#database.connection, incidentIds)
  }

  takeHeldBack(held: Parameters<Store['takeHeldBack']>[0]): Promise<HeldBackSummary> {
    return takeHeldBack(this.#database.connection, held)
  }

  endHeldBack(held: Parameters<Store['endHeldBack']>[0]): Promise<void> {
    return endHeldBack(this.#database.connection, held)
  }

  hurryNotifications(channel: string, now: number): Promise<void> {
    return hurryNotifications(this.#database.connection, channel, now)
  }

  advanceNotifications(ms: number): Promise<void> {
    return advanceNotifications(this.#database.connection, ms)
  }

  expireNotifications(options: Parameters<Store['expireNotifications']>[0]): Promise<ExpiredNotification[]> {
    return expireNotifications(this.#database.connection, options)
  }

  channelFigures(now: number): Promise<Map<string, ChannelFigures>> {
    return readChannelFigures(this.#database.connection, now)
  }

  notifications(filter: Parameters<Store['notifications']>[0]): Promise<Page<StoredNotification>> {
    return this.#guard(() => readNotifications(this.prisma, filter))
  }

  addAnnotation(annotation: Annotation): Promise<void> {
    return this.#guard(() => addAnnotation(this.prisma, annotation))
  }

  annotations(filter: { from: string; to: string }): Promise<Annotation[]> {
    return this.#guard(() => readAnnotations(this.prisma, filter, this.#database.unreadable))
  }

  addMaintenance(window: StoredMaintenance, audit: Omit<AuditRow, 'id'>): Promise<void> {
    return addMaintenance(this.#database.connection, window, audit)
  }

  endMaintenance(...change: Parameters<Store['endMaintenance']>): Promise<void> {
    return endMaintenance(this.#database.connection, ...change)
  }

  maintenanceWindow(id: string): Promise<StoredMaintenance | null> {
    return this.#guard(() => readOneMaintenance(this.prisma, id, this.#database.unreadable))
  }

  maintenanceSince(at: number): Promise<StoredMaintenance[]> {
    return this.#guard(() => readMaintenanceSince(this.prisma, at, this.#database.unreadable))
  }

  maintenance(filter: MaintenanceFilter): Promise<Page<StoredMaintenance>> {
    return this.#guard(() => readMaintenance(this.prisma, filter, this.#database.unreadable))
  }

  createDrain(stored: StoredDrain, audit?: readonly Omit<AuditRow, 'id'>[]): Promise<void> {
    return createDrain(this.#database.connection, stored, audit)
  }

  saveDrain(
    stored: StoredDrain,
    expectedVersion: number,
    audit?: readonly Omit<AuditRow, 'id'>[],
  ): Promise<void> {
    return saveDrain(this.#database.connection, stored, expectedVersion, audit)
  }

  drain(id: string): Promise<StoredDrain | null> {
    return this.#guard(() => readDrain(this.prisma, id))
  }

  drains(filter: Parameters<Store['drains']>[0]): Promise<Page<StoredDrain>> {
    return this.#guard(() => readDrains(this.prisma, this.#log, filter))
  }

  audit(row: Omit<AuditRow, 'id'>): Promise<void> {
    return this.#guard(() => writeAudit(this.prisma, row))
  }

  async auditAlways(row: Omit<AuditRow, 'id'>): Promise<'stored' | 'logged'> {
    try {
      await this.audit(row)
      return 'stored'
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE')) throw error
      this.emergency.append(row)
      return 'logged'
    }
  }

  auditRows(filter: { limit?: number; cursor?: string }): Promise<Page<AuditRow>> {
    return this.#guard(() => readAudit(this.prisma, filter))
  }

  apiTokens(): Promise<StoredApiToken[]> {
    return this.#guard(() => readApiTokens(this.prisma))
  }

  addApiToken(token: StoredApiToken): Promise<void> {
    return this.#guard(() => addApiToken(this.prisma, token))
  }

  removeApiToken(id: string): Promise<boolean> {
    return this.#guard(() => removeApiToken(this.prisma, id))
  }

  touchApiToken(id: string, at: string): Promise<void> {
    return this.#guard(() => touchApiToken(this.prisma, id, at))
  }

  setting(key: string): Promise<string | null> {
    return this.#guard(async () => (await this.prisma.setting.findUnique({ where: { key } }))?.value ?? null)
  }

  setSetting(key: string, value: string | null): Promise<void> {
    const { setting } = this.prisma
    return this.#guard(async () => {
      if (value === null) await setting.deleteMany({ where: { key } })
      else await setting.upsert({ where: { key }, create: { key, value }, update: { value } })
    })
  }

  #guard<T>(work: () => Promise<T>): Promise<T> {
    return this.#database.guard(work)
  }
}
