import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import type { DetectOptions } from '../../server/collector/signals/detect.ts'
import type {
  Actor,
  FleetEvent,
  LivePublisher,
  NodeTunnel,
  SamplePoint,
} from '../../server/contract/index.ts'
import type { Store } from '../../server/store/store.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from './scripted-node.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const actor: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const INTERVAL_MS = 100
/** Short waits, so that the same rules are seen in a test's time. */
const QUICK: DetectOptions = { 'push.stuck': { forSeconds: 0.5, withinSeconds: 1 } }

const makeNode = async (
  id: string,
  options?: Parameters<typeof startScriptedNode>[1],
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
  const samples: SamplePoint[] = []
  const changed: string[] = []
  const live: LivePublisher = {
    hub: 'hub',
    seq: 0,
    event: (event) => void events.push(event),
    samples: (points) => void samples.push(...points),
    changed: (topic) => void changed.push(topic),
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
    polling: { intervalMs: INTERVAL_MS, timeoutMs: 90, allow: [] },
    detect: QUICK,
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  return { collector, events, samples, changed }
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const stateOf = (collector: Collector, id: string) => collector.node(id)?.state
const problems = (count: number) => Array.from({ length: count }, (_, index) => `problem ${index + 1}`)
const problemsIn = (events: FleetEvent[]) =>
  events.filter((event) => event.type === 'node.problem_found').map((event) => event.data.problem)

describe('the collector', () => {
  it('polls, samples and judges, and tells a node that goes away and comes back once', async () => {
    const fra1 = await makeNode('fra-1')
    const fra2 = await makeNode('fra-2')
    const store = await makeStore()
    const { collector, events, samples } = await start([fra1, fra2], store)
    await eventually(() =>
      expect(collector.regions()[0]).toMatchObject({ state: 'up', up: 2, nodes: 2, connections: 6 }),
    )
    expect(collector.overview().verdict).toMatchObject({
      level: 'ok',
      text: 'All 2 nodes in 1 region do their job.',
    })
    expect(samples.find((point) => point.node === 'fra-1')?.values).toMatchObject({
      connections: 3,
      tunnels: 4,
    })

    const port = Number(new URL(fra1.url).port)
    await fra1.close()
    await eventually(() => expect(stateOf(collector, 'fra-1')).toBe('down'))
    expect(collector.node('fra-1')).toMatchObject({ lastOutcome: 'refused', numbers: {} })
    await eventually(() => expect(collector.overview().incidents[0]?.title).toBe('fra-1 is down'))
    await makeNode('fra-1', { port, epoch: 'run2' })
    await eventually(() => expect(stateOf(collector, 'fra-1')).toBe('up'))
    await eventually(() =>
      expect(events.map((event) => event.type)).toEqual(
        expect.arrayContaining([
          'node.down',
          'incident.opened',
          'signal.opened',
          'node.recovered',
          'signal.closed',
        ]),
      ),
    )
    expect(events.filter((event) => event.type === 'node.down')).toHaveLength(1)
  })

  it('tells one region.unreachable when all nodes of a region vanish at once', async () => {
    const nodes = [await makeNode('fra-1'), await makeNode('fra-2'), await makeNode('iad-1')]
    const { collector, events } = await start(nodes, await makeStore())
    await eventually(() => expect(collector.overview().totals.up).toBe(3))
    await Promise.all(nodes.slice(0, 2).map((node) => node.close()))
    await eventually(() => expect(collector.overview().incidents[0]?.title).toBe('fra is unreachable'))
    await eventually(() => expect(collector.overview().verdict.level).toBe('outage'))
    expect(events.filter((event) => event.type === 'node.down')).toEqual([])
    expect(collector.overview().incidents).toHaveLength(1)
  })

  it('resumes an event stream after a dropped socket without a gap or a repeat, also over a restart of its own', async () => {
    const node = await makeNode('fra-1')
    const store = await makeStore()
    node.emit('node.problem_found', { problem: 'problem 1' })
    const first = await start([node], store)
    await eventually(() => expect(problemsIn(first.events)).toEqual(problems(1)))
    node.dropStreams()
    node.emitUnsent('node.problem_found', { problem: 'problem 2' })
    await eventually(() => expect(node.streams).toBe(1))
    node.emit('node.problem_found', { problem: 'problem 3' })
    await eventually(() => expect(problemsIn(first.events)).toEqual(problems(3)))
    await first.collector.close()
    node.emitUnsent('node.problem_found', { problem: 'problem 4' })
    const second = await start([node], store)
    await eventually(() => expect(problemsIn(second.events)).toEqual(['problem 4']))
    const all = await store.events({ types: ['node.problem_found', 'stream.gap'], order: 'asc' })
    expect(problemsIn(all.items)).toEqual(problems(4))
    expect(all.items.some((event) => event.type === 'stream.gap')).toBe(false)
  })

  it('fills a hole in the stream over HTTP, in order', async () => {
    const node = await makeNode('fra-1')
    const { events } = await start([node], await makeStore())
    await eventually(() => expect(node.streams).toBe(1))
    node.emit('node.problem_found', { problem: 'problem 1' })
    node.emitUnsent('node.problem_found', { problem: 'problem 2' })
    node.emitUnsent('node.problem_found', { problem: 'problem 3' })
    node.emit('node.problem_found', { problem: 'problem 4' })
    await eventually(() => expect(problemsIn(events)).toEqual(problems(4)))
    expect(node.calls).toContain('GET /events')
  })

  it('records as a gap what the node no longer has', async () => {
    const node = await makeNode('fra-1')
    const store = await makeStore()
    const { events } = await start([node], store)
    await eventually(() => expect(node.streams).toBe(1))
    node.emit('node.problem_found', { problem: 'problem 1' })
    await eventually(() => expect(problemsIn(events)).toEqual(problems(1)))
    for (const problem of ['problem 2', 'problem 3']) node.emitUnsent('node.problem_found', { problem })
    node.forget(2)
    node.dropStreams()
    await eventually(() => expect(problemsIn(events)).toEqual(['problem 1', 'problem 3']))
    await eventually(() =>
      expect(events.find((event) => event.type === 'stream.gap')?.data).toMatchObject({ from: 2, to: 2 }),
    )
    await eventually(async () =>
      expect((await store.gaps({ from: 0, to: Date.now() + 1_000 })).map((gap) => gap.reason)).toContain(
        '1 event was overwritten in the node before it was read',
      ),
    )
  })

  it('knows the hosts of a node with as many tunnels as a relay takes, and says so of a list that it cannot read', async () => {
    const node = await makeNode('fra-1')
    const since = new Date(Date.now() - 60_000).toISOString()
    node.tunnels = Array.from({ length: 30_000 }, (_, index) => ({
      hostId: `host-of-a-large-relay-${index}`,
      ...{ since, remoteAddress: '10.20.30.40', lastPongAt: since, pending: 0, fence: index, gapMs: 250 },
    }))
    const { collector } = await start([node], await makeStore())
    await eventually(() => expect(collector.tunnels()).toHaveLength(30_000))
    expect(collector.overview().nodes[0]?.problems).toEqual([])

    const [first] = node.tunnels
    node.tunnels = [{ ...first, hostId: 7 } as unknown as NodeTunnel]
    node.dropStreams()
    await eventually(() =>
      expect(collector.overview().nodes[0]?.problems).toEqual([
        'its list of tunnels cannot be read (it is not what it should be); hosts are known by its events alone',
      ]),
    )
  })

  it('knows where each host is from the list and from events, saves it, and kicks one', async () => {
    const fra1 = await makeNode('fra-1')
    const iad1 = await makeNode('iad-1')
    const since = new Date(Date.now() - 60_000).toISOString()
    fra1.tunnels = [
      { hostId: 'host-1', since, remoteAddress: '::1', lastPongAt: since, pending: 0, fence: 1, gapMs: null },
    ]
    fra1.directory = { 'host-1': 'fra-1' }
    const store = await makeStore()
    const { collector } = await start([fra1, iad1], store)
    await eventually(() =>
      expect(collector.tunnels()[0]).toMatchObject({ node: 'fra-1', presence: { directory: 'fra-1' } }),
    )
    fra1.tunnels = []
    fra1.emit('tunnel.lost', { hostId: 'host-1', code: 4001, reason: 'drain', heldMs: 60_000 })
    iad1.emit('tunnel.registered', {
      hostId: 'host-1',
      gapMs: 250,
      previousNode: 'fra-1',
      previousCloseCode: 4001,
      attempt: 1,
    })
    await eventually(() =>
      expect(collector.tunnels()).toMatchObject([
        { node: 'iad-1', state: 'registered', lastGapMs: 250, lastCloseCode: 4001 },
      ]),
    )
    await eventually(async () =>
      expect(await store.tunnels()).toMatchObject([{ hostId: 'host-1', node: 'iad-1' }]),
    )
    await collector.kickTunnel('host-1', 'it misbehaves', actor)
    expect(iad1.calls).toContain('DELETE /tunnels/host-1')
    expect((await store.auditRows({})).items[0]).toMatchObject({
      action: 'tunnel.kick',
      object: 'host:host-1',
    })
    await expect(collector.kickTunnel('host-2', 'x', actor)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('counts no host twice while its node dies and the next one has it already', async () => {
    const fra1 = await makeNode('fra-1')
    const iad1 = await makeNode('iad-1')
    const since = new Date(Date.now() - 60_000).toISOString()
    const listed = { since, remoteAddress: '::1', lastPongAt: since, pending: 0, fence: 1, gapMs: null }
    const hosts = ['host-1', 'host-2', 'host-3']
    fra1.tunnels = hosts.map((hostId) => ({ hostId, ...listed }))
    const { collector } = await start([fra1, iad1], await makeStore())
    await eventually(() => expect(collector.overview().totals.tunnels).toBe(3))

    const seen: (number | null)[] = []
    const look = setInterval(() => seen.push(collector.overview().totals.tunnels), 5)
    iad1.tunnels = hosts.map((hostId) => ({ hostId, ...listed, fence: 2, since: new Date().toISOString() }))
    await fra1.close()
    for (const hostId of hosts) {
      iad1.emit('tunnel.registered', {
        hostId,
        gapMs: 250,
        previousNode: 'fra-1',
        previousCloseCode: 1006,
        attempt: 1,
        fence: 2,
      })
    }
    await eventually(() => expect(stateOf(collector, 'fra-1')).toBe('down'))
    clearInterval(look)
    expect(Math.max(...seen.map((tunnels) => tunnels ?? 0))).toBe(3)
    expect(collector.overview()).toMatchObject({
      totals: { tunnels: 3 },
      regions: [
        { id: 'fra', tunnels: null },
        { id: 'iad', tunnels: 3 },
      ],
    })
    expect(collector.node('fra-1')?.lastAnswerAt).not.toBeNull()
  })

  it('writes down what it judges: at any moment since, each node’s and region’s state and document can be looked up', async () => {
    const fra1 = await makeNode('fra-1')
    const fra2 = await makeNode('fra-2')
    const store = await makeStore()
    const { collector } = await start([fra1, fra2], store)
    await eventually(() => expect(collector.regions()[0]).toMatchObject({ state: 'up' }))
    const said = async (at: number, scope: string) =>
      (await store.statesAt(at)).find((state) => state.scope === scope)
    await eventually(async () => expect(await said(Date.now(), 'region:fra')).toMatchObject({ state: 'up' }))
    const well = Date.now()
    await fra1.close()
    await eventually(async () =>
      expect(await said(Date.now(), 'node:fra-1')).toMatchObject({
        state: 'down',
        problems: [expect.stringMatching(/^refused: /)],
      }),
    )
    await eventually(async () =>
      expect(await said(Date.now(), 'region:fra')).toMatchObject({
        state: 'degraded',
        problems: ['1 of 2 down'],
      }),
    )
    expect(await said(well, 'node:fra-1')).toMatchObject({ state: 'up', intent: 'serving', problems: [] })
    expect(await said(well, 'room')).toBeDefined()
    expect(await store.documentAt('fra-1', Date.now())).toMatchObject({ data: { node: 'fra-1', ok: true } })
    expect(collector.room().history).toEqual({ waiting: 0, dropped: 0 })
  })

  it('tells of each poll in its strip: when, what, and why', async () => {
    const fra1 = await makeNode('fra-1')
    const { collector } = await start([fra1], await makeStore())
    await fra1.close()
    await eventually(() =>
      expect(collector.heartbeats('fra').strips[0]?.cells.at(-1)).toMatchObject({
        state: 'down',
        note: expect.stringMatching(/^refused: /),
      }),
    )
  })

  it('follows a node that was started again at another address', async () => {
    const old = await makeNode('fra-1')
    const { collector, events } = await start([old], await makeStore())
    await eventually(() => expect(stateOf(collector, 'fra-1')).toBe('up'))
    const next = await makeNode('fra-1', { epoch: 'run2' })
    collector.setNode('fra-1', { url: next.url, token: next.token })
    await eventually(() => expect(next.streams).toBe(1))
    next.emit('node.problem_found', { problem: 'problem 1' })
    await eventually(() => expect(problemsIn(events)).toEqual(problems(1)))
    await eventually(() => expect(collector.health('fra-1')).toMatchObject({ epoch: 'run2' }))
  })

  it('opens push.stuck though the session looks alive, keeps it over a restart, and tells the recovery', async () => {
    const node = await makeNode('fra-1')
    const store = await makeStore()
    const first = await start([node], store)
    let received = 0
    let delivered = 0
    const pushing = setInterval(() => {
      received += 3
      const push = node.health.push
      if (push)
        node.health = { ...node.health, push: { ...push, received, sendOk: delivered, sessionAlive: true } }
    }, 50)
    closers.push(async () => clearInterval(pushing))
    await eventually(() => expect(node.streams).toBe(1))
    node.emit('push.session_invalidated', { reason: 'goaway', ageSeconds: 60, detail: null })
    await eventually(() => expect(first.collector.overview().incidents).toHaveLength(1))
    const incident = first.collector.overview().incidents[0]!
    expect(incident).toMatchObject({
      title: 'fra-1 receives pushes but delivers none',
      severity: 'critical',
      nodes: ['fra-1'],
    })
    expect(incident.impact).toMatch(/^\d+ pushes not delivered in \d+(?:\.\d)? m?s$/)
    expect(first.collector.overview().verdict).toMatchObject({
      level: 'outage',
      text: expect.stringContaining('fra-1 push stuck for'),
    })
    const desk = first.collector.incidents
    await desk.acknowledge(incident.id, actor)
    await desk.note(incident.id, 'looking at <b>it</b> | now', actor)
    await first.collector.close()

    const second = await start([node], store)
    expect(second.collector.overview().incidents).toMatchObject([{ id: incident.id, state: 'acknowledged' }])
    // It answers its polls as if all were well; the open signal knows better.
    await eventually(() => expect(stateOf(second.collector, 'fra-1')).toBe('degraded'))
    // And since then, not since it came up.
    expect(second.collector.node('fra-1')?.since).toBe(incident.signals[0]?.openedAt)
    delivered = 5
    await eventually(() =>
      expect(second.collector.overview().incidents[0]?.signals[0]?.closedAt).toBeDefined(),
    )
    expect(second.collector.overview().incidents[0]?.signals).toHaveLength(1)
    await eventually(async () => {
      const titles = (await second.collector.incidents.timeline(incident.id, {})).items.map(
        (item) => item.title,
      )
      expect(titles).toEqual(
        expect.arrayContaining([
          'the push session of fra-1 was invalidated: the push service sent GOAWAY (goaway)',
          expect.stringMatching(/^push\.stuck opened: fra-1 received/),
          'looking at <b>it</b> | now',
          expect.stringMatching(/^push\.stuck closed: deliveries again after/),
          'the incident was acknowledged by ana@example.com',
        ]),
      )
    })
    await second.collector.incidents.resolve(incident.id, actor)
    const markdown = await second.collector.incidents.export(incident.id, 'md')
    expect(markdown).toContain('looking at &lt;b&gt;it&lt;/b&gt; \\| now')
    expect(markdown).toContain('| acknowledged |')
    const exported = JSON.parse(await second.collector.incidents.export(incident.id, 'json'))
    expect(exported).toMatchObject({
      incident: { state: 'resolved' },
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect((await store.auditRows({})).items.map((row) => row.action)).toEqual([
      'incident.resolve',
      'incident.note',
      'incident.acknowledge',
    ])
    await expect(second.collector.incidents.mitigate(incident.id, actor)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    })
  })

  it('pages through a timeline without a repeat and without a hole', async () => {
    const node = await makeNode('fra-1')
    const other = await makeNode('fra-2')
    const store = await makeStore()
    const { collector, events } = await start([node, other], store)
    await eventually(() => expect(other.streams).toBe(1))
    for (const problem of problems(25)) other.emit('node.problem_found', { problem })
    await eventually(() => expect(problemsIn(events)).toHaveLength(25))
    await eventually(() => expect(stateOf(collector, 'fra-2')).toBe('up'))
    await other.close()
    await eventually(() => expect(collector.overview().incidents).toHaveLength(1))
    const id = collector.overview().incidents[0]!.id
    const titles: string[] = []
    let cursor: string | undefined
    do {
      const page = await collector.incidents.timeline(id, {
        limit: 4,
        ...(cursor === undefined ? {} : { cursor }),
      })
      titles.push(...page.items.map((item) => item.title))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(titles.filter((title) => title.includes('reports a problem'))).toEqual(
      problems(25).map((problem) => `fra-2 reports a problem: ${problem}`),
    )
    expect(new Set(titles).size).toBe(titles.length)
    await expect(collector.incidents.timeline(id, { cursor: 'zz' })).rejects.toMatchObject({
      code: 'ERR_INVALID',
    })
  })
})
