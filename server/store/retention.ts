import type { Connection } from './connection.ts'
import { forgetNotifications } from './notifications.ts'
import type { Reader } from './reader.ts'
import type { Pruned } from './store.ts'

const hour = 3_600_000
const day = 24 * hour

/** How long things are kept, in ms, and how much of the disk they may take. What surrounds an incident is kept longer. */
export interface Retention {
  samplesMs: number
  eventsMs: number
  /** Bytes of rows and indexes; beyond that the oldest are deleted, whatever their age. */
  maxBytes: number
}

export const defaultRetention: Retention = {
  samplesMs: 48 * hour,
  eventsMs: 14 * day,
  maxBytes: 10 * 1024 ** 3,
}

/** Rows deleted in one transaction, so that nobody waits long for the connection. */
const rowsPerBatch = 2_000

/** Around an incident. */
const marginMs = hour / 4
/** Of an incident that lasts longer, only the first and last hours are kept. */
const endsMs = 12 * hour
/** What incidents keep of one node, at most: one that flaps for weeks keeps its newest two days of trouble. */
const keptOfNodeMs = 48 * hour
/** The limit for the collector's own rows, which are few and say most about what happened. */
const keptOfCollectorMs = 30 * day
/** How many incidents, newest first, keep anything, and for how long. */
const maxIncidents = 1_000
const incidentsMs = 400 * day
/** Past maintenance windows are kept as long as the incidents beside which they are shown, and at most this many. */
const maxMaintenance = 10_000
/** The last hour stays however full the disk is; otherwise nothing could be seen at all. */
const alwaysMs = hour
/** The newest rows of one scope, or documents of one node, that are kept within their time. */
const newestKept = { state_changes: 20_000, health_documents: 2_000 } as const
/** Deliveries that ended, and the newest that are kept whatever their age. */
const notificationsMs = 30 * day
const maxNotifications = 10_000
/** Pruning for size ends here, as a share of the ceiling, so that it does not begin again with the next row. */
const sizeGoal = 0.9

export type Span = readonly [from: number, to: number]

/** Spans that are kept, of each node; those under `null` are of the collector's own rows. */
export type KeptSpans = ReadonlyMap<string | null, readonly Span[]>

interface IncidentRow {
  startedAt: number
  resolvedAt: number | null
  nodes: readonly string[]
}

/** What is older than `cutoff` and in no span. */
export const outside = (cutoff: number, spans: readonly Span[]): Span[] => {
  const ranges: Span[] = []
  let start = 0
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (from >= cutoff) break
    if (from > start) ranges.push([start, from])
    start = Math.max(start, to)
  }
  if (start < cutoff) ranges.push([start, cutoff])
  return ranges
}

/** What incidents keep: their own nodes' rows, up to a limit. `incidents` are newest first. */
export const keptSpans = (incidents: readonly IncidentRow[], now: number): KeptSpans => {
  const kept = new Map<string | null, Span[]>()
  const spent = new Map<string | null, number>()
  for (const { startedAt, resolvedAt, nodes } of incidents) {
    const endedAt = Math.min(resolvedAt ?? now, now)
    const from = startedAt - marginMs
    const to = endedAt + marginMs
    const spans: Span[] =
      to - from <= 2 * endsMs
        ? [[from, to]]
        : [
            [to - endsMs, to],
            [from, from + endsMs],
          ]
    for (const node of [...new Set(nodes), null]) {
      for (const span of spans) {
        const used = spent.get(node) ?? 0
        if (used >= (node === null ? keptOfCollectorMs : keptOfNodeMs)) break
        spent.set(node, used + span[1] - span[0])
        const list = kept.get(node)
        if (list) list.push(span)
        else kept.set(node, [span])
      }
    }
  }
  return kept
}

const nodesOf = (data: unknown): string[] => {
  try {
    return (JSON.parse(String(data)) as { nodes?: string[] }).nodes ?? []
  } catch {
    // It is unreadable everywhere; nothing is kept for it.
    return []
  }
}

