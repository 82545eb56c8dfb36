import { afterEach, describe, expect, it, vi } from 'vitest'
import type { NodeTarget } from '../../server/collector/adapters/registry.ts'
import { Collector } from '../../server/collector/collector.ts'
import type { Actor, FleetEvent, LivePublisher } from '../../server/contract/index.ts'
import type { Store } from '../../server/store/store.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from './scripted-node.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const INTERVAL_MS = 200

const makeNode = async (id: string, options?: Parameters<typeof startScriptedNode>[1]) => {
  const node = await startScriptedNode(id, options)
  closers.push(() => node.close())
  return node
}
const makeStore = async (): Promise<Store> => {
  const { store, remove } = await sqlite.create()
  closers.push(remove)
  return store
}
const targetOf = ({ id, region, url, token }: ScriptedNode, more: object = {}): NodeTarget => ({
  id,
  region,
  url,
  token,
  kind: 'tidegate',
  embedded: false,
  ...more,
})
const regionsOf = (...ids: string[]) => ids.map((id) => ({ id, name: id }))

const start = async (nodes: ScriptedNode[], store: Store) => {
  const events: FleetEvent[] = []
  const live: LivePublisher = {
    hub: 'hub',
    seq: 0,
    event: (event) => void events.push(event),
    samples: () => undefined,
    changed: () => undefined,
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: regionsOf(...new Set(nodes.map((node) => node.region))),
    nodes: nodes.map((node) => targetOf(node)),
    polling: { intervalMs: INTERVAL_MS, timeoutMs: 180, allow: [] },
    drains: { tickMs: 20, monotonic: () => performance.now() * 10 },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  await eventually(() =>
    expect(collector.nodes().every((node) => node.state === 'up' && node.streamState === 'live')).toBe(true),
  )
  return { collector, events }
}

const registered = (hostId: string, fence: number) => ({
  hostId,
  ...{ gapMs: null, previousNode: null, previousCloseCode: null, attempt: null, fence },
})

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

describe('a new set of targets', { timeout: 40_000 }, () => {
  it('watches who came, forgets who left, and nobody else notices', async () => {
    const [fra1, fra2, iad1] = [await makeNode('fra-1'), await makeNode('fra-2'), await makeNode('iad-1')]
    const { collector, events } = await start([fra1, fra2], await makeStore())
    const stays = collector.fleet.member('fra-1')
    const { stream, judgement } = stays ?? {}
    const position = () => stays?.stream?.position?.seq

    const change = await collector.setTargets(
      [{ id: 'fra', name: 'Frankfurt', capacity: { tunnels: 10 } }, ...regionsOf('iad')],
      [targetOf(iad1), targetOf(fra1)],
    )
    expect(change).toMatchObject({
      added: [{ id: 'iad-1' }],
      removed: [{ id: 'fra-2' }],
      changed: [],
      regions: ['fra', 'iad'],
    })
    expect(collector.nodes().map(({ id, state }) => [id, state])).toEqual([
      ['iad-1', 'up'],
      ['fra-1', 'up'],
    ])
    expect(collector.regions()).toMatchObject([
      { id: 'fra', name: 'Frankfurt', nodes: 1, capacity: { tunnels: 10 } },
      { id: 'iad', nodes: 1 },
    ])
    // The very same node, with all that is known of it, over the very same connection.
    expect(collector.fleet.member('fra-1')).toBe(stays)
    expect(stays?.stream).toBe(stream)
    expect(stays?.judgement.since).toBe(judgement?.since)
    expect(fra1.streams).toBe(1)
    const before = position()
    fra1.emit('node.problem_found', { problem: 'after the change' })
    await eventually(() => expect(position()).toBe((before ?? 0) + 1))

    await eventually(() => expect([iad1.streams, fra2.streams]).toEqual([1, 0]))
    expect(collector.node('fra-2')).toBeNull()
    const calls = fra2.calls.length
    const stripes = collector.heartbeats('fra').strips.map(({ scope }) => scope)
    expect(stripes).toEqual(['node:fra-1'])
    fra2.emit('node.problem_found', { problem: 'to nobody' })
    await new Promise((done) => setTimeout(done, 2 * INTERVAL_MS))
    expect(fra2.calls.length).toBe(calls)
    expect(events.some(({ node, type }) => node === 'fra-2' && type === 'node.down')).toBe(false)
    expect(collector.figures()).toMatchObject({ targets: 2, streams: 2 })
  })

  it('finds no samples missing of who left', async () => {
    const [fra1, fra2] = [await makeNode('fra-1'), await makeNode('fra-2')]
    const { store, remove } = await sqlite.create({ expectedIntervalMs: INTERVAL_MS })
    closers.push(remove)
    const { collector } = await start([fra1, fra2], store)
    const gapsOf = async (node: string) =>
      (await store.gaps({ from: Date.now() - 60_000, to: Date.now() })).filter((gap) => gap.node === node)
    await collector.setTargets(regionsOf('fra'), [targetOf(fra1)])
    await fra1.close()
    await eventually(async () => expect(await gapsOf('fra-1')).toHaveLength(1))
    expect(await gapsOf('fra-2')).toEqual([])
  })

  it('keeps what is known of a node that has another address or another token', async () => {
    const fra1 = await makeNode('fra-1')
    const { collector, events } = await start([fra1], await makeStore())
    const node = collector.fleet.member('fra-1')
    const since = node?.judgement.since
    const moved = await makeNode('fra-1')
    moved.emit('node.problem_found', { problem: 'from the new place' })
    const change = await collector.setTargets(regionsOf('fra'), [targetOf(moved)])
    expect(change).toMatchObject({ added: [], removed: [], changed: [{ id: 'fra-1' }] })
    await eventually(() => expect([fra1.streams, moved.streams]).toEqual([0, 1]))
    expect(collector.fleet.member('fra-1')).toBe(node)
    await new Promise((done) => setTimeout(done, 2 * INTERVAL_MS))
    expect(node?.judgement).toMatchObject({ state: 'up', since, bad: 0 })
    expect(events.map(({ type }) => type)).not.toContain('node.down')
  })

  it('leaves a node of its own process where that process said, also where it moved while the change was written down', async () => {
    const fra1 = await makeNode('fra-1')
    const { collector } = await start([fra1], await makeStore())
    const [own, moved] = [await makeNode('fra-2'), await makeNode('fra-2')]
    const targets = [targetOf(fra1), targetOf(own, { embedded: true })]
    await collector.setTargets(regionsOf('fra'), targets)
    const change = await collector.setTargets(regionsOf('fra'), targets, async () =>
      collector.setNode('fra-2', moved),
    )
    expect(change).toMatchObject({ added: [], removed: [], changed: [] })
    expect(collector.fleet.require('fra-2').target).toMatchObject({ url: moved.url })
  })

  it('takes a node that moved to another region for one that left and one that came', async () => {
    const [fra1, fra2] = [await makeNode('fra-1'), await makeNode('fra-2')]
    const { collector } = await start([fra1, fra2], await makeStore())
    const before = collector.fleet.member('fra-1')
    fra1.health = { ...fra1.health, region: 'iad' }
    const change = await collector.setTargets(regionsOf('fra', 'iad'), [
      targetOf(fra1, { region: 'iad' }),
      targetOf(fra2),
    ])
    expect(change).toMatchObject({ added: [{ id: 'fra-1' }], removed: [{ id: 'fra-1' }] })
    expect(collector.fleet.member('fra-1')).not.toBe(before)
    await eventually(() =>
      expect(collector.node('fra-1')).toMatchObject({ region: 'iad', state: 'up', streamState: 'live' }),
    )
    await eventually(() => expect(fra1.streams).toBe(1))
  })

  it('closes what was open of who left, and tells no recovery when it comes back', async () => {
    const [fra1, iad1] = [await makeNode('fra-1'), await makeNode('iad-1')]
    const { collector, events } = await start([fra1, iad1], await makeStore())
    const port = Number(new URL(fra1.url).port)
    await fra1.close()
    await eventually(() => expect(collector.overview().incidents[0]?.title).toBe('fra-1 is down'))
    await collector.setTargets(regionsOf('iad'), [targetOf(iad1)])
    await eventually(() => expect(collector.overview().incidents[0]?.signals[0]?.closedAt).toBeDefined())
    // It is told once it is stored.
    await eventually(() =>
      expect(events.find(({ type }) => type === 'signal.closed')?.data.sentence).toMatch(
        /^fra-1 is not in the configuration any more/,
      ),
    )

    const again = await makeNode('fra-1', { port, epoch: 'run2' })
    await collector.setTargets(regionsOf('fra', 'iad'), [targetOf(iad1), targetOf(again)])
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('up'))
    expect(events.map(({ type }) => type)).not.toContain('node.recovered')
  })

  it('tells the outage of a node that waited for its whole region, once who was waited for has left', async () => {
    const [fra1, fra2, iad1] = [await makeNode('fra-1'), await makeNode('fra-2'), await makeNode('iad-1')]
    const { collector, events } = await start([fra1, fra2, iad1], await makeStore())
    // So that it goes on failing and is never down.
    collector.setThresholds({ nodes: { 'fra-2': { 'node.down': { fall: 100 } } } })
    await Promise.all([fra1.close(), fra2.close()])
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    await new Promise((done) => setTimeout(done, 2 * INTERVAL_MS))
    expect(events.map(({ type }) => type)).not.toContain('node.down')
    await collector.setTargets(regionsOf('fra', 'iad'), [targetOf(fra1), targetOf(iad1)])
    await eventually(() =>
      expect(events.filter(({ type }) => type === 'node.down').map(({ node }) => node)).toEqual(['fra-1']),
    )
  })

  it('wants nothing of a node that returns, also where it left while the collector was stopped', async () => {
    const [fra1, fra2] = [await makeNode('fra-1'), await makeNode('fra-2')]
    const store = await makeStore()
    await store.setSetting(
      'collector.intents',
      JSON.stringify({ 'fra-1': 'maintenance', 'fra-2': 'maintenance' }),
    )
    const { collector } = await start([fra1], store)
    await collector.setTargets(regionsOf('fra'), [targetOf(fra1), targetOf(fra2)])
    expect(collector.nodes().map(({ id, intent }) => [id, intent])).toEqual([
      ['fra-1', 'maintenance'],
      ['fra-2', 'serving'],
    ])
  })

  it('forgets hosts that only who left has told of, also where an event or a list of it comes late', async () => {
    const [fra1, iad1] = [await makeNode('fra-1'), await makeNode('iad-1')]
    const at = new Date().toISOString()
    const tunnel = (hostId: string) => ({
      hostId,
      ...{ since: at, remoteAddress: '::1', lastPongAt: at, pending: 0, fence: 1, gapMs: null },
    })
    fra1.tunnels = [tunnel('host-a'), tunnel('host-b')]
    fra1.directory = { 'host-a': 'fra-1', 'host-b': 'fra-1' }
    const store = await makeStore()
    const { collector } = await start([fra1, iad1], store)
    await eventually(() =>
      expect(collector.tunnels().map(({ hostId }) => hostId)).toEqual(['host-a', 'host-b']),
    )
    fra1.emit('tunnel.registered', registered('host-c', 2))
    await collector.setTargets(regionsOf('iad'), [targetOf(iad1)])
    expect(collector.tunnels()).toEqual([])
    await new Promise((done) => setTimeout(done, 300))
    expect(collector.tunnels()).toEqual([])
    await eventually(async () => expect(await store.tunnels()).toEqual([]))
    iad1.emit('tunnel.registered', registered('host-a', 3))
    await eventually(() => expect(collector.tunnels()).toMatchObject([{ hostId: 'host-a', node: 'iad-1' }]))
  })

  it('is refused as a whole where a drain has a node that would leave, and names the drain', async () => {
    const [fra1, iad1, iad2] = [await makeNode('fra-1'), await makeNode('iad-1'), await makeNode('iad-2')]
    const { collector } = await start([fra1, iad1], await makeStore())
    const startAt = new Date(Date.now() + 3_600_000).toISOString()
    const drain = await collector.drains.create(
      { node: 'fra-1', reason: 'kernel', confirm: 'fra-1', strategy: { startAt } } as never,
      ana,
    )
    const refused = collector.setTargets(regionsOf('iad'), [targetOf(iad1), targetOf(iad2)])
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      facts: {
        problems: [{ path: 'nodes', message: expect.stringContaining(`drain ${drain.id} (planned)`) }],
      },
    })
    expect(collector.nodes().map(({ id }) => id)).toEqual(['fra-1', 'iad-1'])
    // What does not touch it goes through meanwhile.
    await collector.setTargets(regionsOf('fra', 'iad'), [targetOf(fra1), targetOf(iad1), targetOf(iad2)])
    expect(collector.nodes()).toHaveLength(3)
  })

  it('changes nothing where it cannot be written down', async () => {
    const [fra1, iad1] = [await makeNode('fra-1'), await makeNode('iad-1')]
    const { collector } = await start([fra1], await makeStore())
    const commit = () => Promise.reject(new Error('no audit'))
    await expect(collector.setTargets(regionsOf('iad'), [targetOf(iad1)], commit)).rejects.toThrow('no audit')
    expect(collector.nodes().map(({ id }) => id)).toEqual(['fra-1'])
    expect(fra1.streams).toBe(1)
  })

  it('lets another timeout, and other addresses to poll, take effect at once', async () => {
    const fra1 = await makeNode('fra-1')
    const { collector } = await start([fra1], await makeStore())
    collector.setPolling({ timeoutMs: 180, allow: ['10.0.0.0/8'] })
    await eventually(() => {
      expect(collector.node('fra-1')).toMatchObject({
        lastOutcome: 'blocked_address',
        streamState: 'connecting',
      })
      expect(fra1.streams).toBe(0)
    })
    collector.setPolling({ timeoutMs: 1, allow: ['127.0.0.1'] })
    await eventually(() => expect(collector.node('fra-1')?.problems.join()).toContain('within 1 ms'))
    collector.setPolling({ timeoutMs: 180, allow: [] })
    await eventually(() =>
      expect(collector.node('fra-1')).toMatchObject({ state: 'up', streamState: 'live' }),
    )
  })
})
