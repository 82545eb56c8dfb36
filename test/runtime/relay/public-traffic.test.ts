import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { INITIAL_WINDOW_BYTES } from '../../../server/runtime/tunnel/frames.ts'
import {
  ask,
  dialRaw,
  errorCode,
  noSignal,
  speak,
  startHost,
  startRelay,
  startTarget,
  type TestRelay,
  type TestRelayOptions,
  valuesOf,
} from './fixture.ts'

type Handler = Parameters<typeof startTarget>[0]

/** A relay, the product's host client and a target behind it. */
const startChain = async (
  handle: Handler,
  options: TestRelayOptions & { upgrade?: Parameters<typeof startTarget>[1] } = {},
): Promise<TestRelay> => {
  const to = await startTarget(handle, options.upgrade)
  const relay = await startRelay(options)
  const host = startHost({ relays: [relay.url], to })
  await host.registered()
  return relay
}

const echo: Handler = (req, res) => {
  res.setHeader('X-Seen', JSON.stringify({ method: req.method, url: req.url, headers: req.rawHeaders }))
  req.pipe(res)
}

const seen = (value: string | undefined): { method: string; url: string; headers: string[] } =>
  JSON.parse(value ?? '{}') as { method: string; url: string; headers: string[] }

describe('the public listener', () => {
  it('answers health, readiness and a JSON 404 itself', async () => {
    const relay = await startRelay({ state: () => 'serving' })
    const health = await ask(relay, '/health')
    expect(JSON.parse(health.body.toString())).toEqual({
      ok: true,
      region: 'fra',
      node: 'fra-1',
      state: 'serving',
    })
    expect((await ask(relay, '/healthz/live')).status).toBe(200)
    expect((await ask(relay, '/healthz/ready')).status).toBe(200)
    relay.relay.setReadiness({ ready: false, reason: 'draining' })
    const ready = await ask(relay, '/healthz/ready')
    expect(ready.status).toBe(503)
    expect(JSON.parse(ready.body.toString())).toEqual({ ready: false, reason: 'draining' })
    const missing = await ask(relay, '/nothing')
    expect([missing.status, errorCode(missing)]).toEqual([404, 'ERR_NOT_FOUND'])
    const offline = await ask(relay, '/hosts/a/')
    expect([offline.status, errorCode(offline)]).toEqual([503, 'ERR_HOST_OFFLINE'])
    const many = await ask(relay, '/health', {
      headers: Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, '1'])),
    })
    expect(many.status).toBe(431)
  })

  it.each([
    ['two Hosts', 'GET /hosts/host-a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['TRACE', 'TRACE /hosts/host-a/ HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['a head that is too large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
  ])('refuses %s before any host sees it', async (_what, head, status) => {
    const seen = vi.fn()
    const relay = await startChain((_req, res) => {
      seen()
      res.end()
    })
    const socket = connect(relay.port, '127.0.0.1')
    socket.write(head)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString('latin1')).toContain(`HTTP/1.1 ${status} `)
    await once(socket, 'close')
    expect(seen).not.toHaveBeenCalled()
  })

  it('throws ERR_PORT_TAKEN for a port that is in use', async () => {
    const relay = await startRelay()
    await expect(startRelay({ config: { port: relay.port } })).rejects.toMatchObject({
      code: 'ERR_PORT_TAKEN',
      facts: { host: '127.0.0.1', port: relay.port },
    })
  })
})

