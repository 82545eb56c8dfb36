import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqlClient } from '../../server/store/sql-client.ts'
import type { SqlTable } from '../../server/store/sql-message.ts'
import { SqliteStore, type SqliteStoreOptions } from '../../server/store/sqlite-store.ts'
import { event, iso, log, start } from './fixtures.ts'

const day = 86_400_000

describe('readers of a large store', () => {
  let folder: string
  let path: string
  let store: SqliteStore

  const openStore = async (more: Partial<SqliteStoreOptions> = {}) => {
    store = new SqliteStore({ url: `file:${path}`, log, ...more })
    await store.open()
  }
  /** SQL straight into the file, while no store has it open. */
  const fill = async (sql: string) => {
    await openStore()
    await store.close()
    const database = new DatabaseSync(path)
    database.exec('PRAGMA synchronous = OFF; BEGIN')
    database.exec(sql)
    database.exec('COMMIT')
    database.close()
  }
  const fillSamples = (nodes: number, polls: number, from: number) =>
    fill(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${nodes * polls - 1})
      INSERT INTO "samples" ("node", "at", "region", "connections", "requests")
      SELECT 'n-' || (i % ${nodes}), ${from} + (i / ${nodes}) * 5000, 'fra', i % 100, 1 FROM n`)
  const fillEvents = (count: number, from: number, stepMs: number) =>
    fill(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
      INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "orderedAt", "data")
      SELECT 'fra-1', 'run', i, 'node', 'fra-1', 'fra', CASE WHEN i = 0 THEN 'push.session_connected' ELSE 'connection.closed' END,
        ${from} + i * ${stepMs}, ${from} + i * ${stepMs}, ${from} + i * ${stepMs}, '{"id":"c-' || i || '"}' FROM n`)
  const fleetChart = (from: number, to: number, metric: 'connections' | 'requests' = 'connections') =>
    store.series({ scope: { kind: 'fleet' }, metrics: [metric], from, to, points: 300 })

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-reads-'))
    path = join(folder, 'tidegate.db')
  })
  afterEach(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('does not hold up polls and drains while somebody looks at a day of the whole fleet', async () => {
    const from = Date.now() - day
    await fillSamples(40, 15_000, from)
    await openStore()
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const startedAt = performance.now()
    let reading = true
    const chart = fleetChart(from, Date.now()).finally(() => {
      reading = false
    })
    // The writer and whoever looks something up go on beside it.
    let writes = 0
    let slowest = 0
    while (reading) {
      const asked = performance.now()
      await store.appendEvents([event(++writes)])
      await store.setting('any')
      slowest = Math.max(slowest, performance.now() - asked)
    }
    const { series } = await chart
    const tookMs = performance.now() - startedAt
    delay.disable()
    expect(series[0]!.points.length).toBeGreaterThan(200)
    expect(tookMs, 'the read is a long one').toBeGreaterThan(500)
    expect(delay.percentile(99) / 1e6).toBeLessThan(250)
    expect(delay.max / 1e6, 'one statement on the loop would be all of it').toBeLessThan(tookMs / 2)
    expect(writes).toBeGreaterThan(3)
    expect(slowest).toBeLessThan(tookMs)
    // The same chart a moment later adds up what is new, and the sums are the same.
    const again = performance.now()
    const { series: second } = await fleetChart(from, Date.now())
    expect(performance.now() - again).toBeLessThan(tookMs / 2)
    expect(second[0]!.points.slice(0, 100)).toEqual(series[0]!.points.slice(0, 100))
  }, 30_000)

  it('gives up a read that takes too long, says so, and serves the next', async () => {
    const from = Date.now() - day
    await fillSamples(20, 15_000, from)
    await openStore({ readLimitMs: 60 })
    await expect(fleetChart(from, Date.now())).rejects.toMatchObject({ code: 'ERR_TOO_SLOW' })
    expect(store.health()).toMatchObject({ ok: true, reads: { running: 0, tooSlow: 1 } })
    await expect(fleetChart(Date.now() - 60_000, Date.now())).resolves.toMatchObject({ level: 'raw' })
    // Whoever asks for the same again gets on from where it was given up, and has it in the end, whole.
    const to = Math.floor((Date.now() - 20_000) / 300_000) * 300_000
    let whole: Awaited<ReturnType<typeof fleetChart>> | null = null
    await expect
      .poll(
        async () => {
          whole = await fleetChart(from, to).catch(() => null)
          return whole
        },
        { timeout: 25_000, interval: 1 },
      )
      .not.toBeNull()
    const polled = whole!.series[0]!.points.length
    await store.close()
    await openStore()
    const again = await fleetChart(from, to)
    expect(polled).toBe(again.series[0]!.points.length)
    expect(whole!.series).toEqual(again.series)
  }, 40_000)

  it('lets no crowd of viewers take the places of the collector', async () => {
    const from = Date.now() - day
    await fillSamples(10, 15_000, from)
    await openStore()
    const asked = Array.from({ length: 80 }, (_, index) => fleetChart(from + index * 600_000, from + day))
    const settled = Promise.allSettled(asked)
    await expect(
      store.events({ types: ['push.*'], caller: 'room' }),
      'the collector has places of its own',
    ).resolves.toMatchObject({ nextCursor: null })
    const refused = (await settled)
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason.code)
    expect(refused.length).toBeGreaterThan(10)
    expect(new Set(refused)).toEqual(new Set(['ERR_CAPACITY']))
    expect(store.health().reads).toMatchObject({ running: 0, waiting: 0, refused: refused.length })
  }, 30_000)

  it('ends a statement that finds more than memory should hold, on either connection, and goes on', async () => {
    await openStore()
    const endless =
      'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 900000) SELECT i FROM n'
    for (const sql of [endless, `SELECT * FROM (${endless})`])
      await expect(store.prisma.$queryRawUnsafe(sql)).rejects.toThrow(/more than 500000 rows/)
    expect(await store.appendEvents([event(1)])).toHaveLength(1)
    expect((await store.events({})).items).toHaveLength(1)
    expect(store.health().ok).toBe(true)
  }, 30_000)

  it('finds the one rare event among many by its type without looking at all of them', async () => {
    await fillEvents(200_000, start, 100)
    await openStore()
    const { items, nextCursor } = await store.events({ types: ['push.*'] })
    expect(items.map((each) => each.type)).toEqual(['push.session_connected'])
    expect(nextCursor).toBeNull()
  }, 30_000)

  it('answers a search that would take too long in parts, and finds everything once by following them', async () => {
    await fillEvents(300_000, start, 100)
    await openStore({ searchLimitMs: 1 })
    const found: number[] = []
    let parts = 0
    let cursor: string | undefined
    do {
      const page = await store.events({
        text: '"c-10',
        order: 'asc',
        limit: 1_000,
        ...(cursor ? { cursor } : {}),
      })
      found.push(...page.items.map((each) => each.seq))
      if (page.partial) {
        parts += 1
        expect(Date.parse(page.partial.searchedTo)).toBeGreaterThanOrEqual(start - 1)
      }
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    const expected = Array.from({ length: 300_000 }, (_, seq) => seq).filter((seq) =>
      String(seq).startsWith('10'),
    )
    expect(found).toEqual(expected)
    expect(parts).toBeGreaterThan(0)
  }, 60_000)

  it('does not keep an event of the year 9999 on top for ever, and does not lose one of 1971 at once', async () => {
    const now = start + 10 * day
    await openStore({ now: () => now })
    const received = (seq: number) => iso(now - 60_000 + seq * 1_000)
    await store.appendEvents([
      event(1, { at: '9998-01-01T00:00:00.000Z', receivedAt: received(1) }),
      event(2, { at: '1971-01-01T00:00:00.000Z', receivedAt: received(2) }),
      event(3, { at: received(3), receivedAt: received(3) }),
      // An hour ahead, and told in time: its place is when it was heard.
      event(4, { at: iso(now + 3_600_000), receivedAt: received(4) }),
      event(5, { at: received(5), receivedAt: received(5) }),
      // Kept by the node while nobody listened: its place is when it happened.
      event(6, { at: iso(now - 5 * day), receivedAt: received(6) }),
    ])
    const listed = async () => (await store.events({})).items.map((each) => each.seq)
    expect(await listed()).toEqual([5, 4, 3, 2, 1, 6])
    expect((await store.events({})).items.at(-2)!.at, 'its own time is kept as it said it').toBe(
      '9998-01-01T00:00:00.000Z',
    )
    const first = await store.events({ limit: 3 })
    const rest = await store.events({ limit: 10, cursor: first.nextCursor! })
    expect(rest.items.map((each) => each.seq)).toEqual([2, 1, 6])
    await store.prune()
    expect(await listed()).toHaveLength(6)
    await store.close()
    await openStore({ now: () => now + 14 * day + 60_000 })
    await store.prune()
    expect(await listed()).toEqual([])
  })
})

