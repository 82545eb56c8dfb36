import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { METRIC_NAMES } from '../../server/contract/index.ts'
import { Connection } from '../../server/store/connection.ts'
import { applyMigrations, readMigrations } from '../../server/store/migrations.ts'
import { SqliteStore } from '../../server/store/sqlite-store.ts'
import { incident, log } from './fixtures.ts'

const schema = readFileSync(fileURLToPath(new URL('../../prisma/schema.prisma', import.meta.url)), 'utf8')

interface Column {
  type: string
  nullable: boolean
}
interface Table {
  columns: Record<string, Column>
  primaryKey: string[]
  indexes: string[]
}

const columnTypes: Record<string, string> = {
  String: 'TEXT',
  Int: 'INTEGER',
  BigInt: 'BIGINT',
  Float: 'REAL',
  Boolean: 'BOOLEAN',
  DateTime: 'DATETIME',
}

const names = (list: string): string[] => list.split(',').map((name) => name.trim())

/** What the schema promises, table by table. Relation fields are no columns. */
const promised = (): Record<string, Table> => {
  const tables: Record<string, Table> = {}
  for (const [, body] of schema.matchAll(/^model \w+ \{\n([\s\S]*?)^\}/gm)) {
    const table: Table = { columns: {}, primaryKey: [], indexes: [] }
    for (const line of body!.split('\n').map((each) => each.trim())) {
      const field = /^(\w+)\s+(\w+)(\?|\[\])?(.*)$/.exec(line)
      const block = /^@@(\w+)\((.*)\)$/.exec(line)
      if (block) {
        const list = /\[(.*)\]/.exec(block[2]!)?.[1]
        if (block[1] === 'id') table.primaryKey = names(list!)
        if (block[1] === 'index') table.indexes.push(`index ${names(list!).join()}`)
        if (block[1] === 'unique') table.indexes.push(`unique ${names(list!).join()}`)
        if (block[1] === 'map') tables[/"(.*)"/.exec(block[2]!)![1]!] = table
      } else if (field && columnTypes[field[2]!]) {
        table.columns[field[1]!] = { type: columnTypes[field[2]!]!, nullable: field[3] === '?' }
        if (/@id\b/.test(field[4]!)) table.primaryKey = [field[1]!]
        if (/@unique\b/.test(field[4]!)) table.indexes.push(`unique ${field[1]}`)
      }
    }
    table.indexes.sort()
  }
  return tables
}

/** What stands in the database. */
const found = async (connection: Connection): Promise<Record<string, Table>> => {
  const tables: Record<string, Table> = {}
  const { rows } = await connection.query(
    `SELECT "name" FROM sqlite_master WHERE "type" = 'table' AND "name" NOT LIKE 'sqlite_%' AND "name" <> '_prisma_migrations'`,
  )
  for (const { name } of rows) {
    const table: Table = { columns: {}, primaryKey: [], indexes: [] }
    const info = await connection.query(`PRAGMA table_info("${name}")`)
    for (const column of info.rows) {
      table.columns[String(column.name)] = {
        type: String(column.type),
        nullable: Number(column.notnull) === 0,
      }
    }
    const key = info.rows
      .filter((column) => Number(column.pk) > 0)
      .sort((a, b) => Number(a.pk) - Number(b.pk))
    table.primaryKey = key.map((column) => String(column.name))
    const list = await connection.query(`PRAGMA index_list("${name}")`)
    for (const index of list.rows.filter((each) => each.origin === 'c')) {
      const parts = await connection.query(`PRAGMA index_info("${index.name}")`)
      table.indexes.push(
        `${Number(index.unique) ? 'unique' : 'index'} ${parts.rows.map((part) => part.name).join()}`,
      )
    }
    table.indexes.sort()
    tables[String(name)] = table
  }
  return tables
}

