import type { lookup } from 'node:dns'
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { failureOf } from '../../../../server/collector/adapters/http-probe.ts'
import {
  TidegateAdapter,
  type TidegateTarget,
} from '../../../../server/collector/adapters/tidegate/adapter.ts'
import { factsOf } from '../../../../server/collector/adapters/tidegate/facts.ts'
import { log } from '../../../store/fixtures.ts'
import { healthDocument } from './health-document.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const listen = async (server: Server): Promise<string> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const http = (listener: RequestListener) => listen(createHttpServer(listener))
const tcp = (onSocket: (socket: Socket) => void) => listen(createTcpServer(onSocket))
const target = (url: string, more: Partial<TidegateTarget> = {}): TidegateTarget => ({
  id: 'fra-1',
  region: 'fra',
  kind: 'tidegate',
  url,
  token: 'secret',
  embedded: false,
  ...more,
})
const makeProbe = (timeoutMs = 2_000, allow: string[] = []): TidegateAdapter => {
  const probe = new TidegateAdapter({
    timeoutMs,
    rules: createAddressRules(allow),
    store: { position: async () => null },
    log,
    maxBackoffMs: 100,
    now: Date.now,
  })
  closers.push(() => probe.close())
  return probe
}
const json =
  (value: unknown): RequestListener =>
  (_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(typeof value === 'string' ? value : JSON.stringify(value))
  }
const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

describe('a poll', () => {
  it('reads a true document over one kept-alive connection, and sends no token with it', async () => {
    let connections = 0
    const seen: (string | undefined)[] = []
    const server = createHttpServer((request, response) => {
      seen.push(request.headers.authorization)
      expect(request.url).toBe('/health')
      expect(request.headers['accept-encoding']).toBe('identity')
      json(healthDocument())(request, response)
    })
    server.on('connection', () => {
      connections += 1
    })
    const url = await listen(server)
    const probe = makeProbe()
    const first = await probe.probe(target(url))
    const second = await probe.probe(target(url))
    expect([first.outcome, second.outcome]).toEqual(['ok', 'ok'])
    expect(second.raw).toEqual(healthDocument())
    expect(second.facts).toEqual(factsOf(healthDocument()))
    expect(connections).toBe(1)
    expect(seen).toEqual([undefined, undefined])
  })

  it.each<[string, RequestListener, string, number | null]>([
    ['HTML', json('<!doctype html><h1>hi</h1>'), 'bad_body', 200],
    ['broken JSON', json('{"ok":tru'), 'bad_body', 200],
    ['JSON that is no health document', json({ ok: true }), 'bad_body', 200],
    ['JSON nested nine deep', json(nested(9)), 'bad_body', 200],
    ['JSON nested ten thousand deep', json(nested(10_000)), 'bad_body', 200],
    ['another region', json(healthDocument({ region: 'iad' })), 'wrong_region', 200],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'redirect',
      302,
    ],
    ['503', (_request, response) => response.writeHead(503).end('{}'), 'bad_status', 503],
    ['204', (_request, response) => response.writeHead(204).end(), 'bad_status', 204],
    [
      'a gzip bomb',
      (_request, response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(20_000_000))),
      'bad_body',
      200,
    ],
    [
      'ten megabytes that are announced',
      (_request, response) => response.end(Buffer.alloc(10_000_000, 32)),
      'too_large',
      200,
    ],
    [
      'a body that is cut off',
      (request, response) => {
        response.writeHead(200, { 'content-length': 500 })
        response.write('{', () => request.socket.destroy())
      },
      'refused',
      200,
    ],
  ])('answered with %s is an outcome', async (_title, listener, outcome, status) => {
    const result = await makeProbe().probe(target(await http(listener)))
    expect(result).toMatchObject({ outcome, status })
    expect(result.facts).toBeUndefined()
    expect(result.raw).toBeUndefined()
    expect(result.reason.length).toBeLessThan(400)
  })

  it('stops reading an endless body at 64 KiB', async () => {
    let sent = 0
    const ended = Promise.withResolvers<void>()
    const url = await http((request, response) => {
      response.on('error', () => response.destroy())
      request.socket.on('close', () => ended.resolve())
      const write = (): void => {
        if (request.socket.destroyed) return
        sent += 65_536
        if (response.write(Buffer.alloc(65_536, 32))) setImmediate(write)
        else response.once('drain', write)
      }
      write()
    })
    expect((await makeProbe().probe(target(url))).outcome).toBe('too_large')
    await ended.promise
    expect(sent).toBeLessThan(10_000_000)
  })

  it('times out where nothing is answered, where the body trickles, and is fine with the next poll', async () => {
    let calls = 0
    const url = await http((request, response) => {
      calls += 1
      if (calls === 1) return
      if (calls === 2) {
        response.writeHead(200)
        const drip = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(drip))
        return
      }
      json(healthDocument())(request, response)
    })
    const probe = makeProbe(200)
    expect(await probe.probe(target(url))).toMatchObject({ outcome: 'timeout', status: null })
    expect(await probe.probe(target(url))).toMatchObject({ outcome: 'timeout', status: 200 })
    expect(await probe.probe(target(url))).toMatchObject({ outcome: 'ok' })
  })

  it('calls a reset and a closed port refused', async () => {
    const reset = await tcp((socket) => socket.once('data', () => socket.resetAndDestroy()))
    expect((await makeProbe().probe(target(reset))).outcome).toBe('refused')
    expect((await makeProbe().probe(target('http://127.0.0.1:1'))).outcome).toBe('refused')
  })

  it('asks again on a new connection when the kept-alive one was closed under it', async () => {
    let requests = 0
    const url = await tcp((socket) => {
      let mine = 0
      socket.on('data', () => {
        requests += 1
        mine += 1
        const body = JSON.stringify(healthDocument())
        if (mine > 1) return socket.resetAndDestroy()
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
      })
    })
    const probe = makeProbe()
    expect((await probe.probe(target(url))).outcome).toBe('ok')
    expect((await probe.probe(target(url))).outcome).toBe('ok')
    expect(requests).toBe(3)
  })

  it('calls what is not HTTP a bad body, and plain text on a TLS port a tls outcome', async () => {
    const noise = await tcp((socket) => socket.once('data', () => socket.write('SSH-2.0-OpenSSH_9.6\r\n')))
    expect((await makeProbe().probe(target(noise))).outcome).toBe('bad_body')
    expect((await makeProbe().probe(target(noise.replace('http:', 'https:')))).outcome).toBe('tls')
  })

  it('says dns where a name does not resolve', () => {
    expect(
      failureOf(Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' })).outcome,
    ).toBe('dns')
  })

  it('keeps a document of which one optional part is malformed, and says so', async () => {
    const url = await http(json({ ...healthDocument(), push: { received: 'many' } }))
    const result = await makeProbe().probe(target(url))
    expect(result).toMatchObject({
      outcome: 'ok',
      partial: ['the push part of the health document is malformed'],
    })
    expect(result.facts?.counters.push_received).toBeUndefined()
    expect(result.facts?.gauges.tunnels).toBe(4)
  })

  it('strips control and bidi characters and cuts long text', async () => {
    const hostile = `\u202eevil\u0007\u001b[31m${'x'.repeat(1_000)}`
    const url = await http(
      json({ ...healthDocument(), ok: false, problems: [hostile], __proto__: { polluted: true } }),
    )
    const problem = (await makeProbe().probe(target(url))).facts?.problems[0] ?? ''
    expect(problem.startsWith('evil[31mxxx')).toBe(true)
    expect(problem.length).toBeLessThanOrEqual(256)
  })
})

