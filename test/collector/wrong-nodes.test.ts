import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import type { FleetEvent, LivePublisher } from '../../server/contract/index.ts'
import type { Store } from '../../server/store/store.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from './scripted-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

const makeNode = async (
  id: string,
  options: Parameters<typeof startScriptedNode>[1] = {},
): Promise<ScriptedNode> => {
  const node = await startScriptedNode(id, options)
  closers.push(() => node.close())
  return node
}
const makeStore = async (): Promise<Store> => {
  const { store, remove } = await sqlite.create()
  closers.push(remove)
  return store
}
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
    regions: [...new Set(nodes.map((node) => node.region))].map((id) => ({ id, name: id })),
    nodes: nodes.map(({ id, region, url, token }) => ({
      id,
      region,
      url,
      token,
      kind: 'tidegate',
      embedded: false,
    })),
    polling: { intervalMs: 200, timeoutMs: 180, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  await eventually(() => expect(collector.nodes().every((node) => node.streamState === 'live')).toBe(true))
  return { collector, events }
}
const registered = (hostId: string, more: Record<string, unknown> = {}) => ({
  hostId,
  gapMs: null,
  previousNode: null,
  previousCloseCode: null,
  attempt: null,
  ...more,
})
const held = (node: ScriptedNode, hostId: string) => ({
  hostId,
  since: new Date(Date.now() + node.skewMs).toISOString(),
  remoteAddress: '::1',
  lastPongAt: new Date(Date.now() + node.skewMs).toISOString(),
  pending: 0,
  fence: 1,
  gapMs: null,
})

