import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { routeSchema } from '../../../server/contract/route-config.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { expectLaw, forward, RawClient, startProxy, tcpRoute, tcpTarget, until } from './harness.ts'
import { authority, certificateFor, helloBytes, TlsClient, tlsTarget } from './tls-peers.ts'

const passthrough = (
  name: string,
  targetPort: number,
  domains?: string | string[],
  extra: Partial<RouteConfig> = {},
): RouteConfig => ({
  name,
  match: { ports: 0, ...(domains === undefined ? {} : { domains }) },
  action: {
    type: 'forward',
    tls: { mode: 'passthrough' },
    targets: [{ host: '127.0.0.1', port: targetPort }],
  },
  ...extra,
})

const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112])
const DECODE_ERROR = Buffer.from([21, 3, 3, 0, 2, 2, 50])

const greets = (name: string) => (socket: TLSSocket) => {
  socket.write(`${name}:`)
  socket.pipe(socket)
}

/** Two sites, and one for all below a domain, on one port. */
const start = async (more: Partial<Parameters<typeof startProxy>[0]> = {}) => {
  const ca = (await authority()).cert
  const one = await tlsTarget(await certificateFor('one.example.com'), greets('one'))
  const two = await tlsTarget(await certificateFor('two.example.com'), greets('two'))
  const any = await tlsTarget(await certificateFor('x.wild.example.com'), greets('any'))
  const running = await startProxy({
    routes: [
      passthrough('any', any.port, '*.wild.example.com'),
      passthrough('one', one.port, 'one.example.com'),
      passthrough('two', two.port, ['two.example.com', 'zwei.example.com']),
    ],
    ...more,
  })
  const to = (servername: string, options = {}): TlsClient =>
    new TlsClient(running.port(), { servername, ca, ...options })
  return { ...running, ca, one, two, any, to, dialled: () => one.dialled() + two.dialled() + any.dialled() }
}

describe('TLS that is passed through', () => {
  it('goes to the target of its name, which alone can read it', async () => {
    const { proxy, to, events } = await start()
    const payload = randomBytes(400_000)
    const clients = [to('one.example.com'), to('two.example.com'), to('x.wild.example.com')]
    for (const client of clients) client.socket.end(payload)
    await until(() => clients.every(({ ended }) => ended))
    expect(clients.map(({ bytes }) => bytes.subarray(0, 4).toString())).toEqual(['one:', 'two:', 'any:'])
    for (const { bytes, socket } of clients) {
      expect(bytes.subarray(4).equals(payload)).toBe(true)
      expect(socket.authorized).toBe(true)
    }
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
    const closed = events.filter(({ type }) => type === 'connection.closed').map(({ data }) => data)
    expect(closed.map(({ route, reason }) => [route, reason]).sort()).toEqual([
      ['any', 'finished'],
      ['one', 'finished'],
      ['two', 'finished'],
    ])
    expect(closed.every(({ bytesUpstream }) => Number(bytesUpstream) > payload.length)).toBe(true)
  })

  it('speaks 1.2 with tickets and 1.3 with resumed sessions as the target does', async () => {
    const { to } = await start()
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = to('one.example.com', { maxVersion })
      const session = new Promise<Buffer>((resolve) => first.socket.once('session', resolve))
      first.socket.write('x')
      await until(() => first.text === 'one:x')
      const again = to('one.example.com', { maxVersion, session: await session })
      again.socket.write('y')
      await until(() => again.text === 'one:y')
      expect(again.socket.isSessionReused()).toBe(true)
    }
  })

  it('is routed by a hello that comes one byte at a time', async () => {
    const { port, one, proxy } = await start()
    const hello = await helloBytes({ servername: 'one.example.com' })
    const client = new RawClient(port())
    client.socket.setNoDelay(true)
    for (const byte of hello) {
      client.socket.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    await until(() => client.bytes.length > 100)
    expect(client.bytes[0]).toBe(22)
    expect(one.dialled()).toBe(1)
    client.socket.destroy()
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('for a name that is not served is told so, and reaches nobody', async () => {
    const { proxy, to, port, events, dialled } = await start()
    const stranger = to('other.example.com')
    await until(() => stranger.closed)
    expect(stranger.error?.code).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
    const nameless = new RawClient(port())
    nameless.socket.write(await helloBytes({ servername: '' }))
    await nameless.over()
    expect(nameless.bytes.equals(UNRECOGNIZED_NAME)).toBe(true)
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ no_route: 2 })
    expect(proxy.stats().connections.rejected).toEqual({ no_route: 2 })
    expect(events.find(({ type }) => type === 'connection.refused')?.data).toMatchObject({
      reason: 'no_route',
      port: port(),
      route: null,
    })
    expect(dialled()).toBe(0)
    expectLaw(proxy)
  })

  it('that is none, or broken, is closed with a reason and reaches nobody', async () => {
    const { proxy, port, dialled } = await start()
    const hello = await helloBytes({ servername: 'one.example.com' })
    const broken = Buffer.from(hello)
    broken.writeUInt16BE(0xffff, hello.indexOf('one.example.com') - 2)
    for (const [bytes, answer] of [
      [Buffer.from('GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n'), Buffer.alloc(0)],
      [randomBytes(5_000).fill(0, 0, 1), Buffer.alloc(0)],
      [broken, DECODE_ERROR],
    ] as const) {
      const client = new RawClient(port())
      client.socket.write(bytes)
      await client.over()
      expect(client.bytes.equals(answer)).toBe(true)
    }
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ bad_client_hello: 3 })
    expect(dialled()).toBe(0)
    expectLaw(proxy)
  })

  it('that does not come, or only begins, is ended in time', async () => {
    const { proxy, port, dialled } = await start({ initialDataTimeoutMs: 200 })
    const hello = await helloBytes({ servername: 'one.example.com' })
    const [silent, slow] = [new RawClient(port()), new RawClient(port())]
    slow.socket.write(hello.subarray(0, 60))
    await Promise.all([silent.over(), slow.over()])
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ initial_data_timeout: 2 })
    expect(dialled()).toBe(0)
  })

  it('whose client leaves before or in its hello leaves nothing behind, 200 at once', async () => {
    const { proxy, port, dialled } = await start()
    const hello = await helloBytes({ servername: 'one.example.com' })
    const clients = Array.from({ length: 200 }, () => new RawClient(port()))
    for (const [index, { socket }] of clients.entries()) {
      if (index % 2 > 0) socket.write(hello.subarray(0, 1 + (index % 90)))
      if (index % 3 === 0) socket.end()
      else socket.once('connect', () => socket.resetAndDestroy())
    }
    await until(
      () => proxy.stats().connections.accepted > 0 && clients.every(({ closed, ended }) => closed || ended),
    )
    await until(() => proxy.stats().connections.active === 0)
    expect(dialled()).toBe(0)
    expectLaw(proxy)
  })

  it('keeps its target when routes change, and the next hello sees the new ones', async () => {
    const { proxy, to, two } = await start()
    const first = to('one.example.com')
    first.socket.write('a')
    await until(() => first.text === 'one:a')
    await proxy.setRoutes([passthrough('one', two.port, 'two.example.com')])
    first.socket.write('b')
    await until(() => first.text === 'one:ab')
    const gone = to('one.example.com')
    await until(() => gone.closed)
    expect(gone.error?.code).toBe('ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
    const next = to('two.example.com')
    await until(() => next.text === 'two:')
  })

  it('to a target that refuses is reset, counted and gone', async () => {
    const { proxy, to, one, port } = await start()
    await proxy.setRoutes([passthrough('one', 1, 'one.example.com')])
    const client = to('one.example.com')
    await until(() => client.closed)
    expect(one.dialled()).toBe(0)
    expect(proxy.stats().closedBy).toEqual({ backend_refused: 1 })
    expect(port()).toBeGreaterThan(0)
    await sleep(20)
    expectLaw(proxy)
  })

  it('by a port of bytes is carried without being read, as before', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write('no hello at all')
    await until(() => client.text === 'no hello at all')
  })
})

