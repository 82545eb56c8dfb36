import type { Connection } from './connection.ts'

const hour = 3_600_000

/** How long things are kept, in ms. What lies in an incident's window is kept with the incident. */
export interface Retention {
  samplesMs: number
  eventsMs: number
  incidentsMs: number
}

export const defaultRetention: Retention = {
  samplesMs: 48 * hour,
  eventsMs: 14 * 24 * hour,
  incidentsMs: 400 * 24 * hour,
}

/** Rows deleted in one transaction, so that nobody waits long for the connection. */
const rowsPerBatch = 2_000

/** An incident keeps what surrounds it, but one that never ends keeps no more than a week. */
const marginMs = hour / 4
const longestWindowMs = 7 * 24 * hour

/** Rowids, not keys: both SQLite tables have them, and a batch then needs no key columns. */
const deleteOld = async (
  connection: Connection,
  table: string,
  column: string,
  ranges: [number, number][],
): Promise<number> => {
  let deleted = 0
  for (const [from, to] of ranges) {
    for (;;) {
      const { changed } = await connection.query(
        `DELETE FROM "${table}" WHERE rowid IN (SELECT rowid FROM "${table}" WHERE "${column}" >= ? AND "${column}" < ? LIMIT ?)`,
        [from, to, rowsPerBatch],
      )
      deleted += changed
      if (changed < rowsPerBatch) break
      await new Promise((next) => setImmediate(next))
    }
  }
  return deleted
}

/** What is before `cutoff` and in no window. */
export const outside = (cutoff: number, windows: readonly [number, number][]): [number, number][] => {
  const ranges: [number, number][] = []
  let start = 0
  for (const [from, to] of [...windows].sort((a, b) => a[0] - b[0])) {
    if (from >= cutoff) break
    if (from > start) ranges.push([start, from])
    start = Math.max(start, to)
  }
  if (start < cutoff) ranges.push([start, cutoff])
  return ranges
}

/** Deletes what is older than its retention, in small batches. */
export const prune = async (
  connection: Connection,
  nodes: readonly string[],
  retention: Retention,
  now: number,
): Promise<{ samples: number; events: number; gaps: number }> => {
  const { rows } = await connection.query(
    'SELECT "startedAt", "resolvedAt" FROM "incidents" WHERE "startedAt" > ?',
    [now - retention.incidentsMs],
  )
  const windows = rows.map((row): [number, number] => {
    const from = Number(row.startedAt)
    const to = Math.min(row.resolvedAt === null ? now : Number(row.resolvedAt), from + longestWindowMs)
    return [from - marginMs, to + marginMs]
  })
  let samples = 0
  const old = outside(now - retention.samplesMs, windows)
  for (const node of nodes) {
    for (const [from, to] of old) {
      for (;;) {
        const { changed } = await connection.query(
          'DELETE FROM "samples" WHERE rowid IN (SELECT rowid FROM "samples" WHERE "node" = ? AND "at" >= ? AND "at" < ? LIMIT ?)',
          [node, from, to, rowsPerBatch],
        )
        samples += changed
        if (changed < rowsPerBatch) break
        await new Promise((next) => setImmediate(next))
      }
    }
  }
  const events = await deleteOld(connection, 'events', 'at', outside(now - retention.eventsMs, windows))
  const gaps = await deleteOld(connection, 'gaps', 'to', outside(now - retention.eventsMs, windows))
  await connection.query('DELETE FROM "sessions" WHERE "expiresAt" < ?', [
    new Date(now).toISOString().replace('Z', '+00:00'),
  ])
  return { samples, events, gaps }
}