describe('a request through a tunnel', () => {
  it('arrives with method, path, query, body and every header, and X-Forwarded-* as the relay saw them', async () => {
    const relay = await startChain(echo)
    const body = randomBytes(700_000)
    const answer = await ask(relay, '/hosts/a/some/path%20x?q=1&q=2', {
      method: 'PUT',
      body,
      headers: [
        ...['Host', 'public.example:81', 'X-Twice', 'one', 'x-twice', 'two', 'X-Forwarded-For', '6.6.6.6'],
        ...[
          'Connection',
          'X-Secret-Hop',
          'X-Secret-Hop',
          'no',
          'x-tidegate-hop',
          '1',
          'Content-Length',
          String(body.length),
        ],
      ],
    })
    expect(answer.status).toBe(200)
    expect(createHash('sha256').update(answer.body).digest('hex')).toBe(
      createHash('sha256').update(body).digest('hex'),
    )
    const { method, url, headers } = seen(valuesOf(answer, 'x-seen')[0])
    expect([method, url]).toEqual(['PUT', '/some/path%20x?q=1&q=2'])
    expect(headers.slice(0, 6)).toEqual(['Host', 'public.example:81', 'X-Twice', 'one', 'x-twice', 'two'])
    const text = headers.join('\n')
    expect(text).toContain('X-Forwarded-For\n127.0.0.1')
    expect(text).toContain('X-Forwarded-Proto\nhttp')
    expect(text).toContain('X-Forwarded-Host\npublic.example:81')
    expect(text).toContain('X-Forwarded-Prefix\n/hosts/a')
    expect(text).not.toMatch(/6\.6\.6\.6|secret-hop|tidegate-hop/i)
  })

  it('keeps two Set-Cookie, Content-Encoding, status text and bytes of the answer as the target sent them', async () => {
    const packed = randomBytes(1000)
    const relay = await startChain((_req, res) => {
      res.writeHead(203, 'As It Was', [
        ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2; Path=/', 'Content-Encoding', 'gzip'],
        ...['X-Latin', 'gr\xfc\xdfe', 'Content-Length', '1000', 'Keep-Alive', 'timeout=9'],
      ])
      res.end(packed)
    })
    const answer = await ask(relay, '/hosts/a/')
    expect(answer.status).toBe(203)
    expect(valuesOf(answer, 'set-cookie')).toEqual(['a=1', 'b=2; Path=/'])
    expect(valuesOf(answer, 'content-encoding')).toEqual(['gzip'])
    expect(valuesOf(answer, 'x-latin')).toEqual(['gr\xfc\xdfe'])
    expect(valuesOf(answer, 'keep-alive')).toEqual([])
    expect(answer.body.equals(packed)).toBe(true)
  })

  it('answers HEAD, 204, 304 and a POST without a body, and ignores interim answers', async () => {
    const relay = await startChain((req, res) => {
      res.writeContinue()
      res.writeEarlyHints({ link: '</x>; rel=preload' })
      if (req.url === '/204') res.writeHead(204).end()
      else if (req.url === '/304') res.writeHead(304, { ETag: '"x"' }).end()
      else {
        res.setHeader('X-Length', req.headers['content-length'] ?? 'none')
        res.setHeader('Content-Length', 5)
        res.end(req.method === 'HEAD' ? undefined : 'hello')
      }
    })
    expect(await ask(relay, '/hosts/a/204')).toMatchObject({ status: 204 })
    expect(await ask(relay, '/hosts/a/304')).toMatchObject({ status: 304 })
    const head = await ask(relay, '/hosts/a/', { method: 'HEAD' })
    expect([head.status, head.body.length, valuesOf(head, 'content-length')]).toEqual([200, 0, ['5']])
    const post = await ask(relay, '/hosts/a/', { method: 'POST', headers: { 'Content-Length': '0' } })
    expect([post.status, post.body.toString(), valuesOf(post, 'x-length')]).toEqual([200, 'hello', ['0']])
    expect(relay.relay.stats().requests).toMatchObject({
      total: 4,
      pending: 0,
      byStatus: { '2xx': 3, '3xx': 1 },
    })
  })

  it('reaches the host by its domain too', async () => {
    const relay = await startChain(echo, { config: { domain: 'tunnels.example' } })
    const answer = await ask(relay, '/health?x', { headers: { Host: 'A.Tunnels.Example:8081' } })
    expect(seen(valuesOf(answer, 'x-seen')[0]).url).toBe('/health?x')
  })

  it('streams a response that never ends, chunk by chunk', async () => {
    let send: (text: string) => void = () => undefined
    const relay = await startChain((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      res.flushHeaders()
      send = (text) => res.write(text)
    })
    const req = request({ host: '127.0.0.1', port: relay.port, path: '/hosts/a/', agent: false })
    req.end()
    const [res] = (await once(req, 'response')) as [import('node:http').IncomingMessage]
    for (const text of ['one', 'two', 'three']) {
      send(text)
      const [chunk] = (await once(res, 'data')) as [Buffer]
      expect(chunk.toString()).toBe(text)
    }
    expect(relay.relay.inFlight()).toEqual({ connections: 0, requests: 1 })
    req.destroy()
    await vi.waitFor(() => expect(relay.relay.inFlight().requests).toBe(0))
  })

  it('holds back a stream that nobody reads, and no other', async () => {
    let produced = 0
    const relay = await startChain((req, res) => {
      if (req.url === '/quick') {
        res.end('quick')
        return
      }
      const chunk = Buffer.alloc(64 * 1024)
      const pump = (): void => {
        while (produced < 200 * 1024 * 1024) {
          produced += chunk.length
          if (!res.write(chunk)) {
            res.once('drain', pump)
            return
          }
        }
        res.end()
      }
      pump()
    })
    const slow = connect(relay.port, '127.0.0.1')
    slow.on('error', () => undefined)
    slow.pause()
    slow.write('GET /hosts/a/slow HTTP/1.1\r\nHost: x\r\n\r\n')
    let before = -1
    await vi.waitFor(
      () => {
        const now = produced
        const still = now > 0 && now === before
        before = now
        expect(still).toBe(true)
      },
      { interval: 150, timeout: 10_000 },
    )
    // Window, socket buffers of three connections: megabytes, far from all that the target would send.
    expect(produced).toBeLessThan(40 * 1024 * 1024)
    for (let index = 0; index < 5; index += 1) {
      expect((await ask(relay, '/hosts/a/quick')).body.toString()).toBe('quick')
    }
    let read = 0
    slow.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    slow.resume()
    await vi.waitFor(() => expect(read).toBeGreaterThan(50 * 1024 * 1024), { timeout: 15_000 })
    slow.destroy()
  })

  it('holds back an upload that the target does not read', async () => {
    let target: import('node:http').IncomingMessage | null = null
    const relay = await startChain((req) => {
      target = req
      req.pause()
    })
    const req = request({
      ...{ host: '127.0.0.1', port: relay.port, path: '/hosts/a/', method: 'POST', agent: false },
      headers: { 'Transfer-Encoding': 'chunked' },
    })
    req.on('error', () => undefined)
    let sent = 0
    let full = false
    const chunk = Buffer.alloc(64 * 1024)
    while (!full && sent < 100 * 1024 * 1024) {
      sent += chunk.length
      if (!req.write(chunk)) {
        full = await Promise.race([
          once(req, 'drain').then(() => false),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 500)),
        ])
      }
    }
    expect(full).toBe(true)
    expect(sent).toBeGreaterThan(INITIAL_WINDOW_BYTES)
    expect(sent).toBeLessThan(40 * 1024 * 1024)
    expect(target).not.toBeNull()
    req.destroy()
  })

  it('tells the host when the client leaves', async () => {
    let gone: () => void = () => undefined
    const left = new Promise<void>((resolve) => {
      gone = resolve
    })
    let arrived: () => void = () => undefined
    const there = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const relay = await startChain((_req, res) => {
      res.on('close', gone)
      arrived()
    })
    const req = request({ host: '127.0.0.1', port: relay.port, path: '/hosts/a/', agent: false })
    req.on('error', () => undefined)
    req.end()
    await there
    req.destroy()
    await left
  })

  it('is 504 without response headers in time, and 502 where the target cannot be reached', async () => {
    const relay = await startChain(() => undefined, { config: { responseTimeoutMs: 60 } })
    const late = await ask(relay, '/hosts/a/')
    expect([late.status, errorCode(late)]).toEqual([504, 'ERR_GATEWAY_TIMEOUT'])
    const other = await startRelay()
    const host = startHost({ relays: [other.url], to: 'http://127.0.0.1:1' })
    await host.registered()
    const refused = await ask(other, '/hosts/a/', { method: 'POST', body: Buffer.from('x') })
    expect([refused.status, errorCode(refused)]).toEqual([502, 'ERR_BAD_GATEWAY'])
  })

  it('is cut, not completed, where the target breaks off its response', async () => {
    const relay = await startChain((_req, res) => {
      res.writeHead(200, { 'Content-Length': 1000 })
      res.write('half')
      setImmediate(() => res.destroy())
    })
    await expect(ask(relay, '/hosts/a/')).rejects.toThrow(/aborted|hang up|ECONNRESET/)
  })

  it('is 503 at once above the ceiling of pending requests, and every pending one settles when the tunnel goes', async () => {
    const relay = await startRelay({ config: { maxPendingPerTunnel: 3 } })
    const host = dialRaw(relay, 'a')
    host.ws.removeAllListeners('message')
    await vi.waitFor(() => expect(relay.relay.tunnels()).toHaveLength(1))
    const pending = [1, 2, 3].map(() => ask(relay, '/hosts/a/'))
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(3))
    const busy = await ask(relay, '/hosts/a/')
    expect([busy.status, errorCode(busy)]).toEqual([503, 'ERR_TUNNEL_BUSY'])
    host.ws.terminate()
    for (const answer of await Promise.all(pending)) {
      expect([answer.status, errorCode(answer)]).toEqual([502, 'ERR_BAD_GATEWAY'])
    }
    expect(relay.relay.stats().requests).toMatchObject({ pending: 0, byStatus: { '5xx': 4 } })
  })
})

