import { METRIC_NAMES } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Connection, Run, SqlValue } from './connection.ts'
import type { Holes } from './holes.ts'
import type { SampleRow } from './store.ts'

/** Samples kept in memory while the store cannot be written; then the oldest go, are counted, and show as a gap. */
const maxSpooled = 50_000

/** Samples that come this much later than others, in ms, waited in the spool: steps that seemed complete were not. */
const lateMs = 5_000

/** Rows that cross to the thread of the database at once. */
const rowsAtOnce = 500

/** What is known of a node that has samples. */
export interface KnownNode {
  region: string
  /** Newest stored sample, epoch ms. */
  lastAt: number
}

const columns = ['node', 'at', 'region', ...METRIC_NAMES].map((name) => `"${name}"`).join(', ')
const width = 3 + METRIC_NAMES.length
/** One row, and always the same text: it stays prepared. One statement of many rows has to be read anew each time, which costs more than it saves. */
const insertRow = `INSERT INTO "samples" (${columns}) VALUES (${new Array(width).fill('?').join(', ')}) ON CONFLICT ("node", "at") DO NOTHING`

const insertRows = async (run: Run, rows: readonly SampleRow[]): Promise<void> => {
  const args: SqlValue[] = []
  for (const row of rows) {
    args.push(row.node, Math.trunc(row.at), row.region)
    for (const metric of METRIC_NAMES) {
      const value = row.values[metric]
      args.push(value !== undefined && Number.isFinite(value) ? value : null)
    }
  }
  await run(insertRow, args, width)
}

/**
 * Samples on their way to disk: gathered for half a second, written in one transaction. A hole between two samples of a node
 * is recorded as a gap in the same transaction, so that a chart need not look for it.
 */
export class SampleWriter {
  readonly known = new Map<string, KnownNode>()
  readonly #connection: Connection
  readonly #log: Log
  readonly #holes: Holes
  readonly #onLate: () => void
  #pending: SampleRow[] = []
  /** Times of the oldest sample that is pending, and of the oldest that is being written; infinite where there is none. */
  #pendingFrom = Number.POSITIVE_INFINITY
  #writingFrom = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null
  #dropped = 0
  /** Of everything written, epoch ms. */
  #newest = 0
  #closed = false

  /** @param onLate called when samples were written that came late */
  constructor(connection: Connection, log: Log, holes: Holes, onLate: () => void) {
    this.#connection = connection
    this.#log = log
    this.#holes = holes
    this.#onLate = onLate
  }

  /** Samples lost since the start because the spool was full. */
  get dropped(): number {
    return this.#dropped
  }

  /** When the oldest sample that is not on disk yet was taken, epoch ms; null where all are. */
  get oldestWaitingAt(): number | null {
    const oldest = Math.min(this.#pendingFrom, this.#writingFrom)
    return oldest === Number.POSITIVE_INFINITY ? null : oldest
  }

  /** Reads which nodes there are: one index step a node, however many samples. */
  async load(): Promise<void> {
    this.known.clear()
    const { rows } = await this.#connection.query(`
      WITH RECURSIVE "known" ("node") AS (
        SELECT MIN("node") FROM "samples"
        UNION ALL
        SELECT (SELECT MIN("s"."node") FROM "samples" "s" WHERE "s"."node" > "known"."node") FROM "known" WHERE "known"."node" IS NOT NULL
      )
      SELECT "known"."node" AS "node", "last"."at" AS "at", "last"."region" AS "region"
      FROM "known" JOIN "samples" "last" ON "last"."node" = "known"."node"
        AND "last"."at" = (SELECT MAX("s"."at") FROM "samples" "s" WHERE "s"."node" = "known"."node")`)
    for (const row of rows)
      this.known.set(String(row.node), { region: String(row.region), lastAt: Number(row.at) })
  }

  write(rows: readonly SampleRow[]): void {
    if (this.#closed || rows.length === 0) return
    for (const row of rows) {
      this.#pending.push(row)
      this.#pendingFrom = Math.min(this.#pendingFrom, row.at)
    }
    this.#cut()
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      // A failed flush keeps its rows; the store's fault is seen in its health, and healing flushes again.
      this.flush().catch((error: unknown) => this.#log.debug({ err: error }, 'samples stay in the spool'))
    }, 500)
  }

  /** Writes what is pending. Rejects with `ERR_STORE_UNAVAILABLE`; the rows then stay in the spool. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing
    if (this.#pending.length === 0) return
    const batch = this.#pending
    this.#pending = []
    this.#writingFrom = this.#pendingFrom
    this.#pendingFrom = Number.POSITIVE_INFINITY
    this.#writing = this.#store(batch)
      .catch((error: unknown) => {
        this.#pending = [...batch, ...this.#pending]
        this.#pendingFrom = Math.min(this.#pendingFrom, this.#writingFrom)
        this.#cut()
        throw error
      })
      .finally(() => {
        this.#writing = null
        this.#writingFrom = Number.POSITIVE_INFINITY
      })
    await this.#writing
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    try {
      await this.flush()
    } catch (error) {
      this.#log.warn(
        { err: error, samples: this.#pending.length },
        'samples were lost: the store cannot be written',
      )
    }
  }

  #cut(): void {
    const over = this.#pending.length - maxSpooled
    if (over <= 0) return
    this.#pending.splice(0, over)
    if (this.#dropped === 0)
      this.#log.warn({ limit: maxSpooled }, 'the spool of samples is full; the oldest are dropped')
    this.#dropped += over
  }

  async #store(batch: SampleRow[]): Promise<void> {
    const seen = new Map<string, KnownNode>()
    const holes: { node: string; from: number; to: number }[] = []
    for (const row of [...batch].sort((a, b) => a.at - b.at)) {
      const before = seen.get(row.node) ?? this.known.get(row.node)
      if (before && row.at <= before.lastAt) continue
      if (before && this.#holes.isHole(row.node, before.lastAt, row.at))
        holes.push({ node: row.node, from: before.lastAt, to: row.at })
      seen.set(row.node, { region: row.region, lastAt: row.at })
    }
    await this.#connection.transaction(async (run) => {
      for (let start = 0; start < batch.length; start += rowsAtOnce) {
        await insertRows(run, batch.slice(start, start + rowsAtOnce))
      }
      for (const hole of holes) {
        await run('INSERT INTO "gaps" ("from", "to", "reason", "node") VALUES (?, ?, ?, ?)', [
          hole.from,
          hole.to,
          noSamples,
          hole.node,
        ])
      }
    })
    for (const [node, newest] of seen) this.known.set(node, newest)
    const first = batch.reduce((least, row) => Math.min(least, row.at), Number.POSITIVE_INFINITY)
    const last = batch.reduce((most, row) => Math.max(most, row.at), 0)
    if (last - first > lateMs || last < this.#newest - lateMs) this.#onLate()
    this.#newest = Math.max(this.#newest, last)
  }
}

/** The reason of a gap that was seen only by the absence of samples. */
export const noSamples = 'no samples from this node'