describe('migrations', () => {
  let folder: string
  let url: string
  let connection: Connection
  const openStore = () => new SqliteStore({ url, log })

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-migrations-'))
    url = `file:${join(folder, 'tidegate.db')}`
    connection = new Connection(url, () => undefined)
    await connection.open()
  })
  afterEach(async () => {
    await connection.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('make exactly the tables, columns, keys and indexes of the schema', async () => {
    await applyMigrations(connection, log)
    const tables = promised()
    expect(Object.keys(tables).length).toBeGreaterThan(14)
    expect(await found(connection)).toEqual(tables)
  })

  it('give the samples a column for every metric', () => {
    const columns = Object.keys(promised().samples!.columns).filter(
      (name) => !['node', 'at', 'region'].includes(name),
    )
    expect(columns).toEqual(METRIC_NAMES)
  })

  it('are recorded as Prisma records them, and applied once', async () => {
    const [first] = readMigrations()
    expect(await applyMigrations(connection, log)).toContain(first!.name)
    expect(await applyMigrations(connection, log)).toEqual([])
    const { rows } = await connection.query('SELECT * FROM "_prisma_migrations"')
    expect(rows).toHaveLength(readMigrations().length)
    expect(rows[0]).toMatchObject({
      migration_name: first!.name,
      checksum: first!.checksum,
      rolled_back_at: null,
      applied_steps_count: 1,
    })
    expect(rows[0]!.finished_at).not.toBeNull()
    expect(first!.checksum).toMatch(/^[0-9a-f]{64}$/)
  })

  it('upgrade an older database and keep what it holds', async () => {
    await applyMigrations(connection, log)
    await connection.query(`INSERT INTO "settings" VALUES ('kept', 'yes')`)
    const second = {
      name: '20990101000000_next',
      sql: 'ALTER TABLE "settings" ADD COLUMN "note" TEXT;',
      checksum: 'c',
    }
    expect(await applyMigrations(connection, log, [...readMigrations(), second])).toEqual([second.name])
    const { rows } = await connection.query('SELECT "key", "value", "note" FROM "settings"')
    expect(rows[0]).toMatchObject({ key: 'kept', value: 'yes', note: null })
  })

  it('leave nothing of a migration that broke in the middle, so that the next start can apply it', async () => {
    await applyMigrations(connection, log)
    const broken = {
      name: '20990101000000_next',
      sql: 'CREATE TABLE "half" ("id" TEXT);\nINSERT INTO "nowhere" VALUES (1);',
      checksum: 'c',
    }
    await expect(applyMigrations(connection, log, [...readMigrations(), broken])).rejects.toThrow(/nowhere/)
    expect(Object.keys(await found(connection))).not.toContain('half')
    expect(Number((await connection.query('PRAGMA foreign_keys')).rows[0]!.foreign_keys)).toBe(1)
    const mended = { ...broken, sql: 'CREATE TABLE "half" ("id" TEXT)' }
    expect(await applyMigrations(connection, log, [...readMigrations(), mended])).toEqual([broken.name])
    expect(Object.keys(await found(connection))).toContain('half')
  })

  it('give events of the version before a place that no wrong clock falsifies', async () => {
    const [first] = readMigrations()
    await applyMigrations(connection, log, [first!])
    const received = Date.parse('2026-04-27T18:00:00Z')
    const old = (seq: number, at: number) =>
      connection.query(
        `INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "data") VALUES ('fra-1', 'run', ?, 'node', 'fra-1', 'fra', 'node.started', ?, ?, '{"version":"1"}')`,
        [seq, at, received + seq],
      )
    await old(1, Date.parse('9998-01-01T00:00:00Z'))
    await old(2, Date.parse('1971-01-01T00:00:00Z'))
    await old(3, received - 60_000)
    await old(4, received + 4)
    await connection.close()
    const store = openStore()
    await store.open()
    const { items } = await store.events({})
    expect(items.map((event) => event.seq)).toEqual([4, 2, 1, 3])
    expect(items[2]!.at).toBe('9998-01-01T00:00:00.000Z')
    await store.close()
  })

  it('let the older of two incidents of the version before keep a signal that both hold open', async () => {
    await applyMigrations(
      connection,
      log,
      readMigrations().filter(({ name }) => name < '20261121210000'),
    )
    const old = (id: string, startedAt: number, state: string, data: string) =>
      connection.query(
        'INSERT INTO "incidents" ("id", "state", "severity", "startedAt", "data") VALUES (?, ?, ?, ?, ?)',
        [id, state, 'warning', startedAt, data],
      )
    const held = (id: string, startedAt: number, state = 'open', more = {}) => {
      const signal = {
        kind: 'node.down',
        scope: 'node:fra-1',
        openedAt: '2026-04-27T18:00:00Z',
        sentence: '',
      }
      return old(id, startedAt, state, JSON.stringify(incident(id, { signals: [{ ...signal, ...more }] })))
    }
    await held('newer', 2_000)
    await held('older', 1_000)
    await held('closed', 500, 'open', { closedAt: '2026-04-27T18:01:00Z' })
    await held('resolved', 400, 'resolved')
    await old('damaged', 300, 'open', '{"signals":')
    await old('odd', 200, 'open', '{"signals":["node.down",7,null]}')
    await old('odder', 100, 'open', '{"signals":"none"}')
    await connection.close()
    const store = openStore()
    await store.open()
    const found = await store.unsettledIncidents(0)
    expect(found.filter(({ open }) => open.length > 0).map((each) => [each.incident.id, each.open])).toEqual([
      ['older', ['node.down|node:fra-1']],
    ])
    expect(found.map((each) => each.version)).toEqual(found.map(() => 1))
    // What is damaged is left out, and keeps nobody from anything.
    expect(found.map((each) => each.incident.id)).toContain('newer')
    expect(found.map((each) => each.incident.id)).not.toContain('damaged')
    await store.close()
  })

  it('that meet tables without a record of migrations say so in one sentence, and touch nothing', async () => {
    await applyMigrations(connection, log)
    await connection.query(`INSERT INTO "settings" VALUES ('kept', 'yes')`)
    await connection.query('DROP TABLE "_prisma_migrations"')
    await connection.close()
    const store = openStore()
    await expect(store.open()).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringMatching(
        /could not be brought to this version: \d+_first: .*already exists.*tidegate\.db/,
      ),
    })
    expect(store.health()).toMatchObject({ ok: false, remedy: expect.any(String) })
    await store.close()
    connection = new Connection(url, () => undefined)
    await connection.open()
    expect((await connection.query('SELECT "value" FROM "settings"')).rows).toEqual([{ value: 'yes' }])
  })

  it('refuse a database that a newer version made', async () => {
    await applyMigrations(connection, log)
    await connection.query(
      `INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "started_at", "applied_steps_count") VALUES ('x', 'c', 1, '20990101000000_future', 1, 1)`,
    )
    await connection.close()
    await expect(openStore().open()).rejects.toMatchObject({ code: 'ERR_DATABASE_NEWER' })
  })

  it('leave a database that only its owner may read, journal included', async () => {
    const store = openStore()
    await store.open()
    await store.setSetting('a', 'b')
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(join(folder, `tidegate.db${suffix}`)).mode & 0o777, suffix).toBe(0o600)
    }
    await store.close()
  })
})
