import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../../server/collector/collector.ts'
import type { DetectOptions } from '../../../server/collector/signals/detect.ts'
import type { Actor, Incident } from '../../../server/contract/index.ts'
import type { Store } from '../../../server/store/store.ts'
import { log, sqlite } from '../../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from '../scripted-node.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const INTERVAL_MS = 100

const nodeCalled = async (id: string): Promise<ScriptedNode> => {
  const node = await startScriptedNode(id)
  closers.push(() => node.close())
  return node
}

const newStore = async (): Promise<Store> => {
  const { store, remove } = await sqlite.create()
  closers.push(remove)
  return store
}

/** A collector on a store; called again for a restart. */
const start = async (nodes: ScriptedNode[], store: Store, detect: DetectOptions): Promise<Collector> => {
  const nothing = () => undefined
  const collector = new Collector({
    store,
    live: { hub: 'hub', seq: 0, event: nothing, samples: nothing, changed: nothing },
    log,
    regions: [...new Set(nodes.map((node) => node.region))].map((id) => ({ id, name: id })),
    nodes: nodes.map(({ id, region, url, token }) => ({
      id,
      region,
      url,
      token,
      kind: 'tidegate',
      embedded: false,
    })),
    // A busy machine that tests in parallel needs a moment for an answer.
    polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
    detect,
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  return collector
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const STUCK_AT_ONCE: DetectOptions = { 'push.stuck': { received: 10, forSeconds: 0 } }

const pushes = (node: ScriptedNode, received: number, sendOk = 0): void => {
  const { push } = node.health
  if (push) node.health = { ...node.health, push: { ...push, received, sendOk, noTokens: 0 } }
}

const stuckOn = (collector: Collector): Incident | undefined => collector.overview().incidents[0]

describe('a collector that starts again', () => {
  it('goes on with the title, the acknowledgement and the count of an incident that is open', async () => {
    const node = await nodeCalled('fra-1')
    const store = await newStore()
    pushes(node, 0)
    const first = await start([node], store, STUCK_AT_ONCE)
    await eventually(() => expect(first.node('fra-1')?.state).toBe('up'))
    pushes(node, 1_000)
    await eventually(() => expect(stuckOn(first)?.impact).toMatch(/^1 000 pushes not delivered/))
    const { id } = stuckOn(first)!
    await first.incidents.acknowledge(id, ana)
    await first.incidents.patch(id, { title: 'Apple rejects our key' }, ana)
    await first.close()

    // It goes on receiving while nobody looks.
    pushes(node, 1_240)
    const second = await start([node], store, STUCK_AT_ONCE)
    expect(stuckOn(second)).toMatchObject({ id, state: 'acknowledged', title: 'Apple rejects our key' })
    await eventually(() => expect(stuckOn(second)?.impact).toMatch(/^1 240 pushes not delivered/))
    await node.close()
    await eventually(() => expect(stuckOn(second)?.signals).toHaveLength(2))
    expect(stuckOn(second)).toMatchObject({ id, title: 'Apple rejects our key', acknowledgedBy: ana.name })
  })

  it('stays quiet about what was resolved by hand, until that has ended once', async () => {
    const node = await nodeCalled('fra-1')
    const store = await newStore()
    pushes(node, 0)
    const first = await start([node], store, STUCK_AT_ONCE)
    await eventually(() => expect(first.node('fra-1')?.state).toBe('up'))
    pushes(node, 1_000)
    await eventually(() => expect(stuckOn(first)).toBeDefined())
    await first.incidents.resolve(stuckOn(first)!.id, ana)
    await first.close()

    const second = await start([node], store, STUCK_AT_ONCE)
    for (const received of [1_100, 1_200, 1_300]) {
      pushes(node, received)
      await new Promise((resolve) => setTimeout(resolve, 600))
    }
    expect(second.overview().incidents).toEqual([])
    pushes(node, 1_301, 1)
    await eventually(async () => {
      expect((await store.unsettledIncidents(Date.now())).flatMap(({ muted }) => muted)).toEqual([])
    })
    pushes(node, 1_400, 1)
    await eventually(() => expect(stuckOn(second)?.impact).toMatch(/^99 pushes not delivered/))
  })
})

describe('thresholds of one node', () => {
  it('decide when that node is down, and no other', async () => {
    const [fra, iad] = [await nodeCalled('fra-1'), await nodeCalled('iad-1')]
    const collector = await start([fra, iad], await newStore(), {
      nodes: { 'fra-1': { 'node.down': { fall: 2 } } },
      regions: { iad: { 'node.down': { fall: 100 } } },
    })
    await eventually(() => expect(collector.overview().totals.up).toBe(2))
    await Promise.all([fra.close(), iad.close()])
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    await eventually(() => expect(stuckOn(collector)?.title).toBe('fra-1 is down'))
    expect(collector.node('iad-1')?.state).not.toBe('down')
  })
})
