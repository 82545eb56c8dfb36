import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  expectLaw,
  httpRoute,
  httpTarget,
  RawClient,
  silentPort,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

const HOST = 'Host: example.com\r\n'
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`
/** A second is promised; a loaded machine is given more. */
const SOON_MS = 3_000

describe('a client that gives up', () => {
  it.each([
    ['while its target is silent', 'silent'],
    ['while its target is dialled', 'dialling'],
    ['between two chunks of a stream', 'stream'],
  ])('%s is let go within a second, and the target is told', async (_what, where) => {
    const target = await tcpTarget((socket) => {
      if (where !== 'stream') return
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    })
    const { proxy, port } = await startProxy({
      routes: [httpRoute(where === 'dialling' ? await silentPort() : target.port)],
      connectTimeoutMs: 60_000,
    })
    const client = new RawClient(port())
    client.socket.write(GET)
    await until(() => proxy.inFlight().requests === 1)
    if (where === 'stream') await until(() => client.text.includes('hello'))
    await sleep(50)
    const gaveUpAt = performance.now()
    // Nothing unread: this is a FIN, which a client that only has nothing more to say would send too.
    client.socket.destroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(performance.now() - gaveUpAt).toBeLessThan(SOON_MS)
    if (where !== 'dialling') await until(() => target.sockets[0]!.destroyed)
    expect(proxy.inFlight().requests).toBe(0)
    expect(Object.keys(proxy.stats().closedBy)).toEqual([
      where === 'dialling' ? 'client_gone_while_dialling' : 'client_reset',
    ])
    expectLaw(proxy)
  })

  it('while it is not read, because it has sent far ahead, is let go as soon', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(GET.repeat(20_000))
    await until(() => proxy.inFlight().requests === 1)
    await sleep(200)
    const gaveUpAt = performance.now()
    client.socket.resetAndDestroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(performance.now() - gaveUpAt).toBeLessThan(SOON_MS)
    await until(() => target.sockets[0]!.destroyed)
  })

  it('or only listens, does not take a stream that its target broke off for a whole one', async () => {
    const target = await tcpTarget((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.end(GET)
    // Asked whether it listens, with the leading zero of a size that now never comes: behind a FIN it would read as the last chunk.
    await until(() => client.text.endsWith('hello\r\n0'))
    target.sockets[0]!.destroy()
    await until(() => client.closed)
    expect([client.ended, client.error?.code]).toEqual([false, 'ECONNRESET'])
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ target_incomplete: 1 })
    expectLaw(proxy)
  })

  it('is told apart from one that has only finished speaking, which hears its answer however late', async () => {
    const target = await httpTarget((request, response) => {
      if (request.url === '/stream') {
        response.write('hello')
        setTimeout(() => response.end(' late'), 1_300)
      } else setTimeout(() => response.end('late'), 1_300)
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const [plain, stream, old] = [new RawClient(port()), new RawClient(port()), new RawClient(port())]
    plain.socket.end(GET)
    stream.socket.end(`GET /stream HTTP/1.1\r\n${HOST}\r\n`)
    old.socket.end(`GET / HTTP/1.0\r\n${HOST}\r\n`)
    await Promise.all([plain.over(), stream.over(), old.over()])
    expect(plain.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*late/s)
    // The question in a stream is a leading zero of the next chunk's size.
    expect(stream.text).toMatch(/\r\n\r\n5\r\nhello\r\n05\r\n late\r\n0\r\n\r\n$/)
    expect(old.text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*late$/s)
    await until(() => proxy.stats().closedBy.finished === 3)
    expectLaw(proxy)
  })
})

describe('a silent target', () => {
  it.each(['GET', 'POST', 'WebSocket'])(
    'costs a %s client its answer after responseTimeoutMs: 504, and the target is told',
    async (what) => {
      const target = await tcpTarget()
      const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], responseTimeoutMs: 200 })
      const client = new RawClient(port())
      if (what === 'GET') client.socket.write(GET)
      else if (what === 'POST') client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`)
      else client.socket.write(`GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
      await client.over()
      expect(client.text).toMatch(/^HTTP\/1\.1 504 .*ERR_GATEWAY_TIMEOUT/s)
      await until(() => target.sockets[0]!.destroyed)
      client.socket.end()
      await until(() => proxy.stats().closedBy.response_timeout === 1)
      expectLaw(proxy)
    },
  )

  it('that leaves a client waiting for leave to send its body is not waited for without end', async () => {
    const target = await tcpTarget()
    const { port } = await startProxy({ routes: [httpRoute(target.port)], responseTimeoutMs: 200 })
    const client = new RawClient(port())
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`)
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /)
  })

  it('that takes no more of an upload costs the client no more than responseTimeoutMs', async () => {
    const target = await tcpTarget((socket) => socket.pause())
    const { port } = await startProxy({ routes: [httpRoute(target.port)], responseTimeoutMs: 300 })
    const client = new RawClient(port())
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 33554432\r\n\r\n`)
    client.socket.write(Buffer.alloc(32 * 1024 * 1024))
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /)
  })
})

describe('0', () => {
  it('switches every timeout off', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({
      routes: [httpRoute(target.port), tcpRoute(target.port)],
      connectTimeoutMs: 0,
      initialDataTimeoutMs: 0,
      headersTimeoutMs: 0,
      keepAliveTimeoutMs: 0,
      responseTimeoutMs: 0,
      bodyIdleTimeoutMs: 0,
      readerIdleTimeoutMs: 0,
      socketTimeoutMs: 0,
      inactivityTimeoutMs: 0,
      socketCleanupGracePeriodMs: 0,
      parityCheckTimeoutMs: 0,
      tcpKeepAliveMs: 0,
      timeoutBehavior: 'close',
    })
    const texts = ['', 'GET / HT', GET, `POST / HTTP/1.1\r\n${HOST}Content-Length: 9\r\n\r\nx`]
    const clients = texts.map((text) => {
      const client = new RawClient(port('web'))
      client.socket.write(text)
      return client
    })
    clients.push(new RawClient(port('tcp')))
    await sleep(2_500)
    expect(proxy.stats().connections).toMatchObject({ active: 5, closed: 0 })
    expect(clients.every((client) => client.text === '' && !client.ended && !client.closed)).toBe(true)
  })
})

describe('the timer of a quiet connection', () => {
  it.each([400, 1_000])('never fires before its time: %d ms', async (ms) => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)], inactivityTimeoutMs: ms })
    const clients = Array.from({ length: 5 }, () => new RawClient(port()))
    const lastHeard = clients.map(() => 0)
    const closedAfter = clients.map((client, at) => {
      client.socket.on('data', () => {
        lastHeard[at] = performance.now()
      })
      return new Promise<number>((resolve) => {
        client.socket.on('close', () => resolve(performance.now() - lastHeard[at]!))
      })
    })
    for (let times = 0; times < 3; times += 1) {
      for (const client of clients) {
        client.socket.write('x')
        await sleep(ms / 10)
      }
    }
    // The last byte was heard later than the proxy forwarded it: what is short here is short by that alone.
    for (const after of await Promise.all(closedAfter)) expect(after).toBeGreaterThan(ms - 20)
    expect(proxy.stats().closedBy).toEqual({ inactivity: 5 })
  })
})