describe('a thread that holds a connection', () => {
  it('costs what was asked of it when it ends, and the next call starts another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-thread-'))
    const ends: unknown[] = []
    const client = new SqlClient('test', (error) => ends.push(error))
    const path = join(folder, 'a.db')
    await client.call({ op: 'open', path, readOnly: false })
    const long = client.call({
      op: 'execute',
      sql: 'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT SUM(i) FROM n',
      args: [],
    })
    const lost = expect(long).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    void client.end()
    await lost
    await client.call({ op: 'open', path, readOnly: false })
    await expect(client.call({ op: 'execute', sql: 'SELECT 1 AS "one"', args: [] })).resolves.toMatchObject({
      columns: ['one'],
      rows: [[1]],
    })
    // What is asked of a disk that does not answer is given up here, and counted until it comes.
    const late = client.call(
      {
        op: 'execute',
        sql: 'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT SUM(i) FROM n',
        args: [],
      },
      20,
      () => new Error('the disk does not answer'),
    )
    await expect(late).rejects.toThrow('the disk does not answer')
    expect(client.overdue).toBe(1)
    await expect.poll(() => client.overdue, { timeout: 20_000 }).toBe(0)
    await client.end()
    expect(ends).toEqual([])
    rmSync(folder, { recursive: true, force: true })
  }, 30_000)

  describe('keeps statements prepared', () => {
    let folder: string
    let client: SqlClient
    const ask = async (sql: string, args: unknown[] = []) =>
      (await client.call<SqlTable>({ op: 'execute', sql, args })).rows

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tidegate-thread-'))
      client = new SqlClient('test', () => undefined)
      await client.call({ op: 'open', path: join(folder, 'a.db'), readOnly: false })
      await ask('CREATE TABLE "things" ("id" INTEGER PRIMARY KEY, "name" TEXT NOT NULL)')
    })
    afterEach(async () => {
      await client.end()
      rmSync(folder, { recursive: true, force: true })
    })

    it('and answers each time by what was asked then', async () => {
      for (const id of [1, 2, 3]) await ask('INSERT INTO "things" VALUES (?, ?)', [id, `thing ${id}`])
      for (const id of [3, 1, 4, 2])
        expect(await ask('SELECT "name" FROM "things" WHERE "id" = ?', [id])).toEqual(
          id === 4 ? [] : [[`thing ${id}`]],
        )
    })

    it('of which one that was refused works the next time', async () => {
      const insert = 'INSERT INTO "things" VALUES (?, ?)'
      await ask(insert, [1, 'a'])
      await expect(ask(insert, [1, 'b'])).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
      await expect(ask(insert, [2, null])).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
      await ask(insert, [2, 'b'])
      expect(await ask('SELECT "name" FROM "things" ORDER BY "id"')).toEqual([['a'], ['b']])
    })

    it('and knows the columns of a table that was changed', async () => {
      const all = { op: 'execute', sql: 'SELECT * FROM "things"', args: [] } as const
      await ask('INSERT INTO "things" VALUES (1, ?)', ['a'])
      expect((await client.call<SqlTable>(all)).columns).toEqual(['id', 'name'])
      await client.call({ op: 'script', sql: 'ALTER TABLE "things" ADD COLUMN "size" INTEGER' })
      expect(await client.call<SqlTable>(all)).toMatchObject({
        columns: ['id', 'name', 'size'],
        rows: [[1, 'a', null]],
      })
    })

    it('of any number and length, and none holds up a checkpoint', async () => {
      for (let turn = 0; turn < 300; turn++) expect(await ask(`SELECT ${turn}`)).toEqual([[turn]])
      const long = `SELECT '${'x'.repeat(5_000)}'`
      for (let turn = 0; turn < 3; turn++) expect(await ask(long)).toEqual([['x'.repeat(5_000)]])
      await ask('PRAGMA journal_mode = WAL')
      await ask('INSERT INTO "things" VALUES (1, ?)', ['a'])
      await ask('SELECT * FROM "things"')
      // Busy, pages in the log, pages brought back.
      expect(await ask('PRAGMA wal_checkpoint(TRUNCATE)')).toEqual([[0, 0, 0]])
    })
  })
})
