import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keptSpans, outside } from '../../server/store/retention.ts'
import { SqliteStore, type SqliteStoreOptions } from '../../server/store/sqlite-store.ts'
import { iso, log, start, storedIncident } from './fixtures.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

describe('what is kept, and for how long', () => {
  let folder: string
  let path: string
  let store: SqliteStore
  const openStore = async (more: Partial<SqliteStoreOptions>) => {
    store = new SqliteStore({ url: `file:${path}`, log, expectedIntervalMs: minute, ...more })
    await store.open()
  }
  const fill = async (sql: string) => {
    await openStore({})
    await store.close()
    const database = new DatabaseSync(path)
    database.exec('PRAGMA synchronous = OFF; BEGIN')
    database.exec(sql)
    database.exec('COMMIT')
    database.close()
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-retention-'))
    path = join(folder, 'tidegate.db')
  })
  afterEach(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('forgets old samples of a node although its incidents follow one another for ten days', async () => {
    const now = start + 10 * day
    await fill(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${2 * 10 * 1_440 - 1})
      INSERT INTO "samples" ("node", "at", "region", "requests")
      SELECT CASE WHEN i % 2 = 0 THEN 'fra-1' ELSE 'fra-2' END, ${start} + (i / 2) * ${minute}, 'fra', 1 FROM n`)
    await openStore({ now: () => now })
    for (let half = 0; half < 20; half++)
      await store.saveIncident(
        storedIncident(`i-${half}`, {
          nodes: ['fra-1'],
          startedAt: iso(start + half * 12 * hour),
          ...(half === 19 ? {} : { resolvedAt: iso(start + (half + 1) * 12 * hour), state: 'resolved' }),
        }),
        0,
      )
    await store.prune()
    const database = new DatabaseSync(path)
    const left = database.prepare('SELECT "node", COUNT(*) AS "rows" FROM "samples" GROUP BY "node"').all()
    database.close()
    const rows = Object.fromEntries(left.map((row) => [row.node, Number(row.rows)]))
    // Two days as ever of the neighbour, who had no incident; of the node two days, and at most two more of its trouble.
    expect(rows['fra-2']).toBeLessThanOrEqual(2 * 1_440 + 1)
    expect(rows['fra-1']).toBeGreaterThanOrEqual(2 * 1_440)
    expect(rows['fra-1']).toBeLessThanOrEqual(4 * 1_440 + 60)
  }, 30_000)

  it('keeps the database within its size, oldest first, the last hour and what incidents keep to the end', async () => {
    const now = start + 2 * day
    const events = 60_000
    await fill(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${events - 1})
      INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "orderedAt", "data")
      SELECT 'fra-' || (i % 2), 'run', i, 'node', 'fra-' || (i % 2), 'fra', 'tunnel.lost', ${start} + i * 2500, ${start} + i * 2500, ${start} + i * 2500,
        '{"hostId":"' || hex(randomblob(200)) || '"}' FROM n`)
    const maxBytes = 20_000_000
    await openStore({ now: () => now, retention: { maxBytes } })
    await store.saveIncident(
      storedIncident('i1', {
        nodes: ['fra-0'],
        startedAt: iso(start + hour),
        resolvedAt: iso(start + 2 * hour),
        state: 'resolved',
      }),
      0,
    )
    const before = (await store.measure()).usedBytes
    expect(before).toBeGreaterThan(maxBytes)
    const pruned = await store.prune()
    expect(pruned.forSize).toBeGreaterThan(1_000)
    const measured = await store.measure()
    expect(measured.usedBytes).toBeLessThanOrEqual(maxBytes)
    expect(measured.pruned).toMatchObject({ forSize: pruned.forSize })
    const newest = await store.events({ limit: 1 })
    expect(newest.items[0]!.seq, 'the newest are there').toBe(events - 1)
    const kept = await store.events({
      order: 'asc',
      from: iso(start + hour),
      to: iso(start + 2 * hour),
      limit: 1,
    })
    expect(kept.items[0]!.node, 'the incident keeps its own node’s').toBe('fra-0')
    const others = await store.events({ to: iso(start + 2 * hour), nodes: ['fra-1'] })
    expect(others.items).toEqual([])
    // What fits already stays.
    expect((await store.prune()).forSize).toBe(0)
  }, 30_000)

  it('keeps of what was judged the last word before its time is over, however old, and the newest of too much', async () => {
    let now = start
    await openStore({ now: () => now })
    const at = (time: number, scope: string) =>
      ({ scope, at: time, state: 'up', intent: 'serving', problems: [] }) as const
    await store.writeHistory(
      [at(start, 'region:fra'), at(start + hour, 'region:fra'), at(start, 'node:quiet')],
      [
        { node: 'fra-1', at: start, data: { n: 1 } },
        { node: 'fra-1', at: start + hour, data: { n: 2 } },
      ],
    )
    for (let batch = 0; batch < 5; batch++)
      await store.writeHistory(
        Array.from({ length: 5_000 }, (_, i) => at(start + 30 * day + batch * 5_000 + i, 'node:flaps')),
        [],
      )
    now = start + 30 * day + hour
    expect((await store.prune()).history).toBe(1 + 1 + 5_000)
    // Two weeks and more ago these were said last, and they hold to this day.
    expect(await store.statesAt(start + 20 * day)).toMatchObject([
      { scope: 'node:quiet', at: start },
      { scope: 'region:fra', at: start + hour },
    ])
    expect(await store.documentAt('fra-1', now)).toMatchObject({ at: start + hour, data: { n: 2 } })
    expect((await store.rowCounts()).state_changes).toBe(20_000 + 2)
    expect((await store.statesAt(now)).find(({ scope }) => scope === 'node:flaps')?.at).toBe(
      start + 30 * day + 24_999,
    )
  }, 30_000)

  it('keeps the first and the last hours of one incident that never ends, and nothing of strangers', () => {
    const now = start + 30 * day
    const spans = keptSpans([{ startedAt: start, resolvedAt: null, nodes: ['fra-1'] }], now)
    expect(spans.get('fra-2')).toBeUndefined()
    const total = spans.get('fra-1')!.reduce((sum, [from, to]) => sum + to - from, 0)
    expect(total).toBe(24 * hour)
    expect(outside(now - 2 * day, spans.get('fra-1')!)).toEqual([
      [0, start - 15 * minute],
      [start - 15 * minute + 12 * hour, now - 2 * day],
    ])
  })
})
