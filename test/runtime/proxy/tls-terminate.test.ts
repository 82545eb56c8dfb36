import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ActionOf } from '../../../server/contract/route-action.ts'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { makeAuthority } from '../../collector/adapters/certificates.ts'
import { expectLaw, httpTarget, RawClient, startProxy, tcpTarget, until } from './harness.ts'
import { authority, certificateFor, helloBytes, TlsClient, tlsTarget } from './tls-peers.ts'

type Action = ActionOf<'forward'>
type Tls = NonNullable<Action['tls']>

const ending = async (domains: string[], extra: Partial<Tls> = {}): Promise<Tls> => ({
  mode: 'terminate',
  certificate: await certificateFor(...domains),
  ...extra,
})

const route = (
  name: string,
  targetPort: number,
  tls: Tls,
  match: Partial<RouteConfig['match']> = {},
  action: Partial<Action> = {},
): RouteConfig => ({
  name,
  match: { ports: 0, ...match },
  action: { type: 'forward', tls, targets: [{ host: '127.0.0.1', port: targetPort }], ...action },
})

const get = (path: string, host: string, extra = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${extra}\r\n`

const tell = (name: string) =>
  httpTarget((request, response) => {
    response.setHeader('X-By', name)
    response.end(`${name} ${request.url} ${String(request.headers['x-forwarded-proto'])}`)
  })

const start = async (routes: RouteConfig[], more: Partial<Parameters<typeof startProxy>[0]> = {}) => {
  const ca = (await authority()).cert
  const running = await startProxy({ routes, ...more })
  const to = (servername: string, options: ConnectionOptions = {}): TlsClient =>
    new TlsClient(running.port(), { servername, ca, ...options })
  return { ...running, to }
}

describe('TLS that ends here', () => {
  it('shows each name its certificate, and serves requests of several routes on one connection', async () => {
    const [one, api, two] = [await tell('one'), await tell('api'), await tell('two')]
    const tls = await ending(['one.example.com'])
    const { proxy, to } = await start([
      route('one', one.port, tls, { domains: 'one.example.com' }),
      route('api', api.port, tls, { domains: 'one.example.com', path: '/api/*' }),
      route('two', two.port, await ending(['two.example.com']), { domains: 'two.example.com' }),
    ])
    const client = to('one.example.com', { ALPNProtocols: ['h2', 'http/1.1'] })
    client.socket.write(get('/', 'one.example.com') + get('/api/x', 'ONE.example.com:443'))
    await until(() => client.text.includes('api /api/x https'))
    expect(client.text).toContain('one / https')
    expect(client.socket.alpnProtocol).toBe('http/1.1')
    expect(client.socket.getPeerCertificate().subjectaltname).toBe('DNS:one.example.com')
    const other = to('two.example.com')
    other.socket.write(get('/', 'two.example.com'))
    await until(() => other.text.includes('two / https'))
    expect(other.socket.getPeerCertificate().subjectaltname).toBe('DNS:two.example.com')
    expect(proxy.connections({ limit: 9 }).items.map(({ route, protocol }) => [route, protocol])).toEqual([
      ['api', 'http'],
      ['two', 'http'],
    ])
    expect(proxy.stats().certificates?.map(({ domains, state }) => [domains, state])).toEqual([
      [['one.example.com'], 'valid'],
      [['two.example.com'], 'valid'],
    ])
    client.socket.end()
    other.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 2 })
    expectLaw(proxy)
  })

  it('stands beside TLS that is passed through and TLS that is carried, on one port', async () => {
    const web = await tell('web')
    const through = await tlsTarget(await certificateFor('through.example.com'), (socket) =>
      socket.end('through'),
    )
    const bytes = await tcpTarget((socket) => socket.pipe(socket))
    const { to, proxy } = await start([
      route('web', web.port, await ending(['web.example.com']), { domains: 'web.example.com' }),
      route('through', through.port, { mode: 'passthrough' }, { domains: 'through.example.com' }),
      route(
        'bytes',
        bytes.port,
        await ending(['bytes.example.com']),
        { domains: 'bytes.example.com' },
        { protocol: 'tcp' },
      ),
    ])
    const clients = [to('web.example.com'), to('through.example.com'), to('bytes.example.com')]
    clients[0]!.socket.write(get('/', 'web.example.com'))
    clients[2]!.socket.write('bytes')
    await until(() => clients[0]!.text.includes('web / https'))
    await until(() => clients[1]!.text === 'through' && clients[2]!.text === 'bytes')
    expect(
      proxy
        .connections({ limit: 9 })
        .items.map(({ route: name, protocol }) => [name, protocol])
        .sort(),
    ).toEqual(
      expect.arrayContaining([
        ['bytes', 'tcp'],
        ['web', 'http'],
      ]),
    )
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'carries bytes both ways, ends each direction by itself, and resumes (%s)',
    async (maxVersion) => {
      const target = await tcpTarget((socket) => {
        const hash = createHash('sha256')
        socket.on('data', (chunk: Buffer) => hash.update(chunk))
        socket.on('end', () => socket.end(hash.digest('hex')))
      })
      const { proxy, to } = await start([
        route(
          'db',
          target.port,
          await ending(['db.example.com']),
          { domains: 'db.example.com' },
          { protocol: 'tcp' },
        ),
      ])
      const payload = randomBytes(3_000_000)
      const client = to('db.example.com', { maxVersion })
      const session = new Promise<Buffer>((resolve) => client.socket.once('session', resolve))
      client.socket.end(payload)
      await until(() => client.ended)
      expect(client.text).toBe(createHash('sha256').update(payload).digest('hex'))
      const again = to('db.example.com', { maxVersion, session: await session })
      await until(() => again.secure)
      expect(again.socket.isSessionReused()).toBe(true)
      again.socket.end('x')
      await until(() => again.ended)
      await until(() => proxy.stats().connections.active === 0)
      expect(proxy.stats().closedBy).toEqual({ finished: 2 })
      expect(proxy.stats().bytes).toEqual({ upstream: 3_000_001, downstream: 128 })
      expectLaw(proxy)
    },
  )

  it('pauses a fast target for a slow reader, and loses nothing', async () => {
    const payload = randomBytes(8_000_000)
    const target = await tcpTarget((socket) => socket.end(payload))
    const { to, proxy } = await start([
      route('db', target.port, await ending(['db.example.com']), {}, { protocol: 'tcp' }),
    ])
    const client = to('db.example.com')
    client.socket.pause()
    await until(() => (proxy.stats().bufferedBytes ?? 0) >= 0 && proxy.stats().connections.active === 1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(proxy.connections({ limit: 1 }).items[0]!.bytesDownstream).toBeLessThan(payload.length)
    client.socket.resume()
    await until(() => client.ended)
    expect(client.bytes.equals(payload)).toBe(true)
  })

  it('is cut by a reset where an answer is cut, so that it does not look whole', async () => {
    const target = await tcpTarget((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nhalf')
        setTimeout(() => socket.resetAndDestroy(), 50)
      })
    })
    const { to, proxy } = await start([
      route('web', target.port, await ending(['a.test']), { domains: 'a.test' }),
    ])
    const client = to('a.test')
    client.socket.write(get('/', 'a.test'))
    await until(() => client.closed)
    expect(client.text).toContain('half')
    expect(client.error?.code).toBe('ECONNRESET')
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ target_reset: 1 })
    expectLaw(proxy)
  })

  it('becomes a WebSocket, or a stream of events, like any other connection', async () => {
    const target = await tcpTarget((socket) => {
      socket.once('data', (head) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst',
        )
        expect(String(head)).toContain('X-Forwarded-Proto: https')
        socket.pipe(socket)
      })
    })
    const { to } = await start([route('ws', target.port, await ending(['a.test']), { domains: 'a.test' })])
    const client = to('a.test')
    client.socket.write(get('/', 'a.test', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
    await until(() => client.text.endsWith('first'))
    client.socket.write('-frames')
    await until(() => client.text.endsWith('first-frames'))
  })

  it('refuses versions that are too old, and says so to who asks', async () => {
    const target = await tell('web')
    const { to, proxy } = await start([
      route('web', target.port, await ending(['a.test'], { minVersion: '1.3' }), { domains: 'a.test' }),
      route('old', target.port, await ending(['b.test']), { domains: 'b.test' }),
    ])
    const old = to('a.test', { maxVersion: 'TLSv1.2' })
    await until(() => old.closed)
    expect(old.error?.code).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    const fine = to('b.test', { maxVersion: 'TLSv1.2' })
    await until(() => fine.secure)
    await until(() => proxy.stats().closedBy.tls_failed === 1)
    expectLaw(proxy)
  })

  it('answers 421 to a request for a name for which the connection was not made', async () => {
    const target = await tell('web')
    const shared = await ending(['a.test', 'b.test'])
    const { to } = await start([
      route('a', target.port, shared, { domains: 'a.test' }),
      route('b', target.port, shared, { domains: 'b.test' }),
      route('c', target.port, await ending(['c.test']), { domains: 'c.test' }),
    ])
    const client = to('a.test')
    client.socket.write(get('/1', 'b.test') + get('/2', 'c.test') + get('/3', 'd.test') + get('/4', 'a.test'))
    await until(() => client.text.includes('web /4 https'))
    expect(client.text.match(/HTTP\/1.1 \d+/g)).toEqual(
      ['200', '421', '404', '200'].map((it) => `HTTP/1.1 ${it}`),
    )
  })

  it('shows a new certificate after a change of routes, and cuts nobody for it', async () => {
    const target = await tell('web')
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-tls-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const [cert, key] = [join(folder, 'a.pem'), join(folder, 'a.key')]
    const write = async (): Promise<void> => {
      const made = await certificateFor('a.test')
      await Promise.all([writeFile(cert, made.cert), writeFile(key, made.key)])
    }
    await write()
    const routes = [
      route('web', target.port, { mode: 'terminate', certificate: { cert, key } }, { domains: 'a.test' }),
    ]
    const { to, proxy } = await start(routes)
    const before = to('a.test')
    before.socket.write(get('/1', 'a.test'))
    await until(() => before.text.includes('web /1'))
    const session = before.socket.getSession()
    await write()
    await proxy.setRoutes(routes)
    before.socket.write(get('/2', 'a.test'))
    await until(() => before.text.includes('web /2'))
    const after = to('a.test')
    await until(() => after.secure)
    const [old, now] = [before, after].map(({ socket }) => socket.getPeerCertificate().fingerprint256)
    expect(now).not.toBe(old)
    const resumed = to('a.test', session ? { session } : {})
    await until(() => resumed.secure)
    expect(resumed.socket.isSessionReused()).toBe(false)
    await writeFile(key, 'no key')
    await expect(proxy.setRoutes(routes)).rejects.toMatchObject({ code: 'ERR_INVALID' })
    before.socket.write(get('/3', 'a.test'))
    await until(() => before.text.includes('web /3'))
    expect(proxy.stats().certificates).toHaveLength(1)
  })

  it('that is not completed is ended in time, and leaves nothing', async () => {
    const target = await tell('web')
    const { proxy, port } = await start(
      [route('web', target.port, await ending(['a.test']), { domains: 'a.test' })],
      {
        initialDataTimeoutMs: 300,
      },
    )
    const hello = await helloBytes({ servername: 'a.test' })
    const silent = new RawClient(port())
    silent.socket.write(hello)
    const broken = new RawClient(port())
    broken.socket.write(hello)
    await until(() => broken.bytes.length > 0)
    broken.socket.write(randomBytes(500))
    await Promise.all([silent.over(), broken.over()])
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ tls_failed: 2 })
    const many = Array.from({ length: 200 }, () => new RawClient(port()))
    for (const [index, { socket }] of many.entries()) {
      socket.write(index % 3 === 0 ? hello.subarray(0, 30) : hello)
      if (index % 2 === 0) socket.once('connect', () => socket.resetAndDestroy())
      else socket.once('data', () => socket.destroy())
    }
    await until(() => many.every(({ closed, ended }) => closed || ended))
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('under a drain finishes what is in flight', async () => {
    const target = await httpTarget((_request, response) => {
      setTimeout(() => response.end('late'), 200)
    })
    const { proxy, to } = await start([
      route('web', target.port, await ending(['a.test']), { domains: 'a.test' }),
    ])
    const client = to('a.test')
    client.socket.write(get('/', 'a.test'))
    await until(() => proxy.inFlight().requests === 1)
    await proxy.stopAccepting()
    await until(() => client.ended)
    expect(client.text).toContain('Connection: close')
    expect(client.text).toContain('late')
  })
})

describe('TLS to the target', () => {
  const sites = async () => {
    const own = await makeAuthority('Target authority')
    const { issue } = await import('../../collector/adapters/certificates.ts')
    const certificate = await issue(own, { names: ['app.internal', 'other.internal'] })
    let reused = 0
    const names: string[] = []
    const target = await tlsTarget(certificate, (socket) => {
      if (socket.isSessionReused()) reused += 1
      names.push(String(socket.servername))
      socket.once('data', (head) => {
        const isHttp = String(head).startsWith('GET')
        socket.end(
          isHttp
            ? 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsafe'
            : `echo ${String(head)}`,
        )
      })
    })
    return { ca: own.cert, target, reused: () => reused, names }
  }

  it('is made with the authority and the name of the route, for HTTP and for bytes, and resumed for it alone', async () => {
    const { ca, target, reused, names } = await sites()
    const tls = await ending(['a.test', 'b.test', 'c.test'], { mode: 'terminate-and-reencrypt' })
    const targets = (trust: { ca?: string; servername?: string }): Partial<Action> => ({
      targets: [{ host: '127.0.0.1', port: target.port, tls: trust }],
    })
    const { to, proxy } = await start([
      route('good', 0, tls, { domains: 'a.test' }, targets({ ca, servername: 'app.internal' })),
      route('name', 0, tls, { domains: 'b.test' }, targets({ ca, servername: 'wrong.internal' })),
      route('trust', 0, tls, { domains: 'c.test' }, targets({ servername: 'app.internal' })),
    ])
    const ask = async (name: string): Promise<string> => {
      const client = to(name)
      client.socket.write(get('/', name, 'Connection: close\r\n'))
      await until(() => client.ended)
      return client.text
    }
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await ask('a.test')).toContain('safe')
      const wrongName = await ask('b.test')
      expect(wrongName).toContain('HTTP/1.1 502')
      expect(wrongName).toContain('target_tls_failed')
      expect(await ask('c.test')).toContain('target_tls_failed')
    }
    expect(reused()).toBe(2)
    expect(names).toEqual(['app.internal', 'app.internal', 'app.internal'])
    expect(proxy.stats().targets.map(({ route: name, healthy }) => [name, healthy])).toEqual([
      ['good', true],
      ['name', false],
      ['trust', false],
    ])
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('serves a plain port too, and a client of bytes is reset where it fails', async () => {
    const { ca, target } = await sites()
    const plain = (name: string, servername: string): RouteConfig => ({
      name,
      match: { ports: 0 },
      action: {
        type: 'forward',
        targets: [{ host: '127.0.0.1', port: target.port, tls: { ca, servername } }],
      },
    })
    const { port, proxy } = await startProxy({
      routes: [plain('good', 'other.internal'), plain('bad', 'no.internal')],
    })
    const [good, bad] = [new RawClient(port('good')), new RawClient(port('bad'))]
    good.socket.write('hello')
    bad.socket.write('hello')
    await until(() => good.text === 'echo hello')
    await until(() => bad.closed)
    expect(bad.error?.code).toBe('ECONNRESET')
    good.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1, target_tls_failed: 1 })
    expectLaw(proxy)
  })

  it('is given up in time with a target that accepts and says nothing, and with one that is none', async () => {
    const silent = await tcpTarget()
    const clear = await tcpTarget((socket) => socket.end('SSH-2.0\r\n'))
    const to = (name: string, port: number): RouteConfig => ({
      name,
      match: { ports: 0 },
      action: { type: 'forward', targets: [{ host: '127.0.0.1', port, tls: {} }] },
    })
    const { port, proxy } = await startProxy({
      routes: [to('silent', silent.port), to('clear', clear.port)],
      connectTimeoutMs: 300,
    })
    const clients = [new RawClient(port('silent')), new RawClient(port('clear'))]
    await until(() => clients.every(({ closed }) => closed))
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ connect_timeout: 1, target_tls_failed: 1 })
  })
})

describe('routes that end TLS', () => {
  const problemsOf = (error: unknown): string[] =>
    (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
      ({ path, message }) => `${path}: ${message}`,
    )

  it('are refused all at once where their keys do not fit their mode', async () => {
    const tls = await ending(['a.test'])
    const planned = (...routes: RouteConfig[]): string[] => {
      try {
        planPorts(routes, null)
        return []
      } catch (error) {
        return problemsOf(error)
      }
    }
    const base = { ports: 443, domains: 'a.test' }
    expect(planned(route('a', 1, tls, base), route('b', 1, tls, { ...base, path: '/b' }))).toEqual([])
    expect(
      planned(
        route('bare', 1, { mode: 'terminate' }, { ports: 443, domains: 'b.test' }),
        route(
          'much',
          1,
          { ...tls, mode: 'passthrough', alpn: ['h2'] },
          { ports: 443, domains: 'c.test' },
          {
            targets: [{ host: 'x', port: 1, tls: {} }],
          },
        ),
        route('h2', 1, { ...tls, alpn: ['h2'] }, base),
        route('mode', 1, { ...tls, mode: 'terminate-and-reencrypt' }, base),
        route('min', 1, { ...tls, alpn: ['h2'], minVersion: '1.3' }, base, { protocol: 'tcp' }),
      ),
    ).toEqual([
      'routes[0].action.tls.certificate: route "bare" ends TLS here and shows no certificate; name { cert, key }',
      'routes[1].action.tls.certificate: route "much" passes TLS through, so that this is its target\'s affair; leave it out',
      'routes[1].action.tls.alpn: route "much" passes TLS through, so that this is its target\'s affair; leave it out',
      'routes[1].action.targets[0].tls: route "much" passes TLS through, which would be TLS within TLS; leave it out',
      'routes[2].action.tls.alpn: route "h2" reads requests, as http/1.1 and nothing else; leave it out',
      'routes[3].action.tls.mode: route "mode" says terminate-and-reencrypt, and port 443 has route "h2" for a.test already, with terminate; one name on one port has one mode',
      'routes[4].action.tls.minVersion: route "min" has another than route "h2", and port 443 has route "h2" for a.test already; one name on one port has one',
    ])
  })

  it('are refused all at once where files cannot be used, and bind nothing', async () => {
    const good = await certificateFor('a.test')
    const other = await certificateFor('b.test')
    const cert = (name: string, certificate: { cert: string; key: string }): RouteConfig =>
      route(
        name,
        1,
        { mode: 'terminate', certificate },
        { domains: `${name}.test` },
        {
          targets: [{ host: 'x', port: 1, tls: { ca: './none.pem' } }],
        },
      )
    const failed = await startProxy({
      routes: [
        cert('a', { cert: './missing.pem', key: good.key }),
        cert('b', { cert: good.cert, key: other.key }),
        cert('c', { cert: good.key, key: good.cert }),
      ],
    }).catch(problemsOf)
    expect(failed).toEqual([
      'routes[0].action.tls.certificate.cert: route "a": names the file ./missing.pem, which cannot be read',
      'routes[0].action.targets[0].tls.ca: route "a": names the file ./none.pem, which cannot be read',
      'routes[1].action.tls.certificate.key: route "b": holds a key that is not the one of the certificate',
      'routes[1].action.targets[0].tls.ca: route "b": names the file ./none.pem, which cannot be read',
      'routes[2].action.tls.certificate.cert: route "c": holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)',
      'routes[2].action.tls.certificate.key: route "c": holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)',
      'routes[2].action.targets[0].tls.ca: route "c": names the file ./none.pem, which cannot be read',
    ])
  })
})
