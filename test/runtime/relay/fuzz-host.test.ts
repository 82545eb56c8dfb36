import { request } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { encodeFrame, FRAME, type FrameType } from '../../../server/runtime/tunnel/frames.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import {
  ask,
  dialRaw,
  log,
  type RawHost,
  startHost,
  startRelay,
  startTarget,
  type TestRelay,
} from './fixture.ts'

const NASTY = [
  '',
  ' ',
  'OK',
  'a\x01b',
  'a\r\nSet-Cookie: x=1',
  '\0',
  '\x7f',
  '☃',
  '\ud800',
  '__proto__',
  'x'.repeat(5_000),
  'chunked',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'content-length',
  'Sec-WebSocket-Accept',
  '5',
  '5, 6',
  '-1',
  '1e3',
  '99999999999999999999',
]

/** One hostile host: what it sends depends on the seed alone. */
const createAttack = (random: () => number) => {
  const upTo = (n: number): number => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T => list[upTo(list.length)] as T
  const bytes = (max: number): Buffer => Buffer.from(Array.from({ length: upTo(max) }, () => upTo(256)))
  const value = (depth = 0): unknown => {
    switch (upTo(depth > 3 ? 5 : 8)) {
      case 0:
        return null
      case 1:
        return pick([0, -1, 200, 101, 204, 304, 599, 999, 1e9, 0.5, Number.MAX_SAFE_INTEGER])
      case 2:
        return random() < 0.5
      case 3:
      case 4:
        return pick(NASTY)
      case 5:
        return Array.from({ length: upTo(6) }, () => value(depth + 1))
      case 6:
        return Object.fromEntries(Array.from({ length: upTo(4) }, () => [pick(NASTY), value(depth + 1)]))
      default:
        return '['.repeat(upTo(2_000))
    }
  }
  const headers = (): unknown =>
    random() < 0.1 ? value() : Array.from({ length: upTo(8) }, () => (random() < 0.9 ? pick(NASTY) : value()))
  const plain = ['X-A', 'b', 'Content-Type', 'text/plain']
  const responseHead = () => ({
    status: random() < 0.7 ? pick([200, 204, 304, 404, 500]) : value(),
    message: random() < 0.7 ? 'OK' : value(),
    headers:
      random() < 0.5
        ? [...plain, ...(random() < 0.5 ? ['Content-Length', `${upTo(2_000)}`] : [])]
        : headers(),
  })
  const openHead = () => ({
    protocol: random() < 0.7 ? pick(['', 'chat']) : value(),
    headers: random() < 0.5 ? plain : headers(),
  })
  const payloadOf = (type: number): Buffer => {
    let payload: Buffer
    switch (type) {
      case FRAME.response:
        payload = Buffer.from(JSON.stringify(responseHead()))
        break
      case FRAME.open:
        payload = Buffer.from(JSON.stringify(openHead()))
        break
      case FRAME.reset:
        payload = Buffer.from(
          JSON.stringify({ code: pick(['client_gone', 'timeout', 'draining', 'x']), message: value() }),
        )
        break
      case FRAME.window:
        payload = Buffer.alloc(4)
        payload.writeUInt32BE(pick([0, 1, 65_536, 0xffffffff]))
        break
      case FRAME.close:
        payload = Buffer.concat([Buffer.from([upTo(256), upTo(256)]), bytes(200)])
        break
      default:
        payload = random() < 0.1 ? Buffer.alloc(upTo(400_000)) : bytes(300)
    }
    // Some are bent afterwards: cut, or with a byte that is another one.
    if (random() < 0.15) payload = payload.subarray(0, upTo(payload.length + 1))
    if (payload.length > 0 && random() < 0.15) payload[upTo(payload.length)] = upTo(256)
    return payload
  }
  const frame = (ids: readonly number[]): Buffer => {
    const type = random() < 0.95 ? 1 + upTo(8) : upTo(256)
    const id = random() < 0.9 && ids.length > 0 ? pick(ids) : upTo(0xffffffff)
    return encodeFrame(
      (type === FRAME.request && random() < 0.95 ? FRAME.data : type) as FrameType,
      upTo(4),
      id,
      payloadOf(type),
    )
  }
  const text = (): string =>
    pick([
      () =>
        JSON.stringify({
          type: pick(['report', 'moved', 'drain', 'registered', 'x']),
          gapMs: value(),
          node: value(),
          attempt: value(),
        }),
      () => JSON.stringify(value()),
      () => 'x'.repeat(upTo(100_000)),
    ])()
  return { random, upTo, pick, frame, text, bytes }
}

const socketOf = (ws: WebSocket): Socket | undefined => (ws as unknown as { _socket?: Socket })._socket