describe('a WebSocket through a tunnel', () => {
  const sockets = (onSocket: (ws: WebSocket) => void) => (server: import('node:http').Server) => {
    const wss = new WebSocketServer({
      server,
      handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
    })
    wss.on('headers', (lines) => lines.push('Set-Cookie: s=1'))
    wss.on('connection', onSocket)
  }
  const open = async (relay: TestRelay, protocols: string[] = []): Promise<WebSocket> => {
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/socket`, protocols)
    await once(ws, 'open')
    return ws
  }

  it('carries text and binary of every size with their type, and the protocol that the target chose', async () => {
    const relay = await startChain(echo, {
      upgrade: sockets((ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))),
    })
    const ws = await open(relay, ['other', 'chat'])
    expect(ws.protocol).toBe('chat')
    for (const size of [0, 1, 125, 65_536, 300_000, 1_000_000]) {
      const bytes = randomBytes(size)
      ws.send(bytes)
      const [data, isBinary] = (await once(ws, 'message')) as [Buffer, boolean]
      expect(isBinary).toBe(true)
      expect(data.equals(bytes)).toBe(true)
    }
    const text = 'grüße 😀 '.repeat(20_000)
    ws.send(text)
    const [data, isBinary] = (await once(ws, 'message')) as [Buffer, boolean]
    expect([isBinary, data.toString()]).toEqual([false, text])
    expect(relay.relay.inFlight()).toEqual({ connections: 1, requests: 0 })
    ws.terminate()
    await vi.waitFor(() => expect(relay.relay.inFlight().connections).toBe(0))
  })

  it('keeps close codes and reasons in both directions, and a code that may not be sent becomes 1011', async () => {
    const closes: [number, string][] = []
    const relay = await startChain(echo, {
      upgrade: sockets((ws) => {
        ws.on('message', (data) => ws.close(Number(data.toString()), 'wie gewünscht'))
        ws.on('close', (code, reason) => closes.push([code, reason.toString()]))
      }),
    })
    for (const code of [1000, 1003, 4321]) {
      const ws = await open(relay)
      ws.send(String(code))
      const [got, reason] = (await once(ws, 'close')) as [number, Buffer]
      expect([got, reason.toString()]).toEqual([code, 'wie gewünscht'])
    }
    closes.length = 0
    const polite = await open(relay)
    polite.close(4000, 'bye')
    await vi.waitFor(() => expect(closes).toEqual([[4000, 'bye']]))
    const silent = await open(relay)
    silent.close()
    await vi.waitFor(() => expect(closes[1]?.[0]).toBe(1011))
    const broken = await open(relay)
    broken.terminate()
    await vi.waitFor(() => expect(closes[2]?.[0]).toBe(1011))
  })

  it("passes on the target's refusal of an upgrade with its status and body", async () => {
    const relay = await startChain(echo, {
      upgrade: (server) => {
        server.on('upgrade', (_req, socket) => {
          socket.end('HTTP/1.1 402 Pay First\r\nX-Why: money\r\nContent-Length: 4\r\n\r\npay!')
        })
      },
    })
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/socket`)
    ws.on('error', () => undefined)
    const [, res] = (await once(ws, 'unexpected-response')) as [unknown, import('node:http').IncomingMessage]
    expect([res.statusCode, res.headers['x-why']]).toEqual([402, 'money'])
    const chunks: Buffer[] = []
    for await (const chunk of res) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('pay!')
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(0))
    expect(relay.relay.stats().requests).toMatchObject({ pending: 0, byStatus: { '4xx': 1 } })
  })

  it('ends when the tunnel goes, and is refused with 503 where the host is offline', async () => {
    const to = await startTarget(
      echo,
      sockets(() => undefined),
    )
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url], to })
    await host.registered()
    const ws = await open(relay)
    await host.client.close()
    const [code] = (await once(ws, 'close')) as [number]
    expect(code).toBe(1011)
    const late = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/socket`)
    late.on('error', () => undefined)
    const [, res] = (await once(late, 'unexpected-response')) as [
      unknown,
      import('node:http').IncomingMessage,
    ]
    expect(res.statusCode).toBe(503)
    res.resume()
  })
})

describe('a request at the wrong relay', () => {
  const startTwo = async () => {
    const memory = createMemoryDirectory()
    const directory = { ...memory, backend: 'shared' as const }
    const fra = await startRelay({ directory })
    const iad = await startRelay({ directory, node: 'iad-1', region: 'iad' })
    return { fra, iad, directory }
  }

  it('is passed to the owner once, HTTP and WebSocket, with the client address that the first relay saw', async () => {
    const { fra, iad } = await startTwo()
    const to = await startTarget(echo, (server) => {
      const wss = new WebSocketServer({ server })
      wss.on('connection', (ws) => ws.on('message', (data) => ws.close(4567, data.toString())))
    })
    await startHost({ relays: [iad.url], to }).registered()
    const answer = await ask(fra, '/hosts/a/x?y', { method: 'POST', body: Buffer.from('body') })
    expect([answer.status, answer.body.toString()]).toEqual([200, 'body'])
    const { url, headers } = seen(valuesOf(answer, 'x-seen')[0])
    expect(url).toBe('/x?y')
    expect(headers.join('\n')).not.toMatch(/tidegate-(hop|pass)/i)
    expect(headers.filter((name) => name.toLowerCase() === 'x-forwarded-for')).toHaveLength(1)
    const ws = new WebSocket(`ws://127.0.0.1:${fra.port}/hosts/a/socket`)
    await once(ws, 'open')
    ws.send('over two relays')
    const [code, reason] = (await once(ws, 'close')) as [number, Buffer]
    expect([code, reason.toString()]).toEqual([4567, 'over two relays'])
    expect(fra.relay.stats().requests.total).toBe(2)
    expect(iad.relay.stats().requests.total).toBe(2)
  })

  it('holds back what is read slowly there, whole in the end, and lets go of it in both when anybody leaves', async () => {
    const { fra, iad } = await startTwo()
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const chunks = 1_024
    let produced = 0
    const to = await startTarget((_req, res) => {
      produced = 0
      res.writeHead(200, { 'Content-Length': chunk.length * chunks })
      const more = (): void => {
        while (produced < chunks && !res.destroyed) {
          produced += 1
          if (!res.write(chunk)) return void res.once('drain', more)
        }
        res.end()
      }
      more()
    })
    const host = startHost({ relays: [iad.url], to })
    await host.registered()
    const pending = () => [fra, iad].map(({ relay }) => relay.stats().requests.pending)
    const slow = async () => {
      const socket = connect(fra.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.pause()
      onTestFinished(() => void socket.destroy())
      socket.write('GET /hosts/a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      let before = -1
      // It stands still once every buffer on the way is full.
      await vi.waitFor(
        () => {
          const now = produced
          const stands = now > 0 && now === before
          before = now
          expect(stands).toBe(true)
        },
        { timeout: 10_000, interval: 400 },
      )
      expect(produced * chunk.length).toBeLessThan(40 * 1024 * 1024)
      expect(pending()).toEqual([1, 1])
      return socket
    }
    const patient = await slow()
    let bytes = 0
    patient.on('data', (data: Buffer) => {
      bytes += data.length
    })
    patient.resume()
    await once(patient, 'close')
    expect(bytes).toBeGreaterThan(chunk.length * chunks)
    const gone = await slow()
    gone.resetAndDestroy()
    await vi.waitFor(() => expect(pending()).toEqual([0, 0]), { timeout: 5_000 })
    const cut = await slow()
    await host.client.close()
    cut.resume()
    await once(cut, 'close')
    await vi.waitFor(() => expect(pending()).toEqual([0, 0]), { timeout: 5_000 })
  }, 40_000)

  it('is answered before its upload begins where the target needs none of it, here and by way of a fellow', async () => {
    const { fra, iad } = await startTwo()
    const to = await startTarget((_req, res) => {
      res.writeHead(401)
      res.end('who are you?')
    })
    await startHost({ relays: [iad.url], to }).registered()
    for (const relay of [iad, fra]) {
      for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
        const head = `POST /hosts/a/x HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`
        const answer = await speak(relay, head, (received) => received.includes('who are you?'))
        expect(answer).toMatch(/^HTTP\/1\.1 401 /)
      }
    }
  })

  it('is 503 ERR_LOOP where it was passed on already, and a forged pass gives no rights', async () => {
    const { fra, iad } = await startTwo()
    await startHost({ relays: [iad.url], to: await startTarget(echo) }).registered()
    const loop = await ask(fra, '/hosts/a/', { headers: { 'x-tidegate-hop': '1' } })
    expect([loop.status, errorCode(loop)]).toEqual([503, 'ERR_LOOP'])
    const forged = await ask(iad, '/hosts/a/', {
      headers: { 'x-tidegate-hop': '1', 'x-tidegate-pass': 'guess', 'x-forwarded-for': '6.6.6.6' },
    })
    expect(forged.status).toBe(200)
    expect(valuesOf(forged, 'x-seen')[0]).not.toContain('6.6.6.6')
  })

  it('is 502 where the owner has gone without a word, and 503 where the directory cannot be asked', async () => {
    const { fra, directory } = await startTwo()
    await directory.register('a', { node: 'gone', region: 'sjc', internalUrl: 'http://127.0.0.1:1' })
    expect((await ask(fra, '/hosts/a/')).status).toBe(502)
    const broken = await startRelay({
      directory: { ...directory, lookup: () => Promise.reject(new Error('away')) },
    })
    expect(errorCode(await ask(broken, '/hosts/a/'))).toBe('ERR_HOST_OFFLINE')
    expect(fra.relay.tunnels()).toEqual([])
    await fra.relay.drainTunnels({ signal: noSignal() })
  })
})
