import type { Log } from '../observe/log.ts'
import { addApiToken, readApiTokens, removeApiToken, touchApiToken } from './api-tokens.ts'
import { readAudit, writeAudit } from './audit.ts'
import { Connection } from './connection.ts'
import { createDrain, readDrain, readDrains, saveDrain } from './drains.ts'
import { appendEvents, readEvents, readPosition } from './events.ts'
import { PrismaClient } from './generated/client.ts'
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
import { defaultRetention, prune, type Retention } from './retention.ts'
import { SampleWriter } from './samples.ts'
import { SeriesReader } from './series.ts'
import type { Store } from './store.ts'
import { readTunnels, saveTunnels } from './tunnels.ts'

export type { PrismaClient } from './generated/client.ts'

export interface PrismaStoreOptions {
  /** `file:` and a path, relative to the working directory or absolute. */
  url: string
  log: Log
  /** Usual time between two polls of a node, in ms; three of them without a sample are a gap. Default 5 000. */
  expectedIntervalMs?: number
  retention?: Partial<Retention>
  /** Epoch ms; for tests. */
  now?: () => number
}

export interface PrismaStore extends Store {
  /** For what has a Prisma adapter of its own. Its statements take their turn on the store's one connection. */
  readonly prisma: PrismaClient
  /** Deletes what is older than its retention, in small batches. The collector asks for it now and then. */
  prune(): Promise<{ samples: number; events: number; gaps: number }>
}

const healEveryMs = 1_000

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

/** The store on SQLite: Prisma for what is read and written whole, raw batches for samples and events, one connection for all. */
export const createPrismaStore = (options: PrismaStoreOptions): PrismaStore => {
  const { log } = options
  const now = options.now ?? Date.now
  const pollIntervalMs = options.expectedIntervalMs ?? 5_000
  const holeMs = 3 * pollIntervalMs
  const retention = { ...defaultRetention, ...options.retention }
  let healing: NodeJS.Timeout | null = null
  let state: 'new' | 'open' | 'closed' = 'new'

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
    }
  }
  const watch = () => {
    if (state === 'open') healing ??= setTimeout(heal, healEveryMs)
  }
  const connection = new Connection(options.url, (reason) => {
    log.error({ reason, path: connection.path }, 'the store cannot be used')
    watch()
  })
  const prisma = new PrismaClient({ adapter: connection.adapter, errorFormat: 'minimal', log: [] })
  const samples = new SampleWriter(connection, log, holeMs)
  const reader = new SeriesReader({ connection, known: samples.known, pollIntervalMs, holeMs, now })

  /** Turns a fault of the store, however it was wrapped, into `ERR_STORE_UNAVAILABLE`. */
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw connection.translate(error)
    }
  }

  const pruneNow = () => guard(() => prune(connection, [...samples.known.keys()], retention, now()))
  return {
    prisma,
    async open() {
      if (state !== 'new') return
      await connection.open()
      await applyMigrations(connection, log)
      await guard(() => samples.load())
      state = 'open'
    },
    async close() {
      if (state === 'closed') return
      state = 'closed'
      if (healing) clearTimeout(healing)
      await samples.close()
      await prisma.$disconnect()
      await connection.close()
    },
    health() {
      const reason =
        state === 'open'
          ? connection.fault
          : state === 'new'
            ? 'the store is not open yet'
            : 'the store is closed'
      return { ok: reason === null, reason, bytes: connection.bytes, samplesDropped: samples.dropped }
    },
    rowCounts: async () => {
      const parts = counted.map((table) => `SELECT '${table}' AS "name", COUNT(*) AS "count" FROM "${table}"`)
      const { rows } = await connection.query(parts.join(' UNION ALL '))
      return Object.fromEntries(rows.map((row) => [String(row.name), Number(row.count)]))
    },

    writeSamples: (rows) => samples.write(rows),
    flush: () => samples.flush(),
    series: async (query) => {
      // What was measured a moment ago belongs to the newest step; a store that cannot be written may still be read.
      await samples.flush().catch((error: unknown) => log.debug({ err: error }, 'samples stay in the spool'))
      return reader.series(query)
    },
    lastSampleAt: async () => new Map([...samples.known].map(([node, { lastAt }]) => [node, lastAt])),

    appendEvents: (events) => appendEvents(connection, events),
    events: (filter) => readEvents(connection, filter),
    position: (origin) => readPosition(connection, origin),

    addGap: async (gap) => {
      await connection.query('INSERT INTO "gaps" ("from", "to", "reason", "node") VALUES (?, ?, ?, ?)', [
        Math.trunc(gap.from),
        Math.trunc(gap.to),
        gap.reason,
        gap.node ?? null,
      ])
    },
    gaps: (filter) => reader.gaps(filter),

    saveTunnels: (rows) => saveTunnels(connection, rows),
    tunnels: () => guard(() => readTunnels(prisma)),

    saveIncident: (incident) => guard(() => saveIncident(prisma, incident)),
    incident: (id) => guard(() => readIncident(prisma, id)),
    incidents: (filter) => guard(() => readIncidents(prisma, filter)),
    addTimelineItem: (incidentId, item) => addTimelineItem(connection, incidentId, item),
    timelineItems: (incidentId) => guard(() => readTimelineItems(prisma, incidentId)),
    addAnnotation: (annotation) => guard(() => addAnnotation(prisma, annotation)),
    annotations: (filter) => guard(() => readAnnotations(prisma, filter)),

    createDrain: (stored) => createDrain(connection, stored),
    saveDrain: (stored, expectedVersion) => saveDrain(connection, stored, expectedVersion),
    drain: (id) => guard(() => readDrain(prisma, id)),
    drains: (filter) => guard(() => readDrains(prisma, filter)),

    audit: (row) => guard(() => writeAudit(prisma, row)),
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
    prune: pruneNow,
  }
}
