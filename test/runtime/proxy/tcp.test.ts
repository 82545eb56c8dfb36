import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readsIntoReusedBuffers } from '../../../server/runtime/listen/reused-read.ts'
import {
  deadPort,
  expectLaw,
  httpRoute,
  RawClient,
  silentPort,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

describe('bytes', () => {
  it('reads accepted sockets into reused buffers on the pinned Node', () => {
    expect(readsIntoReusedBuffers).toBe(true)
  })

  it('carries 64 connections of random bytes both ways at once without mixing or losing one', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const sent = Array.from({ length: 64 }, (_, at) => randomBytes(10_000 + at * 9_973))
    const clients = sent.map((bytes) => {
      const client = new RawClient(port())
      client.socket.end(bytes)
      return client
    })
    await Promise.all(clients.map((client) => client.over()))
    for (const [at, client] of clients.entries()) expect(client.bytes.equals(sent[at]!)).toBe(true)
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 64 })
    expect(proxy.stats().bytes.upstream).toBe(sent.reduce((sum, bytes) => sum + bytes.length, 0))
    expectLaw(proxy)
  })

  it('carries 40 MB intact to a reader that stops again and again', async () => {
    const bytes = randomBytes(40 * 1024 * 1024)
    const target = await tcpTarget((socket) => socket.end(bytes))
    const { port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.on('data', () => {
      client.socket.pause()
      setImmediate(() => client.socket.resume())
    })
    await client.over()
    expect(client.bytes.equals(bytes)).toBe(true)
  })

  it('keeps what the client sends before the target is connected, and its FIN', async () => {
    const target = await tcpTarget()
    const { port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.end('early')
    await until(() => target.sockets[0]?.readableEnded === true)
    expect(target.received().toString()).toBe('early')
  })

  it.each(['client', 'target'])(
    'holds no more than its high-water marks for a %s that does not read',
    async (who) => {
      const target = await tcpTarget((socket) => {
        if (who === 'target') socket.pause()
      })
      const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
      const client = new RawClient(port())
      await until(() => target.sockets.length === 1)
      const [source, reader] =
        who === 'target' ? [client.socket, target.sockets[0]!] : [target.sockets[0]!, client.socket]
      reader.pause()
      const chunk = Buffer.alloc(1024 * 1024)
      for (let at = 0; at < 64; at += 1) source.write(chunk)
      const carried = (): number => {
        const { upstream, downstream } = proxy.stats().bytes
        return upstream + downstream
      }
      // Settled: the source still has bytes to send, and the proxy has read no more of them for a while.
      let before = -1
      let still = 0
      await until(() => {
        const now = carried()
        still = now === before && now > 0 ? still + 1 : 0
        before = now
        return still > 30 && source.writableLength > 0
      }, 'a paused source')
      // What was read lies in kernel buffers but for one read of the proxy; the rest never left its source.
      const kernelBytes = 16 * 1024 * 1024
      expect(carried()).toBeLessThan(kernelBytes)
      expect(source.writableLength).toBeGreaterThan(32 * 1024 * 1024)
      await until(() => (proxy.stats().bufferedBytes ?? 0) > 0, 'a sweep that adds up what is held')
      expect(proxy.stats().bufferedBytes).toBeLessThanOrEqual(256 * 1024)
      reader.resume()
      await until(() => carried() === 64 * chunk.length, 'all bytes')
    },
  )
})

describe('half-open', () => {
  it('closes the upstream write half when the client sends FIN, and the reply still arrives', async () => {
    const target = await tcpTarget((socket) =>
      socket.on('end', () => setTimeout(() => socket.end('late reply'), 50)),
    )
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.end('question')
    await until(() => proxy.connections({ limit: 1 }).items[0]?.clientHalf === 'fin')
    await client.over()
    expect(client.text).toBe('late reply')
    await until(() => proxy.stats().closedBy.finished === 1)
    expectLaw(proxy)
  })

  it('closes the client write half when the target sends FIN, and the client may still speak', async () => {
    const target = await tcpTarget((socket) => socket.end('greeting'))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    await client.over()
    expect(client.text).toBe('greeting')
    expect(proxy.connections({ limit: 1 }).items[0]).toMatchObject({ targetHalf: 'fin', clientHalf: 'open' })
    client.socket.end('goodbye')
    await until(() => target.received().toString() === 'goodbye')
    await until(() => proxy.stats().closedBy.finished === 1)
  })

  it('ends both sides at the first FIN when half-open is off', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)], allowHalfOpen: false })
    const client = new RawClient(port())
    client.socket.write('x')
    await until(() => target.received().length === 1)
    client.socket.end()
    await client.over()
    await until(() => proxy.stats().closedBy.finished === 1)
    expectLaw(proxy)
  })

  it('serves a client that only listens: FIN without a byte', async () => {
    const target = await tcpTarget((socket) => socket.end('daytime'))
    const { port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.end()
    await client.over()
    expect(client.text).toBe('daytime')
  })
})

