import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { relayConfigSchema } from '../../../server/contract/node-config.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { clientKey } from '../../../server/runtime/relay/pending-room.ts'
import { FLAG_END, FRAME } from '../../../server/runtime/tunnel/frames.ts'
import {
  ask,
  errorCode,
  type RawStream,
  speak,
  startHost,
  startRawHost,
  startRelay,
  startTarget,
  type TestRelay,
} from './fixture.ts'

const answer = (stream: RawStream, body = 'fine'): void => {
  stream.send(FRAME.response, 0, {
    status: 200,
    message: 'OK',
    headers: ['Content-Length', `${body.length}`],
  })
  stream.send(FRAME.data, FLAG_END, body)
}

const dial = (
  relay: TestRelay,
  text: string,
  localAddress = '127.0.0.1',
): Socket & { text: () => string } => {
  const socket = connect({ port: relay.port, host: '127.0.0.1', localAddress })
  let received = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  socket.write(text)
  onTestFinished(() => {
    socket.destroy()
  })
  return Object.assign(socket, { text: () => received })
}

const pending = (relay: TestRelay): number => relay.relay.tunnels()[0]?.pending ?? -1

describe('one connection', () => {
  it('with a thousand pipelined requests does not take a host from all others, and all are answered in order', async () => {
    const relay = await startRelay({ config: { maxPendingPerTunnel: 10 } })
    const held: RawStream[] = []
    let hold = true
    await startRawHost(relay, 'a', (stream) => {
      if (hold && stream.head.path.startsWith('/slow')) held.push(stream)
      else answer(stream, stream.head.path)
    })
    const lines = Array.from(
      { length: 1_000 },
      (_, index) => `GET /hosts/a/slow/${index} HTTP/1.1\r\nHost: a\r\n\r\n`,
    )
    const greedy = dial(relay, lines.join(''))
    await vi.waitFor(() => expect(held).toHaveLength(1))
    const others = await Promise.all(Array.from({ length: 9 }, () => ask(relay, '/hosts/a/other')))
    expect(others.map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 200))
    expect(pending(relay)).toBe(1)
    expect(relay.relay.stats().requests).toMatchObject({ pending: 1, waiting: 999 })
    hold = false
    for (const stream of held) answer(stream, stream.head.path)
    await vi.waitFor(() => expect(greedy.text()).toContain('/slow/999'), { timeout: 15_000 })
    expect(greedy.text().match(/\/slow\/\d+/g)).toEqual(lines.map((_, index) => `/slow/${index}`))
    expect(relay.relay.inFlight()).toEqual({ connections: 0, requests: 0 })
  })

  it('that leaves with requests in line takes none of them to the host, and is not counted any more', async () => {
    const relay = await startRelay()
    const seen: string[] = []
    const host = await startRawHost(relay, 'a', (stream) => seen.push(stream.head.path))
    const socket = dial(relay, 'GET /hosts/a/x HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    socket.write('GET /hosts/a/x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(899))
    await vi.waitFor(() => expect(relay.relay.stats().requests.waiting).toBe(899))
    const before = performance.now()
    socket.destroy()
    await vi.waitFor(() => expect(host.frames.some(({ type }) => type === FRAME.reset)).toBe(true), {
      timeout: 10_000,
    })
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(relay.relay.stats().requests.waiting).toBe(0)
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
    expect(seen).toHaveLength(1)
  })

  it.each([
    ['half a head', 'GET /hosts/a/y HT'],
    ['half a body', 'POST /hosts/a/y HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx'],
    [
      'a large body',
      `POST /hosts/a/y HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(300_000)}`,
    ],
    ['chunks', 'POST /hosts/a/y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ])(
    'that leaves behind a request that waits is let go at once, and the host is told: %s',
    async (_what, rest) => {
      for (const end of ['end', 'destroy'] as const) {
        const relay = await startRelay()
        const host = await startRawHost(relay, 'a', () => undefined)
        const socket = dial(relay, `GET /hosts/a/x HTTP/1.1\r\nHost: a\r\n\r\n${rest}`)
        await vi.waitFor(() => expect(pending(relay)).toBe(1))
        await new Promise((resolve) => setTimeout(resolve, 50))
        const before = performance.now()
        socket[end]()
        await vi.waitFor(() => expect(host.frames.some(({ type }) => type === FRAME.reset)).toBe(true), {
          timeout: 10_000,
        })
        expect(performance.now() - before).toBeLessThan(1_000)
        await vi.waitFor(() => expect(relay.relay.stats().requests).toMatchObject({ pending: 0, waiting: 0 }))
      }
    },
  )

  it('gets the answers before a large body whole, and is told that they are the last', async () => {
    const relay = await startRelay()
    const held: RawStream[] = []
    await startRawHost(relay, 'a', (stream) => held.push(stream))
    const get = 'GET /hosts/a/x HTTP/1.1\r\nHost: a\r\n\r\n'
    const post = `POST /hosts/a/y HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`
    const socket = dial(relay, get + get + post + get)
    for (const count of [1, 2]) {
      await vi.waitFor(() => expect(held).toHaveLength(count))
      const stream = held[count - 1]
      if (stream) answer(stream, `answer ${count}`)
    }
    await vi.waitFor(() => expect(socket.destroyed).toBe(true))
    expect(socket.text().match(/answer \d/g)).toEqual(['answer 1', 'answer 2'])
    expect(socket.text()).toMatch(/Connection: close\r\n[\s\S]*answer 2$/)
    expect(held).toHaveLength(2)
  })

  it('is cut when it sends more than may wait', async () => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', () => undefined)
    const many = dial(relay, 'GET /hosts/a/x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_100))
    const big = dial(
      relay,
      `GET /hosts/a/x HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`.repeat(20),
    )
    await vi.waitFor(() => expect([many.destroyed, big.destroyed]).toEqual([true, true]), { timeout: 5_000 })
    await vi.waitFor(() => expect(relay.relay.stats().requests).toMatchObject({ pending: 0, waiting: 0 }))
  })

  it.each([
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['an expectation that nobody meets', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\n\r\n'],
  ])('leaves nothing behind where Node itself answers a request before it: %s', async (_what, first) => {
    const relay = await startRelay()
    const seen: string[] = []
    await startRawHost(relay, 'a', (stream) => seen.push(stream.head.path))
    const socket = dial(relay, `${first}GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n`)
    await vi.waitFor(() => expect(socket.text()).toMatch(/^HTTP\/1\.1 4/))
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
    expect(relay.relay.stats().requests.waiting).toBe(0)
    await vi.waitFor(() => expect(pending(relay)).toBe(0))
  })

  it('is not held open for ever by a large body behind an answer of Node itself', async () => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', (stream) => answer(stream))
    const socket = dial(relay, 'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitFor(() => expect(socket.text()).toContain('fine'))
    const body = 'x'.repeat(20_000)
    socket.write(
      `GET / HTTP/1.1\r\nHost: a\r\nExpect: nonsense\r\n\r\nPOST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${body}`,
    )
    await vi.waitFor(() => expect(socket.text()).toContain('417'))
    await vi.waitFor(() => expect(socket.destroyed || socket.text().match(/fine/g)?.length === 2).toBe(true))
    expect(relay.relay.stats().requests.waiting).toBe(0)
  })

  it('cannot end the relay with an upgrade behind a request that waits', async () => {
    const relay = await startRelay()
    const held: RawStream[] = []
    await startRawHost(relay, 'a', (stream) => held.push(stream))
    const upgrade =
      'GET /hosts/a/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    for (const path of ['/hosts/a/', '/hosts/nobody/', '/health']) {
      const socket = dial(
        relay,
        `GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n${upgrade.replace('/hosts/a/ws', path)}`,
      )
      await once(socket, 'close')
    }
    expect((await ask(relay, '/health')).status).toBe(200)
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
  })
})

describe('uploads that drip', () => {
  it('do not take a host away: the slowest gives way when room is needed, and no honest request is refused', async () => {
    const relay = await startRelay({ config: { maxPendingPerTunnel: 20 } })
    let resets = 0
    const host = await startRawHost(relay, 'a', (stream) => {
      if (stream.head.method === 'GET') answer(stream)
    })
    const drips = Array.from({ length: 20 }, () =>
      dial(relay, 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx'),
    )
    const dripping = setInterval(() => {
      for (const socket of drips) socket.write('x')
    }, 100)
    onTestFinished(() => clearInterval(dripping))
    await vi.waitFor(() => expect(pending(relay)).toBe(20))
    await vi.waitFor(async () => expect((await ask(relay, '/hosts/a/')).status).toBe(200), {
      timeout: 15_000,
      interval: 200,
    })
    for (let index = 0; index < 10; index += 1) expect((await ask(relay, '/hosts/a/')).status).toBe(200)
    resets = host.frames.filter(({ type }) => type === FRAME.reset).length
    expect(resets, 'the host is told').toBeGreaterThanOrEqual(1)
    await vi.waitFor(() =>
      expect(drips.some((socket) => socket.text().includes('408 Request Timeout'))).toBe(true),
    )
    expect(drips.find((socket) => socket.text() !== '')?.text()).toContain('ERR_REQUEST_TIMEOUT')
  })

  it('are ended with 408 when they stand still, not before, and their connection with them', async () => {
    const relay = await startRelay({ config: { bodyIdleTimeoutMs: 400, responseTimeoutMs: 100 } })
    await startRawHost(relay, 'a', () => undefined)
    const socket = dial(relay, 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx')
    for (let index = 0; index < 4; index += 1) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      expect(socket.text()).toBe('')
      socket.write('x')
    }
    await once(socket, 'close')
    expect(socket.text()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*Connection: close/)
    await vi.waitFor(() => expect(pending(relay)).toBe(0))
  })

  it('do not keep their connection after a 504: the rest of the body is not read on', async () => {
    const relay = await startRelay({ config: { responseTimeoutMs: 150, bodyIdleTimeoutMs: 0 } })
    await startRawHost(relay, 'a', () => undefined)
    // More than the host takes without granting more: it is the host's turn then.
    const socket = dial(relay, 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
    const body = Buffer.alloc(1024 * 1024)
    socket.write(body)
    await once(socket, 'close')
    expect(socket.text()).toContain('504 Gateway Timeout')
    expect(socket.text()).toContain('Connection: close')
  })

  it('that are malformed are 400 at once, and the target is told at once, though the client stays', async () => {
    let told: () => void = () => undefined
    const aborted = new Promise<void>((resolve) => {
      told = resolve
    })
    const to = await startTarget((req) => {
      req.on('error', () => undefined)
      req.on('close', told)
      req.resume()
    })
    const relay = await startRelay()
    await startHost({ relays: [relay.url], to }).registered()
    const socket = dial(
      relay,
      'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await vi.waitFor(() => expect(pending(relay)).toBe(1))
    socket.write('what is this\r\n')
    await aborted
    await vi.waitFor(() => expect(socket.text()).toMatch(/^HTTP\/1\.1 400 Bad Request/))
    await vi.waitFor(() => expect(pending(relay)).toBe(0))
  })
})

describe('an upload by way of a fellow relay', () => {
  const startTwo = async (config: Parameters<typeof startRelay>[0]) => {
    const memory = createMemoryDirectory()
    const directory = { ...memory, backend: 'shared' as const }
    const near = await startRelay({ ...config, directory })
    const owner = await startRelay({ ...config, directory, node: 'iad-1', region: 'iad' })
    return { near, owner }
  }

  it('that the host does not take is 504, and its connection closes there too', async () => {
    const { near, owner } = await startTwo({ config: { responseTimeoutMs: 150 } })
    await startRawHost(owner, 'a', () => undefined)
    const socket = dial(near, 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
    socket.write(Buffer.alloc(1024 * 1024))
    await once(socket, 'close')
    expect(socket.text()).toContain('504 Gateway Timeout')
    await vi.waitFor(() => expect([pending(owner), near.relay.stats().requests.pending]).toEqual([0, 0]))
  })

  it('may pause for longer than a host may be silent', async () => {
    const { near, owner } = await startTwo({ config: { responseTimeoutMs: 100, bodyIdleTimeoutMs: 10_000 } })
    const to = await startTarget((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => res.end(Buffer.concat(chunks)))
    })
    await startHost({ relays: [owner.url], to }).registered()
    const socket = dial(near, 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst')
    // Beyond the second that a fellow waits in addition.
    await new Promise((resolve) => setTimeout(resolve, 1_400))
    socket.write('after')
    await vi.waitFor(() => expect(socket.text()).toContain('firstafter'), { timeout: 5_000 })
  })
})

describe('what cannot be read', () => {
  it('behind a whole request does not cost its answer, and stands in no answer that has begun', async () => {
    const relay = await startRelay()
    const held: RawStream[] = []
    await startRawHost(relay, 'a', (stream) => held.push(stream))
    const behind = dial(relay, 'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n')
    await vi.waitFor(() => expect(held).toHaveLength(1))
    if (held[0]) answer(held[0], 'whole')
    await once(behind, 'close')
    expect(behind.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nwhole$/)

    const within = dial(
      relay,
      'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n',
    )
    await vi.waitFor(() => expect(held).toHaveLength(2))
    held[1]?.send(FRAME.response, 0, { status: 200, message: 'OK', headers: [] })
    held[1]?.send(FRAME.data, 0, 'begun')
    await vi.waitFor(() => expect(within.text()).toContain('begun'))
    within.write('nonsense\r\n')
    await once(within, 'close')
    expect(within.text()).not.toContain('400')
    const alone = await speak(relay, 'nonsense\r\n\r\n')
    expect(alone).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  })
})

describe('a client that holds a whole tunnel', () => {
  it('gives way to one that holds nothing, and is refused itself', async () => {
    const relay = await startRelay({ config: { maxPendingPerTunnel: 20 } })
    await startRawHost(relay, 'a', (stream) => {
      if (stream.head.path === '/quick') answer(stream)
    })
    const greedy = Array.from({ length: 20 }, () =>
      dial(relay, 'GET /hosts/a/slow HTTP/1.1\r\nHost: a\r\n\r\n', '127.0.0.2'),
    )
    await vi.waitFor(() => expect(pending(relay)).toBe(20))
    for (let index = 0; index < 3; index += 1) expect((await ask(relay, '/hosts/a/quick')).status).toBe(200)
    await vi.waitFor(() =>
      expect(greedy.some((socket) => socket.text().includes('ERR_TUNNEL_BUSY'))).toBe(true),
    )
    // As long as nobody needs the room it keeps it.
    expect(greedy.filter((socket) => socket.text() === '')).toHaveLength(19)
    const again = dial(relay, 'GET /hosts/a/slow HTTP/1.1\r\nHost: a\r\n\r\n', '127.0.0.2')
    await vi.waitFor(() => expect(pending(relay)).toBe(20))
    const more = dial(relay, 'GET /hosts/a/slow HTTP/1.1\r\nHost: a\r\n\r\n', '127.0.0.2')
    await vi.waitFor(() => expect(more.text()).toContain('ERR_TUNNEL_BUSY'))
    expect(again.text()).toBe('')
  })

  it('is one client with its whole IPv6 network', () => {
    expect(clientKey('10.0.0.7')).toBe('10.0.0.7')
    expect(clientKey('2001:db8:1:2:3:4:5:6')).toBe(clientKey('2001:db8:1:2::9'))
    expect(clientKey('2001:db8:1:2::9')).not.toBe(clientKey('2001:db8:1:3::9'))
    expect(clientKey('::1')).toBe('0:0:0:0')
    expect(clientKey('fe80::1%eth0')).toBe(clientKey('fe80::2'))
  })
})

describe('a client that reads', () => {
  const big = Buffer.alloc(24 * 1024 * 1024, 'x')

  it('slowly and with pauses gets its answer whole through a tunnel; one that stands still is let go', async () => {
    // The product's own figure: a pause of 30 s is no attack.
    expect(relayConfigSchema.parse({ port: 0, tokens: {} })).toMatchObject({
      readerIdleTimeoutMs: 60_000,
      bodyIdleTimeoutMs: 60_000,
    })
    const relay = await startRelay({ config: { readerIdleTimeoutMs: 1_000 } })
    let closed = 0
    const to = await startTarget((_req, res) => {
      res.on('close', () => {
        if (!res.writableFinished) closed += 1
      })
      res.writeHead(200, { 'Content-Length': big.length })
      res.end(big)
    })
    await startHost({ relays: [relay.url], to }).registered()
    const read = async (connection: string): Promise<number> => {
      const socket = connect(relay.port, '127.0.0.1')
      onTestFinished(() => {
        socket.destroy()
      })
      socket.write(`GET /hosts/a/ HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`)
      let bytes = 0
      let head = -1
      let pauses = 0
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject)
        socket.on('close', () => resolve())
        socket.on('data', (chunk: Buffer) => {
          if (head < 0) head = chunk.indexOf('\r\n\r\n') + 4
          bytes += chunk.length
          if (bytes - head >= big.length) {
            resolve()
            return
          }
          if (bytes > (pauses + 1) * 8 * 1024 * 1024 && pauses < 2) {
            pauses += 1
            socket.pause()
            setTimeout(() => socket.resume(), 600)
          }
        })
      })
      return bytes - head
    }
    expect(await Promise.all([read('keep-alive'), read('close')])).toEqual([big.length, big.length])
    expect(closed).toBe(0)

    const stuck = connect(relay.port, '127.0.0.1')
    stuck.on('error', () => undefined)
    stuck.pause()
    stuck.write('GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitFor(() => expect(closed, 'the target is told').toBe(1), { timeout: 10_000 })
    expect(pending(relay)).toBe(0)
    stuck.destroy()
  })

  it('nothing of a quiet stream of events keeps it, however long that is quiet', async () => {
    const relay = await startRelay({ config: { readerIdleTimeoutMs: 80 } })
    let stream: RawStream | null = null
    await startRawHost(relay, 'a', (opened) => {
      stream = opened
      opened.send(FRAME.response, 0, { status: 200, message: 'OK', headers: [] })
    })
    const socket = dial(relay, 'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n')
    await vi.waitFor(() => expect(socket.text()).toContain('200 OK'))
    await new Promise((resolve) => setTimeout(resolve, 300))
    ;(stream as RawStream | null)?.send(FRAME.data, 0, 'news')
    await vi.waitFor(() => expect(socket.text()).toContain('news'))
  })

  it('nothing of a WebSocket is let go, and the target is told', async () => {
    const relay = await startRelay({ config: { readerIdleTimeoutMs: 300 } })
    let ended: number | null = null
    const to = await startTarget(
      () => undefined,
      (server) => {
        new WebSocketServer({ server }).on('connection', (ws) => {
          ws.on('close', (code) => {
            ended = code
          })
          const pump = (): void => {
            if (ws.readyState !== WebSocket.OPEN) return
            ws.send(Buffer.alloc(64 * 1024), () => setImmediate(pump))
          }
          pump()
        })
      },
    )
    await startHost({ relays: [relay.url], to }).registered()
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/`)
    ws.on('error', () => undefined)
    await once(ws, 'open')
    ws.pause()
    await vi.waitFor(() => expect(ended).toBe(1011), { timeout: 10_000 })
    expect(pending(relay)).toBe(0)
    ws.terminate()
  })
})

it('readers that drip do not fill the memory of the relay: above its ceiling the slowest are ended, others are served whole', async () => {
  const relay = await startRelay({ config: { maxBufferedBytes: 1024 * 1024 } })
  const body = Buffer.alloc(24 * 1024 * 1024, 'x')
  let cut = 0
  const to = await startTarget((_req, res) => {
    res.on('close', () => {
      if (!res.writableFinished) cut += 1
    })
    res.writeHead(200, { 'Content-Length': body.length })
    res.end(body)
  })
  await startHost({ relays: [relay.url], to }).registered()
  const readers = Array.from({ length: 12 }, () => {
    const socket = connect(relay.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n')
    return socket
  })
  onTestFinished(() => {
    for (const socket of readers) socket.destroy()
  })
  await vi.waitFor(() => expect(cut).toBeGreaterThan(3), { timeout: 15_000 })
  expect(pending(relay), 'nobody more than needed').toBeGreaterThan(0)
  expect((await ask(relay, '/hosts/a/')).body.length).toBe(body.length)
})

describe('a client that gives up', () => {
  it.each([
    ['a request', 'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an upload', 'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nx'],
    [
      'an upgrade',
      'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ],
  ])('is let go at once, and the host is told: %s', async (_what, text) => {
    for (const end of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const relay = await startRelay()
      const host = await startRawHost(relay, 'a', () => undefined)
      const socket = dial(relay, text)
      await vi.waitFor(() => expect(pending(relay)).toBe(1))
      const before = performance.now()
      socket[end]()
      await vi.waitFor(() => expect(host.frames.some(({ type }) => type === FRAME.reset)).toBe(true), {
        timeout: 5_000,
      })
      expect(performance.now() - before, end).toBeLessThan(1_000)
      await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
    }
  })
})

it('a host that stops reading does not make the relay keep what others send it', async () => {
  const relay = await startRelay()
  const host = await startRawHost(relay, 'a', () => undefined)
  host.ws.pause()
  const big = `X-Big: ${'x'.repeat(30_000)}\r\n`
  let busy = 0
  for (let index = 0; index < 4_000 && busy === 0; index += 50) {
    const sockets = Array.from({ length: 50 }, () =>
      dial(relay, `GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n${big}\r\n`),
    )
    await vi.waitFor(() => expect(relay.relay.stats().requests.total).toBeGreaterThanOrEqual(index + 50), {
      timeout: 10_000,
    })
    busy += sockets.filter((socket) => socket.text().includes('ERR_TUNNEL_BUSY')).length
    for (const socket of sockets) socket.destroy()
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
  }
  expect(busy).toBeGreaterThan(0)
  const refused = await ask(relay, '/hosts/a/')
  expect([refused.status, errorCode(refused)]).toEqual([503, 'ERR_TUNNEL_BUSY'])
})
