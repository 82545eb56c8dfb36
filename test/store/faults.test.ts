import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPrismaStore, type PrismaStore } from '../../server/store/prisma-store.ts'
import { drain, event, log, sqlite, start } from './fixtures.ts'

const heals = (store: PrismaStore) => expect.poll(() => store.health().ok, { timeout: 10_000 }).toBe(true)

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
  let store: PrismaStore
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

  it('keeps what it acknowledged when the process is killed', async () => {
    await store.close()
    const script = `
      import { createPrismaStore } from ${JSON.stringify(fileURLToPath(new URL('../../server/store/prisma-store.ts', import.meta.url)))}
      import { createLog } from ${JSON.stringify(fileURLToPath(new URL('../../server/observe/log.ts', import.meta.url)))}
      const store = createPrismaStore({ url: ${JSON.stringify(place.url)}, log: createLog('test', 'silent') })
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
    const again = createPrismaStore({ url: place.url, log })
    await again.open()
    expect(Number(await again.setting('count'))).toBeGreaterThanOrEqual(acknowledged)
    await again.close()
  })
})

describe('a store that cannot be opened', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-broken-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('names the folder that cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '')
    const store = createPrismaStore({ url: `file:${join(folder, 'file', 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_DATA_FOLDER' })
    await store.close()
  })

  it('refuses a directory in the place of its file', async () => {
    mkdirSync(join(folder, 'tidegate.db'))
    const store = createPrismaStore({ url: `file:${join(folder, 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_DATA_FOLDER' })
    await store.close()
  })

  it('refuses a file that is no database', async () => {
    writeFileSync(
      join(folder, 'tidegate.db'),
      'not a database, but long enough to be looked at as one, one would think'.repeat(20),
    )
    const store = createPrismaStore({ url: `file:${join(folder, 'tidegate.db')}`, log })
    await expect(store.open()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await store.close()
  })

  it('refuses another kind of store with a sentence that keeps its password to itself', () => {
    expect(() => createPrismaStore({ url: 'postgresql://user:secret@db/tidegate', log })).toThrow(
      /db\/tidegate/,
    )
    expect(() => createPrismaStore({ url: 'postgresql://user:secret@db/tidegate', log })).not.toThrow(
      /secret/,
    )
  })
})
