import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { type HealthRules, TargetHealth } from '../../../server/runtime/proxy/targets/target-health.ts'
import type { TcpTarget } from './harness.ts'
import {
  deadPort,
  forward,
  httpRoute,
  httpTarget,
  RawClient,
  silentPort,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'
import { authority, certificateFor, tlsTarget } from './tls-peers.ts'

type Action = ReturnType<typeof forward>

const routeTo = (ports: readonly number[], extra: Partial<Action> = {}): RouteConfig => {
  const route = httpRoute(ports[0]!)
  const action = forward(route)
  Object.assign(action, { targets: ports.map((port) => ({ host: '127.0.0.1', port })) }, extra)
  return route
}

/** The status and body of one request by a connection of its own. */
const ask = async (port: number, path = '/'): Promise<string> => {
  const client = new RawClient(port)
  client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  await client.over()
  return `${client.text.slice(9, 12)} ${client.text.split('\r\n\r\n')[1] ?? ''}`
}

const named = (name: string) => httpTarget((_request, response) => response.end(name))

/** Takes connections and requests, and says nothing for as long as `silent`. */
const silentTarget = async (): Promise<TcpTarget & { silent: boolean; requests: string[] }> => {
  const state = { silent: true, requests: [] as string[] }
  const target = await tcpTarget((socket) => {
    socket.on('data', (chunk) => {
      state.requests.push(chunk.toString('latin1').split(' ')[1] ?? '')
      if (!state.silent) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback')
    })
  })
  return Object.assign(state, target)
}

describe('a target that is silent', () => {
  it('costs three requests their time, and then one at a time until it answers again', async () => {
    const silent = await silentTarget()
    const alive = await named('alive')
    const { proxy, port, events } = await startProxy({
      routes: [routeTo([silent.port, alive.port])],
      responseTimeoutMs: 300,
    })
    const stateOf = () => proxy.stats().targets[0]!
    while (stateOf().healthy) await ask(port())
    expect(silent.requests).toHaveLength(3)
    expect(stateOf()).toMatchObject({ healthy: false, reason: 'response_timeout', unanswered: 3 })
    expect(events.find(({ type }) => type === 'target.down')?.data).toMatchObject({
      reason: 'response_timeout',
      left: 1,
    })
    // Twenty at once, again and again: one of them asks, the others are served.
    await until(() => silent.requests.length === 3)
    let late = 0
    while (silent.requests.length === 3) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port())))
      late += answers.filter((answer) => answer.startsWith('504')).length
      expect(answers.filter((answer) => answer.startsWith('200')).length).toBe(20 - late)
    }
    expect(late).toBe(1)
    expect(silent.requests).toHaveLength(4)
    expect(stateOf().healthy).toBe(false)
    silent.silent = false
    await until(() => {
      void ask(port()).catch(() => undefined)
      return events.some(({ type }) => type === 'target.up')
    })
    expect(stateOf().healthy).toBe(true)
    expect(proxy.stats().targetFailures).toEqual({ connect: 0, unanswered: 4, check: 0 })
  }, 60_000)

  it('is not brought back by a check that only connects', async () => {
    const silent = await silentTarget()
    const alive = await named('alive')
    const { proxy, port } = await startProxy({
      routes: [routeTo([silent.port, alive.port], { health: { intervalMs: 1_000, rise: 1, fall: 1 } })],
      responseTimeoutMs: 200,
    })
    while (proxy.stats().targets[0]!.healthy) await ask(port())
    const before = silent.sockets.length
    await until(() => silent.sockets.length >= before + 3)
    expect(proxy.stats().targets[0]!.healthy).toBe(false)
  }, 30_000)
})