describe('the collector and nodes that are not what they should be', () => {
  it('is not fooled by an address where another node answers: a copied line would drain the wrong machine', async () => {
    const node = await makeNode('fra-1')
    node.health = { ...node.health, node: 'fra-7' }
    const { collector } = await start([node], await makeStore())
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    expect(collector.node('fra-1')).toMatchObject({ lastOutcome: 'wrong_node', numbers: {} })
    expect(collector.node('fra-1')?.problems[0]).toMatch(
      /another node answers here: it says that it is fra-7/,
    )
  })

  it('sees a region lose its tunnels though the clock there is a minute and more behind', async () => {
    const node = await makeNode('fra-1')
    node.skewMs = -75_000
    const { collector } = await start([node], await makeStore())
    for (let host = 0; host < 10; host += 1) node.emit('tunnel.registered', registered(`host-${host}`))
    await eventually(() => expect(collector.tunnels()).toHaveLength(10))
    for (let host = 0; host < 10; host += 1)
      node.emit('tunnel.lost', { hostId: `host-${host}`, code: 1006, reason: '', heldMs: 1 })
    await eventually(() => expect(collector.overview().incidents[0]?.signals[0]?.kind).toBe('tunnel.storm'))
    const incident = collector.overview().incidents[0]!
    expect(Math.abs(Date.parse(incident.startedAt) - Date.now())).toBeLessThan(20_000)
  })

  it('does not call a host lost that moved away from a node whose clock is ten minutes ahead', async () => {
    const [fra, iad] = [await makeNode('fra-1'), await makeNode('iad-1')]
    fra.skewMs = 600_000
    fra.tunnels = [held(fra, 'host-1'), held(fra, 'host-2')]
    const { collector } = await start([fra, iad], await makeStore())
    await eventually(() => expect(collector.tunnels()).toHaveLength(2))
    fra.emit('tunnel.registered', registered('host-2', { fence: 1 }))
    fra.tunnels = []
    iad.tunnels = [held(iad, 'host-1'), held(iad, 'host-2')]
    for (const hostId of ['host-1', 'host-2']) {
      fra.emit('tunnel.lost', { hostId, code: 4001, reason: 'drain', heldMs: 1 })
      iad.emit(
        'tunnel.registered',
        registered(hostId, { previousNode: 'fra-1', previousCloseCode: 4001, gapMs: 5 }),
      )
    }
    await eventually(() =>
      expect(collector.tunnels().map(({ node, state }) => `${node} ${state}`)).toEqual([
        'iad-1 registered',
        'iad-1 registered',
      ]),
    )
    for (const { since } of collector.tunnels()) expect(Date.parse(since)).toBeLessThan(Date.now() + 1_000)
  })

  it('lists events of nodes with wrong clocks in the order in which they happened', async () => {
    const [fra, iad] = [await makeNode('fra-1'), await makeNode('iad-1')]
    fra.skewMs = 3_600_000
    const store = await makeStore()
    const { events } = await start([fra, iad], store)
    for (const [index, node] of [fra, iad, fra, iad].entries()) {
      node.emit('node.problem_found', { problem: `problem ${index}` })
      await eventually(() =>
        expect(events.filter((event) => event.source === 'node')).toHaveLength(index + 1),
      )
    }
    const { items } = await store.events({ types: ['node.problem_found'], order: 'asc' })
    expect(items.map((event) => event.data.problem)).toEqual([0, 1, 2, 3].map((index) => `problem ${index}`))
  })

  it('closes what was open of a node that left the configuration', async () => {
    const [gone, stays] = [await makeNode('fra-1'), await makeNode('iad-1')]
    const store = await makeStore()
    const first = await start([gone, stays], store)
    await eventually(() => expect(first.collector.overview().totals.up).toBe(2))
    await gone.close()
    await eventually(() => expect(first.collector.overview().incidents).toHaveLength(1))
    await first.collector.close()
    const second = await start([stays], store)
    await eventually(() =>
      expect(second.collector.overview().incidents[0]?.signals[0]?.closedAt).toBeDefined(),
    )
    await eventually(() =>
      expect(second.events.find((event) => event.type === 'signal.closed')?.data.sentence).toMatch(
        /^fra-1 is not in the configuration any more/,
      ),
    )
  })

  it('stores no count of a second, and tells it live with a number above all that is stored', async () => {
    const node = await makeNode('fra-1')
    const store = await makeStore()
    const { events } = await start([node], store)
    node.emit('node.problem_found', { problem: 'problem 1' })
    node.emit('connections.counted', { active: 1, accepted: 1, closed: 0, closedBy: {} })
    node.emit('connections.counted', { active: 2, accepted: 2, closed: 0, closedBy: {} })
    await eventually(() => expect(events).toHaveLength(3))
    const counted = events.filter((event) => event.type === 'connections.counted')
    expect(new Set(events.map((event) => event.id)).size).toBe(3)
    for (const { id } of counted) expect(Number.isInteger(id)).toBe(false)
    expect((await store.events({ types: ['connections.counted'] })).items).toEqual([])
  })

  it('opens node.wrong_region, and not node.down, for a node that answers for another region', async () => {
    const [wrong, other] = [await makeNode('fra-1'), await makeNode('fra-2')]
    wrong.health = { ...wrong.health, region: 'iad' }
    const { collector } = await start([wrong, other], await makeStore())
    await eventually(() =>
      expect(collector.overview().incidents[0]?.signals.map(({ kind }) => kind)).toEqual([
        'node.wrong_region',
      ]),
    )
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    // Looks of the rules later it is still that and nothing else.
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(collector.overview().incidents).toMatchObject([
      { title: 'fra-1 answers for another region', signals: [{ kind: 'node.wrong_region' }] },
    ])
    expect(collector.overview().incidents[0]?.signals).toHaveLength(1)
    wrong.health = { ...wrong.health, region: 'fra' }
    await eventually(() =>
      expect(collector.overview().incidents[0]?.signals[0]?.closedAt).toEqual(expect.any(String)),
    )
  })

  /** Its process dies and another one is there before three polls have missed it. */
  const crash = async (node: ScriptedNode): Promise<void> => {
    const port = Number(new URL(node.url).port)
    await node.close()
    await makeNode(node.id, { port, epoch: 'run2' })
  }

  it('tells a process that crashed and was back at once, and not one of which maintenance had told', async () => {
    const [crashes, rests] = [await makeNode('fra-1'), await makeNode('iad-1')]
    const { collector } = await start([crashes, rests], await makeStore())
    await eventually(() => expect(collector.overview().totals.up).toBe(2))
    const hour = { from: new Date().toISOString(), to: new Date(Date.now() + 3_600_000).toISOString() }
    const window = { title: 'Kernel update', reason: 'CVE', ...hour, nodes: ['iad-1'] }
    const ana = { name: 'ana@example.com', role: 'operator', address: '::1' } as const
    const { id } = await collector.maintenance.create(window, ana)
    await crash(rests)
    await crash(crashes)
    await eventually(() =>
      expect(collector.overview().incidents.map(({ title }) => title)).toEqual(['fra-1 restarted']),
    )
    await collector.maintenance.end(id, ana)
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(collector.overview().incidents.map(({ title }) => title)).toEqual(['fra-1 restarted'])
  })

  it('stores once, and in their order, events that come twice and the wrong way round', async () => {
    const node = await makeNode('fra-1')
    const store = await makeStore()
    const { events } = await start([node], store)
    const frames = [1, 2, 3, 4].map((seq) => {
      const data = { problem: `problem ${seq}` }
      node.emitUnsent('node.problem_found', data)
      const at = new Date().toISOString()
      return { seq, epoch: 'run1', node: 'fra-1', region: 'fra', type: 'node.problem_found', at, data }
    })
    for (const frame of [...frames.toReversed(), ...frames, ...frames.toReversed()]) node.sendFrame(frame)
    await eventually(() => expect(events.filter(({ source }) => source === 'node')).toHaveLength(4))
    node.emit('node.problem_found', { problem: 'problem 5' })
    await eventually(() => expect(events.filter(({ source }) => source === 'node')).toHaveLength(5))
    const { items } = await store.events({ types: ['node.problem_found'], order: 'asc' })
    expect(items.map(({ seq, data }) => [seq, data.problem])).toEqual(
      [1, 2, 3, 4, 5].map((seq) => [seq, `problem ${seq}`]),
    )
    expect(events.filter(({ type }) => type === 'stream.gap')).toEqual([])
  })
})
