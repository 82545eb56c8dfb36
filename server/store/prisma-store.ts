import { AppError } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import { addApiToken, readApiTokens, removeApiToken, touchApiToken } from './api-tokens.ts'
import { readAudit, writeAudit } from './audit.ts'
import { type BackupNote, readBackupNote } from './backup.ts'
import { Connection, databasePath } from './connection.ts'
import { createDrain, readDrain, readDrains, saveDrain } from './drains.ts'
import { EmergencyLog } from './emergency-log.ts'
import { appendEvents, readEvents, readPosition } from './events.ts'
import { remedyOf } from './faults.ts'
import { PrismaClient } from './generated/client.ts'
import { Growth } from './growth.ts'
import {
  addAnnotation,
  addTimelineItem,
  readAnnotations,
  readIncident,
  readIncidents,
  readTimelineItems,
  saveIncident,
} from './incidents.ts'
import { applyMigrations } from './migrations.ts'
import { Reader } from './reader.ts'
import { defaultRetention, type Pruned, Pruner, type Retention, usedBytes } from './retention.ts'
import { SampleWriter } from './samples.ts'
import { SeriesReader } from './series.ts'
import type { Store } from './store.ts'
import { forgetTunnels, readTunnels, saveTunnels } from './tunnels.ts'
import { UnreadableRows } from './unreadable-rows.ts'

export type { PrismaClient } from './generated/client.ts'