describe('routes with TLS', () => {
  const problemsOf = (...routes: RouteConfig[]): string[] => {
    try {
      planPorts(routes, null)
      return []
    } catch (error) {
      return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
        ({ path, message }) => `${path}: ${message}`,
      )
    }
  }
  const on443 = (
    name: string,
    domains?: string | string[],
    extra: Partial<RouteConfig> = {},
  ): RouteConfig => {
    const route = passthrough(name, 8443, domains, extra)
    return { ...route, match: { ...route.match, ports: 443 } }
  }

  it('share a port by their names', () => {
    expect(problemsOf(on443('a', 'a.test'), on443('b', ['b.test', '*.b.test']), on443('rest'))).toEqual([])
    expect(problemsOf(on443('a', 'a.test'), on443('b', 'A.test', { priority: 1 }))).toEqual([])
  })

  it('are refused all at once, each with its name and field', () => {
    const plain: RouteConfig = { ...tcpRoute(8443), name: 'plain', match: { ports: 443 } }
    const reads = on443('reads', 'c.test')
    const problems = problemsOf(on443('a', 'a.test'), on443('b', ['b.test', 'A.TEST']), plain, {
      ...reads,
      match: { ...reads.match, path: '/x' },
      action: { ...forward(reads), protocol: 'http' },
    })
    expect(problems).toEqual([
      'routes[1].match.domains: route "b" would never be asked: port 443 has route "a" for A.TEST already',
      'routes[2].action.tls: route "plain" has none, and port 443 takes TLS for route "a"; all routes of a port have it, or none',
      'routes[3].match.path: route "reads" passes TLS through, so that requests cannot be read; match domains, or end TLS here (terminate)',
      'routes[3].action.protocol: route "reads" passes TLS through, so that requests cannot be read; leave it out, or end TLS here (terminate)',
    ])
    expect(problemsOf(plain, on443('a', 'a.test'))).toEqual([
      'routes[1].action.tls: route "a" takes TLS, and port 443 is plain for route "plain"; all routes of a port take TLS, or none',
    ])
  })

  it('with a mode that there is not are refused by name', () => {
    const route = { ...on443('a'), action: { ...on443('a').action, tls: { mode: 'offload' } } }
    expect(routeSchema.safeParse(route).success).toBe(false)
  })
})
