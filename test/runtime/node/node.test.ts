import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { DrainBudget } from '../../../server/contract/drain-budget.ts'
import { MAX_EVENT_BYTES } from '../../../server/contract/events.ts'
import { healthSchema, type ProxyHealth } from '../../../server/contract/health.ts'
import { type NodeConfig, nodeConfigSchema } from '../../../server/contract/node-config.ts'
import type { Directory } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { createEventLog } from '../../../server/runtime/events/event-log.ts'
import { createHostClient } from '../../../server/runtime/host/host-client.ts'
import { createNode } from '../../../server/runtime/node/node.ts'
import { fitHealth, MAX_HEALTH_BYTES } from '../../../server/runtime/node/node-health.ts'
import { NodeProblems, PUSH_STUCK_MS } from '../../../server/runtime/node/node-problems.ts'
import type { TidegateNode } from '../../../server/runtime/part/node-face.ts'
import { eventOf, registerHost, silent, tinyBudget } from '../drain/drain-rig.ts'
import { startEndpoint } from '../push/apns-endpoint.ts'
import { CONTROL_TOKEN } from './node-rig.ts'

const ends: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-node-'))
  ends.push(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A web target; `/slow` answers after `release`. */
const startTarget = async () => {
  const waiting: (() => void)[] = []
  const server = createHttpServer((request, response) => {
    if (request.url === '/slow') waiting.push(() => response.end('slow but whole'))
    else response.end('quick')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    waiting,
    release() {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const configOf = (change: Record<string, unknown>): NodeConfig =>
  nodeConfigSchema.parse({
    id: 'fra-1',
    region: 'fra',
    control: { port: 0, token: CONTROL_TOKEN },
    ...change,
  })

const webRoute = (targetPort: number, port = 0) => ({
  host: '127.0.0.1',
  health: { port: 0 },
  routes: [
    {
      name: 'web',
      match: { ports: port },
      action: { type: 'forward', protocol: 'http', targets: [{ host: '127.0.0.1', port: targetPort }] },
    },
  ],
})

const startNode = async (
  config: NodeConfig,
  dataDir: string,
  budget: Partial<DrainBudget> = {},
): Promise<TidegateNode> => {
  const node = createNode(config, { dataDir, log: silent, budget: tinyBudget(budget), exit: () => undefined })
  ends.push(() => node.destroy())
  await node.start()
  return node
}

const call = async (node: TidegateNode, method: string, path: string, body?: unknown) => {
  const answer = await fetch(`${node.control?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${CONTROL_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
}

const portOf = (node: TidegateNode, part: string) =>
  node.listeners().find((listener) => listener.part === part)?.port ?? 0

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

describe('a node with a proxy and a relay', () => {
  it('drains over its control listener: 503 at once, the request in flight finishes, nothing listens, resume serves', async () => {
    const target = await startTarget()
    const node = await startNode(
      configOf({
        proxy: webRoute(target.port),
        relay: { host: '127.0.0.1', port: 0, tokens: { 'host-a': 'token-of-host-a' } },
      }),
      await folder(),
      { preDrainSeconds: 0.3 },
    )
    const [proxy, health, relay] = [portOf(node, 'proxy'), portOf(node, 'health'), portOf(node, 'relay')]
    const ready = async (port: number) => (await fetch(`http://127.0.0.1:${port}/healthz/ready`)).status
    expect([await ready(health), await ready(relay)]).toEqual([200, 200])
    const host = await registerHost(`ws://127.0.0.1:${relay}`, 'host-a')
    ends.push(() => host.close())
    const slow = fetch(`http://127.0.0.1:${proxy}/slow`).then((response) => response.text())
    await vi.waitFor(() => expect(target.waiting).toHaveLength(1))

    const order = { drainId: 'drain-1', reason: 'kernel update', initiator: 'ops' }
    const accepted = await call(node, 'POST', '/drain', order)
    expect(accepted).toMatchObject({ status: 202, body: { drainId: 'drain-1', state: 'draining' } })
    expect(await call(node, 'GET', '/healthz/ready')).toEqual({
      status: 503,
      body: { ready: false, reason: 'draining' },
    })
    expect([await ready(health), await ready(relay)]).toEqual([503, 503])
    expect(await (await fetch(`http://127.0.0.1:${proxy}/`)).text(), 'served in phase 1').toBe('quick')
    expect(await call(node, 'POST', '/drain', { ...order, drainId: 'other' })).toMatchObject({
      status: 409,
      body: { error: { code: 'ERR_DRAIN_RUNNING', facts: { drainId: 'drain-1' } } },
    })

    await eventOf(node.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    await vi.waitFor(async () => expect(await accepts(proxy)).toBe(false))
    const during = healthSchema.parse((await call(node, 'GET', '/health')).body)
    expect(during).toMatchObject({
      ok: true,
      state: 'draining',
      drain: { drainId: 'drain-1', phase: 'connections', remaining: { tunnels: 1 } },
    })
    target.release()
    expect(await slow).toBe('slow but whole')

    await eventOf(node.events, 'drain.completed')
    const after = healthSchema.parse((await call(node, 'GET', '/health')).body)
    expect(after).toMatchObject({
      state: 'drained',
      drain: { phase: null, remaining: { connections: 0, requests: 0, tunnels: 0 } },
    })
    expect(after.proxy?.connections.active).toBe(0)
    expect([await accepts(proxy), await accepts(relay)]).toEqual([false, false])
    expect(await call(node, 'POST', '/drain', order)).toMatchObject({
      status: 202,
      body: { state: 'drained' },
    })

    expect(await call(node, 'POST', '/resume', {})).toMatchObject({
      status: 200,
      body: { state: 'serving', drainId: null },
    })
    expect([portOf(node, 'proxy'), portOf(node, 'health'), portOf(node, 'relay')]).toEqual([
      proxy,
      health,
      relay,
    ])
    expect(await (await fetch(`http://127.0.0.1:${proxy}/`)).text()).toBe('quick')
    await eventOf(node.events, 'tunnel.registered', (event) => event.seq > after.seq)
    const served = healthSchema.parse((await call(node, 'GET', '/health')).body)
    expect(served.proxy?.connections.accepted, 'counters never fall').toBeGreaterThanOrEqual(
      after.proxy?.connections.accepted ?? Number.POSITIVE_INFINITY,
    )
  })

  it('starts drained after a restart, binds nothing and registers nothing, until it is resumed', async () => {
    const target = await startTarget()
    const [proxyPort, relayPort] = [await freePort(), await freePort()]
    const config = configOf({
      proxy: { ...webRoute(target.port, proxyPort), health: undefined },
      relay: { host: '127.0.0.1', port: relayPort, tokens: { 'host-a': 'token-of-host-a' } },
    })
    const dataDir = await folder()
    const first = await startNode(config, dataDir)
    await first.drain({
      drainId: 'drain-1',
      reason: 'kernel update',
      mode: 'hold',
      onDeadline: 'wait',
      initiator: 'ops',
    })
    expect(first.health().state).toBe('drained')
    await first.destroy()

    const second = await startNode(config, dataDir)
    expect(second.health()).toMatchObject({
      state: 'drained',
      listeners: [],
      drain: { drainId: 'drain-1', reason: 'kernel update' },
    })
    expect(await call(second, 'GET', '/healthz/ready')).toEqual({
      status: 503,
      body: { ready: false, reason: 'drained' },
    })
    expect([await accepts(proxyPort), await accepts(relayPort)]).toEqual([false, false])
    expect((await eventOf(second.events, 'node.started')).data.startedDrained).toBe(true)
    expect(second.events.read(0, 100).events.map(({ type }) => type)).toEqual([
      'node.started',
      'node.state_changed',
    ])
    expect(await call(second, 'POST', '/drain', { drainId: 'drain-1' })).toMatchObject({
      status: 202,
      body: { state: 'drained' },
    })

    const squatter = createServer().listen(relayPort, '127.0.0.1')
    await once(squatter, 'listening')
    expect(await call(second, 'POST', '/resume')).toMatchObject({
      status: 409,
      body: { error: { code: 'ERR_PORT_TAKEN' } },
    })
    expect(second.health()).toMatchObject({ state: 'drained', drain: { drainId: 'drain-1' } })
    expect(await accepts(proxyPort), 'all or nothing').toBe(false)
    squatter.close()
    await once(squatter, 'close')
    expect(await call(second, 'POST', '/resume')).toMatchObject({ status: 200, body: { state: 'serving' } })
    expect([await accepts(proxyPort), await accepts(relayPort)]).toEqual([true, true])
    expect(JSON.parse(await readFile(join(dataDir, 'intent.json'), 'utf8'))).toEqual({})
  })

  it('starts cordoned after a restart, and ignores a wish that is not readable', async () => {
    const dataDir = await folder()
    const config = configOf({ relay: { host: '127.0.0.1', port: 0, tokens: {} } })
    const first = await startNode(config, dataDir)
    expect((await call(first, 'POST', '/cordon', { drainId: 'drain-1', reason: 'region' })).status).toBe(200)
    await first.close()
    const second = await startNode(config, dataDir)
    expect(second.health()).toMatchObject({ state: 'serving', relay: { cordoned: true } })
    await second.close()
    await writeFile(join(dataDir, 'intent.json'), '{"drain":')
    const third = await startNode(config, dataDir)
    expect(third.health()).toMatchObject({ state: 'serving', relay: { cordoned: false } })
  })

  it('fails its start with ERR_PORT_TAKEN and leaves nothing bound', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    ends.push(() => squatter.close())
    const { port } = squatter.address() as AddressInfo
    const proxyPort = await freePort()
    const target = await startTarget()
    const config = configOf({
      proxy: { ...webRoute(target.port, proxyPort), health: undefined },
      relay: { host: '127.0.0.1', port, tokens: {} },
    })
    const node = createNode(config, { log: silent, budget: tinyBudget() })
    await expect(node.start()).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN', facts: { port } })
    expect(await accepts(proxyPort)).toBe(false)
    expect(node.control === null || !(await accepts(Number(new URL(node.control.url).port)))).toBe(true)
  })

  it('takes a directory that the caller wrote, whatever object it is, and counts it as shared', async () => {
    const inner = createMemoryDirectory()
    class OwnDirectory implements Directory {
      readonly #inner = inner
      readonly backend = 'memory'
      readonly passKey = inner.passKey
      register: Directory['register'] = (...given) => this.#inner.register(...given)
      refresh: Directory['refresh'] = (...given) => this.#inner.refresh(...given)
      unregister: Directory['unregister'] = (...given) => this.#inner.unregister(...given)
      removeMany: Directory['removeMany'] = (...given) => this.#inner.removeMany(...given)
      lookup: Directory['lookup'] = (...given) => this.#inner.lookup(...given)
      formerOwner: Directory['formerOwner'] = (...given) => this.#inner.formerOwner(...given)
      owners: Directory['owners'] = () => this.#inner.owners()
      // Verbs of the class, which a copy of the object would lose, with a field that no copy may read.
      async clearNode(node: string): Promise<number> {
        return await this.#inner.clearNode(node)
      }
      reachable(): boolean {
        return this.#inner.reachable()
      }
      entries(): number {
        return this.#inner.entries()
      }
      onLost(listener: Parameters<Directory['onLost']>[0]): () => void {
        return this.#inner.onLost(listener)
      }
      close(): void {
        this.#inner.close()
      }
    }
    const directory = new OwnDirectory()
    ends.push(() => directory.close())
    const relay = { host: '127.0.0.1', port: 0, tokens: { 'host-a': 'token-of-host-a' } }
    const config = nodeConfigSchema.parse({ id: 'fra-1', region: 'fra', relay })
    const node = createNode(config, { directory, log: silent, budget: tinyBudget() })
    ends.push(() => node.destroy())
    await node.start()
    expect(node.health().relay?.directory).toMatchObject({ backend: 'shared', reachable: true, entries: 0 })
  })

  it('passes what its fellow owns on, before, in and after a drain, where the caller lends both one directory', async () => {
    const target = await startTarget()
    const directory = createMemoryDirectory()
    ends.push(() => directory.close())
    const [fra, iad] = await Promise.all(
      ['fra-1', 'iad-1'].map(async (id) => {
        const relay = { host: '127.0.0.1', port: 0, tokens: { 'host-a': 'token-of-host-a' } }
        const config = nodeConfigSchema.parse({ id, region: id.slice(0, 3), relay })
        const node = createNode(config, { directory, log: silent, budget: tinyBudget({ httpSeconds: 10 }) })
        ends.push(() => node.destroy())
        await node.start()
        return node
      }),
    )
    const ports = [portOf(fra!, 'relay'), portOf(iad!, 'relay')]
    const registeredAt: string[] = []
    const host = createHostClient({
      relays: ports.map((port) => `ws://127.0.0.1:${port}`),
      hostId: 'host-a',
      token: 'token-of-host-a',
      to: `http://127.0.0.1:${target.port}`,
      log: silent,
      onEvent: (event) => {
        if (event.type === 'registered') registeredAt.push(event.node ?? '')
      },
    })
    host.start()
    ends.push(() => host.close())
    await vi.waitFor(() => expect(registeredAt).toEqual(['fra-1']))
    const ask = async (port: number | undefined) =>
      (await fetch(`http://127.0.0.1:${port}/hosts/host-a/x`, { headers: { connection: 'close' } })).text()
    expect(await Promise.all(ports.map(ask))).toEqual(['quick', 'quick'])
    // Holds the drain in its second phase.
    const slow = fetch(`http://127.0.0.1:${ports[0]}/hosts/host-a/slow`)
    await vi.waitFor(() => expect(target.waiting).toHaveLength(1))
    const drained = fra!.drain({
      drainId: 'd',
      reason: 'kernel',
      initiator: 'ops',
      mode: 'hold',
      onDeadline: 'wait',
    })
    await vi.waitFor(() => expect(registeredAt).toEqual(['fra-1', 'iad-1']), { timeout: 5_000 })
    expect(await Promise.all(ports.map(ask))).toEqual(['quick', 'quick'])
    target.release()
    expect(await (await slow).text()).toBe('slow but whole')
    await drained
    await vi.waitFor(() => expect(fra!.health().state).toBe('drained'), { timeout: 10_000 })
    expect(await ask(ports[1])).toBe('quick')
  })

  it('replaces all routes at once, or none when one is invalid', async () => {
    const target = await startTarget()
    const node = await startNode(configOf({ proxy: webRoute(target.port) }), await folder())
    const { routes } = (await call(node, 'GET', '/routes')).body
    expect(routes).toMatchObject([{ name: 'web' }])
    const second = { ...webRoute(target.port).routes[0], name: 'second', match: { ports: await freePort() } }
    expect(
      (await call(node, 'PUT', '/routes', [...routes, { ...second, match: { ports: 70_000 } }])).status,
    ).toBe(400)
    expect((await call(node, 'GET', '/routes')).body.routes).toHaveLength(1)
    expect(await call(node, 'PUT', '/routes', { routes: [...routes, second] })).toMatchObject({
      status: 200,
      body: { routes: [{ name: 'web' }, { name: 'second' }] },
    })
    expect(await accepts(second.match.ports)).toBe(true)
  })

  it('lists live connections and closes one', async () => {
    const target = await startTarget()
    const node = await startNode(configOf({ proxy: webRoute(target.port) }), await folder())
    const slow = fetch(`http://127.0.0.1:${portOf(node, 'proxy')}/slow`).then(
      () => 'answered',
      () => 'cut',
    )
    await vi.waitFor(() => expect(target.waiting).toHaveLength(1))
    const { items, total } = (await call(node, 'GET', '/connections?limit=10&route=web')).body
    expect(total).toBe(1)
    expect(items).toMatchObject([{ route: 'web', protocol: 'http', target: `127.0.0.1:${target.port}` }])
    expect((await call(node, 'DELETE', '/connections/nothing')).status).toBe(404)
    expect((await call(node, 'DELETE', `/connections/${items[0].id}`)).status).toBe(204)
    expect(await slow).toBe('cut')
  })

  it('has verbs that are safe twice', async () => {
    const node = createNode(configOf({ relay: { host: '127.0.0.1', port: 0, tokens: {} } }), {
      log: silent,
      budget: tinyBudget(),
    })
    await Promise.all([node.start(), node.start()])
    await Promise.all([node.resume(), node.resume()])
    await Promise.all([node.drainForSignal('SIGTERM'), node.drainForSignal('SIGINT')])
    await Promise.all([node.close(), node.close(), node.destroy(), node.destroy()])
    expect(node.health().state).toBe('stopping')
  })
})

describe('pushes over the control listener', () => {
  it('are delivered, show only fingerprints, and are refused with ERR_DRAINING while the node is held', async () => {
    const endpoint = await startEndpoint()
    ends.push(() => endpoint.close())
    const node = await startNode(
      configOf({
        push: {
          host: '127.0.0.1',
          port: endpoint.port,
          topic: 'com.example.app',
          keyId: 'ABC',
          teamId: 'DEF',
          keyPath: endpoint.keyPath,
          ca: endpoint.caPath,
        },
      }),
      await folder(),
    )
    const token = 'a1'.repeat(32)
    expect((await call(node, 'PUT', `/tokens/${token}`, { key: 'user-1' })).status).toBe(204)
    const listed = await call(node, 'GET', '/tokens?key=user-1')
    expect(listed.body.items).toHaveLength(1)
    expect(JSON.stringify(listed.body)).not.toContain(token)
    const pushed = await call(node, 'POST', '/push', { key: 'user-1', payload: { aps: { alert: 'hello' } } })
    expect(pushed).toMatchObject({ status: 202, body: { outcomes: [{ outcome: 'delivered', status: 200 }] } })
    expect(JSON.stringify(pushed.body)).not.toContain(token)
    expect((await call(node, 'POST', '/push/session/invalidate', { reason: 'operator' })).status).toBe(200)
    expect((await call(node, 'POST', '/push/session/invalidate', {})).status, 'a reason is needed').toBe(400)

    await node.drain({ drainId: 'd', reason: '', mode: 'hold', onDeadline: 'wait', initiator: 'ops' })
    expect(await call(node, 'POST', '/push', { token, payload: {} })).toMatchObject({
      status: 503,
      body: { error: { code: 'ERR_DRAINING' } },
    })
    await node.resume()
    expect((await call(node, 'POST', '/push', { token, payload: {} })).body.outcomes).toMatchObject([
      { outcome: 'delivered' },
    ])
    expect((await call(node, 'DELETE', `/tokens/${token}`)).status).toBe(204)
    expect((await call(node, 'DELETE', `/tokens/${token}`)).status).toBe(404)
    expect(healthSchema.parse(node.health()).push).toMatchObject({ received: 2, sendOk: 2 })
  })
})

describe('the health document', () => {
  it('stays below 64 KiB and says how many targets there are', async () => {
    const node = await startNode(
      configOf({ relay: { host: '127.0.0.1', port: 0, tokens: {} } }),
      await folder(),
    )
    const proxy: ProxyHealth = {
      connections: { active: 0, accepted: 0, closed: 0, rejected: {} },
      closedBy: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`reason_${index}`, 1])),
      bytes: { upstream: 0, downstream: 0 },
      requests: { total: 0, byStatus: {} },
      targets: Array.from({ length: 5_000 }, (_, index) => ({
        route: 'r'.repeat(300),
        target: `target-${index}-${'t'.repeat(300)}`,
        healthy: true,
        active: 0,
        connectFailures: 0,
      })),
    }
    const listeners = Array.from({ length: 500 }, () => ({
      part: 'proxy' as const,
      host: '127.0.0.1',
      port: 1,
      routes: Array.from({ length: 100 }, () => 'n'.repeat(100)),
    }))
    const fitted = fitHealth({
      ...node.health(),
      proxy,
      listeners,
      problems: Array.from({ length: 99 }, () => 'p'.repeat(999)),
    })
    expect(Buffer.byteLength(JSON.stringify(fitted))).toBeLessThan(MAX_HEALTH_BYTES)
    expect(fitted.proxy?.targetsTotal).toBe(5_000)
    expect(fitted.proxy?.targets.length).toBeGreaterThan(8)
    expect(healthSchema.safeParse(fitted).success).toBe(true)
  })
})