const readIncidents = async (reader: Reader, now: number): Promise<IncidentRow[]> => {
  const { rows } = await reader.lookUp(
    'SELECT "startedAt", "resolvedAt", "data" FROM "incidents" WHERE "startedAt" > ? ORDER BY "startedAt" DESC LIMIT ?',
    [now - incidentsMs, maxIncidents],
  )
  return rows.map(([startedAt, resolvedAt, data]) => {
    return {
      startedAt: Number(startedAt),
      resolvedAt: resolvedAt === null ? null : Number(resolvedAt),
      nodes: nodesOf(data),
    }
  })
}

/** Bytes that rows and indexes take; pages that were freed are used again before the file grows. */
export const usedBytes = async (reader: Reader): Promise<number> => {
  const pragma = async (name: string) => Number((await reader.lookUp(`PRAGMA ${name}`, [])).rows[0]?.[0] ?? 0)
  const pages = (await pragma('page_count')) - (await pragma('freelist_count'))
  return pages * (await pragma('page_size'))
}

/** Deletes what is too old, and then what is too much, in small batches. */
export class Pruner {
  readonly #connection: Connection
  readonly #reader: Reader
  readonly #nodes: () => readonly string[]
  readonly #retention: Retention
  readonly #now: () => number

  constructor(options: {
    connection: Connection
    reader: Reader
    /** Every node that has samples. */
    nodes: () => readonly string[]
    retention: Retention
    now: () => number
  }) {
    this.#connection = options.connection
    this.#reader = options.reader
    this.#nodes = options.nodes
    this.#retention = options.retention
    this.#now = options.now
  }

  async prune(): Promise<Pruned> {
    const now = this.#now()
    const kept = keptSpans(await readIncidents(this.#reader, now), now)
    const { samplesMs, eventsMs, maxBytes } = this.#retention
    const pruned: Pruned = { samples: 0, events: 0, gaps: 0, history: 0, forSize: 0 }
    await this.#forget(now - samplesMs, now - eventsMs, kept, pruned)
    await this.#connection.query('DELETE FROM "sessions" WHERE "expiresAt" < ?', [
      new Date(now).toISOString().replace('Z', '+00:00'),
    ])
    await this.#connection.query(
      `DELETE FROM "maintenance_windows" WHERE "to" <= ?
        AND ("to" < ? OR "id" IN (SELECT "id" FROM "maintenance_windows" ORDER BY "from" DESC, "id" DESC LIMIT -1 OFFSET ?))`,
      [now, now - incidentsMs, maxMaintenance],
    )
    await forgetNotifications(this.#connection, now - notificationsMs, maxNotifications)
    if ((await usedBytes(this.#reader)) > maxBytes) {
      const sum = () => pruned.samples + pruned.events + pruned.history
      const before = sum()
      await this.#shrink(kept, pruned)
      pruned.forSize = sum() - before
    }
    return pruned
  }

  /** Deletes the oldest tenth, again and again, until the rest fits; what incidents keep goes last. */
  async #shrink(kept: KeptSpans, pruned: Pruned): Promise<void> {
    const goal = this.#retention.maxBytes * sizeGoal
    for (const spans of [kept, new Map() as KeptSpans]) {
      const newest = this.#now() - alwaysMs
      let cutoff = await this.#oldest()
      while (cutoff < newest) {
        cutoff = Math.min(newest, cutoff + Math.max(alwaysMs / 4, (newest - cutoff) / 10))
        await this.#forget(cutoff, cutoff, spans, pruned)
        if ((await usedBytes(this.#reader)) <= goal) return
      }
    }
  }

  async #oldest(): Promise<number> {
    const { rows } = await this.#reader.lookUp('SELECT MIN("orderedAt") FROM "events"', [])
    let oldest = Number(rows[0]?.[0] ?? this.#now())
    for (const node of this.#nodes()) {
      const first = await this.#reader.lookUp('SELECT MIN("at") FROM "samples" WHERE "node" = ?', [node])
      oldest = Math.min(oldest, Number(first.rows[0]?.[0] ?? oldest))
    }
    return oldest
  }

  async #forget(samplesBefore: number, eventsBefore: number, kept: KeptSpans, pruned: Pruned): Promise<void> {
    for (const node of this.#nodes()) {
      for (const [from, to] of outside(samplesBefore, kept.get(node) ?? []))
        pruned.samples += await this.#delete('samples', '"node" = ? AND "at" >= ? AND "at" < ?', [
          node,
          from,
          to,
        ])
    }
    for (const node of await this.#namesIn('events', 'node')) {
      for (const [from, to] of outside(eventsBefore, kept.get(node) ?? []))
        pruned.events += await this.#delete(
          'events',
          node === null
            ? '"node" IS NULL AND "orderedAt" >= ? AND "orderedAt" < ?'
            : '"node" = ? AND "orderedAt" >= ? AND "orderedAt" < ?',
          node === null ? [from, to] : [node, from, to],
        )
    }
    for (const [from, to] of outside(eventsBefore, kept.get(null) ?? []))
      pruned.gaps += await this.#delete('gaps', '"to" >= ? AND "to" < ?', [from, to])
    pruned.history += await this.#forgetHistory('state_changes', 'scope', eventsBefore, kept)
    pruned.history += await this.#forgetHistory('health_documents', 'node', eventsBefore, kept)
  }

