import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Judged, Recorder } from '../../../server/collector/history/recorder.ts'
import { AppError } from '../../../server/contract/errors.ts'
import { createLog } from '../../../server/observe/log.ts'
import { SqliteStore } from '../../../server/store/sqlite-store.ts'

const log = createLog('test', 'silent')
const start = Date.parse('2026-04-28T04:00:00Z')
const well: Judged = { state: 'up', intent: 'serving', problems: [] }

describe('what is written down', () => {
  let folder: string
  let store: SqliteStore
  let now: number
  let nodes: Map<string, Judged>
  let regions: ({ id: string } & Judged)[]
  let room: string[]
  let documents: Map<string, unknown>
  const recorderOn = (kept: Pick<SqliteStore, 'writeHistory'>) =>
    new Recorder({
      store: kept,
      log,
      now: () => now,
      sources: {
        node: (id) => nodes.get(id) ?? null,
        document: (id) => (documents.has(id) ? { at: now, data: documents.get(id) } : null),
        regions: () => regions,
        room: () => room,
      },
    })
  const rowsOf = async (scope: string) => {
    const rows = new Map<number, string>()
    for (let at = start; at <= now; at += 500) {
      const row = (await store.statesAt(at)).find((each) => each.scope === scope)
      if (row) rows.set(row.at, row.state)
    }
    return [...rows]
  }
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-history-'))
    store = new SqliteStore({ url: `file:${join(folder, 'tidegate.db')}`, log, now: () => now })
    await store.open()
    now = start
    nodes = new Map([['fra-1', well]])
    regions = [{ id: 'fra', ...well }]
    room = []
    documents = new Map()
  })
  afterEach(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is each change of a node, a region and the room, with its time, and nothing while nothing changes', async () => {
    const recorder = recorderOn(store)
    for (let second = 0; second < 30; second++) {
      now = start + second * 1_000
      if (second === 10) {
        nodes.set('fra-1', { ...well, state: 'down', problems: ['refused: nobody listens'] })
        regions = [{ id: 'fra', ...well, state: 'degraded', problems: ['1 of 2 down'] }]
      }
      if (second === 20) {
        nodes.set('fra-1', { ...well, intent: 'drain' })
        room = ['polls_late: polls begin late']
      }
      recorder.touch('fra-1')
      await recorder.write()
    }
    expect((await store.rowCounts()).state_changes).toBe(3 + 2 + 2)
    expect(await rowsOf('node:fra-1')).toEqual([
      [start, 'up'],
      [start + 10_000, 'down'],
      [start + 20_000, 'up'],
    ])
    expect(await store.statesAt(start + 15_000)).toEqual([
      {
        scope: 'node:fra-1',
        at: start + 10_000,
        state: 'down',
        intent: 'serving',
        problems: ['refused: nobody listens'],
      },
      {
        scope: 'region:fra',
        at: start + 10_000,
        state: 'degraded',
        intent: 'serving',
        problems: ['1 of 2 down'],
      },
      { scope: 'room', at: start, state: 'up', intent: 'serving', problems: [] },
    ])
  })

  it('is one row, not one a poll, for a problem that differs in its numbers alone', async () => {
    const recorder = recorderOn(store)
    for (let poll = 0; poll < 100; poll++) {
      nodes.set('fra-1', {
        ...well,
        state: 'degraded',
        problems: [`slow: ${700 + poll} ms against 1,2${poll} ms`],
      })
      now += 1_000
      recorder.touch('fra-1')
      await recorder.write()
    }
    expect((await store.rowCounts()).state_changes).toBe(3)
  })

  it('is a row for another name, and for another count of nodes of a region', async () => {
    const recorder = recorderOn(store)
    const look = async (problem: string, words: string) => {
      nodes.set('fra-1', { ...well, state: 'degraded', problems: [problem] })
      regions.splice(0, regions.length, { id: 'fra', ...well, state: 'degraded', problems: [words] })
      now += 1_000
      recorder.touch('fra-1')
      await recorder.write()
    }
    await look('no answer from relay-1 for 3 s', '1 of 3 down')
    await look('no answer from relay-1 for 4 s', '1 of 3 down')
    const before = (await store.rowCounts()).state_changes ?? 0
    await look('no answer from relay-2 for 5 s', '2 of 3 down')
    expect((await store.rowCounts()).state_changes).toBe(before + 2)
  })

  it('is written once, also where two ask for it at the same time', async () => {
    const recorder = recorderOn(store)
    recorder.touch('fra-1')
    await Promise.all([recorder.write(), recorder.write()])
    expect((await store.rowCounts()).state_changes).toBe(3)
  })

  it('is a document at first, when more than its numbers changed, at most once a minute, and once an hour all the same', async () => {
    const recorder = recorderOn(store)
    const poll = async (seconds: number, data: (second: number) => unknown) => {
      for (const until = now + seconds * 1_000; now < until; now += 5_000) {
        documents.set('fra-1', data(now))
        recorder.touch('fra-1')
        await recorder.write()
      }
    }
    const count = async () => (await store.rowCounts()).health_documents
    await poll(600, (at) => ({ ok: true, total: at, lastAt: new Date(at).toISOString() }))
    expect(await count()).toBe(1)
    await poll(60, () => ({ ok: false, problems: ['disk'] }))
    expect(await count()).toBe(2)
    await poll(600, (at) => ({ ok: true, who: String.fromCharCode(97 + ((at / 5_000) % 26)) }))
    expect(await count(), 'ten minutes of a document that never stays the same').toBeLessThanOrEqual(2 + 11)
    const before = await count()
    await poll(3_700, (at) => ({ ok: true, total: at }))
    expect(await count()).toBe((before ?? 0) + 2)
    expect((await store.documentAt('fra-1', start + 620_000))?.data).toEqual({
      ok: false,
      problems: ['disk'],
    })
  })

  it('is a document for another version, also where nothing but digits changed', async () => {
    const recorder = recorderOn(store)
    for (const [minute, version] of ['1.2.3', '1.2.4', '1.2.4', '1.2.5'].entries()) {
      now = start + minute * 61_000
      documents.set('fra-1', { version, total: now, lastAt: new Date(now).toISOString() })
      recorder.touch('fra-1')
      await recorder.write()
      // In the words of another program, under a name that says nothing.
      documents.set('other', { about: `gate/${version} (up 0d ${minute}h12m)`, load: `${minute}.5 %` })
      recorder.touch('other')
      await recorder.write()
    }
    expect((await store.rowCounts()).health_documents).toBe(3 + 3)
    expect((await store.documentAt('fra-1', start + 61_000))?.data).toMatchObject({ version: '1.2.4' })
  })

  it('ends when a node or a region leaves, begins anew when it comes back, and ends what left meanwhile', async () => {
    const recorder = recorderOn(store)
    const scopesAt = async (at: number) => (await store.statesAt(at)).map(({ scope }) => scope)
    nodes.set('fra-2', well)
    for (const id of ['fra-1', 'fra-2']) recorder.touch(id)
    await recorder.write()
    now += 10_000
    nodes.delete('fra-2')
    regions = [{ id: 'iad', ...well }]
    recorder.forget('fra-2')
    recorder.touch('fra-1')
    await recorder.write()
    expect(await scopesAt(start + 9_999)).toEqual(['node:fra-1', 'node:fra-2', 'region:fra', 'room'])
    expect(await scopesAt(start + 10_000)).toEqual(['node:fra-1', 'region:iad', 'room'])
    now += 10_000
    nodes.set('fra-2', well)
    recorder.touch('fra-2')
    await recorder.write()
    expect(await scopesAt(now)).toContain('node:fra-2')
    nodes.delete('fra-1')
    now += 10_000
    const later = recorderOn(store)
    later.began(['node:fra-1', 'node:fra-2', 'region:iad', 'region:gone'])
    await later.write()
    expect(await scopesAt(now)).toEqual(['node:fra-2', 'region:iad', 'room'])
  })

  it('waits for a store that is away, within its bounds, and counts what it gave up', async () => {
    let away = true
    const recorder = recorderOn({
      writeHistory: (states, rows) =>
        away
          ? Promise.reject(new AppError('ERR_STORE_UNAVAILABLE', 'the disk is full'))
          : store.writeHistory(states, rows),
    })
    for (let change = 0; change < 6_000; change++) {
      now += 1_000
      nodes.set('fra-1', { ...well, state: change % 2 === 0 ? 'down' : 'up' })
      regions = [{ id: 'fra', ...well, state: change % 2 === 0 ? 'down' : 'up' }]
      recorder.touch('fra-1')
      await recorder.write().catch(() => undefined)
    }
    expect(recorder.figures.waiting).toBe(10_000)
    expect(recorder.figures.dropped).toBe(2 * 6_000 + 1 - 10_000)
    away = false
    await recorder.write()
    expect(recorder.figures.waiting).toBe(0)
    expect((await store.rowCounts()).state_changes).toBe(10_000)
  })
})
