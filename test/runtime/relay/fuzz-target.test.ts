import { request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { ask, log, startHost, startRelay, startTarget } from './fixture.ts'

const PIECES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more than was said',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 200 a\x01b\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 500 \x1b[31mboom\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 \xff\xfe\r\nX: \xe4\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: evil\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 304 Not Modified\r\n\r\n',
  'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
  'HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: y\r\nKeep-Alive: timeout=0\r\nContent-Length: 1\r\n\r\nz',
  'HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n',
  `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(300)}\r\n`,
  `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
  '0\r\n\r\n',
  '\x89\x00',
  '\0',
]

it(
  'a target that says anything costs its own exchanges; its host keeps the tunnel, and other hosts their service',
  async () => {
    const random = seededRandom(fuzzSeed('hostile target behind a tunnel'))
    const upTo = (n: number): number => Math.floor(random() * n)
    const errors = vi.spyOn(log, 'error')
    const sockets = new Set<Socket>()
    const target = createServer((socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => undefined)
      socket.on('data', () => {
        const bytes = Buffer.from(
          PIECES[upTo(PIECES.length)]?.repeat(random() < 0.1 ? 30 : 1) ?? '',
          'latin1',
        )
        if (random() < 0.3 && bytes.length > 0) bytes[upTo(bytes.length)] = upTo(256)
        if (socket.writable) socket.write(random() < 0.15 ? bytes.subarray(0, upTo(bytes.length)) : bytes)
        if (random() < 0.05) socket.write(Buffer.alloc(upTo(2_000_000)))
        const roll = random()
        if (roll < 0.2) socket.end()
        else if (roll < 0.35) socket.resetAndDestroy()
        else if (roll < 0.4) socket.pause()
      })
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      target.close()
      for (const socket of sockets) socket.destroy()
    })
    const relay = await startRelay({ config: { responseTimeoutMs: 4_000 } })
    const to = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
    const attacked = startHost({ relays: [relay.url], hostId: 'a', to })
    const good = startHost({
      relays: [relay.url],
      hostId: 'b',
      to: await startTarget((req, res) => req.pipe(res)),
    })
    await Promise.all([attacked.registered(), good.registered()])
    const rssBefore = process.memoryUsage().rss
    const endMs = performance.now() + FUZZ_SECONDS * 1_000
    const running = (): boolean => performance.now() < endMs

    let visits = 0
    const visit = async (): Promise<void> => {
      while (running()) {
        const upgrade = random() < 0.3
        const post = random() < 0.3
        const req = request({
          host: '127.0.0.1',
          port: relay.port,
          path: '/hosts/a/x',
          method: upgrade ? 'GET' : post ? 'POST' : random() < 0.2 ? 'HEAD' : 'GET',
          agent: false,
          headers: upgrade
            ? {
                Connection: 'Upgrade',
                Upgrade: 'websocket',
                'Sec-WebSocket-Version': '13',
                'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
              }
            : {},
        })
        const over = new Promise<void>((resolve) => req.on('close', () => resolve()))
        req.on('error', () => undefined)
        req.on('response', (res) => {
          res.on('error', () => undefined)
          res.resume()
        })
        req.on('upgrade', (_res, socket) => {
          socket.on('error', () => undefined)
          socket.destroy()
        })
        req.end(post && !upgrade ? Buffer.alloc(upTo(200_000)) : undefined)
        await Promise.race([over, delay(100 + upTo(200))])
        req.destroy()
        await over
        visits += 1
      }
    }
    let served = 0
    const visitGood = async (): Promise<void> => {
      while (running()) {
        const body = Buffer.from(`hello ${served}`)
        const answer = await ask(relay, '/hosts/b/', { method: 'POST', body })
        expect([answer.status, answer.body.toString()]).toEqual([200, body.toString()])
        served += 1
      }
    }
    await Promise.all([...Array.from({ length: 8 }, visit), visitGood()])

    process.stdout.write(
      `fuzz hostile target behind a tunnel: ${visits} visits, ${served} honest requests served\n`,
    )
    expect(visits).toBeGreaterThan(20)
    expect(served).toBeGreaterThan(10)
    expect([...attacked.of('lost'), ...good.of('lost')]).toEqual([])
    await vi.waitFor(() => expect(relay.relay.inFlight()).toEqual({ connections: 0, requests: 0 }), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(relay.relay.tunnels().map(({ pending }) => pending)).toEqual([0, 0]), {
      timeout: 5_000,
    })
    expect(errors.mock.calls, 'every fault was foreseen where it came in').toEqual([])
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(600 * 1024 * 1024)
  },
  (FUZZ_SECONDS + 40) * 1_000,
)