  /** The last statement before a time still held at that time, however old it is: it stays. */
  async #forgetHistory(
    table: keyof typeof newestKept,
    column: 'scope' | 'node',
    before: number,
    kept: KeptSpans,
  ): Promise<number> {
    let deleted = 0
    for (const name of await this.#namesIn(table, column)) {
      if (name === null) continue
      const node = column === 'node' ? name : name.startsWith('node:') ? name.slice('node:'.length) : null
      for (const [from, to] of outside(before, kept.get(node) ?? []))
        deleted += await this.#delete(
          table,
          `"${column}" = ? AND "at" >= ? AND "at" < (SELECT MAX("at") FROM "${table}" WHERE "${column}" = ? AND "at" <= ?)`,
          [name, from, name, to],
        )
      deleted += await this.#delete(
        table,
        `"${column}" = ? AND "id" <= (SELECT "id" FROM "${table}" WHERE "${column}" = ? ORDER BY "at" DESC, "id" DESC LIMIT 1 OFFSET ?)`,
        [name, name, newestKept[table]],
      )
    }
    return deleted
  }

  /** Whose rows these are: one index step a name, however many rows; null first. */
  async #namesIn(
    table: 'events' | 'state_changes' | 'health_documents',
    column: 'node' | 'scope',
  ): Promise<(string | null)[]> {
    const { rows } = await this.#reader.lookUp(
      `WITH RECURSIVE "known" ("name") AS (
        SELECT MIN("${column}") FROM "${table}"
        UNION ALL
        SELECT (SELECT MIN("e"."${column}") FROM "${table}" "e" WHERE "e"."${column}" > "known"."name") FROM "known" WHERE "known"."name" IS NOT NULL
      ) SELECT "name" FROM "known" WHERE "name" IS NOT NULL`,
      [],
    )
    return [null, ...rows.map((row) => String(row[0]))]
  }

  /** Rowids, not keys: all of these tables have them, and a batch then needs no key columns. */
  async #delete(table: string, where: string, args: (string | number)[]): Promise<number> {
    let deleted = 0
    for (;;) {
      const { changed } = await this.#connection.query(
        `DELETE FROM "${table}" WHERE rowid IN (SELECT rowid FROM "${table}" WHERE ${where} LIMIT ?)`,
        [...args, rowsPerBatch],
      )
      deleted += changed
      if (changed < rowsPerBatch) return deleted
    }
  }
}