describe('nothing leaks', () => {
  it('removes the record when the backend refuses', async () => {
    const { proxy, port, events } = await startProxy({ routes: [tcpRoute(await deadPort())] })
    const client = new RawClient(port())
    await until(() => client.closed)
    expect(proxy.stats().connections).toMatchObject({ active: 0, accepted: 1, closed: 1 })
    expect(proxy.stats().closedBy).toEqual({ backend_refused: 1 })
    expect(proxy.stats().targets[0]).toMatchObject({ healthy: false, connectFailures: 1, active: 0 })
    expect(events.map((event) => event.type)).toEqual(
      expect.arrayContaining(['target.down', 'connection.closed']),
    )
    expectLaw(proxy)
  })

  it('removes the record when no target answers in time', async () => {
    const { proxy, port } = await startProxy({
      routes: [tcpRoute(await silentPort())],
      connectTimeoutMs: 200,
    })
    const client = new RawClient(port())
    await until(() => client.closed)
    expect(proxy.stats().closedBy).toEqual({ connect_timeout: 1 })
    expectLaw(proxy)
  })

  it.each(['reset', 'fin'])(
    'removes the record when the client goes (%s) while the target is dialled',
    async (how) => {
      const { proxy, port } = await startProxy({
        routes: [tcpRoute(await silentPort())],
        connectTimeoutMs: 60_000,
      })
      const client = new RawClient(port())
      await until(() => proxy.stats().connections.active === 1)
      if (how === 'reset') client.socket.resetAndDestroy()
      else client.socket.destroy()
      await until(() => proxy.stats().connections.active === 0)
      expect(proxy.stats().closedBy).toEqual({ client_gone_while_dialling: 1 })
      expectLaw(proxy)
    },
  )

  it('removes the record when the client resets in the middle, and the target learns of it', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write('hello')
    await until(() => client.text === 'hello')
    client.socket.resetAndDestroy()
    await until(() => target.sockets[0]!.destroyed)
    expect(proxy.stats().closedBy).toEqual({ client_reset: 1 })
    expect(proxy.stats().targets[0]!.active).toBe(0)
    expectLaw(proxy)
  })

  it('passes a target reset on as a reset, never as an orderly end', async () => {
    const target = await tcpTarget((socket) => {
      socket.on('data', () => socket.resetAndDestroy())
    })
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write('x')
    await until(() => client.closed)
    expect(client.error?.code).toBe('ECONNRESET')
    expect(client.ended).toBe(false)
    expect(proxy.stats().closedBy).toEqual({ target_reset: 1 })
    expectLaw(proxy)
  })

  it('notices within the grace period that a client was reset while it was paused for a target that does not read', async () => {
    const target = await tcpTarget((socket) => socket.pause())
    const { proxy, port } = await startProxy({
      socketCleanupGracePeriodMs: 100,
      routes: [tcpRoute(target.port), httpRoute(target.port)],
    })
    const tcp = new RawClient(port('tcp'))
    tcp.socket.write(Buffer.alloc(32 * 1024 * 1024))
    const http = new RawClient(port('web'))
    http.socket.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(256 * 1024)}`)
    const moved = (): number => proxy.stats().bytes.upstream
    // Both are paused once nothing moves any more.
    for (let before = -1; before !== moved(); ) {
      before = moved()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    tcp.socket.resetAndDestroy()
    http.socket.resetAndDestroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ client_reset: 2 })
    expectLaw(proxy)
  })

  it('holds the law through hundreds of short connections of every kind', async () => {
    const target = await tcpTarget((socket, index) => {
      if (index % 3 === 0) socket.end('bye')
      else if (index % 3 === 1) socket.resetAndDestroy()
      else socket.pipe(socket)
    })
    const { proxy, port } = await startProxy({ routes: [tcpRoute([target.port, await deadPort()])] })
    const clients = Array.from({ length: 300 }, (_, at) => {
      const client = new RawClient(port())
      client.socket.on('connect', () => {
        if (at % 4 === 0) client.socket.destroy()
        else if (at % 4 === 1) client.socket.resetAndDestroy()
        else client.socket.end('x')
      })
      return client
    })
    const watch = setInterval(() => expectLaw(proxy), 1)
    await Promise.all(clients.map((client) => client.over()))
    await until(() => proxy.stats().connections.active === 0)
    clearInterval(watch)
    expectLaw(proxy)
    expect(proxy.stats().targets.every((one) => one.active === 0)).toBe(true)
  })

  it('ends a connection that an operator closes', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] })
    const client = new RawClient(port())
    await until(() => target.sockets.length === 1)
    const { items, total } = proxy.connections({ limit: 10, route: 'tcp', ip: '127.0.0.1' })
    expect(total).toBe(1)
    expect(proxy.closeConnection('unknown')).toBe(false)
    expect(proxy.closeConnection(items[0]!.id)).toBe(true)
    expect(proxy.stats().closedBy).toEqual({ closed_by_operator: 1 })
    await until(() => client.closed && target.sockets[0]!.destroyed)
    expectLaw(proxy)
  })
})

describe('limits', () => {
  it.each([
    ['limit_connections', { maxConnections: 2 }],
    ['limit_per_ip', { maxConnectionsPerIp: 2 }],
    ['limit_rate', { connectionRatePerMinute: 2 }],
  ])('refuses the third connection with %s before a target is dialled', async (reason, option) => {
    const target = await tcpTarget()
    const { proxy, port, events } = await startProxy({ routes: [tcpRoute(target.port)], ...option })
    const first = [new RawClient(port()), new RawClient(port())]
    await until(() => target.sockets.length === 2)
    const third = new RawClient(port())
    await until(() => third.ended || third.closed)
    expect(proxy.stats().connections).toEqual({
      active: 2,
      accepted: 3,
      closed: 1,
      rejected: { [reason]: 1 },
    })
    expect(proxy.stats().closedBy).toEqual({ [reason]: 1 })
    expect(target.sockets).toHaveLength(2)
    expect(events.find((event) => event.type === 'connection.refused')?.data).toMatchObject({
      reason,
      client: '127.0.0.1',
    })
    expectLaw(proxy)
    for (const client of first) client.socket.destroy()
  })

  it('lets a client in again once one of its connections has ended', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)], maxConnectionsPerIp: 1 })
    const first = new RawClient(port())
    first.socket.end('a')
    await first.over()
    await until(() => proxy.stats().connections.active === 0)
    const second = new RawClient(port())
    second.socket.end('b')
    await second.over()
    expect(second.text).toBe('b')
  })
})

describe('targets', () => {
  it('takes targets in turn', async () => {
    const targets = await Promise.all(
      [1, 2, 3].map((name) => tcpTarget((socket) => socket.end(String(name)))),
    )
    const { port } = await startProxy({ routes: [tcpRoute(targets.map((target) => target.port))] })
    const heard: string[] = []
    for (let at = 0; at < 6; at += 1) {
      const client = new RawClient(port())
      await client.over()
      heard.push(client.text)
    }
    expect(heard.join('')).toBe('123123')
  })

  it('goes to the next target when one refuses, skips it from then on, and says when it is back', async () => {
    const dead = await deadPort()
    const alive = await tcpTarget((socket) => socket.end('alive'))
    const { proxy, port, events } = await startProxy({ routes: [tcpRoute([dead, alive.port])] })
    for (let at = 0; at < 4; at += 1) {
      const client = new RawClient(port())
      await client.over()
      expect(client.text).toBe('alive')
    }
    expect(events.filter((event) => event.type === 'target.down')).toHaveLength(1)
    expect(proxy.stats().targets.map((target) => target.healthy)).toEqual([false, true])
    const server = net.createServer((socket) => socket.on('error', () => undefined).end('back'))
    await new Promise<void>((resolve) => server.listen(dead, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    await until(() => {
      net
        .connect(port(), '127.0.0.1')
        .on('error', () => undefined)
        .resume()
      return events.some((event) => event.type === 'target.up')
    }, 'target.up')
    expect(proxy.stats().targets[0]!.healthy).toBe(true)
  })

  it('keeps the port of the listener where the target says preserve', async () => {
    const target = await tcpTarget((socket) => socket.end('same port, other address'))
    const route = tcpRoute(target.port, {
      match: { ports: target.port },
      action: { type: 'forward', targets: [{ host: '127.0.0.1', port: 'preserve' }] },
    })
    const { port } = await startProxy({ host: '127.0.0.2', routes: [route] })
    const socket = net.connect({ port: port(), host: '127.0.0.2' })
    const heard = await new Promise<string>((resolve) =>
      socket.once('data', (chunk) => resolve(chunk.toString())),
    )
    expect(heard).toBe('same port, other address')
    socket.destroy()
  })
})

describe('quiet connections', () => {
  it.each([
    ['socket_timeout', { timeoutBehavior: 'close' as const, socketTimeoutMs: 100 }],
    ['inactivity', { inactivityTimeoutMs: 100 }],
    ['stuck', { stuckTimeoutMs: 100 }],
  ])('closes with %s', async (reason, options) => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)], ...options })
    const client = new RawClient(port())
    client.socket.write('one way')
    await until(() => client.closed)
    expect(proxy.stats().closedBy).toEqual({ [reason]: 1 })
    expectLaw(proxy)
  })

  it('closes with parity when one side has sent FIN and nothing moves', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({
      routes: [tcpRoute(target.port)],
      parityCheckTimeoutMs: 100,
      parityQuietMs: 50,
    })
    const client = new RawClient(port())
    client.socket.end('half')
    await until(() => client.closed)
    expect(proxy.stats().closedBy).toEqual({ parity: 1 })
  })

  it('closes with parity also when the FIN stands behind bytes for which the target has no room', async () => {
    const target = await tcpTarget((socket) => socket.pause())
    const { proxy, port } = await startProxy({
      routes: [tcpRoute(target.port)],
      parityCheckTimeoutMs: 300,
      parityQuietMs: 200,
    })
    const client = new RawClient(port())
    const step = Buffer.alloc(64 * 1024)
    let written = 0
    // Until the proxy reads no more; what was written last lies in its kernel.
    for (let still = 0; still < 20; ) {
      const taken = proxy.stats().bytes.upstream
      if (taken === written) {
        client.socket.write(step)
        written += step.length
        still = 0
      } else still += 1
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (proxy.stats().bytes.upstream !== taken) still = 0
    }
    client.socket.end()
    await until(() => proxy.stats().connections.closed === 1)
    expect(proxy.stats().closedBy).toEqual({ parity: 1 })
    expectLaw(proxy)
  })

  it.each(['reset', 'ignore'] as const)(
    'survives socketTimeoutMs with timeoutBehavior %s',
    async (timeoutBehavior) => {
      const target = await tcpTarget((socket) => socket.pipe(socket))
      const { port } = await startProxy({
        routes: [tcpRoute(target.port)],
        timeoutBehavior,
        socketTimeoutMs: 30,
        inactivityTimeoutMs: 4_000,
      })
      const client = new RawClient(port())
      await until(() => target.sockets.length === 1)
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      client.socket.write('still there')
      await until(() => client.text === 'still there')
    },
  )
})

describe('events', () => {
  it('samples closing records above 100 a second and keeps the counts exact', async () => {
    const target = await tcpTarget((socket) => socket.end())
    const { proxy, port, events } = await startProxy({ routes: [tcpRoute(target.port)] })
    const clients = Array.from({ length: 400 }, () => new RawClient(port()))
    for (const client of clients) client.socket.end()
    await until(() => proxy.stats().connections.closed === 400)
    await until(() =>
      events.some((event) => event.type === 'connections.counted' && event.data.closed === 400),
    )
    const records = events.filter((event) => event.type === 'connection.closed').length
    expect(records).toBeGreaterThanOrEqual(100)
    expect(records).toBeLessThan(400)
    const counted = events.findLast((event) => event.type === 'connections.counted')
    expect(counted?.data).toMatchObject({
      active: 0,
      accepted: 400,
      closed: 400,
      closedBy: { finished: 400 },
    })
  })
})