describe('the event log', () => {
  it('cuts what is too long of an event, and never makes one that a collector must refuse', () => {
    const events = createEventLog({ node: 'fra-1', region: 'fra' }, silent)
    const names = (length: number) =>
      Array.from({ length: 2_000 }, (_, n) => `${n}`.padEnd(length, 'n').slice(0, length))
    events.emit('route.changed', { added: names(200), removed: names(256), changed: [] })
    const reasons = names(60).map((reason) => [reason, 1] as const)
    events.emit('connections.counted', {
      active: 1,
      accepted: 2,
      closed: 1,
      closedBy: Object.fromEntries(reasons),
    })
    const { events: kept } = events.read(0, 10)
    expect(events.faults.invalid).toBe(0)
    expect(kept).toHaveLength(2)
    for (const { data } of kept)
      expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThanOrEqual(MAX_EVENT_BYTES)
  })
})

describe('honesty about pushes', () => {
  const start = () => {
    const events = createEventLog({ node: 'fra-1', region: 'fra' }, silent)
    const problems = new NodeProblems({ log: silent, emit: (type, data) => events.emit(type, data) })
    const push = { received: 0, noTokens: 0, sendOk: 0, pending: 0, lastFailureReason: null as string | null }
    const types = () => events.read(0, 100).events.map((event) => event.type)
    return { problems, push, types }
  }

  it('finds a problem 30 s after the first push that nothing followed, once, and clears it at the next delivery', () => {
    const { problems, push, types } = start()
    push.received = 1
    problems.review({ push }, 0)
    push.received = 30
    problems.review({ push }, PUSH_STUCK_MS - 1)
    expect(problems.sentences).toEqual([])
    problems.review({ push }, PUSH_STUCK_MS)
    push.received = 31
    problems.review({ push }, PUSH_STUCK_MS + 1_000)
    expect(problems.sentences).toEqual(['31 pushes were received and none delivered for 31 s'])
    push.sendOk = 1
    problems.review({ push }, PUSH_STUCK_MS + 2_000)
    expect(problems.sentences).toEqual([])
    expect(types()).toEqual(['node.problem_found', 'node.problem_cleared'])
  })

  it.each([
    ['no push at all', {}],
    ['pushes whose keys had no token', { received: 50, noTokens: 50 }],
  ])('finds nothing with %s', (_what, figures) => {
    const { problems, push } = start()
    Object.assign(push, figures)
    problems.review({ push }, 0)
    problems.review({ push }, 10 * PUSH_STUCK_MS)
    expect(problems.sentences).toEqual([])
  })

  it('finds nothing while deliveries go on, also when some are always in flight', () => {
    const { problems, push } = start()
    for (let second = 0; second < 300; second += 1) {
      push.received += 3
      push.sendOk += 3
      push.pending = 2
      problems.review({ push }, second * 1_000)
    }
    expect(problems.sentences).toEqual([])
  })
})
