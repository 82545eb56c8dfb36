import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../../server/collector/collector.ts'
import type { Actor } from '../../../server/contract/index.ts'
import type { Store } from '../../../server/store/store.ts'
import { log, sqlite } from '../../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from '../scripted-node.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const INTERVAL_MS = 100
const HOUR = 3_600_000

const newNode = async (id: string, port?: number): Promise<ScriptedNode> => {
  const node = await startScriptedNode(id, port === undefined ? {} : { port, epoch: 'run2' })
  closers.push(() => node.close())
  return node
}

const newStore = async (): Promise<Store> => {
  const { store, remove } = await sqlite.create()
  closers.push(remove)
  return store
}

/** A collector on a store; called again for a restart. */
const watch = async (nodes: ScriptedNode[], store: Store): Promise<Collector> => {
  const nothing = () => undefined
  const collector = new Collector({
    store,
    live: { hub: 'hub', seq: 0, event: nothing, samples: nothing, changed: nothing },
    log,
    regions: [...new Set(nodes.map((node) => node.region))].map((id) => ({ id, name: id })),
    nodes: nodes.map(({ id, region, url, token }) => ({
      ...{ id, region, url, token },
      kind: 'tidegate',
      embedded: false,
    })),
    polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  return collector
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const window = (more: object = {}) => ({
  title: 'Kernel update',
  reason: 'CVE-2026-1234',
  from: new Date().toISOString(),
  to: new Date(Date.now() + HOUR).toISOString(),
  ...more,
})
const isUp = (collector: Collector, ...ids: string[]) =>
  eventually(() => expect(ids.map((id) => collector.node(id)?.state)).toEqual(ids.map(() => 'up')))
/** What a window holds back at the moment. */
const heldBy = async (collector: Collector) =>
  (await collector.maintenance.list({ status: 'active' })).items.flatMap(({ held }) => held ?? [])

describe('while a maintenance window lasts', { timeout: 60_000 }, () => {
  it('a node that goes opens no incident, until the window ends and it is still away', async () => {
    const nodes = [await newNode('fra-1'), await newNode('fra-2'), await newNode('iad-1')]
    const store = await newStore()
    const collector = await watch(nodes, store)
    await isUp(collector, 'fra-1', 'fra-2', 'iad-1')
    const { id, to } = await collector.maintenance.create(window({ nodes: ['fra-1'] }), ana)
    expect(collector.nodes().map(({ intent }) => intent)).toEqual(['maintenance', 'serving', 'serving'])
    const mark = { id, title: 'Kernel update', reason: 'CVE-2026-1234', until: to }
    expect(collector.node('fra-1')?.maintenance).toEqual(mark)
    expect(collector.regions().map(({ maintenance }) => maintenance)).toEqual([undefined, undefined])

    await nodes[0]!.close()
    await eventually(async () =>
      expect(await heldBy(collector)).toMatchObject([{ kind: 'node.down', scope: 'node:fra-1' }]),
    )
    await eventually(() =>
      expect(collector.overview()).toMatchObject({
        incidents: [],
        verdict: { level: 'ok', text: '2 of 3 nodes serve and do their job; fra-1 is in maintenance.' },
      }),
    )
    const { since } = (await heldBy(collector))[0]!

    await collector.maintenance.end(id, ana)
    await eventually(() => expect(collector.overview().incidents).toHaveLength(1))
    const [incident] = collector.overview().incidents
    const [ended] = (await collector.maintenance.list({ status: 'past' })).items
    expect(incident).toMatchObject({ title: 'fra-1 is down', startedAt: ended?.to })
    expect(Date.parse(since)).toBeLessThan(Date.parse(incident!.startedAt))
    const { items } = await collector.incidents.timeline(incident!.id, {})
    expect(items.filter(({ kind }) => kind === 'annotation').map(({ title }) => title)).toEqual([
      `maintenance of fra-1 begins: Kernel update (until ${ended?.to}; CVE-2026-1234)`,
      'maintenance of fra-1 ended: Kernel update',
    ])
  })

  it('a node that goes and comes opens nothing at all, also over a restart of the collector', async () => {
    const nodes = [await newNode('fra-1'), await newNode('fra-2')]
    const store = await newStore()
    const first = await watch(nodes, store)
    await isUp(first, 'fra-1', 'fra-2')
    const { id } = await first.maintenance.create(window({ regions: ['fra'] }), ana)
    expect(first.regions()[0]).toMatchObject({ intent: 'maintenance', maintenance: { id } })
    const port = Number(new URL(nodes[0]!.url).port)
    await nodes[0]!.close()
    await eventually(async () => expect(await heldBy(first)).toHaveLength(1))
    await first.close()

    const second = await watch(nodes, store)
    await eventually(async () => expect(await heldBy(second)).toHaveLength(1))
    await newNode('fra-1', port)
    await isUp(second, 'fra-1', 'fra-2')
    await eventually(async () => expect(await heldBy(second)).toEqual([]))
    await second.maintenance.end(id, ana)
    // Two looks of the rules later nothing has opened.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect((await store.incidents({})).items).toEqual([])
  })

  it('an incident that is open already stays open, and its signals close as ever', async () => {
    const nodes = [await newNode('fra-1'), await newNode('iad-1')]
    const collector = await watch(nodes, await newStore())
    await isUp(collector, 'fra-1', 'iad-1')
    const port = Number(new URL(nodes[0]!.url).port)
    await nodes[0]!.close()
    await eventually(() => expect(collector.overview().incidents).toHaveLength(1))
    await collector.maintenance.create(window({ regions: ['fra'] }), ana)
    const [incident] = collector.overview().incidents
    expect(incident).toMatchObject({ state: 'open', signals: [{ kind: 'node.down' }] })
    expect(collector.maintenance.silencedBy(incident!, Date.now())?.reason).toContain('Kernel update')
    expect(collector.overview().verdict.level).toBe('attention')
    await newNode('fra-1', port)
    await eventually(() =>
      expect(collector.overview().incidents[0]?.signals[0]?.closedAt).toEqual(expect.any(String)),
    )
  })

  it('nothing that serves is an outage all the same, without an incident', async () => {
    const nodes = [await newNode('fra-1'), await newNode('fra-2')]
    const collector = await watch(nodes, await newStore())
    await isUp(collector, 'fra-1', 'fra-2')
    await collector.maintenance.create(window(), ana)
    for (const node of nodes) await node.close()
    await eventually(async () =>
      expect(await heldBy(collector)).toMatchObject([{ kind: 'region.unreachable' }]),
    )
    expect(collector.overview()).toMatchObject({
      incidents: [],
      verdict: { level: 'outage', text: 'Nothing serves: fra is in maintenance.' },
    })
  })
})
