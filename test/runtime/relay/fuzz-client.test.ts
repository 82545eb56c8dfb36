import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { ask, log, startHost, startRelay, startTarget } from './fixture.ts'

const createAttack = (random: () => number) => {
  const upTo = (n: number): number => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T => list[upTo(list.length)] as T
  const bytes = (max: number): Buffer => Buffer.from(Array.from({ length: upTo(max) }, () => upTo(256)))
  const line = (): string =>
    `${pick(['GET', 'POST', 'HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PUT', 'BREW', ''])} ${pick([
      '/hosts/a/',
      '/hosts/a/x?y=1',
      '/hosts/a/../../etc',
      '/hosts/a/%00',
      '/hosts/a/\xff\xfe',
      '/hosts/nobody/',
      '/hosts/%61/',
      '/hosts/__proto__/',
      '/hosts/',
      '/tunnel?hostId=a',
      '/tunnel?hostId=a&hostId=b',
      '/health',
      '/healthz/ready',
      '*',
      'http://a.tunnels.example/x',
      'http://other/x',
      '//',
      'x',
      '',
    ])} ${pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'ICY', ''])}`
  const field = (): string =>
    pick([
      'Host: a.tunnels.example',
      'Host: a.tunnels.example:80',
      'Host: a',
      'Host:',
      'Host: .tunnels.example',
      'Connection: Upgrade',
      'Connection: close',
      'Connection: keep-alive, host, content-length',
      'Upgrade: websocket',
      'Upgrade: h2c',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Version: 99',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Key: short',
      'Sec-WebSocket-Protocol: tidegate.v1, token',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
      'Authorization: Bearer token-of-b',
      'Content-Length: 5',
      'Content-Length: 0',
      'Content-Length: 99999999999',
      'Content-Length: -1',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: gzip, chunked',
      'Expect: 100-continue',
      'Expect: something',
      'TE: trailers',
      'Trailer: X',
      'x-tidegate-hop: 1',
      'x-tidegate-pass: guess',
      'X-Forwarded-For: 1.2.3.4',
      'X A: b',
      ': empty',
      'X: \x01',
      ' folded',
      `X: ${'y'.repeat(upTo(20_000))}`,
    ])
  const body = (): string =>
    pick([
      '',
      'hello',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n',
      'zz\r\n',
      '5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n',
      'ffffffffffffffff\r\n',
      'x'.repeat(upTo(100_000)),
    ])
  const wellFormed = (): string =>
    pick([
      'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
      'POST /hosts/a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      'GET /hosts/a/slow HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET /hosts/a/big HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET /hosts/a/events HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET /hosts/a/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ])
  const one = (): string => {
    if (random() < 0.4) return wellFormed()
    return `${line()}\r\n${Array.from({ length: upTo(9) }, field).join('\r\n')}\r\n\r\n${body()}`
  }
  const message = (): Buffer => {
    const count = random() < 0.2 ? upTo(60) : 1 + upTo(2)
    const text = Buffer.from(Array.from({ length: count }, one).join(''), 'latin1')
    for (let flips = random() < 0.3 ? upTo(4) : 0; flips > 0 && text.length > 0; flips -= 1)
      text[upTo(text.length)] = upTo(256)
    return random() < 0.2 ? Buffer.concat([text, bytes(2_000)]) : text
  }
  return { random, upTo, pick, bytes, message }
}

