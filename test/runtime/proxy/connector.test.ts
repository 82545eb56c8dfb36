import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Connector } from '../../../server/runtime/proxy/targets/connector.ts'
import {
  deadPort,
  expectLaw,
  httpRoute,
  RawClient,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

const GET = 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'

const unixPath = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-connector-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'target.sock')
}

/** Reaches every target over one Unix socket. */
const overUnix = (path: string): Connector => {
  return (_to, onread, connected) => {
    const stream = new net.Socket({ allowHalfOpen: true, ...(onread ? { onread } : {}) })
    stream.once('connect', connected)
    stream.connect({ path })
    return { stream, intoBuffers: onread !== null }
  }
}

/** A stream that is no socket: bytes go through it to a TCP connection, and are counted. */
const counted = (bytes: { up: number; down: number }): Connector => {
  return ({ host, port }, _onread, connected) => {
    const socket = net.connect({ host, port, allowHalfOpen: true }, connected)
    const stream = new Duplex({
      read: () => socket.resume(),
      write(chunk: Buffer, _encoding, done) {
        bytes.up += chunk.length
        socket.write(chunk, done)
      },
      final: (done) => socket.end(done),
      destroy(error, done) {
        socket.destroy()
        done(error)
      },
    })
    socket.on('data', (chunk: Buffer) => {
      bytes.down += chunk.length
      if (!stream.push(chunk)) socket.pause()
    })
    socket.on('end', () => stream.push(null))
    socket.on('error', (error) => stream.destroy(error))
    return { stream, intoBuffers: false }
  }
}

describe('another connector', () => {
  it('carries HTTP over a Unix socket, with a pool, keep-alive and uploads', async () => {
    const path = await unixPath()
    let sockets = 0
    const server = http.createServer((request, response) => {
      const hash = createHash('sha256')
      request.on('data', (chunk: Buffer) => hash.update(chunk))
      request.on('end', () => response.end(hash.digest('hex')))
    })
    server.on('connection', () => {
      sockets += 1
    })
    server.listen(path)
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(9)] }, { connector: overUnix(path) })
    const body = randomBytes(5 * 1024 * 1024)
    const sum = createHash('sha256').update(body).digest('hex')
    for (let times = 0; times < 3; times += 1) {
      const response = await fetch(`http://127.0.0.1:${port()}/`, { method: 'POST', body })
      expect(await response.text()).toBe(sum)
    }
    const empty = await fetch(`http://127.0.0.1:${port()}/`)
    expect(await empty.text()).toBe(createHash('sha256').digest('hex'))
    expect(sockets).toBe(1)
    expect(proxy.stats().targets[0]).toMatchObject({ target: '127.0.0.1:9', healthy: true })
  })

  it('carries TCP over a stream that is no socket, both ways, half-open, and every byte is counted once', async () => {
    const target = await tcpTarget((socket) => {
      let got = 0
      socket.on('data', (chunk: Buffer) => {
        got += chunk.length
      })
      socket.on('end', () => socket.end(Buffer.alloc(got, 'y')))
    })
    const bytes = { up: 0, down: 0 }
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute(target.port)] },
      { connector: counted(bytes) },
    )
    const client = new RawClient(port())
    const size = 8 * 1024 * 1024
    client.socket.end(Buffer.alloc(size, 'x'))
    await until(() => client.bytes.length === size && client.ended)
    expect(bytes).toEqual({ up: size, down: size })
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
    expect(proxy.stats().bytes).toEqual({ upstream: size, downstream: size })
    expectLaw(proxy)
  })

  it('pauses such a stream for a client that does not read, and goes on', async () => {
    const size = 64 * 1024 * 1024
    const target = await tcpTarget((socket) => socket.end(Buffer.alloc(size, 'x')))
    const bytes = { up: 0, down: 0 }
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute(target.port)] },
      { connector: counted(bytes) },
    )
    const client = new RawClient(port())
    client.socket.pause()
    let before = -1
    let still = 0
    await until(() => {
      still = bytes.down === before && bytes.down > 0 ? still + 1 : 0
      before = bytes.down
      return still > 30
    }, 'a paused stream')
    expect(bytes.down).toBeLessThan(size / 2)
    client.socket.resume()
    await until(() => client.bytes.length === size)
    client.socket.end()
    await until(() => proxy.stats().closedBy.finished === 1)
  })

  it('that fails is a target that is down, and is asked again until it is not', async () => {
    const path = await unixPath()
    const { proxy, port, events } = await startProxy(
      { routes: [httpRoute(9)] },
      { connector: overUnix(path) },
    )
    const client = new RawClient(port())
    client.socket.write(GET)
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 502 /)
    expect(proxy.stats().targets[0]!.healthy).toBe(false)
    const server = net.createServer((socket) => socket.on('error', () => undefined))
    server.listen(path)
    onTestFinished(() => {
      server.close()
    })
    await until(() => proxy.stats().targets[0]!.healthy)
    expect(events.map(({ type }) => type)).toContain('target.up')
  })

  it('that throws costs its own connections alone', async () => {
    const dead = await deadPort()
    let throws = true
    const target = await tcpTarget((socket) => socket.end('here'))
    const plain = counted({ up: 0, down: 0 })
    const connector: Connector = (to, onread, connected) => {
      if (throws) throw new Error('a fault of the connector')
      return plain(to, onread, connected)
    }
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute([target.port, dead])], connectTimeoutMs: 500 },
      { connector },
    )
    const client = new RawClient(port())
    await client.over()
    expect(proxy.stats().closedBy).toEqual({ target_unreachable: 1 })
    throws = false
    await until(() => proxy.stats().targets[0]!.healthy)
    const next = new RawClient(port())
    await next.over()
    expect(next.text).toBe('here')
    next.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })
})
