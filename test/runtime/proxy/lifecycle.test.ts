import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Handlers } from '../../../server/runtime/proxy/handlers/handlers.ts'
import type { RouteHandler } from '../../../server/runtime/proxy/http/exchange.ts'
import {
  expectLaw,
  httpRoute,
  httpTarget,
  RawClient,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: example.com\r\n\r\n`
const never = new AbortController().signal

const refuses = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })

const take = async (port: number): Promise<net.Server> => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  return server
}

describe('health', () => {
  it('is answered to a balancer while a stranger holds every place with connections that say nothing', async () => {
    const { port } = await startProxy({ routes: [], health: { port: 0 } })
    const strangers = Array.from({ length: 1_100 }, (_, at) => {
      const socket = net.connect(port('health'), '127.0.0.1')
      socket.on('error', () => undefined)
      if (at % 2 === 0) socket.write('GET / HT')
      return socket
    })
    onTestFinished(() => {
      for (const socket of strangers) socket.destroy()
    })
    await until(() => strangers.every((socket) => !socket.connecting), 'every place taken')
    for (let times = 0; times < 5; times += 1) {
      const response = await fetch(`http://127.0.0.1:${port('health')}/healthz/ready`)
      expect(await response.json()).toEqual({ ready: true })
    }
    await until(() => strangers.filter((socket) => !socket.closed).length <= 1_000, 'the ceiling')
  })

  it('answers readiness to balancers, through a drain, until the proxy closes', async () => {
    const { proxy, port } = await startProxy({ routes: [], health: { port: 0 } })
    const ask = async (path: string): Promise<[number, unknown]> => {
      const response = await fetch(`http://127.0.0.1:${port('health')}${path}`)
      return [response.status, await response.json()]
    }
    expect(await ask('/healthz/ready')).toEqual([200, { ready: true }])
    proxy.setReadiness({ ready: false, reason: 'draining' })
    expect(await ask('/healthz/ready')).toEqual([503, { ready: false, reason: 'draining' }])
    await proxy.stopAccepting()
    expect((await ask('/health'))[0]).toBe(503)
    expect((await ask('/healthz/live'))[0]).toBe(200)
    expect((await ask('/other'))[0]).toBe(404)
    const at = port('health')
    await proxy.close()
    expect(await refuses(at)).toBe(true)
  })
})

describe('a drain', () => {
  it('stops listening, lets TCP go on, and is idle when the last one ends', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const at = port()
    const client = new RawClient(at)
    client.socket.write('before ')
    await until(() => client.text === 'before ')
    await proxy.stopAccepting()
    await proxy.stopAccepting()
    expect(await refuses(at)).toBe(true)
    expect(proxy.listeners()).toEqual([])
    let idle = false
    const wait = proxy.whenIdle(never).then(() => {
      idle = true
    })
    client.socket.write('after')
    await until(() => client.text === 'before after')
    expect(idle).toBe(false)
    client.socket.end()
    await wait
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
  })

  it('closes idle kept-alive connections and lets a request in flight end with Connection: close', async () => {
    let finish: () => void = () => undefined
    const target = await httpTarget((request, response) => {
      if (request.url === '/slow') finish = () => response.end('done')
      else response.end('quick')
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const [idle, busy] = [new RawClient(port()), new RawClient(port())]
    idle.socket.write(get())
    await until(() => idle.text.endsWith('quick'))
    busy.socket.write(get('/slow'))
    await until(() => proxy.inFlight().requests === 1)
    await proxy.stopAccepting()
    await idle.over()
    let resolved = false
    const wait = proxy.whenIdle(never).then(() => {
      resolved = true
    })
    expect(resolved).toBe(false)
    finish()
    await busy.over()
    expect(busy.text).toMatch(/\r\nConnection: close\r\n(?:.*\r\n)?\r\ndone$/s)
    await wait
  })

  it('aborts what is left at the deadline and says how much that was', async () => {
    const tcp = await tcpTarget()
    const web = await httpTarget(() => undefined)
    const { proxy, port } = await startProxy({ routes: [tcpRoute(tcp.port), httpRoute(web.port)] })
    const clients = [new RawClient(port('tcp')), new RawClient(port('web'))]
    clients[1]!.socket.write(get())
    await until(() => tcp.sockets.length === 1 && proxy.inFlight().requests === 1)
    await proxy.stopAccepting()
    await proxy.whenIdle(AbortSignal.timeout(30))
    expect(await proxy.abortRest()).toEqual({ connections: 1, requests: 1 })
    expect(proxy.stats()).toMatchObject({ connections: { active: 0 }, closedBy: { drain_deadline: 2 } })
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    await Promise.all(clients.map((client) => until(() => client.closed)))
    expectLaw(proxy)
  })

  it('resumes on the same ports', async () => {
    const target = await tcpTarget((socket) => socket.end('here'))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const before = port()
    await proxy.stopAccepting()
    await proxy.resume()
    await proxy.resume()
    expect(port()).toBe(before)
    const client = new RawClient(before)
    await client.over()
    expect(client.text).toBe('here')
  })

  it('cannot resume while a port is taken, stays drained, and can once it is free', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port), httpRoute(target.port)] })
    const at = port('web')
    await proxy.stopAccepting()
    const other = await take(at)
    await expect(proxy.resume()).rejects.toMatchObject({
      code: 'ERR_PORT_TAKEN',
      facts: { host: '127.0.0.1', port: at },
    })
    expect(proxy.listeners()).toEqual([])
    await new Promise((resolve) => other.close(resolve))
    await proxy.resume()
    expect(port('web')).toBe(at)
  })
})

