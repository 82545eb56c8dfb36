import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { proxyConfigSchema } from '../../../server/contract/node-config.ts'
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

const HOST = 'Host: example.com\r\n'
const MB = 1024 * 1024
const never = new AbortController().signal

/** A target that answers every request with `size` bytes. */
const answering = (size: number, extra: Record<string, string> = {}) =>
  httpTarget((_request, response) => {
    response.writeHead(200, { 'Content-Length': size, ...extra })
    response.end(Buffer.alloc(size, 'x'))
  })

const bodyBytes = (client: RawClient): number => client.bytes.length - client.bytes.indexOf('\r\n\r\n') - 4

/** A client that has asked and reads nothing until it is told to. */
const pausedClient = (port: number, request: string): RawClient => {
  const client = new RawClient(port)
  client.socket.pause()
  client.socket.write(request)
  return client
}

describe('a slow reader', () => {
  it.each([
    ['that asked for Connection: close', `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`],
    ['over HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}\r\n`],
    ['of an answer that ends with the connection', `GET /until-close HTTP/1.1\r\n${HOST}\r\n`],
    ['whose port is removed meanwhile', `GET / HTTP/1.1\r\n${HOST}\r\n`],
    ['while the proxy drains', `GET / HTTP/1.1\r\n${HOST}\r\n`],
    ['that ended its own half first', `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`],
  ])('%s gets its answer whole', async (what, request) => {
    const size = 3 * MB
    const target = await tcpTarget((socket) => {
      socket.once('data', (chunk) => {
        const length = chunk.includes('/until-close') ? '' : `Content-Length: ${size}\r\n`
        socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n`)
        if (length === '') socket.end(Buffer.alloc(size))
        else socket.write(Buffer.alloc(size))
      })
    })
    const { proxy, port } = await startProxy({
      routes: [httpRoute(target.port)],
      socketCleanupGracePeriodMs: 100,
    })
    const client = pausedClient(port(), request)
    if (what.includes('own half')) client.socket.end()
    await until(() => proxy.inFlight().requests === 1)
    if (what.includes('removed')) await proxy.setRoutes([])
    if (what.includes('drains')) await proxy.stopAccepting()
    await sleep(700)
    client.socket.resume()
    await client.over()
    expect(bodyBytes(client)).toBe(size)
    expect(client.error).toBe(null)
    client.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expectLaw(proxy)
  })

  it('is counted by a drain until it has its answer, and the drain waits for it', async () => {
    const target = await answering(3 * MB)
    const { proxy, port } = await startProxy({
      routes: [httpRoute(target.port)],
      socketCleanupGracePeriodMs: 100,
    })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`)
    await until(() => proxy.inFlight().requests === 1)
    await proxy.stopAccepting()
    let idle = false
    const wait = proxy.whenIdle(never).then(() => {
      idle = true
    })
    await sleep(700)
    expect(idle).toBe(false)
    expect(proxy.inFlight().requests).toBe(1)
    client.socket.resume()
    await client.over()
    expect(bodyBytes(client)).toBe(3 * MB)
    client.socket.end()
    await wait
    expect(proxy.inFlight().requests).toBe(0)
  })

  it('is counted by a drain also when the kernel alone holds the rest of a kept-alive answer', async () => {
    const size = MB
    const target = await answering(size)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`)
    await until(
      () => proxy.stats().requests.total === 1 && proxy.inFlight().requests === 0,
      'a flushed answer',
    )
    await proxy.stopAccepting()
    expect(proxy.inFlight().requests).toBe(1)
    let idle = false
    const wait = proxy.whenIdle(never).then(() => {
      idle = true
    })
    await sleep(300)
    expect(idle).toBe(false)
    client.socket.resume()
    await client.over()
    expect(bodyBytes(client)).toBe(size)
    client.socket.end()
    await wait
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
  })

  it('keeps what the kernel holds for it when the proxy is destroyed', async () => {
    const size = MB
    const target = await answering(size)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`)
    await until(
      () => proxy.stats().requests.total === 1 && proxy.inFlight().requests === 0,
      'a flushed answer',
    )
    await proxy.destroy()
    client.socket.resume()
    await client.over()
    expect(bodyBytes(client)).toBe(size)
    expect(client.error).toBe(null)
  })

  it('that keeps its connection open after it has everything holds up no drain', async () => {
    const target = await answering(2 * MB)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    await client.over()
    await proxy.stopAccepting()
    await proxy.whenIdle(never)
    expect(proxy.stats().connections.active).toBe(1)
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
  })

  it('that goes away before it has its answer is not called finished', async () => {
    const target = await answering(3 * MB)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    await until(() => proxy.stats().bytes.downstream > MB / 2)
    client.socket.resetAndDestroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ client_reset: 1 })
    expect(proxy.inFlight().requests).toBe(0)
  })

  it('that takes a little now and then is not taken for one that stands still', async () => {
    const size = 6 * MB
    const target = await answering(size)
    const { port } = await startProxy({ routes: [httpRoute(target.port)], readerIdleTimeoutMs: 3_000 })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    // The kernel wakes Node only when a good part of its buffer is free: for a long while nothing moves but there.
    let sips = true
    client.socket.on('data', () => {
      if (sips) client.socket.pause()
    })
    for (let at = 0; at < 24; at += 1) {
      await sleep(300)
      client.socket.resume()
    }
    sips = false
    expect(bodyBytes(client)).toBeLessThan(size)
    client.socket.resume()
    await client.over()
    expect(bodyBytes(client)).toBe(size)
  })

  it('that takes nothing is let go after readerIdleTimeoutMs, and that is said', async () => {
    const target = await answering(16 * MB)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], readerIdleTimeoutMs: 200 })
    pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`)
    await until(() => proxy.stats().connections.closed === 1)
    expect(proxy.stats().closedBy).toEqual({ stalled_reader: 1 })
    expect(proxy.inFlight().requests).toBe(0)
  })

  it.each(['fin', 'reset'])(
    'of a TCP answer gets it whole although the target has ended with %s',
    async (how) => {
      const size = 2 * MB
      const target = await tcpTarget((socket) => {
        socket.on('end', () => {
          if (how === 'fin') socket.end(Buffer.alloc(size))
          else socket.write(Buffer.alloc(size), () => setTimeout(() => socket.resetAndDestroy(), 300))
        })
      })
      const { proxy, port } = await startProxy({
        routes: [tcpRoute(target.port)],
        socketCleanupGracePeriodMs: how === 'fin' ? 100 : 5_000,
      })
      const client = new RawClient(port())
      client.socket.pause()
      client.socket.end('question')
      await until(() => proxy.stats().bytes.downstream > 0)
      await sleep(800)
      // What was sent and not taken is in flight, also when both sides have ended.
      expect(proxy.inFlight().connections).toBe(1)
      client.socket.resume()
      await client.over()
      expect(client.bytes).toHaveLength(size)
      await until(() => proxy.stats().connections.active === 0)
      expect(proxy.stats().closedBy).toEqual(how === 'fin' ? { finished: 1 } : { target_reset: 1 })
      expectLaw(proxy)
    },
  )
})

describe('pauses', () => {
  it('of a minute are no attack, and every limit is an option', () => {
    expect(proxyConfigSchema.parse({})).toMatchObject({
      headersTimeoutMs: 10_000,
      keepAliveTimeoutMs: 75_000,
      responseTimeoutMs: 60_000,
      bodyIdleTimeoutMs: 60_000,
      readerIdleTimeoutMs: 60_000,
    })
  })

  it('of an upload longer than any fixed number of old let it go on, as does a drip', async () => {
    const target = await httpTarget((request, response) => {
      let size = 0
      request.on('data', (chunk: Buffer) => {
        size += chunk.length
      })
      request.on('end', () => response.end(String(size)))
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const [pauses, drips] = [new RawClient(port()), new RawClient(port())]
    for (const client of [pauses, drips]) {
      client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 20\r\n\r\nx`)
    }
    for (let at = 0; at < 12; at += 1) {
      await sleep(500)
      drips.socket.write('x')
    }
    pauses.socket.write('x'.repeat(19))
    drips.socket.write('x'.repeat(7))
    await until(() => pauses.text.endsWith('20') && drips.text.endsWith('20'))
  })
})

