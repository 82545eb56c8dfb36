import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { LiveCaller } from '../../server/live/caller.ts'
import { Hub } from '../../server/live/hub.ts'
import { LiveSocket } from '../../server/live/socket.ts'
import { createLog } from '../../server/observe/log.ts'

const log = createLog('test', 'silent')

describe('/live', () => {
  let server: Server
  let hub: Hub
  let live: LiveSocket
  let url: string
  let caller: LiveCaller | null
  let readMs: number
  let authenticate: () => Promise<LiveCaller | null>

  beforeEach(async () => {
    caller = { name: 'ana@example.com', sessionId: 's1', tokenId: null, expiresAt: null, bearer: false }
    readMs = 0
    authenticate = async () => caller
    hub = new Hub({
      log,
      snapshot: async () => {
        // As a store does that answers on the event loop.
        const until = performance.now() + readMs
        while (performance.now() < until);
        return { ok: true }
      },
    })
    live = new LiveSocket({
      hub,
      log,
      authenticate: () => authenticate(),
      allowedOrigins: () => ['http://localhost:3000'],
      heartbeatMs: 50,
      maxClientsPerCaller: 3,
      maxBacklogMs: 1_000,
    })
    server = createServer()
    server.on('upgrade', (request, socket, head) => void live.upgrade(request, socket, head))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/live`
  })

  afterEach(async () => {
    await live.close()
    hub.close()
    await new Promise((resolve) => server.close(resolve))
  })

  const open = (origin?: string): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url, origin === undefined ? {} : { origin })
      socket.once('open', () => resolve(socket))
      socket.once('unexpected-response', (_request, response) =>
        reject(new Error(String(response.statusCode))),
      )
      socket.once('error', reject)
    })

  it('refuses a foreign Origin with 403 before 101, also with a good session', async () => {
    await expect(open('https://evil.example')).rejects.toThrow('403')
  })

  it('refuses a session without an Origin with 403, and a token without one is fine', async () => {
    await expect(open()).rejects.toThrow('403')
    caller = { name: 'token:ci', sessionId: null, tokenId: 't1', expiresAt: null, bearer: true }
    const socket = await open()
    socket.terminate()
  })

  it('refuses strangers with 401 before 101', async () => {
    caller = null
    await expect(open('http://localhost:3000')).rejects.toThrow('401')
  })

  it('closes the sockets of a revoked session with 4401', async () => {
    const socket = await open('http://localhost:3000')
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    live.closeSession('s1')
    expect(await closed).toBe(4401)
  })

  it('closes the sockets of a revoked session also where the peer does not answer, and lets none in just then', async () => {
    let letIn: (caller: LiveCaller | null) => void = () => undefined
    const socket = await open('http://localhost:3000')
    const { port } = new URL(url)
    const silent = await openRaw(Number(port))
    await expect.poll(() => live.clients).toBe(2)
    const before = caller
    const admitted = new Promise<LiveCaller | null>((resolve) => {
      letIn = resolve
    })
    authenticate = () => admitted
    const late = open('http://localhost:3000')
    late.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 50))
    live.closeSession('s1')
    letIn(before)
    await expect(late).rejects.toThrow('401')
    await expect.poll(() => live.clients, { timeout: 5_000 }).toBe(0)
    socket.terminate()
    silent.destroy()
  })

  it('one viewer does not take the places of the others', async () => {
    const sockets = await Promise.all([1, 2, 3].map(() => open('http://localhost:3000')))
    await expect(Promise.all([1, 2].map(() => open('http://localhost:3000')))).rejects.toThrow('503')
    await expect.poll(() => live.refused.places).toBe(2)
    caller = { name: 'ben@example.com', sessionId: 's2', tokenId: null, expiresAt: null, bearer: false }
    const other = await open('http://localhost:3000')
    for (const socket of [...sockets, other]) socket.terminate()
    await expect.poll(() => live.clients).toBe(0)
    caller = { ...caller, name: 'ana@example.com' }
    const again = await open('http://localhost:3000')
    again.terminate()
  })

  it('a viewer who subscribes and unsubscribes in a loop does not hold up the others', async () => {
    readMs = 5
    const greedy = await open('http://localhost:3000')
    const closed = new Promise<number>((resolve) => greedy.once('close', resolve))
    caller = { name: 'ben@example.com', sessionId: 's2', tokenId: null, expiresAt: null, bearer: false }
    const other = await open('http://localhost:3000')
    for (let round = 0; round < 100; round++) {
      const names = Array.from({ length: 64 }, (_, index) => `events?type=t.${round}.${index}`)
      greedy.send(JSON.stringify({ type: 'subscribe', topics: names }))
      greedy.send(JSON.stringify({ type: 'unsubscribe', topics: names }))
    }
    const names = Array.from({ length: 64 }, (_, index) => `events?type=t.${index}`)
    greedy.send(JSON.stringify({ type: 'subscribe', topics: names }))
    const began = performance.now()
    other.send('{"type":"subscribe","topics":["overview"]}')
    await new Promise<void>((resolve) => {
      other.on('message', (data) => {
        if (String(data).includes('"snapshot"')) resolve()
      })
    })
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(await closed, 'and is closed for it').toBe(1008)
    expect(live.refused.messages).toBe(1)
    other.terminate()
  })

  it('topics have a ceiling by client', async () => {
    const socket = await open('http://localhost:3000')
    const seen: string[] = []
    socket.on('message', (data) => seen.push(JSON.parse(String(data)).code ?? ''))
    const names = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => `node:n-${from + index}`)
    socket.send(JSON.stringify({ type: 'subscribe', topics: names(0, 64) }))
    socket.send(JSON.stringify({ type: 'subscribe', topics: names(10, 50) }))
    socket.send(JSON.stringify({ type: 'subscribe', topics: names(64, 1) }))
    await expect.poll(() => seen.filter(Boolean)).toEqual(['ERR_CAPACITY'])
    socket.send(JSON.stringify({ type: 'unsubscribe', topics: names(0, 64) }))
    socket.send(JSON.stringify({ type: 'subscribe', topics: names(64, 64) }))
    await expect.poll(() => seen.length).toBeGreaterThan(64 + 64)
    expect(seen.filter(Boolean)).toHaveLength(1)
    socket.terminate()
  })

  it('answers pings, but not those of a peer that only pings', async () => {
    const socket = await open('http://localhost:3000')
    const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(String(data))))
    socket.ping('hello')
    expect(await pong).toBe('hello')
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    for (let index = 0; index < 500; index++) socket.ping('x'.repeat(125))
    expect(await closed).toBe(1008)
  })

  it('closes the sockets of a removed token with 4401, and those of another with the same name stay', async () => {
    caller = { name: 'token:ci', sessionId: null, tokenId: 't1', expiresAt: null, bearer: true }
    const removed = await open()
    caller = { ...caller, tokenId: 't2' }
    const other = await open()
    const closed = new Promise<number>((resolve) => removed.once('close', resolve))
    live.closeToken('t1')
    expect(await closed).toBe(4401)
    expect(other.readyState).toBe(WebSocket.OPEN)
    other.terminate()
  })

  it('closes a socket with 4401 when its token expires', async () => {
    caller = { name: 'token:ci', sessionId: null, tokenId: 't1', expiresAt: Date.now() + 100, bearer: true }
    const socket = await open()
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    expect(await closed).toBe(4401)
  })

  it('numbers its refusals like every other frame, strictly ascending', async () => {
    const socket = await open('http://localhost:3000')
    const seen: number[] = []
    socket.on('message', (data) => {
      const { seq } = JSON.parse(String(data))
      if (seq !== undefined) seen.push(seq)
    })
    for (const text of ['{"type":"subscribe","topics":["overview","events"]}', 'nonsense', 'more of it'])
      socket.send(text)
    await expect.poll(() => seen.length).toBe(4)
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
    socket.terminate()
  })

  it('sends a ping that a browser can see, and answers nonsense with a sentence', async () => {
    const socket = await open('http://localhost:3000')
    const seen: { type: string; code?: string }[] = []
    socket.on('message', (data) => seen.push(JSON.parse(String(data))))
    socket.send('{"type":"subscribe","topics":["nothing like it"]}')
    socket.send('not json')
    await expect.poll(() => seen.filter((message) => message.code === 'ERR_INVALID').length).toBe(2)
    await expect.poll(() => seen.some((message) => message.type === 'ping')).toBe(true)
    expect(socket.readyState).toBe(WebSocket.OPEN)
    socket.terminate()
  })

  /** A client of plain bytes, which reads only what it is told to, and answers nothing. */
  const openRaw = async (port: number): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => undefined)
    socket.write(
      'GET /live HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await new Promise((resolve) => socket.once('data', resolve))
    const subscribe = Buffer.from('{"type":"subscribe","topics":["events"]}')
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | subscribe.length]), Buffer.alloc(4), subscribe]))
    return socket.pause()
  }

  const padding = 'x'.repeat(64 * 1024)
  const flood = (events = 40) => {
    for (let index = 0; index < events; index++) {
      hub.event({
        id: 1,
        source: 'node',
        seq: 1,
        epoch: 'e',
        node: 'a',
        region: 'r',
        type: 'node.problem_found',
        at: '',
        receivedAt: '',
        data: { problem: padding },
      })
    }
  }

  it('closes a client that does not read with 1013 and counts it once', async () => {
    const socket = await openRaw(Number(new URL(url).port))
    await expect.poll(() => hub.subscribers).toBe(1)
    const flooding = setInterval(flood, 50)
    try {
      await expect.poll(() => live.slowClosed, { timeout: 15_000, interval: 100 }).toBe(1)
      await expect.poll(() => live.clients, { timeout: 5_000 }).toBe(0)
      await new Promise((resolve) => setTimeout(resolve, 600))
      expect(live.slowClosed).toBe(1)
      expect(live.slowCut).toBeGreaterThan(0)
    } finally {
      clearInterval(flooding)
      socket.destroy()
    }
  })

  it('closes a client that reads, but never fast enough, with 1013 instead of leaving events out for ever', async () => {
    const socket = await openRaw(Number(new URL(url).port))
    await expect.poll(() => hub.subscribers).toBe(1)
    let end = ''
    socket.on('data', (data) => {
      end = data.toString('latin1').slice(-60)
    })
    const deadline = Date.now() + 15_000
    while (live.slowClosed === 0 && Date.now() < deadline) {
      const cuts = live.slowCut
      socket.pause()
      while (live.slowCut === cuts && Date.now() < deadline) {
        flood()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      socket.resume()
      await new Promise((resolve) => setTimeout(resolve, 600))
    }
    expect(live.slowClosed).toBe(1)
    expect(live.slowCut).toBeLessThanOrEqual(4)
    await expect.poll(() => end).toContain('too slow')
    socket.destroy()
  })

  it('does not take a large snapshot for a backlog', async () => {
    const big = { tunnels: 'x'.repeat(3 * 1024 * 1024) }
    await live.close()
    hub.close()
    hub = new Hub({ log, snapshot: async () => big })
    live = new LiveSocket({
      hub,
      log,
      authenticate: () => authenticate(),
      allowedOrigins: () => ['http://localhost:3000'],
    })
    const socket = await open('http://localhost:3000')
    const seen: string[] = []
    socket.on('message', (data) => seen.push(JSON.parse(String(data)).type))
    socket.send('{"type":"subscribe","topics":["tunnels","events"]}')
    await expect.poll(() => seen.filter((type) => type === 'snapshot').length, { timeout: 5_000 }).toBe(2)
    flood(3)
    await expect.poll(() => seen.filter((type) => type === 'event').length).toBe(3)
    expect(live.slowCut).toBe(0)
    socket.terminate()
  })
})
