import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import type { LivePublisher } from '../../server/contract/index.ts'
import { SqliteStore } from '../../server/store/sqlite-store.ts'
import { log } from '../store/fixtures.ts'
import { startScriptedNode } from './scripted-node.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { encoding: 'utf8' })
const isMounted = mounted.status === 0
if (!isMounted)
  process.stdout.write(
    `no disk to fill: ${(mounted.stderr || String(mounted.error ?? 'mount failed')).trim()}\n`,
  )

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => {
  if (isMounted) spawnSync('umount', ['-l', folder])
  rmSync(folder, { recursive: true, force: true })
})

const ballast = join(folder, 'ballast')
const fill = (): void => {
  const file = openSync(ballast, 'a')
  try {
    for (const size of [65_536, 512, 1])
      try {
        for (;;) writeSync(file, Buffer.alloc(size))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
  } finally {
    closeSync(file)
  }
}

const live: LivePublisher = {
  hub: 'hub',
  seq: 0,
  event: () => undefined,
  samples: () => undefined,
  changed: () => undefined,
}
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 30_000, interval: 50 })

it.skipIf(!isMounted)(
  'goes on over a full disk, says so, and writes down what it judged when there is room again',
  async () => {
    const node = await startScriptedNode('fra-1')
    closers.push(() => node.close().catch(() => undefined))
    const other = await startScriptedNode('iad-1')
    closers.push(() => other.close())
    const store = new SqliteStore({ url: `file:${join(folder, 'tidegate.db')}`, log })
    await store.open()
    closers.push(() => store.close().catch(() => undefined))
    const collector = new Collector({
      store,
      live,
      log,
      regions: ['fra', 'iad'].map((id) => ({ id, name: id })),
      nodes: [node, other].map(({ id, region, url, token }) => ({
        ...{ id, region, url, token },
        kind: 'tidegate' as const,
        embedded: false,
      })),
      polling: { intervalMs: 200, timeoutMs: 150, allow: [] },
      detect: {},
      demo: true,
      version: '0.1.0',
    })
    closers.push(() => collector.close())
    await collector.start()
    const scopes = async () => new Map((await store.statesAt(Date.now())).map((each) => [each.scope, each]))
    await eventually(async () => expect((await scopes()).get('node:fra-1')?.state).toBe('up'))

    fill()
    await eventually(() =>
      expect(store.health()).toMatchObject({ ok: false, reason: expect.stringMatching(/full/) }),
    )
    await node.close()
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    await eventually(() =>
      expect(collector.overview().problems.map(({ code }) => code)).toContain('store_not_recording'),
    )
    // Looks at signals and history go on failing meanwhile, and nothing else stops.
    await new Promise((done) => setTimeout(done, 5_000))
    expect(collector.node('iad-1')?.state).toBe('up')
    expect(await store.statesAt(Date.now())).not.toEqual([])

    const whileFull = Date.now()
    rmSync(ballast)
    await eventually(() => expect(store.health().ok).toBe(true))
    await eventually(async () => {
      const said = (await scopes()).get('node:fra-1')
      expect(said?.state).toBe('down')
      // As of when it was judged, not of when there was room.
      expect(said?.at).toBeLessThanOrEqual(whileFull)
    })
    await eventually(async () => {
      const stored = await store.unsettledIncidents(0)
      expect(stored.flatMap(({ open }) => open)).toEqual([expect.stringMatching(/:fra/)])
    })
    await eventually(() => expect(collector.overview().problems).toEqual([]))
    expect(collector.overview().incidents.map(({ nodes }) => nodes)).toEqual([['fra-1']])
  },
  150_000,
)
