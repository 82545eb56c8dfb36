import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Connection } from '../../server/store/connection.ts'
import { SqlClient } from '../../server/store/sql-client.ts'
import { SqliteStore } from '../../server/store/sqlite-store.ts'
import { drain, event, iso, log, sqlite, start, storedIncident, tunnel } from './fixtures.ts'

const heals = (store: SqliteStore) => expect.poll(() => store.health().ok, { timeout: 10_000 }).toBe(true)

/** Another process that holds the write lock: POSIX locks are per process, so one of our own would not count. */
const lockElsewhere = async (path: string): Promise<{ release(afterMs?: number): Promise<void> }> => {
  const script = `
    const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(${JSON.stringify(path)})
    database.exec('BEGIN IMMEDIATE')
    process.stdout.write('locked')
    process.stdin.once('data', (ms) => setTimeout(() => { database.exec('COMMIT'); database.close(); process.exit() }, Number(ms)))
    process.stdin.once('end', () => process.exit())`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return {
    async release(afterMs = 0) {
      const ended = once(child, 'close')
      child.stdin.write(String(afterMs))
      await ended
    },
  }
}

describe('a store whose disk lets it down', () => {
  let place: Awaited<ReturnType<typeof sqlite.create>>
  let store: SqliteStore
  beforeEach(async () => {
    place = await sqlite.create()
    store = place.store
    await store.setSetting('kept', 'yes')
  })
  afterEach(() => place.remove())

  it('waits out a short lock of another process, without a fault', async () => {
    const other = await lockElsewhere(place.path)
    const released = other.release(300)
    expect(await store.appendEvents([event(1)])).toHaveLength(1)
    expect(store.health().ok).toBe(true)
    await released
  })

  it('says that it is locked, keeps samples meanwhile, and heals by itself', async () => {
    const other = await lockElsewhere(place.path)
    await expect(store.appendEvents([event(1)])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await expect(store.setSetting('a', 'b')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await expect(store.createDrain(drain('d1'))).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(store.health()).toMatchObject({ ok: false, reason: 'the database is locked by another process' })
    store.writeSamples([{ node: 'fra-1', region: 'fra', at: start, values: { requests: 1 } }])
    await expect(store.flush()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(await store.setting('kept'), 'reads go on').toBe('yes')
    await other.release()
    await heals(store)
    await expect.poll(async () => (await store.rowCounts()).samples, { timeout: 5_000 }).toBe(1)
    expect(await store.appendEvents([event(1)])).toHaveLength(1)
  })

  it('does not write into a file that is gone, and goes on when it is back', async () => {
    const away = `${place.path}.away`
    renameSync(place.path, away)
    await expect(store.appendEvents([event(1)])).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(store.health()).toMatchObject({ ok: false, reason: 'the database file is gone from its place' })
    renameSync(away, place.path)
    await heals(store)
    expect(await store.appendEvents([event(1)])).toHaveLength(1)
  })

  it('keeps the newest fifty thousand samples while it cannot write, and counts the rest', async () => {
    const other = await lockElsewhere(place.path)
    await expect(store.setSetting('a', 'b')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    const rows = Array.from({ length: 50_010 }, (_, at) => ({
      node: 'fra-1',
      region: 'fra',
      at: start + at,
      values: {},
    }))
    store.writeSamples(rows)
    expect(store.health().samplesDropped).toBe(10)
    await other.release()
    await heals(store)
    await expect.poll(async () => (await store.rowCounts()).samples, { timeout: 10_000 }).toBe(50_000)
  })

  it('leaves out one row that cannot be read, says which, and shows all others', async () => {
    await store.saveIncident(storedIncident('i1'), 0)
    await store.saveIncident(storedIncident('i2'), 0)
    await store.saveTunnels([tunnel('host-1'), tunnel('host-2')])
    await store.appendEvents([event(1), event(2)])
    await store.audit({
      at: iso(start),
      actor: 'ana',
      address: null,
      action: 'a',
      object: 'o',
      before: null,
      after: { a: 1 },
      reason: null,
    })
    await store.close()
    const database = new DatabaseSync(place.path)
    database.exec(`UPDATE "incidents" SET "data" = '{"id":' WHERE "id" = 'i1';
      UPDATE "tunnels" SET "data" = '' WHERE "hostId" = 'host-1';
      UPDATE "events" SET "data" = 'x' WHERE "seq" = 1;
      UPDATE "audit_rows" SET "after" = 'no json'`)
    database.close()
    store = new SqliteStore({ url: place.url, log })
    await store.open()
    expect((await store.incidents({})).items.map((each) => each.id)).toEqual(['i2'])
    expect((await store.tunnels()).map((each) => each.hostId)).toEqual(['host-2'])
    expect((await store.events({})).items.map((each) => each.seq)).toEqual([2, 1])
    expect((await store.auditRows({})).items[0]!.after).toBe('no json')
    expect(store.health()).toMatchObject({ ok: true, unreadable: { count: 2, example: 'incidents i1' } })
    await store.prune()
    await store.close()
  })

  it('has everything in the one file after a clean stop', async () => {
    await store.appendEvents(Array.from({ length: 500 }, (_, seq) => event(seq)))
    await store.events({ text: 'host' })
    await store.close()
    expect(statSync(`${place.path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0)
    const copy = `${place.path}.copy`
    copyFileSync(place.path, copy)
    const database = new DatabaseSync(copy)
    expect(database.prepare('SELECT COUNT(*) AS "events" FROM "events"').get()).toEqual({ events: 500 })
    database.close()
  })

  it('stays ill after a damaged page was met, although writing goes on, until another file is in the place', async () => {
    await store.appendEvents(Array.from({ length: 3_000 }, (_, seq) => event(seq)))
    await store.close()
    const whole = readFileSync(place.path)
    const broken = Buffer.from(whole)
    // Pages from the middle on: those of the events and their indexes.
    broken.fill(0xee, Math.floor(broken.length / 2), broken.length - 4_096)
    writeFileSync(place.path, broken)
    const lines: string[] = []
    store = new SqliteStore({
      url: place.url,
      log: { ...log, error: (_: unknown, msg: string) => lines.push(msg) } as never,
    })
    await store.open()
    await expect(store.events({ text: 'nowhere' })).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await expect(store.events({ text: 'nowhere' })).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(store.health()).toMatchObject({ ok: false, reason: 'the database is damaged', path: place.path })
    expect(store.health().remedy).toContain('backup')
    await new Promise((done) => setTimeout(done, 1_500))
    expect(store.health().ok, 'that a write works does not mend it').toBe(false)
    expect(lines.filter((line) => line === 'the store cannot be used')).toHaveLength(1)
    // Put back, as the runbook says for a store that runs on: another file in the place.
    for (const suffix of ['-wal', '-shm']) rmSync(place.path + suffix, { force: true })
    rmSync(place.path)
    writeFileSync(place.path, whole, { mode: 0o600 })
    await heals(store)
    expect((await store.events({ limit: 10 })).items).toHaveLength(10)
    await store.close()
  })

  it('keeps what it acknowledged when the process is killed', async () => {
    await store.close()
    const script = `
      import { SqliteStore } from ${JSON.stringify(fileURLToPath(new URL('../../server/store/sqlite-store.ts', import.meta.url)))}
      import { createLog } from ${JSON.stringify(fileURLToPath(new URL('../../server/observe/log.ts', import.meta.url)))}
      const store = new SqliteStore({ url: ${JSON.stringify(place.url)}, log: createLog('test', 'silent') })
      await store.open()
      for (let n = 1; ; n++) {
        await store.setSetting('count', String(n))
        process.stdout.write(n + '\\n')
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
      if (said.split('\n').length > 20) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const acknowledged = Number(said.trim().split('\n').at(-1))
    expect(acknowledged).toBeGreaterThan(19)
    const again = new SqliteStore({ url: place.url, log })
    await again.open()
    expect(Number(await again.setting('count'))).toBeGreaterThanOrEqual(acknowledged)
    await again.close()
  })
})

describe('a disk that fills up while the room is open', () => {
  it('loses nothing that was acknowledged, is read on, says so once, and is written again when there is room', async ({
    annotate,
  }) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-full-'))
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', folder])
    if (mounted.status !== 0) {
      await annotate(`No disk of our own can be mounted here (${String(mounted.stderr).trim()}): not tried`)
      return
    }
    const lines: string[] = []
    const store = new SqliteStore({
      url: `file:${join(folder, 'tidegate.db')}`,
      log: { ...log, error: (_: unknown, line: string) => lines.push(line), info: () => undefined } as never,
    })
    try {
      await store.open()
      const filler = join(folder, 'filler')
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=16k', 'count=512'])
      let stored = 0
      const write = async () => {
        for (; stored < 20_000; stored += 100)
          await store.appendEvents(Array.from({ length: 100 }, (_, index) => event(stored + index)))
      }
      await expect(write()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      expect(store.health()).toMatchObject({ ok: false, reason: 'the disk is full' })
      expect(store.health().remedy).toContain('Free space')
      store.writeSamples([{ node: 'fra-1', region: 'fra', at: start, values: { requests: 1 } }])
      await expect(store.flush()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      expect((await store.events({ limit: 1_000 })).items.length, 'reads go on').toBe(Math.min(stored, 1_000))
      await new Promise((done) => setTimeout(done, 1_500))
      expect(lines).toEqual(['the store cannot be used'])
      rmSync(filler)
      await heals(store)
      await expect.poll(async () => (await store.rowCounts()).samples, { timeout: 10_000 }).toBe(1)
      expect((await store.rowCounts()).events).toBe(stored)
      expect(await store.appendEvents([event(90_000)])).toHaveLength(1)
    } finally {
      await store.close()
      spawnSync('umount', ['-l', folder])
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
})

describe('a disk that did not answer when something was about to be written', () => {
  it('is written again afterwards, and nothing is acknowledged that is gone at the next start', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-silent-'))
    const file = join(folder, 'tidegate.db')
    const connection = new Connection(`file:${file}`, () => undefined)
    await connection.open()
    await connection.query('CREATE TABLE "settings" ("key" TEXT PRIMARY KEY, "value" TEXT)')
    const write = (key: string) =>
      connection.query('INSERT INTO "settings" ("key", "value") VALUES (?, ?)', [key, 'x'])
    const call = SqlClient.prototype.call
    const spy = vi.spyOn(SqlClient.prototype, 'call').mockImplementation(function (
      this: SqlClient,
      request,
      limitMs,
      onLate,
    ) {
      if (request.op !== 'execute' || !request.sql.startsWith('BEGIN'))
        return call.call(this, request, limitMs, onLate)
      // The thread is held up for a second, and patience is shorter than usual.
      spy.mockRestore()
      const long =
        'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT SUM(i) FROM n'
      void this.call({ op: 'execute', sql: long, args: [] })
      return this.call(request, 20, onLate)
    } as typeof call)
    try {
      await expect(connection.transaction((run) => run('SELECT 1'))).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      })
      const acknowledged: string[] = []
      await expect
        .poll(
          async () => {
            const key = `early-${acknowledged.length}`
            await write(key).then(
              () => acknowledged.push(key),
              () => undefined,
            )
            return connection.heal()
          },
          { timeout: 20_000, interval: 50 },
        )
        .toBe(true)
      await write('late')
      await connection.close()
      const database = new DatabaseSync(file)
      const kept = database.prepare('SELECT "key" FROM "settings" WHERE "key" <> ?').all('store.probe')
      database.close()
      expect(kept.map((each) => each.key)).toEqual([...acknowledged, 'late'])
    } finally {
      spy.mockRestore()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 40_000)
})

describe('a store that cannot be opened', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-broken-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('names the folder that cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')
    const store = new SqliteStore({ url: `file:${join(folder, 'file', 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_DATA_FOLDER' })
    await store.close()
  })

  it('refuses a directory in the place of its file', async () => {
    mkdirSync(join(folder, 'tidegate.db'))
    const store = new SqliteStore({ url: `file:${join(folder, 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_DATA_FOLDER' })
    await store.close()
  })

  it('refuses a file that is no database', async () => {
    writeFileSync(
      join(folder, 'tidegate.db'),
      'not a database, but long enough to be looked at as one, one would think'.repeat(20),
    )
    const store = new SqliteStore({ url: `file:${join(folder, 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await store.close()
  })

  it('refuses another kind of store with a sentence that keeps its password to itself', () => {
    expect(() => new SqliteStore({ url: 'postgresql://user:secret@db/tidegate', log })).toThrow(
      /db\/tidegate/,
    )
    expect(() => new SqliteStore({ url: 'postgresql://user:secret@db/tidegate', log })).not.toThrow(/secret/)
  })
})