it(
  'a client that sends anything costs its own connection, and nobody else anything',
  async () => {
    const attack = createAttack(seededRandom(fuzzSeed('hostile client of a relay')))
    const errors = vi.spyOn(log, 'error')
    const relay = await startRelay({
      config: {
        domain: 'tunnels.example',
        responseTimeoutMs: 4_000,
        bodyIdleTimeoutMs: 300,
        readerIdleTimeoutMs: 300,
        maxPendingPerTunnel: 100,
      },
    })
    let openAtTarget = 0
    const target = () =>
      startTarget(
        (req, res) => {
          openAtTarget += 1
          res.on('close', () => {
            openAtTarget -= 1
          })
          req.on('error', () => undefined)
          if (req.url === '/slow') return
          if (req.url === '/big') res.end(Buffer.alloc(3 * 1024 * 1024))
          else req.pipe(res)
        },
        (server) => {
          const wss = new WebSocketServer({ noServer: true })
          server.on('upgrade', (req, socket, head) => {
            if (req.url !== '/ws') {
              socket.on('error', () => undefined)
              socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n')
              return
            }
            wss.handleUpgrade(req, socket, head, (ws) => {
              ws.on('error', () => undefined)
              ws.on('message', (data) => ws.send(data))
            })
          })
        },
      )
    const attacked = startHost({ relays: [relay.url], hostId: 'a', to: await target() })
    const good = startHost({ relays: [relay.url], hostId: 'b', to: await target() })
    await Promise.all([attacked.registered(), good.registered()])
    const rssBefore = process.memoryUsage().rss
    const endMs = performance.now() + FUZZ_SECONDS * 1_000
    const running = (): boolean => performance.now() < endMs
    let connections = 0

    const hostile = async (): Promise<void> => {
      while (running()) {
        const socket = connect(relay.port, '127.0.0.1')
        connections += 1
        let first = ''
        socket.on('error', () => undefined)
        socket.on('data', (chunk: Buffer) => {
          if (first.length < 12) first += chunk.toString('latin1')
        })
        if (attack.random() < 0.1) socket.pause()
        const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
        const message = attack.message()
        const cut = attack.random() < 0.5 ? attack.upTo(message.length + 1) : message.length
        socket.write(message.subarray(0, cut))
        if (cut < message.length) {
          await delay(attack.upTo(20))
          socket.write(message.subarray(cut))
        }
        if (attack.random() < 0.3) socket.write(attack.bytes(500))
        const life = attack.upTo(attack.random() < 0.1 ? 700 : 60)
        await Promise.race([closed, delay(life)])
        const how = attack.pick(['destroy', 'end', 'reset'] as const)
        if (how === 'reset') socket.resetAndDestroy()
        else if (how === 'end') {
          socket.end()
          await Promise.race([closed, delay(200)])
        }
        socket.destroy()
        if (first !== '') expect(first).toMatch(/^HTTP\/1\.1 \d{3}/)
      }
    }

    let served = 0
    const visit = async (): Promise<void> => {
      while (running()) {
        const body = Buffer.from(`hello ${served}`)
        const answer = await ask(relay, '/hosts/b/', { method: 'POST', body })
        expect([answer.status, answer.body.toString()]).toEqual([200, body.toString()])
        expect((await ask(relay, '/health')).status).toBe(200)
        served += 1
      }
    }

    await Promise.all([...Array.from({ length: 12 }, hostile), visit(), visit()])

    process.stdout.write(
      `fuzz hostile client of a relay: ${connections} connections, ${served} honest requests served\n`,
    )
    expect(served).toBeGreaterThan(10)
    expect(connections).toBeGreaterThan(50)
    expect([...attacked.of('lost'), ...good.of('lost')]).toEqual([])
    await vi.waitFor(() => expect(relay.relay.inFlight()).toEqual({ connections: 0, requests: 0 }), {
      timeout: 10_000,
    })
    await vi.waitFor(() => expect(relay.relay.tunnels().map(({ pending }) => pending)).toEqual([0, 0]), {
      timeout: 5_000,
    })
    await vi.waitFor(() => expect(openAtTarget, 'the targets were told').toBe(0), { timeout: 5_000 })
    expect((await ask(relay, '/hosts/a/', { method: 'POST', body: Buffer.from('x') })).body.toString()).toBe(
      'x',
    )
    expect(errors.mock.calls, 'every fault was foreseen where it came in').toEqual([])
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(600 * 1024 * 1024)
  },
  (FUZZ_SECONDS + 40) * 1_000,
)
