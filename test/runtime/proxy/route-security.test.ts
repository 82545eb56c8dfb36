import { describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import type { RouteSecurity } from '../../../server/contract/route-security.ts'
import { routeSecuritySchema } from '../../../server/contract/route-security.ts'
import type { Identifier } from '../../../server/runtime/proxy/admit/identify.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { shownRoutes } from '../../../server/runtime/proxy/routes/shown-routes.ts'
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
import { authority, certificateFor, TlsClient, tlsTarget } from './tls-peers.ts'

const BASIC = { basicAuth: { realm: 'ops', users: { alice: 'wonder:land', 'b\u00f6b': 'pass' } } }
const basic = (text: string): string => `Authorization: Basic ${Buffer.from(text).toString('base64')}\r\n`
const get = (path = '/', extra = ''): string => `GET ${path} HTTP/1.1\r\nHost: example.com\r\n${extra}\r\n`

/** A small protocol that stands before a connection's own bytes: `<ip>` and LF. */
const saysWho: Identifier = {
  maxBytes: 64,
  reason: 'bad_request',
  look(bytes) {
    const end = bytes.indexOf(10)
    if (end < 0) return { verdict: 'more' }
    return { verdict: 'on', taken: end + 1, client: { ip: bytes.toString('latin1', 0, end), port: 1 } }
  },
}

const start = async (security: RouteSecurity, options = {}) => {
  let asked = 0
  const target = await httpTarget((_request, response) => {
    asked += 1
    response.end('in')
  })
  const open = await httpTarget((_request, response) => response.end('open'))
  const running = await startProxy(
    { routes: [{ ...httpRoute(target.port), security }, httpRoute(open.port, { path: '/open' }, 'open')] },
    options,
  )
  const ask = async (text: string): Promise<string> => {
    const client = new RawClient(running.port())
    client.socket.write(text)
    await until(() => client.text.includes('\r\n\r\n') || client.ended || client.closed)
    client.socket.end()
    return client.text
  }
  return { ...running, ask, asked: () => asked }
}
const statusOf = (text: string): number => Number(text.slice(9, 12))

describe('route security', () => {
  it.each([
    ['a list that has it not', { ipAllowList: ['10.0.0.0/8'] }, 403],
    ['a list that has it', { ipAllowList: ['10.0.0.0/8', '127.0.0.1'] }, 200],
    ['a block', { ipBlockList: ['127.*'] }, 403],
    ['both: the block wins', { ipAllowList: ['127.0.0.0/8'], ipBlockList: ['::ffff:127.0.0.1'] }, 403],
    ['a block of others', { ipBlockList: ['10.0.0.0/8'] }, 200],
  ] as [string, RouteSecurity, number][])('by address: %s', async (_name, security, status) => {
    const { ask, asked, proxy } = await start(security)
    expect(statusOf(await ask(get()))).toBe(status)
    expect(statusOf(await ask(get('/open')))).toBe(200)
    expect(asked()).toBe(status === 200 ? 1 : 0)
    await until(() => proxy.stats().connections.active === 0)
    const refused = status === 200 ? {} : { route_ip_blocked: 1 }
    expect(proxy.stats().connections.rejected).toEqual(refused)
    expect(proxy.stats().requests.refused ?? {}).toEqual(refused)
    expectLaw(proxy)
  })

  it('by name and password: 401 with a challenge, the connection stays, nothing reaches a target', async () => {
    const { port, proxy, asked } = await start(BASIC)
    const client = new RawClient(port())
    const tries = [
      '',
      basic('alice:wonder'),
      basic('alice:wonder:land '),
      basic('ALICE:wonder:land'),
      basic('bob:pass'),
      basic(':'),
      'Authorization: Basic\r\n',
      'Authorization: Basic !!!\r\n',
      'Authorization: Bearer wonder:land\r\n',
      basic('alice:wonder:land') + basic('alice:wonder:land'),
    ]
    for (const each of tries) client.socket.write(get('/', each))
    await until(() => client.text.split('HTTP/1.1 401').length === tries.length + 1)
    expect(client.text).toContain('WWW-Authenticate: Basic realm="ops", charset="UTF-8"\r\n')
    expect(client.text).not.toContain('wonder')
    expect(asked()).toBe(0)
    client.socket.write(
      get('/', basic('alice:wonder:land')) + get('/', basic('b\u00f6b:pass').replace('Basic', 'bASIC')),
    )
    await until(() => asked() === 2)
    expect(proxy.stats().requests.refused).toEqual({ route_unauthorized: tries.length })
    expect(proxy.stats().connections.active).toBe(1)
    client.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
  })

  it('by token, also beside passwords, and for an upgrade and an upload', async () => {
    const { ask, asked } = await start({ ...BASIC, bearer: { tokens: ['secret-token-1', 'secret-token-2'] } })
    const bearer = (token: string): string => `Authorization: Bearer ${token}\r\n`
    expect(statusOf(await ask(get('/', bearer('secret-token-2'))))).toBe(200)
    expect(statusOf(await ask(get('/', basic('alice:wonder:land'))))).toBe(200)
    const refused = await ask(get('/', bearer('secret-token-3')))
    expect(statusOf(refused)).toBe(401)
    expect(refused.match(/WWW-Authenticate: \w+/g)).toEqual([
      'WWW-Authenticate: Basic',
      'WWW-Authenticate: Bearer',
    ])
    expect(statusOf(await ask(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')))).toBe(401)
    const upload = await ask('POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000\r\n\r\nsome')
    expect(statusOf(upload)).toBe(401)
    expect(upload).toContain('Connection: close')
    const chunked = await ask(
      'POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    )
    expect(statusOf(chunked)).toBe(401)
    expect(asked()).toBe(2)
  })

  it('counts connections of the route and of an address, and lets in again who has left', async () => {
    const { port, proxy } = await start(
      { maxConnections: 3, maxConnectionsPerIp: 2 },
      { identifierFor: () => saysWho },
    )
    const hold = async (ip: string, path = '/'): Promise<RawClient> => {
      const client = new RawClient(port())
      client.socket.write(`${ip}\n${get(path)}`)
      await until(() => client.text.includes('\r\n\r\n'))
      return client
    }
    const held = [await hold('192.0.2.1'), await hold('192.0.2.1')]
    const third = await hold('192.0.2.1')
    expect(statusOf(third.text)).toBe(429)
    expect(third.text).toContain('Retry-After: 60')
    const other = await hold('192.0.2.2')
    expect(statusOf(other.text)).toBe(200)
    expect(statusOf((await hold('192.0.2.3')).text)).toBe(503)
    // Another route's connection is none of this one's.
    held[0]!.socket.write(get('/open'))
    await until(() => held[0]!.text.includes('open'))
    expect(statusOf((await hold('192.0.2.1')).text)).toBe(200)
    held[1]!.socket.destroy()
    await until(() => proxy.connections({ limit: 99, ip: '192.0.2.1' }).total <= 3)
    await until(() => proxy.stats().closedBy.client_reset === 1 || proxy.stats().closedBy.finished === 1)
    expect(statusOf((await hold('192.0.2.1')).text)).toBe(200)
    expect(proxy.stats().requests.refused).toEqual({
      route_limit_per_ip: 1,
      route_limit_connections: 1,
    })
    expectLaw(proxy)
  })

  it('counts new connections and requests a minute, each address by itself', async () => {
    const { port, proxy } = await start(
      { connectionRatePerMinute: 2, requestRatePerMinute: 3 },
      { identifierFor: () => saysWho },
    )
    const open = async (ip: string, requests: number): Promise<number[]> => {
      const client = new RawClient(port())
      client.socket.write(`${ip}\n${get().repeat(requests)}`)
      await until(() => client.text.split('HTTP/1.1 ').length > requests || client.ended)
      client.socket.end()
      return [...client.text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => Number(status))
    }
    expect(await open('192.0.2.1', 2)).toEqual([200, 200])
    expect(await open('192.0.2.1', 3)).toEqual([200, 429, 429])
    expect(await open('192.0.2.1', 1)).toEqual([429])
    expect(await open('192.0.2.2', 1)).toEqual([200])
    expect(proxy.stats().requests.refused).toEqual({ route_request_rate: 2, route_limit_rate: 1 })
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('is enforced for bytes, for TLS that passes and for TLS that ends, before anybody is dialled', async () => {
    const bytes = await tcpTarget((socket) => socket.end('in'))
    const through = await tlsTarget(await certificateFor('p.test'))
    const blocked: RouteSecurity = { ipBlockList: ['127.0.0.1'] }
    const tls = async (
      name: string,
      targetPort: number,
      mode: 'passthrough' | 'terminate',
      more = {},
    ): Promise<RouteConfig> => ({
      name,
      match: { ports: 0, domains: `${name}.test` },
      action: {
        type: 'forward',
        tls: { mode, ...(mode === 'terminate' ? { certificate: await certificateFor(`${name}.test`) } : {}) },
        targets: [{ host: '127.0.0.1', port: targetPort }],
        ...more,
      },
      security: blocked,
    })
    const { port, proxy, events } = await startProxy({
      routes: [
        { ...tcpRoute(bytes.port), security: blocked },
        await tls('p', through.port, 'passthrough'),
        await tls('t', bytes.port, 'terminate', { protocol: 'tcp' }),
        await tls('h', bytes.port, 'terminate'),
      ],
    })
    const plain = new RawClient(port('tcp'))
    await plain.over()
    const ca = (await authority()).cert
    for (const name of ['p', 't']) {
      const client = new TlsClient(port('p'), { servername: `${name}.test`, ca })
      await until(() => client.closed)
      expect(client.error?.code).toBe('ERR_SSL_TLSV1_ALERT_ACCESS_DENIED')
    }
    const web = new TlsClient(port('p'), { servername: 'h.test', ca })
    web.socket.write('GET / HTTP/1.1\r\nHost: h.test\r\n\r\n')
    await until(() => web.ended)
    expect(statusOf(web.text)).toBe(403)
    web.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ route_ip_blocked: 4 })
    expect(events.filter(({ type }) => type === 'connection.refused').map(({ data }) => data.route)).toEqual([
      'tcp',
      'p',
      't',
      'h',
    ])
    expect(bytes.sockets).toHaveLength(0)
    expect(through.dialled()).toBe(0)
    expectLaw(proxy)
  })

  it('keeps its counts over a change of other routes, and begins anew where its own rules change', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const limited = (maxConnections: number): RouteConfig => ({
      ...tcpRoute(target.port),
      security: { maxConnections },
    })
    const { port, proxy } = await startProxy({ routes: [limited(1)] })
    const reach = async (): Promise<string> => {
      const client = new RawClient(port())
      client.socket.write('x')
      await until(() => client.text === 'x' || client.ended || client.closed)
      return client.text
    }
    expect(await reach()).toBe('x')
    expect(await reach()).toBe('')
    await proxy.setRoutes([limited(1), tcpRoute(target.port, { name: 'other' })])
    expect(await reach()).toBe('')
    await proxy.setRoutes([limited(2)])
    expect(await reach()).toBe('x')
    expect(proxy.stats().closedBy).toEqual({ route_limit_connections: 2 })
    for (const { id } of proxy.connections({ limit: 9 }).items) proxy.closeConnection(id)
    expect([await reach(), await reach(), await reach()]).toEqual(['x', 'x', ''])
    expectLaw(proxy)
  })
})

describe('the configuration of route security', () => {
  it('is refused by route and field where it could not be enforced', () => {
    const passes: RouteConfig = {
      name: 'passes',
      match: { ports: 443, domains: 'a.test' },
      action: { type: 'forward', tls: { mode: 'passthrough' }, targets: [{ host: 'x', port: 1 }] },
      security: { ...BASIC, bearer: { tokens: ['12345678'] }, requestRatePerMinute: 1, ipAllowList: ['x/y'] },
    }
    const bytes: RouteConfig = { ...tcpRoute(1), match: { ports: 1 }, security: { basicAuth: { users: {} } } }
    const problems = ((): string[] => {
      try {
        planPorts([passes, bytes], null)
        return []
      } catch (error) {
        return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
          ({ path, message }) => `${path}: ${message}`,
        )
      }
    })()
    const why =
      'passes TLS through, so that requests cannot be asked for it; end TLS here (terminate), or leave it out'
    expect(problems).toEqual([
      'routes[0].security.ipAllowList: route "passes" has x/y, which is no address, range or pattern, such as 10.0.0.7, 10.0.0.0/8 or 10.0.*.7',
      `routes[0].security.basicAuth: route "passes" ${why}`,
      `routes[0].security.bearer: route "passes" ${why}`,
      `routes[0].security.requestRatePerMinute: route "passes" ${why}`,
      'routes[1].security.basicAuth.users: route "tcp" names nobody who may come in',
      'routes[1].security.basicAuth: route "tcp" carries bytes, so that requests are not read; leave it out',
    ])
  })

  it('has names without colons and realms that fit a header', () => {
    expect(routeSecuritySchema.safeParse({ basicAuth: { users: { 'a:b': 'x' } } }).success).toBe(false)
    expect(routeSecuritySchema.safeParse({ basicAuth: { realm: 'a"b', users: { a: 'x' } } }).success).toBe(
      false,
    )
    expect(routeSecuritySchema.safeParse({ basicAuth: { realm: 'a\r\nb', users: { a: 'x' } } }).success).toBe(
      false,
    )
  })

  it('is shown without its secrets', () => {
    const shown = JSON.stringify(
      shownRoutes([
        {
          ...httpRoute(1),
          security: { ...BASIC, bearer: { tokens: ['secret-token'] } },
          action: {
            type: 'redirect',
            to: 'https://{host}/',
            tls: { mode: 'terminate', certificate: { cert: './a.pem', key: '-----BEGIN PRIVATE KEY-----' } },
          },
        },
      ]),
    )
    expect(shown).toContain('alice')
    expect(shown).not.toMatch(/wonder|secret|PRIVATE/)
  })
})