describe('a fault of ours', () => {
  type Hit = (path: string) => void
  /** The real handler, whose exchange or client calls `hit` at one place. */
  const faulty = (where: 'requestBytes' | 'passHead' | 'sweep' | 'abandon' | 'handle', hit: Hit) => ({
    handlers: (own: Handlers): Handlers => ({
      ...own,
      http: (route, targets) => {
        const real = own.http(route, targets)
        const handle: RouteHandler['handle'] = (request, client, context) => {
          const at = (verb: string) => (verb === where ? () => hit(request.target) : null)
          const watched = <T extends object>(thing: T): T =>
            new Proxy(thing, {
              get: (of, verb) => {
                const value = Reflect.get(of, verb, of) as unknown
                if (typeof value !== 'function') return value
                return (...args: unknown[]) => {
                  at(String(verb))?.()
                  return (value as (...given: unknown[]) => unknown).apply(of, args)
                }
              },
            })
          at('handle')?.()
          return watched(real.handle(request, watched(client), context))
        }
        return { handle }
      },
    }),
  })

  it.each([
    ['while a request is handed to its handler', 'handle'],
    ['while a client is read', 'requestBytes'],
    ['while a target is read', 'passHead'],
    ['while a connection is swept', 'sweep'],
    ['while an end is handled', 'abandon'],
  ] as const)('%s costs that connection and no other', async (_what, where) => {
    const target = await httpTarget((request, response) => {
      if (request.url !== '/slow') response.end('fine')
    })
    const hit: Hit = (path) => {
      if (path !== '/') throw new Error('a fault')
    }
    const { proxy, port } = await startProxy(
      { routes: [httpRoute(target.port)], connectTimeoutMs: 400, socketCleanupGracePeriodMs: 200 },
      faulty(where, hit),
    )
    const [other, struck] = [new RawClient(port()), new RawClient(port())]
    other.socket.write(get())
    await until(() => other.text.endsWith('fine'))
    if (where === 'requestBytes')
      struck.socket.write('POST /x HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\nabc')
    else struck.socket.write(get(where === 'passHead' || where === 'handle' ? '/x' : '/slow'))
    if (where === 'abandon') {
      await until(() => proxy.inFlight().requests === 1)
      struck.socket.resetAndDestroy()
    }
    await until(() => proxy.stats().connections.active === 1)
    expect(proxy.stats().closedBy).toEqual({ internal_error: 1 })
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    if (where !== 'abandon') expect(proxy.stats().targets[0]!.active).toBe(0)
    other.socket.write(get())
    await until(() => other.text.split('fine').length === 3)
    expectLaw(proxy)
  })
})

