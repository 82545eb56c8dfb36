import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { SqliteStore } from '../../server/store/sqlite-store.ts'
import { log } from './fixtures.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const began = 1_700_000_000_000
let now = began + 620_000
beforeEach(() => {
  now = began + 620_000
})
const watched = [
  { id: 'fra-1', intervalMs: 5_000 },
  { id: 'slow-1', intervalMs: 60_000 },
]

/** Ten minutes of a node that is polled every 5 s and of one that is polled every minute. */
const storeWith = async (): Promise<SqliteStore> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-slow-'))
  closers.push(() => rmSync(folder, { recursive: true }))
  const store = new SqliteStore({
    url: `file:${join(folder, 'tidegate.db')}`,
    log,
    now: () => now,
  })
  await store.open()
  closers.push(() => store.close())
  store.setWatched(watched)
  for (let at = began; at < began + 600_000; at += 5_000)
    store.writeSamples([{ node: 'fra-1', region: 'fra', at, values: { connections: 10, requests: 5 } }])
  for (let at = began + 7_000; at < began + 600_000; at += 60_000)
    store.writeSamples([{ node: 'slow-1', region: 'fra', at, values: { connections: 100, requests: 60 } }])
  await store.flush()
  return store
}
const series = (store: SqliteStore, scope: 'fleet' | string, metrics: ('connections' | 'requests')[]) =>
  store.series({
    scope: scope === 'fleet' ? { kind: 'fleet' } : { kind: 'node', id: scope },
    metrics,
    from: began + 120_000,
    to: began + 480_000,
    points: 600,
  })

it('a sum over nodes has every node in each of its steps, though one is polled every minute', async () => {
  const store = await storeWith()
  const { step, series: answer, gaps } = await series(store, 'fleet', ['connections', 'requests'])
  expect(step).toBe(10_000)
  expect(gaps).toEqual([])
  const [connections, requests] = answer
  expect(connections?.points.map(([, min, max, avg]) => [min, max, avg])).toEqual(
    Array.from({ length: 36 }, () => [110, 110, 110]),
  )
  // 10 of the one that is polled twice a step, and a sixth of 60 of the other: nothing is counted twice or lost.
  expect(requests?.points.map(([, , , sum]) => sum)).toEqual(Array.from({ length: 36 }, () => 20))
})

it('a chart of a node that is polled every minute has no holes between its polls', async () => {
  const store = await storeWith()
  const { step, series: answer, gaps } = await series(store, 'slow-1', ['connections'])
  expect(step).toBe(120_000)
  expect(gaps).toEqual([])
  expect(answer[0]?.points.map(([, , , avg]) => avg)).toEqual([100, 100, 100])
})

it('a node that is polled every minute and is silent has a hole, once it is older than three of its own intervals', async () => {
  const store = await storeWith()
  const gapsAt = async (silentMs: number) => {
    store.setWatched([
      { id: 'fra-1', intervalMs: 3_600_000 },
      { id: 'slow-1', intervalMs: silentMs },
    ])
    const { gaps } = await store.series({
      scope: { kind: 'node', id: 'slow-1' },
      metrics: ['connections'],
      from: began,
      to: began + 620_000,
      points: 600,
    })
    return gaps.map(({ node }) => node)
  }
  expect(await gapsAt(60_000)).toEqual([])
  // That it is asked more often from now on makes no hole of the time before.
  expect(await gapsAt(10_000)).toEqual([])
  now += 30_000
  expect(await gapsAt(10_000)).toEqual([])
  now += 1
  expect(await gapsAt(10_000)).toEqual(['slow-1'])
})

it.each([
  ['comes by the new interval', 30_000, 0],
  ['comes later than that', 30_001, 1],
])(
  'a node that is asked more often from now on has no hole before, where its next sample %s',
  async (_, ms, count) => {
    const store = await storeWith()
    store.setWatched([{ id: 'slow-1', intervalMs: 10_000 }])
    store.setWatched([{ id: 'slow-1', intervalMs: 10_000 }])
    const sample = async (at: number) => {
      store.writeSamples([{ node: 'slow-1', region: 'fra', at, values: { connections: 1 } }])
      await store.flush()
      return (await store.gaps({ from: began, to: at, nodes: ['slow-1'] })).length
    }
    expect(await sample(now + ms)).toBe(count)
    // And from then on it is late by its new interval alone.
    expect(await sample(now + ms + 30_001)).toBe(count + 1)
  },
)
