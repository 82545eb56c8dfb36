import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Drain, EventType, Incident, Tunnel } from '../../server/contract/index.ts'
import { createLog } from '../../server/observe/log.ts'
import { SqliteStore, type SqliteStoreOptions } from '../../server/store/sqlite-store.ts'
import type { EventInput, Store, StoredDrain, StoredIncident } from '../../server/store/store.ts'

export const log = createLog('test', 'silent')

export interface Dialect {
  name: string
  /** A new, empty, open store. */
  create(
    options?: Partial<SqliteStoreOptions>,
  ): Promise<{ store: SqliteStore; url: string; path: string; remove(): Promise<void> }>
}

export const sqlite: Dialect = {
  name: 'sqlite',
  async create(options = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-store-'))
    const path = join(folder, 'tidegate.db')
    const url = `file:${path}`
    const store = new SqliteStore({ url, log, ...options })
    await store.open()
    return {
      store,
      url,
      path,
      async remove() {
        await store.close()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  },
}

/** The store with some of its methods replaced. */
export const changedStore = (store: Store, change: Partial<Store>): Store =>
  new Proxy(store, {
    get(target, name) {
      if (name in change) return Reflect.get(change, name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

/** Every dialect passes the same suite. */
export const dialects: Dialect[] = [sqlite]

export const iso = (ms: number): string => new Date(ms).toISOString()

export const start = Date.parse('2026-04-27T18:00:00Z')

export const event = (seq: number, more: Partial<EventInput> = {}): EventInput => ({
  origin: 'fra-1',
  source: 'node',
  epoch: 'run-1',
  seq,
  node: 'fra-1',
  region: 'fra',
  type: 'tunnel.lost' as EventType,
  at: iso(start + seq * 1_000),
  receivedAt: iso(start + seq * 1_000 + 20),
  data: { hostId: `host-${seq}`, code: 4001, reason: 'drain', heldMs: 10 },
  ...more,
})

export const drain = (id: string, more: Partial<Drain> = {}): StoredDrain => ({
  drain: {
    id,
    region: 'fra',
    reason: 'kernel update',
    strategy: { maxUnavailable: 1, deadlineSeconds: 300, onDeadline: 'wait', mode: 'hold' },
    state: 'planned',
    version: 1,
    createdAt: iso(start),
    createdBy: 'ana@example.com',
    updatedAt: iso(start),
    updatedBy: 'ana@example.com',
    note: null,
    steps: [],
    moves: [],
    ...more,
  },
  resume: { cursor: 1 },
})

export const incident = (id: string, more: Partial<Incident> = {}): Incident => ({
  id,
  title: 'Pushes are stuck on fra-1',
  severity: 'critical',
  state: 'open',
  signals: [
    {
      kind: 'push.stuck',
      scope: 'node:fra-1',
      openedAt: iso(start),
      sentence: '24 received, none delivered',
    },
  ],
  regions: ['fra'],
  nodes: ['fra-1'],
  startedAt: iso(start),
  detectedAt: iso(start + 10_000),
  impact: null,
  drains: [],
  ...more,
})

/** An incident as the book keeps it, at a version. */
export const storedIncident = (id: string, more: Partial<Incident> = {}, version = 1): StoredIncident => {
  const kept = incident(id, { signals: [], ...more })
  const open = kept.signals.filter((signal) => signal.closedAt === undefined && kept.state !== 'resolved')
  return {
    incident: kept,
    version,
    resume: {},
    open: open.map((signal) => `${signal.kind}|${signal.scope}`),
    muted: [],
  }
}

export const tunnel = (hostId: string, more: Partial<Tunnel> = {}): Tunnel => ({
  hostId,
  region: 'fra',
  node: 'fra-1',
  state: 'registered',
  since: iso(start),
  lastGapMs: null,
  lastCloseCode: null,
  lastCloseMeaning: null,
  previousNode: null,
  presence: { directory: 'fra-1', relay: true, lastPongAt: null },
  ...more,
})