describe('start and end', () => {
  it('leaves nothing bound when a port is taken', async () => {
    const taken = await take(0)
    const at = (taken.address() as net.AddressInfo).port
    const { proxy } = await startProxy({ routes: [] })
    await proxy.destroy()
    const free = await take(0)
    const freePort = (free.address() as net.AddressInfo).port
    await new Promise((resolve) => free.close(resolve))
    await expect(
      startProxy({ routes: [tcpRoute(1, { match: { ports: [freePort, at] } })], health: { port: 0 } }),
    ).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN', facts: { port: at } })
    expect(await refuses(freePort)).toBe(true)
  })

  it('ends everything at once with destroy, also twice', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    await until(() => target.sockets.length === 1)
    await Promise.all([proxy.destroy(), proxy.destroy(), proxy.close()])
    await until(() => client.closed && target.sockets[0]!.destroyed)
    expect(proxy.stats()).toMatchObject({ connections: { active: 0 }, closedBy: { shutdown: 1 } })
  })

  it('waits in close for what is in flight, but no longer than the grace period', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({
      routes: [tcpRoute(target.port)],
      socketCleanupGracePeriodMs: 100,
    })
    const client = new RawClient(port())
    await until(() => target.sockets.length === 1)
    await proxy.close()
    expect(proxy.stats().connections.active).toBe(0)
    await until(() => client.closed)
  })
})

describe('setRoutes', () => {
  it('swaps targets at once; existing connections keep theirs', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => tcpTarget((socket) => socket.on('data', () => socket.write(name)))),
    )
    const { proxy, port, events } = await startProxy({ routes: [tcpRoute(a!.port)] })
    const at = port()
    const old = new RawClient(at)
    old.socket.write('x')
    await until(() => old.text === 'a')
    await proxy.setRoutes([tcpRoute(b!.port)])
    expect(port()).toBe(at)
    const fresh = new RawClient(at)
    fresh.socket.write('x')
    old.socket.write('x')
    await until(() => fresh.text === 'b' && old.text === 'aa')
    expect(events.find((event) => event.type === 'route.changed')?.data).toEqual({
      added: [],
      removed: [],
      changed: ['tcp'],
    })
  })

  it('fails no request while routes change under load', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) => httpTarget((_request, response) => response.end(name))),
    )
    const { proxy, port } = await startProxy({ routes: [httpRoute(a!.port)] })
    const url = `http://127.0.0.1:${port()}/`
    let stop = false
    const heard: string[] = []
    const clients = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const response = await fetch(url)
        expect(response.status).toBe(200)
        heard.push(await response.text())
      }
    })
    for (let at = 0; at < 20; at += 1) {
      const seen = heard.length
      await until(() => heard.length > seen + 5)
      await proxy.setRoutes([httpRoute((at % 2 === 0 ? b! : a!).port)])
    }
    stop = true
    await Promise.all(clients)
    expect(new Set(heard)).toEqual(new Set(['a', 'b']))
  })

  it('stops listening on freed ports and listens on new ones', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port, { name: 'old' })] })
    const freed = port('old')
    const client = new RawClient(freed)
    client.socket.write('a')
    await until(() => client.text === 'a')
    await proxy.setRoutes([tcpRoute(target.port, { name: 'new' })])
    expect(await refuses(freed)).toBe(true)
    expect(await refuses(port('new'))).toBe(false)
    client.socket.write('b')
    await until(() => client.text === 'ab')
  })

  it('changes nothing when a port is taken or the routes contradict each other', async () => {
    const target = await tcpTarget((socket) => socket.end('still'))
    const taken = (await take(0)).address() as net.AddressInfo
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const before = proxy.routes()
    await expect(
      proxy.setRoutes([
        tcpRoute(target.port),
        tcpRoute(target.port, { name: 'b', match: { ports: taken.port } }),
      ]),
    ).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN' })
    await expect(
      proxy.setRoutes([
        tcpRoute(1, { name: 'a', match: { ports: '7000-7002' } }),
        tcpRoute(1, { name: 'b', match: { ports: [7002] } }),
        { ...httpRoute(1, { ports: { from: 7000, to: 7000 } }), name: 'a' },
      ]),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID',
      facts: {
        problems: [
          { path: 'routes[1].match.ports' },
          { path: 'routes[2].name' },
          { path: 'routes[2].match.ports' },
        ],
      },
    })
    expect(proxy.routes()).toBe(before)
    const client = new RawClient(port())
    await client.over()
    expect(client.text).toBe('still')
  })

  it('takes routes while drained and binds them at resume', async () => {
    const target = await tcpTarget((socket) => socket.end('now'))
    const { proxy, port } = await startProxy({ routes: [] })
    await proxy.stopAccepting()
    await proxy.setRoutes([tcpRoute(target.port)])
    expect(proxy.listeners()).toEqual([])
    await proxy.resume()
    const client = new RawClient(port('tcp'))
    await client.over()
    expect(client.text).toBe('now')
  })
})