it(
  'a host that sends anything costs its own exchanges, and nobody else anything',
  async () => {
    const attack = createAttack(seededRandom(fuzzSeed('hostile host')))
    const errors = vi.spyOn(log, 'error')
    const relay: TestRelay = await startRelay({
      config: { responseTimeoutMs: 4_000, bodyIdleTimeoutMs: 500, maxPendingPerTunnel: 200 },
    })
    const to = await startTarget(
      (req, res) => req.pipe(res),
      (server) =>
        new WebSocketServer({ server }).on('connection', (ws) => ws.on('message', (data) => ws.send(data))),
    )
    const good = startHost({ relays: [relay.url], hostId: 'b', to })
    await good.registered()
    const rssBefore = process.memoryUsage().rss
    const endMs = performance.now() + FUZZ_SECONDS * 1_000
    const running = (): boolean => performance.now() < endMs
    let frames = 0

    const hostile = async (): Promise<void> => {
      let host: RawHost | null = null
      while (running()) {
        if (host === null || host.ws.readyState !== WebSocket.OPEN) {
          host = dialRaw(relay, 'a')
          await Promise.race([host.registered, host.closed, delay(1_000)])
        }
        const { ws } = host
        const ids: number[] = []
        ws.on('message', (data, isBinary) => {
          if (isBinary && (data as Buffer)[0] === FRAME.request) ids.push((data as Buffer).readUInt32BE(2))
        })
        // One life of a tunnel: some hundred frames, then another.
        for (let index = 0; index < 400 && running() && ws.readyState === WebSocket.OPEN; index += 1) {
          const what = attack.random()
          if (what < 0.96) {
            const recent = ids.slice(-20)
            const repeat = attack.random() < 0.01 ? attack.upTo(20_000) : 1
            const bytes = attack.frame(recent)
            const small = bytes.length < 64 ? repeat : 1
            for (let copy = 0; copy < small; copy += 1) ws.send(bytes)
            frames += small
          } else if (what < 0.985) ws.send(attack.text())
          else if (what < 0.99) ws.ping(attack.bytes(125))
          else if (what < 0.993) socketOf(ws)?.write(attack.bytes(100))
          else if (what < 0.995) ws.send(attack.bytes(5))
          if (index % 8 === 0) await delay(attack.upTo(3))
        }
        if (attack.random() < 0.5) ws.terminate()
        else ws.close(attack.pick([1000, 1001, 3000, 4999]), 'enough')
      }
      host?.ws.terminate()
    }

    let settled = 0
    const visitHostile = async (): Promise<void> => {
      while (running()) {
        const begun = performance.now()
        await new Promise<void>((resolve) => {
          const method = attack.pick(['GET', 'HEAD', 'POST'])
          const asUpgrade = attack.random() < 0.3
          const req = request({
            host: '127.0.0.1',
            port: relay.port,
            path: '/hosts/a/x',
            method: asUpgrade ? 'GET' : method,
            agent: false,
            ...(asUpgrade
              ? {
                  headers: {
                    Connection: 'Upgrade',
                    Upgrade: 'websocket',
                    'Sec-WebSocket-Version': '13',
                    'Sec-WebSocket-Protocol': 'chat',
                    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
                  },
                }
              : {}),
          })
          req.on('response', (res) => {
            expect(res.headers['set-cookie']).toBeUndefined()
            res.resume()
          })
          req.on('upgrade', (_res, socket) => {
            socket.on('error', () => undefined)
            socket.resume()
            setTimeout(() => socket.destroy(), attack.upTo(50))
          })
          req.on('error', () => undefined)
          req.on('close', () => resolve())
          req.end(!asUpgrade && method === 'POST' ? Buffer.alloc(attack.upTo(100_000)) : undefined)
          // A response that has begun may last; the visitor leaves.
          setTimeout(() => req.destroy(), 1_000)
        })
        expect(performance.now() - begun).toBeLessThan(10_000)
        settled += 1
      }
    }

    let served = 0
    const visitGood = async (): Promise<void> => {
      const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/b/`)
      let echoes = 0
      ws.on('message', () => {
        echoes += 1
      })
      await new Promise((resolve) => ws.once('open', resolve))
      let sent = 0
      while (running()) {
        const body = Buffer.from(`hello ${served}`)
        const answer = await ask(relay, '/hosts/b/', { method: 'POST', body })
        expect([answer.status, answer.body.toString()]).toEqual([200, body.toString()])
        ws.send('still there')
        sent += 1
        served += 1
      }
      await vi.waitFor(() => expect(echoes).toBe(sent), { timeout: 5_000 })
      ws.close()
    }

    await Promise.all([
      hostile(),
      hostile(),
      ...Array.from({ length: 6 }, visitHostile),
      visitGood(),
      visitGood(),
    ])

    process.stdout.write(
      `fuzz hostile host: ${frames} frames, ${settled} visits, ${served} honest requests served\n`,
    )
    expect(served).toBeGreaterThan(10)
    expect(settled).toBeGreaterThan(10)
    expect(good.of('lost')).toEqual([])
    await vi.waitFor(() => expect(relay.relay.inFlight()).toEqual({ connections: 0, requests: 0 }), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(relay.relay.tunnels().every(({ pending }) => pending === 0)).toBe(true), {
      timeout: 5_000,
    })
    expect(relay.relay.stats().requests.pending).toBe(0)
    expect(errors.mock.calls, 'every fault was foreseen where it came in').toEqual([])
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(600 * 1024 * 1024)
  },
  (FUZZ_SECONDS + 40) * 1_000,
)
