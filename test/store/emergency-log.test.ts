import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmergencyLog } from '../../server/store/emergency-log.ts'
import { SqliteStore } from '../../server/store/sqlite-store.ts'
import { iso, log, sqlite, start } from './fixtures.ts'

const row = (object: string) => ({
  at: iso(start),
  actor: 'ana@example.com',
  address: '203.0.113.7',
  action: 'drain.create',
  object,
  before: null,
  after: { state: 'running' },
  reason: 'fire',
})

describe('who did what while the store is away', () => {
  let place: Awaited<ReturnType<typeof sqlite.create>>
  let store: SqliteStore
  beforeEach(async () => {
    place = await sqlite.create()
    store = place.store
  })
  afterEach(() => place.remove())

  const objects = async () => (await store.auditRows({})).items.map((each) => each.object)

  it('is on disk for its owner alone, and in the audit once the store is back, each once and in order', async () => {
    expect(await store.auditAlways!(row('fra'))).toBe('stored')
    const away = `${place.path}.away`
    renameSync(place.path, away)
    expect(await store.auditAlways!(row('iad'))).toBe('logged')
    expect(await store.auditAlways!(row('sjc'))).toBe('logged')
    expect(statSync(store.emergency.path).mode & 0o777).toBe(0o600)
    renameSync(away, place.path)
    await expect.poll(objects, { timeout: 10_000 }).toEqual(['sjc', 'iad', 'fra'])
    expect(existsSync(store.emergency.path)).toBe(false)
    expect((await store.auditRows({})).items[0]).toMatchObject({ ...row('sjc') })
  })

  it('is not put into the audit twice when the process was killed between the audit and the removal', async () => {
    store.emergency.append(row('iad'))
    const path = store.emergency.path
    await store.close()
    const lines = readFileSync(path)
    store = new SqliteStore({ url: place.url, log })
    await store.open()
    expect(await objects()).toEqual(['iad'])
    await store.close()
    // The file is there again, as if it had not been removed yet; and one more row was written since.
    writeFileSync(`${path}.replaying`, lines)
    store = new SqliteStore({ url: place.url, log })
    store.emergency.append(row('sjc'))
    await store.open()
    expect(await objects()).toEqual(['sjc', 'iad'])
    await store.close()
    const database = new DatabaseSync(place.path)
    expect(database.prepare('SELECT COUNT(*) AS "rows" FROM "audit_rows"').get()).toEqual({ rows: 2 })
    database.close()
  })

  it('keeps a line that it cannot read, and puts the others into the audit', async () => {
    const away = `${place.path}.away`
    renameSync(place.path, away)
    expect(await store.auditAlways!(row('iad'))).toBe('logged')
    appendFileSync(store.emergency.path, '{"id":"01", half a li\n')
    expect(await store.auditAlways!(row('sjc'))).toBe('logged')
    renameSync(away, place.path)
    await expect.poll(objects, { timeout: 10_000 }).toEqual(['sjc', 'iad'])
    const kept = readdirSync(dirname(place.path)).filter((name) =>
      name.startsWith(`${basename(store.emergency.path)}.unread-`),
    )
    expect(kept).toHaveLength(1)
  })
})

describe('a disk that fills up in the middle of a row', () => {
  it('takes no row of which only a part is there: whoever asked is told', async ({ annotate }) => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-emergency-'))
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', folder])
    if (mounted.status !== 0) {
      await annotate(`No disk of our own can be mounted here (${String(mounted.stderr).trim()}): not tried`)
      return
    }
    try {
      const emergency = new EmergencyLog(join(folder, 'log.jsonl'), log)
      const large = (index: number) => ({ ...row(`fra-${index}`), after: 'x'.repeat(6_000) })
      let taken = 0
      expect(() => {
        for (; taken < 100; taken += 1) emergency.append(large(taken))
      }).toThrow(expect.objectContaining({ code: 'ERR_STORE_UNAVAILABLE' }))
      const whole = readFileSync(emergency.path, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
      expect(whole).toHaveLength(taken)
    } finally {
      spawnSync('umount', ['-l', folder])
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
