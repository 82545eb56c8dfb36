import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ConnectionRecord } from '../../../server/runtime/proxy/connections/record.ts'
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
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`

const quick = () => httpTarget((_request, response) => response.end('quick'))

const served = async (port: number): Promise<RawClient> => {
  const client = new RawClient(port)
  client.socket.write(GET)
  await until(() => client.text.endsWith('quick'))
  return client
}

describe('idle kept-alive connections', () => {
  it('make room for new clients, the longest idle first, instead of shutting them out for hours', async () => {
    const target = await quick()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], maxConnections: 5 })
    const first: RawClient[] = []
    for (let at = 0; at < 5; at += 1) {
      first.push(await served(port()))
      await sleep(20)
    }
    const later = [await served(port()), await served(port())]
    await until(() => first[0]!.ended && first[1]!.ended)
    expect(first.slice(2).some((client) => client.ended || client.closed)).toBe(false)
    expect(first.every((client) => client.error === null)).toBe(true)
    expect(later.every((client) => client.text.endsWith('quick'))).toBe(true)
    expect(proxy.stats().closedBy).toEqual({ evicted: 2 })
    expect(proxy.stats().connections.rejected).toEqual({})
    expectLaw(proxy)
  })

  it('end after keepAliveTimeoutMs, and a connection in use does not', async () => {
    const target = await quick()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], keepAliveTimeoutMs: 400 })
    const [idle, busy] = [await served(port()), await served(port())]
    for (let at = 0; at < 8; at += 1) {
      await sleep(100)
      busy.socket.write(GET)
    }
    await until(() => idle.ended)
    expect(busy.ended).toBe(false)
    await until(() => busy.ended)
    for (const client of [idle, busy]) client.socket.end()
    await until(() => proxy.stats().closedBy.finished === 2)
  })
})

describe('at the ceiling of connections', () => {
  it('those that drip go first, the slowest before the others, and those that wait for a target are spared', async () => {
    const target = await httpTarget((request, response) => {
      if (request.method === 'GET') return
      request.on('data', () => undefined).on('end', () => response.end())
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], maxConnections: 4 })
    const waiting = new RawClient(port())
    waiting.socket.write(GET)
    const post = `POST / HTTP/1.1\r\n${HOST}Content-Length: 100000000\r\n\r\n`
    const [drip, fast, head] = [new RawClient(port()), new RawClient(port()), new RawClient(port())]
    drip.socket.write(post)
    fast.socket.write(post)
    head.socket.write('GET / HTTP/1.1\r\nX: ')
    const feed = setInterval(() => {
      drip.socket.write('xxxxxxxxxx')
      fast.socket.write('x'.repeat(5_000))
      head.socket.write('x')
    }, 100)
    try {
      await until(() => proxy.stats().connections.active === 4)
      await sleep(3_500)
      const late = new RawClient(port())
      await until(() => head.closed)
      const later = new RawClient(port())
      await until(() => drip.closed)
      const last = new RawClient(port())
      await last.over()
      expect([waiting, fast, late, later].some((client) => client.closed)).toBe(false)
    } finally {
      clearInterval(feed)
    }
    expect(proxy.stats().closedBy).toEqual({ evicted: 2, limit_connections: 1 })
    expectLaw(proxy)
  })

  it('a quiet TCP connection is never ended for another', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)], maxConnections: 1 })
    const client = new RawClient(port())
    await until(() => target.sockets.length === 1)
    const second = new RawClient(port())
    await second.over()
    expect(client.closed).toBe(false)
    expect(proxy.stats().closedBy).toEqual({ limit_connections: 1 })
  })
})

describe('a connection that is as fast as any', () => {
  it('is not taken for slow because the process has run for long', () => {
    const day = 86_400_000
    const record = new ConnectionRecord('c1', 'http', { ip: '203.0.113.7', port: 50_000 }, 80, day)
    record.bytesUpstream = 10_000_000
    record.measure(day + 5_000)
    expect(record.rate(day + 5_000, 2_000)).toBe(2_000)
    record.measure(day + 6_000)
    expect(record.rate(day + 6_000, 2_000)).toBe(0)
  })
})

describe('at the ceiling of memory', () => {
  it('those that take the least go first, until there is room', async () => {
    const size = 24 * 1024 * 1024
    const body = Buffer.alloc(size)
    const target = await httpTarget((_request, response) => response.end(body))
    const { proxy, port } = await startProxy({
      routes: [httpRoute(target.port)],
      maxBufferedBytes: 1_048_576,
    })
    const clients = Array.from({ length: 40 }, () => {
      const client = new RawClient(port())
      client.socket.pause()
      client.socket.write(GET)
      return client
    })
    const reader = new RawClient(port())
    reader.socket.write(GET)
    await until(() => (proxy.stats().closedBy.evicted ?? 0) > 0)
    await until(() => reader.bytes.length > size)
    await until(() => (proxy.stats().bufferedBytes ?? 0) < 1_048_576)
    expect(proxy.stats().connections.active).toBeGreaterThan(0)
    expect(Object.keys(proxy.stats().closedBy)).toEqual(['evicted'])
    expect(clients.length).toBe(40)
    expectLaw(proxy)
  })
})
