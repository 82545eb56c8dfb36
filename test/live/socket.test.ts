import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Hub } from '../../server/live/hub.ts'
import { type LiveCaller, LiveSocket } from '../../server/live/socket.ts'
import { createLog } from '../../server/observe/log.ts'

const log = createLog('test', 'silent')

describe('/live', () => {
  let server: Server
  let hub: Hub
  let live: LiveSocket
  let url: string
  let caller: LiveCaller | null

  beforeEach(async () => {
    caller = { name: 'ana@example.com', sessionId: 's1', tokenId: null, expiresAt: null, bearer: false }
    hub = new Hub({ log, snapshot: async () => ({ ok: true }) })
    live = new LiveSocket({
      hub,
      log,
      authenticate: async () => caller,
      allowedOrigins: () => ['http://localhost:3000'],
      heartbeatMs: 50,
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

  it('closes a client that does not read with 1013 and counts it', { timeout: 30_000 }, async () => {
    const { port } = new URL(url)
    const socket = connect({ host: '127.0.0.1', port: Number(port) })
    socket.on('error', () => undefined)
    socket.write(
      'GET /live HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:3000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await new Promise((resolve) => socket.once('data', resolve))
    const subscribe = Buffer.from('{"type":"subscribe","topics":["events"]}')
    const mask = Buffer.alloc(4)
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | subscribe.length]), mask, subscribe]))
    socket.pause()
    await expect.poll(() => hub.subscribers).toBe(1)
    const padding = 'x'.repeat(64 * 1024)
    const flood = setInterval(() => {
      for (let index = 0; index < 40; index++) {
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
    }, 50)
    try {
      await expect.poll(() => live.slowClosed, { timeout: 20_000, interval: 200 }).toBe(1)
    } finally {
      clearInterval(flood)
      socket.destroy()
    }
  })
})
