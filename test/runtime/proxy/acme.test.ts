import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { AcmeConfig } from '../../../server/contract/acme-config.ts'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { AcmeServer, Refusal } from '../../support/acme-server.ts'
import { expectLaw, httpTarget, RawClient, startProxy, until } from './harness.ts'
import { TlsClient } from './tls-peers.ts'

const folder = async (): Promise<string> => {
  const made = await mkdtemp(join(tmpdir(), 'acme-store-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return join(made, 'store')
}

const site = (domains: string[], target: number, name = 'site'): RouteConfig => ({
  name,
  match: { ports: 0, domains },
  action: {
    type: 'forward',
    tls: { mode: 'terminate', certificate: 'auto' },
    targets: [{ host: '127.0.0.1', port: target }],
  },
})

const toHttps: RouteConfig = {
  name: 'to-https',
  match: { ports: 0 },
  action: { type: 'redirect', to: 'https://{host}{path}{query}' },
}

const hello = () => httpTarget((_request, response) => response.end('hello'))

interface Setup {
  routes: RouteConfig[]
  store?: string
  acme?: Partial<AcmeConfig>
  timings?: { retryBaseMs?: number; restMs?: number; orderLimitMs?: number }
}

/** A node beside an authority whose names all lead to it. */
const start = async (server: AcmeServer, { routes, store, acme, timings }: Setup) => {
  const path = store ?? (await folder())
  const running = await startProxy(
    {
      routes,
      acme: {
        directoryUrl: acme?.directoryUrl ?? server.directoryUrl,
        ca: server.ca,
        store: path,
        challengePort: 0,
        renewDays: 30,
        email: 'ops@example.com',
        ...acme,
      },
    },
    { certificates: { pollMs: 10, ...timings } },
  )
  const { proxy, events } = running
  const plain = proxy
    .listeners()
    .find(({ routes = [] }) => routes.length === 0 || routes.includes('to-https'))!.port
  server.challengePort = plain
  const secure = running.port('site')
  const to = (servername: string, port = secure): TlsClient =>
    new TlsClient(port, { servername, ca: server.ca })
  const issued = (name: string, times = 1): Promise<void> =>
    until(
      () => events.filter((it) => it.type === 'certificate.issued' && named(it.data, name)).length >= times,
    )
  const failed = (name: string, times = 1): Promise<void> =>
    until(
      () => events.filter((it) => it.type === 'certificate.failed' && named(it.data, name)).length >= times,
    )
  return { ...running, path, plain, secure, to, issued, failed }
}

const named = (data: Record<string, unknown>, name: string): boolean =>
  (data.domains as string[]).includes(name)
const serial = (client: TlsClient): string => client.socket.getPeerCertificate().serialNumber
const get = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`

describe('certificates that are had by ACME', () => {
  it('are ordered once ports listen, proved on the port that redirects, and kept where nobody else reads', async () => {
    const server = await AcmeServer.start()
    const opened = Promise.withResolvers<void>()
    server.gate = () => opened.promise
    const target = await hello()
    const { proxy, path, plain, to, issued } = await start(server, {
      routes: [site(['shop.example.com'], target.port), toHttps],
    })
    await until(() => server.fetched.length > 0, 'a challenge')
    expect(server.fetched).toEqual(['shop.example.com 200'])
    const early = to('shop.example.com')
    await until(() => early.error !== null)
    expect(early.error?.code).toBe('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')
    expect([...(proxy.problems?.() ?? []).values()]).toEqual([
      'There is no valid certificate for shop.example.com',
    ])
    expect(proxy.stats().certificates).toEqual([
      { domains: ['shop.example.com'], notAfter: null, state: 'missing' },
    ])
    opened.resolve()
    await issued('shop.example.com')
    const client = to('shop.example.com')
    client.socket.write(get('shop.example.com'))
    await until(() => client.text.includes('hello'))
    expect(client.socket.authorized).toBe(true)
    expect(proxy.problems?.().size).toBe(0)
    expect(proxy.stats().certificates?.[0]?.state).toBe('valid')
    expect(server.contacts).toEqual([['mailto:ops@example.com']])

    const redirected = new RawClient(plain)
    redirected.socket.write(
      'GET /.well-known/acme-challenge/other HTTP/1.1\r\nHost: shop.example.com\r\n\r\n',
    )
    await until(() => redirected.text.includes('\r\n\r\n'))
    expect(redirected.text).toContain('308')

    for (const at of [path, join(path, 'accounts'), join(path, 'certificates')])
      expect((await stat(at)).mode & 0o777).toBe(0o700)
    const files = await readdir(join(path, 'certificates'))
    expect(files).toEqual(['shop.example.com.json'])
    expect((await stat(join(path, 'certificates', files[0]!))).mode & 0o777).toBe(0o600)
    const [account] = await readdir(join(path, 'accounts'))
    expect((await stat(join(path, 'accounts', account!))).mode & 0o777).toBe(0o600)
    expectLaw(proxy)
  })

  it('are proved at a port of their own where no route reads plain requests, and shown again after a restart without an order', async () => {
    const server = await AcmeServer.start()
    server.badNonces = 2
    const target = await hello()
    const routes = [site(['a.example.com', 'b.example.com'], target.port)]
    const first = await start(server, { routes })
    await first.issued('a.example.com')
    await first.issued('b.example.com')
    const nothing = new RawClient(first.plain)
    nothing.socket.write('GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n')
    await until(() => nothing.text.includes('\r\n\r\n'))
    expect(nothing.text).toContain('404')
    const shown = first.to('b.example.com')
    await until(() => shown.secure)
    expect(shown.socket.getPeerCertificate().subjectaltname).toBe('DNS:b.example.com')
    // Its certificate is for one name: a request for another is told to come by itself.
    shown.socket.write(get('a.example.com'))
    await until(() => shown.text.includes('421'))
    const was = serial(shown)
    await first.proxy.destroy()

    const second = await start(server, { routes, store: first.path })
    const again = second.to('b.example.com')
    await until(() => again.secure)
    expect(serial(again)).toBe(was)
    expect([...server.ordered].sort()).toEqual(['a.example.com', 'b.example.com'])
    expect(server.accounts).toBe(1)
  })

  it('are renewed ahead of their end, and connections that stand are not cut', async () => {
    const server = await AcmeServer.start()
    server.validDays = { from: -60, to: 20 }
    const target = await hello()
    const routes = [site(['shop.example.com'], target.port), toHttps]
    const first = await start(server, { routes })
    await first.issued('shop.example.com')
    // Due already, and yet not asked for again at once.
    expect(server.ordered).toEqual(['shop.example.com'])
    await first.proxy.destroy()

    server.validDays = { from: -1, to: 89 }
    const [asked, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    server.gate = () => {
      asked.resolve()
      return opened.promise
    }
    const second = await start(server, { routes, store: first.path })
    await asked.promise
    const standing = second.to('shop.example.com')
    standing.socket.write(get('shop.example.com'))
    await until(() => standing.text.includes('hello'))
    opened.resolve()
    await second.issued('shop.example.com')
    const fresh = second.to('shop.example.com')
    await until(() => fresh.secure)
    expect(serial(fresh)).not.toBe(serial(standing))
    standing.socket.write(get('shop.example.com'))
    await until(() => standing.text.split('hello').length === 3)
    expect(standing.closed).toBe(false)
  })

  it('are left alone for as long as the authority says, and no other name waits for that', async () => {
    const server = await AcmeServer.start()
    let refusals = 1
    server.onOrder = (name) => {
      if (name !== 'busy.example.com' || refusals === 0) return null
      refusals -= 1
      return new Refusal(429, 'rateLimited', 'too many\u001b[31m orders', '1')
    }
    const target = await hello()
    const { proxy, events, failed, issued } = await start(server, {
      routes: [site(['busy.example.com', 'free.example.com'], target.port), toHttps],
    })
    await failed('busy.example.com')
    await issued('free.example.com')
    const refused = events.find(({ type }) => type === 'certificate.failed')
    expect(refused?.data.reason).toBe('rateLimited: too many [31m orders')
    const busy = proxy.stats().certificates?.find(({ domains }) => domains[0] === 'busy.example.com')
    if (busy?.state === 'missing') expect(busy.lastFailure?.reason).toContain('rateLimited')
    await issued('busy.example.com')
    expect(server.ordered.filter((name) => name === 'busy.example.com')).toHaveLength(2)
    expect(proxy.stats().certificates?.every(({ lastFailure }) => lastFailure === undefined)).toBe(true)
  })

  it('say that the account was revoked, and that it was forgotten heals by itself', async () => {
    const server = await AcmeServer.start()
    const target = await hello()
    const first = await start(server, { routes: [site(['one.example.com'], target.port), toHttps] })
    await first.issued('one.example.com')
    server.forgetAccounts()
    await first.proxy.setRoutes([site(['one.example.com', 'two.example.com'], target.port), toHttps])
    await first.issued('two.example.com')
    server.revokeAccounts()
    await first.proxy.setRoutes([site(['one.example.com', 'three.example.com'], target.port), toHttps])
    await first.failed('three.example.com')
    expect([...(first.proxy.problems?.() ?? []).values()][0]).toMatch(
      /^There is no valid certificate for three\.example\.com; the account was revoked or deactivated/,
    )
    const stands = first.to('one.example.com')
    await until(() => stands.secure)
    expect(server.accounts).toBe(1)
  })

  it('say what is wrong with the directory, and try again', async () => {
    const server = await AcmeServer.start()
    const target = await hello()
    const routes = [site(['shop.example.com'], target.port), toHttps]
    const reasonOf = async (acme: Partial<AcmeConfig>): Promise<unknown> => {
      const { events, failed, proxy } = await start(server, { routes, acme, timings: { retryBaseMs: 50 } })
      await failed('shop.example.com', 2)
      const { reason } = events.find(({ type }) => type === 'certificate.failed')!.data
      await proxy.destroy()
      return reason
    }
    expect(await reasonOf({ directoryUrl: `${server.url}/wrong` })).toContain('malformed')
    expect(await reasonOf({ ca: undefined })).toMatch(/cannot be asked: .*(SELF_SIGNED|UNABLE)/)
    const { directoryUrl } = server
    server.stop()
    expect(await reasonOf({ directoryUrl })).toMatch(/cannot be asked: ECONNREFUSED/)
  })

  it('are ordered anew where the store is damaged, which is set aside and said', async () => {
    const server = await AcmeServer.start()
    const target = await hello()
    const routes = [site(['shop.example.com'], target.port), toHttps]
    const first = await start(server, { routes })
    await first.issued('shop.example.com')
    await first.proxy.destroy()
    const file = join(first.path, 'certificates', 'shop.example.com.json')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.slice(0, 300))
    const opened = Promise.withResolvers<void>()
    server.gate = () => opened.promise
    const second = await start(server, { routes, store: first.path })
    expect(second.proxy.problems?.().get('proxy.certificate_store')).toContain(`set aside as ${file}.bad`)
    expect(await readFile(`${file}.bad`, 'utf8')).toBe(text.slice(0, 300))
    opened.resolve()
    await second.issued('shop.example.com')
    await until(() => second.proxy.problems?.().size === 0)
    const client = second.to('shop.example.com')
    await until(() => client.secure)
  })

  it('are ordered anew where the stored one is for another name, and refused where the store is none', async () => {
    const server = await AcmeServer.start()
    const target = await hello()
    const first = await start(server, { routes: [site(['a.example.com'], target.port), toHttps] })
    await first.issued('a.example.com')
    const kept = join(first.path, 'certificates')
    await copyFile(join(kept, 'a.example.com.json'), join(kept, 'b.example.com.json'))
    await first.proxy.setRoutes([site(['b.example.com'], target.port), toHttps])
    await first.issued('b.example.com')
    const client = first.to('b.example.com')
    await until(() => client.secure)
    expect(client.socket.getPeerCertificate().subjectaltname).toBe('DNS:b.example.com')
    const store = join(kept, 'b.example.com.json')
    await expect(start(server, { routes: [site(['a.example.com'], 1)], store })).rejects.toMatchObject({
      code: 'ERR_DATA_FOLDER',
    })
  })

  it('give up an order that hangs, while others are had', async () => {
    const server = await AcmeServer.start()
    server.gate = (name) => (name === 'slow.example.com' ? new Promise(() => undefined) : Promise.resolve())
    const target = await hello()
    const { events, issued, failed } = await start(server, {
      routes: [site(['slow.example.com', 'free.example.com'], target.port), toHttps],
      timings: { orderLimitMs: 5_000 },
    })
    await issued('free.example.com')
    await failed('slow.example.com')
    expect(events.find(({ type }) => type === 'certificate.failed')?.data.reason).toBe(
      'the order was not done within its time',
    )
  })

  it('are each asked for once where hundreds are refused, and the list in /health stays short', async () => {
    const server = await AcmeServer.start()
    server.onOrder = () => new Refusal(429, 'rateLimited', 'later', '3600')
    const target = await hello()
    const names = Array.from({ length: 300 }, (_, index) => `w${index}.example.com`)
    const { proxy, events } = await start(server, {
      routes: [site(names.slice(0, 200), target.port), site(names.slice(200), target.port, 'more'), toHttps],
    })
    await until(() => events.filter(({ type }) => type === 'certificate.failed').length === 300)
    expect([...server.ordered].sort()).toEqual([...names].sort())
    expect(server.accounts).toBe(1)
    expect(proxy.stats().certificates).toHaveLength(64)
    expect(proxy.problems?.().get('proxy.certificate')).toBe(
      'There is no valid certificate for w0.example.com, w1.example.com, w2.example.com and 297 more; rateLimited: later',
    )
  })

  it('are no longer ordered, and no failure, where their route is gone or nothing listens', async () => {
    const server = await AcmeServer.start()
    server.gate = () => new Promise(() => undefined)
    const target = await hello()
    const { proxy, events } = await start(server, {
      routes: [site(['a.example.com', 'b.example.com'], target.port), toHttps],
    })
    await until(() => server.fetched.length === 2)
    await proxy.setRoutes([site(['b.example.com'], target.port), toHttps])
    expect(proxy.stats().certificates?.map(({ domains }) => domains)).toEqual([['b.example.com']])
    await proxy.stopAccepting()
    server.gate = () => Promise.resolve()
    await proxy.resume()
    await until(() => events.some(({ type }) => type === 'certificate.issued'))
    expect(server.ordered).toEqual(['a.example.com', 'b.example.com', 'b.example.com'])
    expect(events.filter(({ type }) => type === 'certificate.failed')).toEqual([])
  })

  it('are for names that are whole, which the configuration says otherwise', () => {
    const problemsOf = (routes: RouteConfig[], challengePort: number | null = 80): unknown[] => {
      try {
        planPorts(routes, null, challengePort)
        return []
      } catch (error) {
        return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
          ({ path, message }) => `${path}: ${message}`,
        )
      }
    }
    const { match: _, ...nameless } = site([], 1, 'nameless')
    expect(
      problemsOf([
        site(['*.example.com'], 1, 'wild'),
        { ...nameless, match: { ports: 444 } },
        site(['192.0.2.7'], 1, 'address'),
      ]),
    ).toEqual([
      'routes[0].match.domains: route "wild" has *.example.com, for which no certificate can be had by itself (certificate: auto); write whole names, or name { cert, key }',
      'routes[1].match.domains: route "nameless" has certificate: auto and names nobody; write the names that it is for',
      'routes[2].match.domains: route "address" has 192.0.2.7, for which no certificate can be had by itself (certificate: auto); write whole names, or name { cert, key }',
    ])
    expect(problemsOf([site(['a.example.com'], 1, 'site')], null)).toEqual([
      'routes[0].action.tls.certificate: route "site" has certificate: auto, and proxy.acme does not say how; write acme: { email: … }',
    ])
    const database: RouteConfig = {
      name: 'db',
      match: { ports: 80 },
      action: { type: 'forward', targets: [{ host: '127.0.0.1', port: 5432 }] },
    }
    expect(problemsOf([site(['a.example.com'], 1, 'site'), database])).toEqual([
      'acme.challengePort: is 80, where route "db" reads no plain requests; names could not be proved there',
    ])
  })
})