describe('active checks', () => {
  it('take a target out after fall answers with an error, and bring it back after rise others, before any client asks', async () => {
    let status = 500
    const seen: string[] = []
    const target = await httpTarget((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers['user-agent']}`)
      response.writeHead(status).end()
    })
    const { proxy, events } = await startProxy({
      routes: [
        routeTo([target.port], { health: { path: '/healthz?a=1', intervalMs: 1_000, rise: 2, fall: 2 } }),
      ],
      connectTimeoutMs: 200,
    })
    const stateOf = () => proxy.stats().targets[0]!
    await until(() => seen.length === 1)
    expect(stateOf().healthy).toBe(true)
    await until(() => !stateOf().healthy)
    expect(seen).toEqual(Array(2).fill('GET /healthz?a=1 tidegate-health'))
    expect(stateOf()).toMatchObject({ reason: 'check_status', connectFailures: 0, lastResort: 0 })
    expect(events.map(({ type, data }) => [type, data.left])).toContainEqual(['target.down', 0])
    status = 204
    await until(() => seen.length === 3)
    await sleep(100)
    expect(stateOf().healthy).toBe(false)
    await until(() => stateOf().healthy)
    expect(seen).toHaveLength(4)
    expect(stateOf().latencyMs).toBeGreaterThan(0)
  }, 30_000)

  it('find a target that accepts and never answers, and one of bytes by connecting alone', async () => {
    const silent = await silentTarget()
    const dead = await deadPort()
    const { proxy, events } = await startProxy({
      routes: [
        routeTo([silent.port], { health: { path: '/', intervalMs: 1_000, fall: 1 } }),
        tcpRoute(dead, {
          action: {
            type: 'forward',
            targets: [{ host: '127.0.0.1', port: dead }],
            health: { intervalMs: 1_000, rise: 1, fall: 1 },
          },
        }),
      ],
      connectTimeoutMs: 200,
    })
    await until(() => proxy.stats().targets.every(({ healthy }) => !healthy))
    expect(proxy.stats().targets.map(({ reason }) => reason)).toEqual(['check_timeout', 'backend_refused'])
    const server = net.createServer((socket) => socket.on('error', () => undefined).end())
    await new Promise<void>((resolve) => server.listen(dead, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    await until(() => events.some(({ type, data }) => type === 'target.up' && data.route === 'tcp'))
  }, 30_000)

  it('end with the proxy, and leave no connection behind', async () => {
    const silent = await silentTarget()
    const { proxy } = await startProxy({
      routes: [routeTo([silent.port], { health: { path: '/', intervalMs: 60_000 } })],
      connectTimeoutMs: 200,
    })
    await proxy.setRoutes([routeTo([silent.port], { health: { path: '/', intervalMs: 1_000 } })])
    await until(() => silent.requests.length === 1)
    await proxy.destroy()
    await until(() => silent.sockets.every((socket) => socket.readableEnded || socket.destroyed))
  })

  it('are refused where nobody could ask', async () => {
    const captured = httpRoute(1, { path: '/:id' })
    Object.assign(forward(captured), { targets: [{ host: 'u-{id}.test', port: 1 }], health: {} })
    const bytes = tcpRoute(1)
    Object.assign(forward(bytes), { health: { path: '/' } })
    const { proxy } = await startProxy({ routes: [] })
    await expect(proxy.setRoutes([captured, bytes])).rejects.toMatchObject({
      facts: { problems: [{ path: 'routes[0].action.health' }, { path: 'routes[1].action.health.path' }] },
    })
  })
})

describe('a route of which no target is up', () => {
  it('is tried all the same, which is said and counted', async () => {
    const dead = [await deadPort(), await deadPort()]
    const { proxy, port, events } = await startProxy({ routes: [routeTo(dead)] })
    expect(await ask(port())).toMatch(/^502/)
    expect(events.filter(({ type }) => type === 'target.down').map(({ data }) => data.left)).toEqual([1, 0])
    expect(proxy.stats().lastResort).toBe(0)
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback'))
    })
    await new Promise<void>((resolve) => server.listen(dead[1], '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    expect(await ask(port())).toBe('200 back')
    expect(proxy.stats().lastResort).toBe(1)
    expect(proxy.stats().targets.map(({ healthy }) => healthy)).toEqual([false, true])
  })
})

describe('balance', () => {
  const counts = async (
    port: number,
    times: number,
    clients?: readonly string[],
  ): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {}
    for (let at = 0; at < times; at += 1) {
      const client = new RawClient(port, clients?.[at % clients.length])
      client.socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      await client.over()
      const name = client.text.split('\r\n\r\n')[1] ?? ''
      seen[name] = (seen[name] ?? 0) + 1
    }
    return seen
  }

  it('round-robin gives each its weight, evenly in time', async () => {
    const targets = await Promise.all(['a', 'b', 'c'].map(named))
    const route = routeTo(targets.map(({ port }) => port))
    forward(route).targets[0]!.weight = 4
    const { port, proxy } = await startProxy({ routes: [route] })
    expect(await counts(port(), 12)).toEqual({ a: 8, b: 2, c: 2 })
    forward(route).targets[0]!.weight = 1
    await proxy.setRoutes([structuredClone(route)])
    expect(await counts(port(), 12)).toEqual({ a: 4, b: 4, c: 4 })
  })

  it('least-connections asks who has the fewest for its weight, a burst that is still dialled among them', async () => {
    const targets = await Promise.all([0, 1].map(() => tcpTarget()))
    const route = tcpRoute(targets.map(({ port }) => port))
    forward(route).balance = 'least-connections'
    forward(route).targets[1]!.weight = 3
    const { port } = await startProxy({ routes: [route] })
    const clients = Array.from({ length: 8 }, () => new RawClient(port()))
    const open = () => targets.map(({ sockets }) => sockets.filter(({ destroyed }) => !destroyed).length)
    await until(() => open()[0]! + open()[1]! === 8)
    expect(open()).toEqual([2, 6])
    // Those that end make room where they were.
    const before = targets[1]!.sockets.length
    for (const socket of targets[1]!.sockets) socket.destroy()
    await until(() => clients.filter(({ closed, ended }) => closed || ended).length === 6)
    for (const client of clients) if (client.ended) client.socket.end()
    new RawClient(port())
    await until(() => targets[1]!.sockets.length === before + 1)
  })

  it('client-hash gives each client its own target, and moves none but those of a target that is gone', async () => {
    const servers = await Promise.all(['a', 'b', 'c'].map(named))
    const route = routeTo(
      servers.map(({ port }) => port),
      { balance: 'client-hash' },
    )
    const { port, proxy } = await startProxy({ routes: [route] })
    const clients = Array.from({ length: 60 }, (_, at) => `127.0.1.${at + 1}`)
    const homes = async (): Promise<string[]> => {
      const found: string[] = []
      for (const client of clients) found.push(...Object.keys(await counts(port(), 1, [client])))
      return found
    }
    const before = await homes()
    expect(await homes()).toEqual(before)
    for (const name of ['a', 'b', 'c']) {
      expect(before.filter((home) => home === name).length).toBeGreaterThan(8)
    }
    servers[0]!.server.closeAllConnections()
    servers[0]!.server.close()
    const after = await homes()
    expect(proxy.stats().targets[0]!.healthy).toBe(false)
    expect(after).not.toContain('a')
    for (const [at, home] of before.entries()) if (home !== 'a') expect(after[at]).toBe(home)
  })
})

describe('one dead machine among the targets', () => {
  it('does not cost every seventh connection its full timeout', async () => {
    const silent = await silentPort()
    const alive = await Promise.all(Array.from({ length: 6 }, (_, at) => named(`t${at}`)))
    const { proxy, port } = await startProxy({
      routes: [routeTo([silent, ...alive.map((target) => target.port)])],
      connectTimeoutMs: 400,
    })
    const dead = () => proxy.stats().targets[0]!
    while (dead().healthy) expect(await ask(port())).toMatch(/^200/)
    const cost = dead().connectFailures
    // Longer than the first waits after which it is asked again.
    const end = performance.now() + 4_000
    const seen = new Set<string>()
    while (performance.now() < end) seen.add(await ask(port()))
    expect(seen).toEqual(new Set(alive.map((_, at) => `200 t${at}`)))
    expect(dead()).toMatchObject({ healthy: false, connectFailures: cost, lastResort: 0 })
    expect(cost).toBe(1)
  }, 30_000)
})

describe('the health of a target', () => {
  const plain: HealthRules = { check: null, fall: 2, fallUnanswered: 3 }

  it('falls at fall failures in a row, not below, and a success between begins anew', () => {
    const health = new TargetHealth(plain)
    expect(health.connectFailed('backend_refused', 1)).toBe(false)
    health.connected(2)
    expect(health.connectFailed('backend_refused', 3)).toBe(false)
    expect(health.up).toBe(true)
    expect(health.connectFailed('backend_refused', 4)).toBe(true)
    expect(health.connectFailed('backend_refused', 5)).toBe(false)
    expect(health.reason).toBe('backend_refused')
    expect(health.connected(6)).toBe(true)
  })

  it('gets a tenth of its share when it is back, and all of it after 10 s', () => {
    const health = new TargetHealth(plain)
    expect(health.share(0)).toBe(1)
    for (let at = 0; at < 2; at += 1) health.connectFailed('backend_refused', 0)
    health.connected(1_000)
    expect([1_000, 1_999, 6_000, 10_999].map((now) => Math.round(health.share(now) * 100))).toEqual([
      10, 10, 50, 100,
    ])
    expect(health.share(11_000)).toBe(1)
  })

  it('is asked less and less while it comes and goes, and soon again after a minute', () => {
    const waitOf = (health: TargetHealth, from: number): number => {
      for (let at = 0; at < 2; at += 1) health.connectFailed('backend_refused', from)
      let now = from
      while (!health.probeDue(now)) now += 10
      return now - from
    }
    const health = new TargetHealth(plain)
    const waits: number[] = []
    for (let now = 0; waits.length < 6; now += 50_000) {
      waits.push(waitOf(health, now))
      health.connected(now + waits.at(-1)!)
    }
    expect(waits[0]).toBeLessThanOrEqual(2_000)
    expect(waits[3]).toBeGreaterThanOrEqual(8_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000)
    expect(waitOf(health, 1_000_000)).toBeLessThanOrEqual(2_000)
  })

  it('that was silent and then not even there is asked by a connection again', () => {
    const health = new TargetHealth(plain)
    for (let at = 0; at < 3; at += 1) health.unanswered(0)
    expect(health.probeDue(60_000)).toBe(false)
    health.connectFailed('backend_refused', 60_000)
    expect(health.probeDue(60_000)).toBe(true)
    expect(health.takeTrial(60_000, 1)).toBe(false)
  })
})

describe('checks by TLS', () => {
  it('trust whom the target is trusted by, and ask for its name', async () => {
    const [own, other] = await Promise.all([certificateFor('app.internal'), authority()])
    const heard: string[] = []
    const target = await tlsTarget(own, (socket) => {
      socket.on('data', (chunk) => {
        heard.push(/Host: (.*)\r\n/.exec(chunk.toString('latin1'))?.[1] ?? '')
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      })
    })
    const routeOf = (name: string, tls: { ca: string; servername: string }): RouteConfig => ({
      ...routeTo([target.port], {
        targets: [{ host: '127.0.0.1', port: target.port, tls }],
        health: { path: '/healthz', intervalMs: 1_000, fall: 1 },
      }),
      name,
      match: { ports: 0, domains: `${name}.test` },
    })
    const { proxy } = await startProxy({
      routes: [
        routeOf('right', { ca: other.cert, servername: 'app.internal' }),
        routeOf('wrong', { ca: other.cert, servername: 'other.internal' }),
      ],
      connectTimeoutMs: 200,
    })
    const stateOf = (route: string) => proxy.stats().targets.find((it) => it.route === route)!
    await until(() => !stateOf('wrong').healthy && heard.length > 0)
    expect(stateOf('wrong').reason).toBe('target_tls_failed')
    expect(stateOf('right').healthy).toBe(true)
    expect(new Set(heard)).toEqual(new Set(['app.internal']))
  })
})
