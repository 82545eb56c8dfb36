import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Health, healthSchema } from '../../server/contract/health.ts'
import { createDemoFleet, type DemoFleet } from '../../server/demo/demo-fleet.ts'
import { DEMO_HOSTS, DEMO_PLACES, relaysOf } from '../../server/demo/demo-map.ts'
import { createLog } from '../../server/observe/log.ts'

const log = createLog('test', 'silent')
let folder: string
let demo: DemoFleet
const moved: string[] = []

const ask = async (node: string, method: string, path: string, body?: object): Promise<unknown> => {
  const address = demo.nodes().find(({ id }) => id === node)
  const answer = await fetch(`${address?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${address?.token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  return answer.json()
}
const health = async (node: string): Promise<Health> => healthSchema.parse(await ask(node, 'GET', '/health'))

/** Asks again and again, as a collector would, until the document satisfies `condition`; the test's own timeout ends it. */
const healthWhere = async (node: string, condition: (document: Health) => boolean): Promise<Health> => {
  for (;;) {
    const document = await health(node)
    if (condition(document)) return document
    await delay(100)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-demo-'))
  // One region is enough to prove the parts, and quick.
  demo = createDemoFleet({ dataDir: folder, log, regions: ['fra'] })
  demo.onMoved((id) => moved.push(id))
  await demo.start()
  await demo.startTraffic()
})
afterAll(async () => {
  await demo.close()
  await rm(folder, { recursive: true, force: true })
})

describe('the demo fleet', () => {
  it('has all hosts registered, and TCP, HTTP, WebSocket and push traffic through both nodes', {
    timeout: 30_000,
  }, async () => {
    const busy = await Promise.all(
      ['fra-1', 'fra-2'].map((node) =>
        healthWhere(
          node,
          ({ proxy, relay, push }) =>
            (proxy?.bytes.downstream ?? 0) > 0 &&
            (proxy?.requests.byStatus['2xx'] ?? 0) > 0 &&
            (relay?.tunnels.current ?? 0) === 12 &&
            (relay?.requests.byStatus['2xx'] ?? 0) > 0 &&
            (push?.sendOk ?? 0) > 0 &&
            push?.tokens === 30,
        ),
      ),
    )
    for (const { proxy, push, state } of busy) {
      expect(state).toBe('serving')
      expect((proxy?.connections.accepted ?? 0) - (proxy?.connections.closed ?? 0)).toBe(
        proxy?.connections.active,
      )
      expect(push).toMatchObject({ sessionAlive: true })
    }
  })

  it('says how to join it: relays, and spare hosts that they accept', () => {
    expect(demo.info().relays.map(({ node }) => node)).toEqual(['fra-1', 'fra-2'])
    expect(demo.info().spareHosts.map(({ hostId }) => hostId)).toEqual([
      'spare-01',
      'spare-02',
      'spare-03',
      'spare-04',
    ])
    expect(demo.regions()).toEqual([{ id: 'fra', name: 'Frankfurt', at: [50.11, 8.68] }])
  })

  it('sticks the pushes of one node while its session looks alive, and lets them go again', {
    timeout: 40_000,
  }, async () => {
    expect(await demo.startScenario('push-stuck')).toMatchObject({ running: true, node: 'fra-1' })
    const before = await health('fra-1')
    const stuck = await healthWhere(
      'fra-1',
      ({ push }) => (push?.sendFail ?? 0) > (before.push?.sendFail ?? 0) + 2,
    )
    expect(stuck.push?.sessionInvalidationsByReason.goaway ?? 0).toBeGreaterThan(0)
    expect(stuck.push).toMatchObject({ sessionAlive: true, lastFailureReason: 'timeout' })
    expect(stuck.push?.received ?? 0).toBeGreaterThan(before.push?.received ?? 0)
    // Perhaps one answer was under way when the endpoint stuck.
    expect(stuck.push?.sendOk ?? 0).toBeLessThanOrEqual((before.push?.sendOk ?? 0) + 1)
    await expect(demo.startScenario('push-stuck', 'fra-2')).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    expect(await demo.endScenario('push-stuck')).toMatchObject({ running: false, node: null })
    await healthWhere('fra-1', ({ push }) => (push?.sendOk ?? 0) > (stuck.push?.sendOk ?? 0))
  })

  it('drains a node in seconds, because its visitors leave and its hosts move', {
    timeout: 30_000,
  }, async () => {
    await ask('fra-1', 'POST', '/drain', { drainId: 'd1', reason: 'test', initiator: 'test' })
    const drained = await healthWhere('fra-1', ({ state }) => state === 'drained')
    expect(drained.drain.remaining).toMatchObject({ connections: 0, requests: 0, tunnels: 0 })
    await healthWhere('fra-2', ({ relay }) => relay?.tunnels.current === DEMO_HOSTS.length)
    await ask('fra-1', 'POST', '/resume', {})
    const resumed = await healthWhere('fra-1', ({ proxy }) => (proxy?.connections.active ?? 0) > 0)
    expect(resumed.state).toBe('serving')
  })

  it('kills a node without a drain and starts it again on the same ports', { timeout: 40_000 }, async () => {
    const before = (await health('fra-2')).listeners?.map(({ port }) => port).sort()
    expect(await demo.startScenario('kill-node', 'fra-2')).toMatchObject({ running: true, node: 'fra-2' })
    await expect(health('fra-2')).rejects.toThrow()
    await healthWhere('fra-1', ({ relay }) => relay?.tunnels.current === DEMO_HOSTS.length)
    await demo.endScenario('kill-node')
    expect(moved).toEqual(['fra-2'])
    const again = await healthWhere(
      'fra-2',
      ({ state, push }) => state === 'serving' && (push?.sendOk ?? 0) > 0,
    )
    expect(again.listeners?.map(({ port }) => port).sort()).toEqual(before)
  })

  it('knows no other scenario and no other node', async () => {
    await expect(demo.startScenario('meteor')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await expect(demo.startScenario('kill-node', 'fra-9')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await expect(demo.endScenario('meteor')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('drains for a signal while visitors are there, and leaves nothing listening', {
    timeout: 40_000,
  }, async () => {
    const urls = demo.nodes().map(({ url }) => url)
    await demo.drainForSignal()
    await demo.close()
    for (const url of urls) await expect(fetch(`${url}/health`)).rejects.toThrow()
  })
})

describe('the homes of the hosts', () => {
  it('are spread evenly, and what leaves a drained region goes to both others', () => {
    const first = DEMO_HOSTS.map((_, index) => relaysOf(index, DEMO_PLACES).map(({ id }) => id))
    for (const { id } of DEMO_PLACES) expect(first.filter((relays) => relays[0] === id)).toHaveLength(4)
    const away = first
      .filter((relays) => relays[0]?.startsWith('fra'))
      .map((relays) => relays.find((id) => !id.startsWith('fra')))
    for (const region of ['sjc', 'iad']) expect(away.filter((id) => id?.startsWith(region))).toHaveLength(4)
    for (const relays of first) expect(new Set(relays).size).toBe(DEMO_PLACES.length)
  })
})
