import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { FRAME, INITIAL_WINDOW_BYTES } from '../../../server/runtime/tunnel/frames.ts'
import { StreamSet } from '../../../server/runtime/tunnel/tunnel-streams.ts'
import { ask, dialRaw, startHost, startRelay, startTarget } from './fixture.ts'

const MAX_MESSAGE = 1024 * 1024

describe('a tunnel that ends because its host broke the protocol', () => {
  it.each([
    ['a message above 1 MiB', 1009, (ws: WebSocket) => ws.send(Buffer.alloc(MAX_MESSAGE + 1))],
    ['text that is no UTF-8', 1007, (ws: WebSocket) => ws.send(Buffer.from([0xff, 0xfe]), { binary: false })],
    [
      'a frame of the wrong kind',
      1002,
      (ws: WebSocket) => socketOf(ws).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0])),
    ],
    [
      'more fragments than allowed',
      1008,
      (ws: WebSocket) => {
        for (let index = 0; index < 70; index += 1) ws.send('x', { fin: false })
      },
    ],
  ])('is counted and told with its own code: %s', async (_what, code, act) => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a')
    await host.registered
    act(host.ws)
    await vi.waitFor(() => expect(relay.of('tunnel.lost')).toHaveLength(1))
    expect(relay.of('tunnel.lost')[0]).toMatchObject({ code })
    expect(relay.relay.stats().closedBy).toEqual({ [code]: 1 })
    expect((await host.closed).code).toBe(code)
  })
})

const socketOf = (ws: WebSocket): Socket => (ws as unknown as { _socket: Socket })._socket

describe('a WebSocket through a tunnel', () => {
  it('ends with 1009 on both sides when the target sends a message above 1 MiB', async () => {
    const closes: number[] = []
    const to = await startTarget(
      () => undefined,
      (server) =>
        new WebSocketServer({ server }).on('connection', (ws) => {
          ws.on('close', (code) => closes.push(code))
          ws.on('error', () => undefined)
          ws.on('message', (data) => ws.send(Buffer.alloc(Number(data.toString()))))
        }),
    )
    const relay = await startRelay()
    await startHost({ relays: [relay.url], to }).registered()
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/`)
    await once(ws, 'open')
    ws.send(String(MAX_MESSAGE))
    const [whole] = (await once(ws, 'message')) as [Buffer]
    expect(whole.length, 'exactly at the ceiling').toBe(MAX_MESSAGE)
    ws.send(String(MAX_MESSAGE + 1))
    const [code] = (await once(ws, 'close')) as [number]
    expect(code).toBe(1009)
    await vi.waitFor(() => expect(closes).toEqual([1009]))
    expect(relay.relay.tunnels()).toHaveLength(1)
  })

  it('counts parts of messages that wait, and frames without bytes that are queued', async () => {
    const [near, far] = await pair()
    near.pause()
    const ws = { OPEN: 1, readyState: 1, send: () => undefined } as unknown as WebSocket
    const set = new StreamSet({ ws, socket: far, violated: () => undefined, failed: () => undefined })
    let code: string | null = null
    const receiving = set.open({
      message: () => undefined,
      reset: (why) => {
        code = why
      },
    })
    const empty = Buffer.from([FRAME.message, 0, 0, 0, 0, receiving.id])
    let parts = 0
    while (code === null && parts < 100_000) {
      set.receive(empty)
      parts += 1
    }
    expect([code, parts]).toEqual(['protocol_error', 16_385])
    expect([set.unreadParts, set.size]).toEqual([0, 0])

    const sending = set.open({ reset: () => undefined })
    expect(sending.message(Buffer.alloc(INITIAL_WINDOW_BYTES), { text: false, last: true })).toBe(true)
    sending.message(Buffer.from('x'), { text: false, last: true })
    let queued = 0
    while (sending.message(Buffer.alloc(0), { text: false, last: true }) && queued < 100_000) queued += 1
    expect(queued, 'the source is asked to pause').toBeLessThan(1_100)
  })
})

const pair = async (): Promise<[Socket, Socket]> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const near = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  onTestFinished(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

describe('pings', () => {
  it('of a host that never reads are not answered without end', async () => {
    const relay = await startRelay({ hosts: ['a', 'b'] })
    const host = dialRaw(relay, 'a')
    await host.registered
    let pongs = 0
    host.ws.on('pong', () => {
      pongs += 1
    })
    host.ws.ping('hello')
    await vi.waitFor(() => expect(pongs).toBe(1))
    host.ws.pause()
    const before = process.memoryUsage().rss
    const data = Buffer.alloc(125)
    for (let round = 0; round < 60; round += 1) {
      for (let index = 0; index < 4_000; index += 1) host.ws.ping(data)
      await vi.waitFor(() => expect(host.ws.bufferedAmount).toBeLessThan(1024 * 1024), { timeout: 10_000 })
    }
    // 240 000 answers would be 30 MB of frames, and several times that of objects.
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024)
    expect((await ask(relay, '/health')).status).toBe(200)
  })
})