describe('pipelining', () => {
  it('does not let a client that never reads fill the memory of the proxy', async () => {
    let asked = 0
    const target = await httpTarget((_request, response) => {
      asked += 1
      response.end(Buffer.alloc(60_000))
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(2_000))
    let before = -1
    while (before !== asked || asked === 0) {
      before = asked
      await sleep(300)
    }
    // What the kernel takes for one socket, and not all that was asked for.
    expect(asked).toBeLessThan(300)
    expect(proxy.inFlight().requests).toBe(1)
    expectLaw(proxy)
  })

  it('does not let a client that never reads pile up our own answers', async () => {
    const { proxy, port } = await startProxy({ routes: [httpRoute(1, { domains: 'other.test' })] })
    const client = pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(100_000))
    let before = -1
    while (before !== proxy.stats().requests.total || before === 0) {
      before = proxy.stats().requests.total
      await sleep(300)
    }
    expect(before).toBeLessThan(60_000)
    client.socket.resume()
    await until(() => proxy.stats().requests.total === 100_000)
    expect(proxy.inFlight().requests).toBe(0)
  })

  it('leaves no request counted for ever, neither of honest clients nor of those that leave', async () => {
    const size = 100_000
    const target = await answering(size)
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const clients = Array.from({ length: 8 }, () =>
      pausedClient(port(), `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(100)),
    )
    let before = -1
    while (before !== proxy.stats().requests.total || before === 0) {
      before = proxy.stats().requests.total
      await sleep(100)
    }
    // One a connection, however many have come.
    expect(proxy.inFlight().requests).toBe(8)
    for (const client of clients.slice(4)) client.socket.resetAndDestroy()
    for (const client of clients.slice(0, 4)) client.socket.resume()
    await until(() => clients.slice(0, 4).every((client) => client.socket.bytesRead > 100 * size))
    await until(() => proxy.stats().connections.active === 4)
    await until(() => proxy.inFlight().requests === 0)
    await proxy.stopAccepting()
    await proxy.whenIdle(never)
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expectLaw(proxy)
  })
})
