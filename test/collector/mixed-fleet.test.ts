import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import { StreamLag } from '../../server/collector/watch/stream-lag.ts'
import { nodeDetailSchema, nodeSchema } from '../../server/contract/answers/node.ts'
import { overviewSchema } from '../../server/contract/answers/overview.ts'
import type { Actor, FleetEvent, LivePublisher, SamplePoint } from '../../server/contract/index.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { startJsonNode } from './adapters/json/json-node.ts'
import { startScriptedNode } from './scripted-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const actor: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const INTERVAL_MS = 200
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** A relay of ours in fra, and some other program's push gateway in iad. */
const start = async () => {
  const relay = await startScriptedNode('fra-1')
  closers.push(() => relay.close())
  const gateway = await startJsonNode({ ok: true, stats: { open: 7, asked: 1_000 }, apns: { received: 50 } })
  closers.push(() => gateway.close())
  const { store, remove } = await sqlite.create({ expectedIntervalMs: INTERVAL_MS })
  closers.push(remove)
  const events: FleetEvent[] = []
  const samples: SamplePoint[] = []
  let seq = 0
  const live: LivePublisher = {
    hub: 'hub',
    get seq() {
      return seq
    },
    event: (event) => void events.push(event),
    samples: (points) => void samples.push(...points),
    changed() {
      seq += 1
    },
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: [
      { id: 'fra', name: 'Frankfurt' },
      { id: 'iad', name: 'Ashburn' },
    ],
    nodes: [
      { id: 'fra-1', region: 'fra', kind: 'tidegate', url: relay.url, token: relay.token, embedded: false },
      {
        id: 'push-1',
        region: 'iad',
        kind: 'json',
        url: `${gateway.url}?key=hunter2`,
        map: {
          ok: '/ok',
          connections: '/stats/open',
          requests: '/stats/asked',
          push_received: '/apns/received',
        },
        embedded: false,
      },
    ],
    polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  const began = Date.now()
  await collector.start()
  await eventually(() => expect(collector.node('push-1')?.state).toBe('up'))
  /** What was counted of requests at the gateway, poll by poll. */
  const rises = () =>
    samples.filter(({ node }) => node === 'push-1').flatMap(({ values }) => values.requests ?? [])
  return { relay, gateway, store, collector, events, rises, began }
}

describe('a fleet of a Tidegate node and another program', () => {
  it('lists, sums and draws both, and calls nothing that the other one never had standing still', async () => {
    const { gateway, collector, store, rises, began } = await start()
    await eventually(() => expect(collector.node('fra-1')?.streamState).toBe('live'))
    expect(nodeSchema.parse(collector.nodes()[1])).toMatchObject({
      id: 'push-1',
      kind: 'json',
      state: 'up',
      problems: [],
      streamState: 'none',
      version: null,
      numbers: { connections: 7, requests: 1_000, pushReceived: 50 },
    })
    expect(nodeDetailSchema.parse(collector.node('push-1'))).toMatchObject({
      controlUrl: gateway.url,
      listeners: [],
      health: gateway.answer,
    })
    expect(collector.health('push-1')).toEqual(gateway.answer)
    expect(JSON.stringify(collector.node('push-1'))).not.toContain('hunter2')
    expect(collector.regions()[1]).toMatchObject({
      id: 'iad',
      state: 'up',
      up: 1,
      connections: 7,
      tunnels: null,
    })
    await eventually(() => expect(collector.overview().totals.up).toBe(2))
    const overview = overviewSchema.parse(collector.overview())
    expect(overview.totals).toMatchObject({ nodes: 2, up: 2, connections: 10 })
    // A busy machine may have more to say of itself.
    expect(overview.verdict.text).toMatch(/^All 2 nodes in 2 regions do their job/)
    expect(overview.problems.map(({ code }) => code)).not.toContain('streams_stand_still')

    gateway.answer = { ok: true, stats: { open: 9, asked: 1_040 }, apns: { received: 50 } }
    await eventually(() => expect(collector.node('push-1')?.numbers.requests).toBe(1_040))
    expect(sum(rises())).toBe(40)
    for (const scope of [
      { kind: 'node', id: 'push-1' },
      { kind: 'region', id: 'iad' },
    ] as const)
      await eventually(async () => {
        const { series } = await store.series({
          scope,
          metrics: ['requests', 'connections'],
          from: began,
          to: Date.now(),
          points: 600,
        })
        const points = (name: string) => series.find(({ metric }) => metric === name)?.points ?? []
        expect(points('requests').length).toBeGreaterThan(0)
        expect(Math.max(...points('connections').map((point) => point[2]))).toBe(9)
      })
  })

  it('counts nothing twice where other addresses may be polled from now on', async () => {
    const { gateway, collector, rises } = await start()
    collector.setPolling({ timeoutMs: INTERVAL_MS - 10, allow: ['127.0.0.0/8'] })
    gateway.answer = { ok: true, stats: { open: 7, asked: 1_003 }, apns: { received: 50 } }
    await eventually(() => expect(collector.node('push-1')?.numbers.requests).toBe(1_003))
    gateway.answer = { ok: true, stats: { open: 7, asked: 1_010 }, apns: { received: 50 } }
    await eventually(() => expect(collector.node('push-1')?.numbers.requests).toBe(1_010))
    expect(sum(rises())).toBe(7)
  })

  it('judges it by what it answers: degraded with a sentence, down, and back without a leap', async () => {
    const { gateway, collector, events, rises } = await start()
    gateway.answer = { ok: true, stats: { asked: 1_005 } }
    await eventually(() =>
      expect(collector.node('push-1')).toMatchObject({
        state: 'degraded',
        problems: [
          'the answer has no number at /stats/open (mapped to connections)',
          'the answer has no number at /apns/received (mapped to push_received)',
        ],
      }),
    )
    expect(collector.node('push-1')?.numbers).toEqual({ requests: 1_005 })
    expect(collector.regions()[1]?.connections).toBeNull()
    gateway.answer = 'down for maintenance'
    await eventually(() => expect(collector.node('push-1')?.state).toBe('degraded'))
    gateway.answer = ((_request: unknown, response: { writeHead(status: number): { end(): void } }) =>
      response.writeHead(503).end()) as never
    await eventually(() => expect(collector.node('push-1')).toMatchObject({ state: 'down', numbers: {} }))
    expect(collector.node('push-1')?.lastOutcome).toBe('bad_status')
    await eventually(() => expect(events.map(({ type }) => type)).toContain('node.down'))
    // It began anew: everything that it counts now, it counted since.
    gateway.answer = { ok: true, stats: { open: 1, asked: 3 }, apns: { received: 1 } }
    await eventually(() => expect(collector.node('push-1')?.state).toBe('up'))
    expect(sum(rises())).toBe(8)
    expect(Math.min(...rises())).toBe(0)
  })

  it('drains neither what has no verbs for it, nor what only such a node could stand in for', async () => {
    const { gateway, collector } = await start()
    await eventually(() => expect(collector.overview().totals.up).toBe(2))
    const codes = async (node: string) =>
      (await collector.drains.preview({ node })).blockers.map(({ code }) => code)
    expect(await codes('push-1')).toEqual(['cannot_drain'])
    expect(await codes('fra-1')).toEqual(['last_serving_region'])
    const forced = { region: 'iad', reason: 'try', confirm: 'iad', force: true }
    await expect(collector.drains.create(forced, { ...actor, role: 'admin' })).rejects.toMatchObject({
      code: 'ERR_DRAIN_BLOCKED',
      message: expect.stringContaining(
        'push-1 is a json node, which the collector cannot take out of service',
      ),
    })
    expect(new Set(gateway.paths)).toEqual(new Set(['GET /status/json?key=hunter2']))
  })

  it('counts from the first answer of another address, not all that was counted there before', async () => {
    const { gateway, collector, rises } = await start()
    const other = await startJsonNode({
      ok: true,
      stats: { open: 1, asked: 9_000_000 },
      apns: { received: 9 },
    })
    closers.push(() => other.close())
    const { target } = collector.fleet.require('push-1')
    collector.fleet.require('push-1').retarget({ ...target, url: other.url })
    await eventually(() => expect(collector.node('push-1')?.numbers.requests).toBe(9_000_000))
    other.answer = { ok: true, stats: { open: 1, asked: 9_000_002 }, apns: { received: 9 } }
    await eventually(() => expect(collector.node('push-1')?.numbers.requests).toBe(9_000_002))
    expect(sum(rises())).toBe(2)
    expect(gateway.paths.length).toBeGreaterThan(0)
  })

  it('does not say that a program restarted which is merely asked in another way, and says it when its counters began anew', async () => {
    const { gateway, collector, events } = await start()
    const restarts = () =>
      events.filter(({ type, data }) => type === 'signal.opened' && data.kind === 'node.restarted')
    const polled = async (times: number) => {
      const before = gateway.paths.length
      await eventually(() => expect(gateway.paths.length).toBeGreaterThan(before + times))
    }
    const node = collector.fleet.require('push-1')
    const epoch = () => node.facts?.epoch
    const asItWas = epoch()
    const webhook = { url: 'http://127.0.0.1:1/drain', secret: '0123456789abcdef', timeoutMs: 5_000 }
    await polled(2)
    node.retarget({ ...node.target, drain: { webhook } })
    await polled(3)
    expect(epoch()).toBe(asItWas)
    node.reconnect()
    await polled(3)
    expect(epoch()).not.toBe(asItWas)
    expect(restarts()).toEqual([])
    gateway.answer = { ok: true, stats: { open: 7, asked: 3 }, apns: { received: 0 } }
    await eventually(() => expect(restarts()).toHaveLength(1))
  })

  it('says of each verb that this kind of node does not know it, before anything is written or done', async () => {
    const { gateway, collector, store } = await start()
    const before = (await store.auditRows({ limit: 10 })).items.length
    for (const refused of [
      collector.connections('push-1', 10),
      collector.closeConnection('push-1', 'c1', 'try', actor),
      collector.invalidatePushSession('push-1', 'try', actor),
    ])
      await expect(refused).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching(/^push-1 is a node of kind json, which cannot be asked for /),
      })
    expect((await store.auditRows({ limit: 10 })).items).toHaveLength(before)
    expect(new Set(gateway.paths)).toEqual(new Set(['GET /status/json?key=hunter2']))
  })
})

it('never says that the events of a node stand still which has none', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const node = {
      id: 'push-1',
      reading: { outcome: 'ok' },
      facts: { epoch: 'a', newestSeq: null },
      stream: null,
    }
    const lag = new StreamLag({ members: () => [node] } as never)
    lag.behind()
    vi.advanceTimersByTime(60_000)
    expect(lag.behind()).toEqual([])
  } finally {
    vi.useRealTimers()
  }
})