describe('address rules', () => {
  it.each([
    ['http://169.254.169.254/', []],
    ['http://[fe80::1]/', []],
    ['http://[::ffff:169.254.1.1]/', []],
    ['http://[fd00:ec2::254]/', []],
    ['http://0.0.0.0/', []],
    ['http://192.0.2.1/', ['10.0.0.0/8']],
    ['http://user:pass@10.0.0.1/', []],
    ['ftp://10.0.0.1/', []],
    ['relay-b', []],
    ['http://169.254.169.254/', ['0.0.0.0/0']],
    ['http://[64:ff9b::169.254.169.254]/', ['::/0']],
    ['http://[64:ff9b:1::a9fe:a9fe]/', []],
    ['http://[2002:a9fe:a9fe::1]/', []],
    ['http://[2002:7f00:1::1]/', []],
    ['http://[2001:0:4136:e378:8000:63bf:5601:5601]/', []],
    ['http://[::169.254.169.254]/', []],
    ['http://[64:ff9b::100.100.100.200]/', []],
  ])('never dial %s with allow %j', async (url, allow) => {
    const result = await makeProbe(500, allow).probe(target(url))
    expect(result.outcome).toBe('blocked_address')
  })

  it('check what a name resolves to, and dial nothing when it is outside', async () => {
    let dialled = 0
    const url = await tcp(() => {
      dialled += 1
    })
    const named = url.replace('127.0.0.1', 'localhost')
    expect((await makeProbe(500, ['10.0.0.0/8']).probe(target(named))).outcome).toBe('blocked_address')
    expect(dialled).toBe(0)
  })

  it.each([
    ['relay.example.com', [], false, true],
    ['relay.example.com', ['127.0.0.0/8'], false, false],
    ['relay.example.com', [], true, false],
    ['localhost', [], false, false],
    ['node.localhost', [], false, false],
  ])(
    'send no token to this machine for the name %s, allow %j, embedded %s',
    async (name, allow, embedded, refused) => {
      const resolve = ((_name: string, _options: unknown, done: (error: null, found: unknown[]) => void) =>
        done(null, [{ address: '127.0.0.1', family: 4 }])) as unknown as typeof lookup
      const error = await new Promise<Error | null>((done) =>
        createAddressRules(allow, resolve).lookup(embedded)(name, {}, (error) => done(error)),
      )
      if (refused) expect(error?.message).toContain('this machine; name the address itself')
      else expect(error).toBeNull()
    },
  )

  it('reach a public address in the form of NAT64', () => {
    expect(createAddressRules([]).refuses('64:ff9b::192.0.2.1', false)).toBeNull()
    expect(createAddressRules([]).refuses('2002:c000:201::1', false)).toBeNull()
  })

  it('allow what the configuration names, what allow contains, and embedded nodes', () => {
    expect(createAddressRules([]).refuses('127.0.0.1', false)).toBeNull()
    expect(createAddressRules(['10.0.0.0/8', '::1']).refuses('10.9.9.9', false)).toBeNull()
    expect(createAddressRules(['10.0.0.0/8', '::1']).refuses('::1', false)).toBeNull()
    expect(createAddressRules(['10.0.0.0/8']).refuses('127.0.0.1', true)).toBeNull()
    expect(createAddressRules(['10.0.0.0/8']).refuses('127.0.0.1', false)).toContain('outside polling.allow')
  })
})