export interface PrismaStoreOptions {
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

export interface PrismaStore extends Store {
  /** For what has a Prisma adapter of its own. Its statements take their turn on the store's one connection. */
  readonly prisma: PrismaClient
  /** Deletes what is older than its retention, or more than its size, in small batches. The collector asks for it now and then. */
  prune(): Promise<Pruned>
  /** Size, growth, retention and the last backup, for the system page. */
  measure(): Promise<StoreMeasure>
  /** What was written while the store could not be; replayed into the audit by itself. */
  readonly emergency: EmergencyLog
}

export interface StoreMeasure {
  /** Rows of each table. */
  rows: Record<string, number>
  /** Bytes that rows and indexes take; what was freed within the file is not in it. */
  usedBytes: number
  /** Growth a day at the pace of the last hours; null before that can be said. */
  growthBytesPerDay: number | null
  /** Since when there are events and samples, epoch ms; null where there are none. */
  oldest: { events: number | null; samples: number | null }
  retention: Retention
  /** The last time that old rows were removed, and whether the size cut their time short. */
  pruned: (Pruned & { at: number }) | null
  backup: BackupNote | null
}

const healEveryMs = 1_000

/** How long counts of rows are good enough, in ms. */
const countedForMs = 10_000

const counted = [
  'samples',
  'gaps',
  'events',
  'tunnels',
  'incidents',
  'timeline_items',
  'annotations',
  'drains',
  'audit_rows',
  'users',
]

const oldestSample = async (reader: Reader, nodes: Iterable<string>): Promise<number | null> => {
  let oldest: number | null = null
  for (const node of nodes) {
    const { rows } = await reader.lookUp('SELECT MIN("at") FROM "samples" WHERE "node" = ?', [node])
    const at = rows[0]?.[0]
    if (at !== null && at !== undefined) oldest = Math.min(oldest ?? Number(at), Number(at))
  }
  return oldest
}

/** The store on SQLite: Prisma for what is read and written whole, raw batches for samples and events; one connection writes, one reads. */
export const createPrismaStore = (options: PrismaStoreOptions): PrismaStore => {
  const { log } = options
  const now = options.now ?? Date.now
  const pollIntervalMs = options.expectedIntervalMs ?? 5_000
  const holeMs = 3 * pollIntervalMs
  const retention = { ...defaultRetention, ...options.retention }
  let healing: NodeJS.Timeout | null = null
  let state: 'new' | 'open' | 'closed' = 'new'
  let openFault: string | null = null
  let openFaultSince: number | null = null

  const heal = async () => {
    healing = null
    if (state !== 'open') return
    if (!(await connection.heal())) {
      watch()
      return
    }
    log.info('the store can be written again')
    try {
      await samples.flush()
    } catch (error) {
      log.warn({ err: error }, 'the store failed again while the spool was written')
      return
    }
    await replay()
  }
  const watch = () => {
    if (state === 'open') healing ??= setTimeout(heal, healEveryMs)
  }
  const path = databasePath(options.url)
  const reader = new Reader({
    path,
    ...(options.readLimitMs === undefined ? {} : { readLimitMs: options.readLimitMs }),
    onError: (error) => connection.noteOther(error),
    onEnd: (error) =>
      log.error({ err: error }, 'the reading thread of the store ended; the next read starts another'),
  })
  const connection = new Connection(
    options.url,
    (reason) => {
      if (state !== 'open') return
      log.error({ reason, path, remedy: remedyOf(reason) }, 'the store cannot be used')
      watch()
    },
    (sql, args) => reader.lookUp(sql, args),
  )
  const prisma = new PrismaClient({ adapter: connection.adapter, errorFormat: 'minimal', log: [] })
  const samples = new SampleWriter(connection, log, holeMs, () => reader.forget())
  const series = new SeriesReader({ reader, known: samples.known, pollIntervalMs, holeMs, now })
  const pruner = new Pruner({ connection, reader, nodes: () => [...samples.known.keys()], retention, now })
  const growth = new Growth(now)
  const unreadable = new UnreadableRows(log)
  const emergency = new EmergencyLog(`${path}.emergency.jsonl`, log)
  let counts: { at: number; rows: Promise<Record<string, number>> } | null = null
  let pruned: StoreMeasure['pruned'] = null

  /** Turns a fault of the store, however it was wrapped, into `ERR_STORE_UNAVAILABLE`. */
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw connection.translate(error)
    }
  }

  const replay = async () => {
    try {
      const replayed = await emergency.replay(connection)
      if (replayed > 0) log.warn({ rows: replayed }, 'what the emergency log held was put into the audit')
    } catch (error) {
      log.error({ err: error, path: emergency.path }, 'the emergency log stays: it could not be replayed')
    }
  }
  const rowCounts = () => guard(() => reader.read('counts', counted, 'room'))
  /** Counting reads whole indexes: once in a while is enough for a page that people look at. */
  const recentCounts = (): Promise<Record<string, number>> => {
    if (counts === null || performance.now() - counts.at > countedForMs) {
      const rows = rowCounts()
      counts = { at: performance.now(), rows }
      rows.catch(() => {
        counts = null
      })
    }
    return counts.rows
  }
  const first = async (sql: string): Promise<number | null> => {
    const value = (await reader.lookUp(sql, [])).rows[0]?.[0]
    return value === null || value === undefined ? null : Number(value)
  }
  return {
    prisma,
    async open() {
      if (state !== 'new') return
      try {
        await connection.open()
        await applyMigrations(connection, log)
        await guard(() => samples.load())
      } catch (error) {
        const known = connection.translate(error)
        openFault = known instanceof AppError ? String(known.facts.reason ?? known.message) : String(error)
        openFaultSince ??= now()
        throw known
      }
      state = 'open'
      // What failed before and works now is no fault any more, and what went wrong since is watched from here on.
      if (!(await connection.heal())) watch()
      await replay()
    },
    async close() {
      if (state === 'closed') return
      state = 'closed'
      if (healing) clearTimeout(healing)
      await samples.close()
      await prisma.$disconnect()
      // The last connection folds the log in, so the one that reads goes first.
      await reader.close()
      await connection.close()
    },
    health() {
      const reason =
        state === 'open'
          ? connection.fault
          : state === 'new'
            ? (openFault ?? 'the store is not open yet')
            : 'the store is closed'
      const since = state === 'open' ? connection.faultSince : openFaultSince
      return {
        ok: reason === null,
        reason,
        bytes: connection.bytes,
        samplesDropped: samples.dropped,
        path,
        remedy: reason === null ? null : remedyOf(reason),
        since: since === null ? null : new Date(since).toISOString(),
        reads: reader.figures,
        unreadable: unreadable.figures,
      }
    },
    rowCounts,
    async measure() {
      const used = await guard(() => usedBytes(reader))
      growth.saw(used)
      return {
        rows: await recentCounts(),
        usedBytes: used,
        growthBytesPerDay: growth.perDay,
        oldest: {
          events: await guard(() => first('SELECT MIN("orderedAt") FROM "events"')),
          samples: await guard(() => oldestSample(reader, samples.known.keys())),
        },
        retention,
        pruned,
        backup: readBackupNote(path),
      }
    },
    emergency,

    writeSamples: (rows) => samples.write(rows),
    flush: () => samples.flush(),
    series: async (query) => {
      // What was measured a moment ago belongs to the newest step; a store that cannot be written may still be read.
      await samples.flush().catch((error: unknown) => log.debug({ err: error }, 'samples stay in the spool'))
      return guard(() => series.series(query))
    },
    lastSampleAt: async () => new Map([...samples.known].map(([node, { lastAt }]) => [node, lastAt])),

    appendEvents: (events) => appendEvents(connection, events),
    events: (filter) => guard(() => readEvents(reader, filter, options.searchLimitMs ?? 2_000)),
    position: (origin) => guard(() => readPosition(reader, origin)),

    addGap: async (gap) => {
      await connection.query('INSERT INTO "gaps" ("from", "to", "reason", "node") VALUES (?, ?, ?, ?)', [
        Math.trunc(gap.from),
        Math.trunc(gap.to),
        gap.reason,
        gap.node ?? null,
      ])
    },
    gaps: (filter) => guard(() => series.gaps(filter)),

    saveTunnels: (rows) => saveTunnels(connection, rows),
    forgetTunnels: (hostIds) => forgetTunnels(connection, hostIds),
    tunnels: () => guard(() => readTunnels(prisma, unreadable)),

    saveIncident: (incident) => guard(() => saveIncident(prisma, incident)),
    incident: (id) => guard(() => readIncident(prisma, id, unreadable)),
    incidents: (filter) => guard(() => readIncidents(prisma, filter, unreadable)),
    addTimelineItem: (incidentId, item) => addTimelineItem(connection, incidentId, item),
    timelineItems: (incidentId) => guard(() => readTimelineItems(prisma, incidentId, unreadable)),
    addAnnotation: (annotation) => guard(() => addAnnotation(prisma, annotation)),
    annotations: (filter) => guard(() => readAnnotations(prisma, filter, unreadable)),

    createDrain: (stored, audit) => createDrain(connection, stored, audit),
    saveDrain: (stored, expectedVersion, audit) => saveDrain(connection, stored, expectedVersion, audit),
    drain: (id) => guard(() => readDrain(prisma, id)),
    drains: (filter) => guard(() => readDrains(prisma, log, filter)),

    audit: (row) => guard(() => writeAudit(prisma, row)),
    async auditAlways(row) {
      try {
        await guard(() => writeAudit(prisma, row))
        return 'stored'
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE')) throw error
        emergency.append(row)
        return 'logged'
      }
    },
    auditRows: (filter) => guard(() => readAudit(prisma, filter)),

    apiTokens: () => guard(() => readApiTokens(prisma)),
    addApiToken: (token) => guard(() => addApiToken(prisma, token)),
    removeApiToken: (id) => guard(() => removeApiToken(prisma, id)),
    touchApiToken: (id, at) => guard(() => touchApiToken(prisma, id, at)),

    setting: (key) => guard(async () => (await prisma.setting.findUnique({ where: { key } }))?.value ?? null),
    setSetting: (key, value) =>
      guard(async () => {
        if (value === null) await prisma.setting.deleteMany({ where: { key } })
        else await prisma.setting.upsert({ where: { key }, create: { key, value }, update: { value } })
      }),
    async prune() {
      const done = await guard(() => pruner.prune())
      pruned = { ...done, at: now() }
      growth.saw(await guard(() => usedBytes(reader)))
      if (done.forSize > 0)
        log.warn(
          { rows: done.forSize, maxBytes: retention.maxBytes },
          'the database had reached its size: rows went before their time',
        )
      return done
    },
  }
}
