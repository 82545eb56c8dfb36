import { type BackupNote, readBackupNote } from './backup.ts'
import { Growth } from './growth.ts'
import type { Reader } from './reader.ts'
import { type Retention, usedBytes } from './retention.ts'
import type { Pruned } from './store.ts'

export interface StoreMeasure {
  /** Rows of each table. */
  rows: Record<string, number>
  /** Bytes that rows and indexes take; space freed within the file is not counted. */
  usedBytes: number
  /** Growth a day at the pace of the last hours; null until that is known. */
  growthBytesPerDay: number | null
  /** Time of the oldest event and sample, epoch ms; null where there are none. */
  oldest: { events: number | null; samples: number | null }
  retention: Retention
  /** When old rows were last removed, and whether the size limit removed some before their time. */
  pruned: (Pruned & { at: number }) | null
  backup: BackupNote | null
}

/** How long counts of rows are reused, in ms. */
const COUNTED_FOR_MS = 10_000

const TABLES = [
  'samples',
  'gaps',
  'events',
  'tunnels',
  'incidents',
  'timeline_items',
  'notifications',
  'annotations',
  'maintenance_windows',
  'drains',
  'audit_rows',
  'users',
  'state_changes',
  'health_documents',
]

/** How much the database holds, how it grows, and what retention removes. */
export class RoomFigures {
  readonly #reader: Reader
  readonly #path: string
  readonly #retention: Retention
  readonly #growth: Growth
  readonly #nodes: () => Iterable<string>
  readonly #now: () => number
  #counts: { at: number; rows: Promise<Record<string, number>> } | null = null
  #pruned: StoreMeasure['pruned'] = null

  constructor(options: {
    reader: Reader
    path: string
    retention: Retention
    /** Every node that has samples. */
    nodes: () => Iterable<string>
    now: () => number
  }) {
    this.#reader = options.reader
    this.#path = options.path
    this.#retention = options.retention
    this.#nodes = options.nodes
    this.#now = options.now
    this.#growth = new Growth(options.now)
  }

  rowCounts(): Promise<Record<string, number>> {
    return this.#reader.read('counts', TABLES, 'room')
  }

  async measure(): Promise<StoreMeasure> {
    return {
      rows: await this.#recentCounts(),
      usedBytes: await this.#saw(),
      growthBytesPerDay: this.#growth.perDay,
      oldest: {
        events: await this.#first('SELECT MIN("orderedAt") FROM "events"'),
        samples: await this.#oldestSample(),
      },
      retention: this.#retention,
      pruned: this.#pruned,
      backup: readBackupNote(this.#path),
    }
  }

  /** Old rows were removed. */
  async sawPruned(pruned: Pruned): Promise<void> {
    this.#pruned = { ...pruned, at: this.#now() }
    await this.#saw()
  }

  async #saw(): Promise<number> {
    const used = await usedBytes(this.#reader)
    this.#growth.saw(used)
    return used
  }

  /** Counting reads whole indexes: once in a while is enough for a page that people look at. */
  #recentCounts(): Promise<Record<string, number>> {
    if (this.#counts === null || performance.now() - this.#counts.at > COUNTED_FOR_MS) {
      const rows = this.rowCounts()
      this.#counts = { at: performance.now(), rows }
      rows.catch(() => {
        this.#counts = null
      })
    }
    return this.#counts.rows
  }

  async #oldestSample(): Promise<number | null> {
    let oldest: number | null = null
    for (const node of this.#nodes()) {
      const at = await this.#first('SELECT MIN("at") FROM "samples" WHERE "node" = ?', [node])
      if (at !== null) oldest = Math.min(oldest ?? at, at)
    }
    return oldest
  }

  async #first(sql: string, args: readonly string[] = []): Promise<number | null> {
    const value = (await this.#reader.lookUp(sql, args)).rows[0]?.[0]
    return value === null || value === undefined ? null : Number(value)
  }
}
