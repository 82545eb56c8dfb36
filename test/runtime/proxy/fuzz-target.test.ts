import net, { type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { expectLaw, httpRoute, httpTarget, startProxy, tcpRoute, tcpTarget, until } from './harness.ts'

const MB = 1024 * 1024
const CLIENTS = 24

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not come through
const PLAIN_START = /^HTTP\/1\.1 [1-9]\d\d [^\x00-\x08\x0a-\x1f\x7f]*\r\n/

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!

const PIECES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more than was said',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a="b\r\nhello\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 200 a\x01b\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi',
  'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 304 Not Modified\r\n\r\n',
  'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
  'HTTP/1.1 200 OK\r\nConnection: close, x\r\nX: y\r\nKeep-Alive: timeout=0\r\nContent-Length: 1\r\n\r\nz',
  'HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  '\r\n',
  '\0',
  `X: ${'y'.repeat(70_000)}\r\n`,
]

const said = (random: Random): Buffer => {
  const bytes = Buffer.from(pick(random, PIECES).repeat(random() < 0.1 ? 40 : 1), 'latin1')
  if (random() < 0.3 && bytes.length > 0)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  if (random() < 0.05) return Buffer.alloc(Math.floor(random() * 3 * MB), 'x')
  return random() < 0.15 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
}

const behave = async (random: Random, socket: Socket): Promise<void> => {
  for (let steps = 1 + Math.floor(random() * 4); steps > 0 && socket.writable; steps -= 1) {
    const roll = random()
    if (roll < 0.75) socket.write(said(random))
    else if (roll < 0.8) socket.end()
    else if (roll < 0.88) socket.resetAndDestroy()
    else if (roll < 0.92) socket.pause()
    else await sleep(random() * 40)
  }
}

/** Asks the hostile target and takes whatever comes; answers what came, which must look like HTTP of ours. */
const visit = (random: Random, port: number, first: string): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    socket.on('data', (chunk: Buffer) => {
      if (text.length < 100) text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
    socket.write(first)
    setTimeout(() => {
      if (random() < 0.5) socket.destroy()
      else socket.end()
    }, random() * 200)
    setTimeout(() => socket.destroy(), 400)
  })

it('a hostile target costs its own clients alone: others keep their service, memory stays, nothing is left over', {
  timeout: FUZZ_SECONDS * 1_000 + 30_000,
}, async () => {
  const random = seededRandom(fuzzSeed('proxy targets'))
  const hostile = await tcpTarget((socket) => {
    if (random() < 0.1) void behave(random, socket)
    socket.on('data', () => void behave(random, socket))
  })
  const good = await httpTarget((request, response) => response.end(`good ${request.url}`))
  const { proxy, port } = await startProxy({
    routes: [
      httpRoute(hostile.port, { domains: 'hostile.test' }, 'hostile'),
      httpRoute(good.port, { path: '/*' }, 'good'),
      tcpRoute(hostile.port),
    ],
    maxBufferedBytes: 64 * MB,
    responseTimeoutMs: 500,
    readerIdleTimeoutMs: 1_000,
    socketCleanupGracePeriodMs: 500,
    keepAliveTimeoutMs: 1_000,
    parityCheckTimeoutMs: 300,
    parityQuietMs: 300,
  })
  const [web, tcp] = [port('good'), port('tcp')]
  const rssBefore = process.memoryUsage().rss
  const stopAt = performance.now() + FUZZ_SECONDS * 1_000
  let served = 0
  const honest = async (): Promise<void> => {
    while (performance.now() < stopAt) {
      const response = await fetch(`http://127.0.0.1:${web}/${served}`)
      expect(response.status).toBe(200)
      expect(await response.text()).toMatch(/^good \/\d+$/)
      served += 1
    }
  }
  const odd: string[] = []
  const visitor = async (): Promise<void> => {
    while (performance.now() < stopAt) {
      if (random() < 0.15) {
        await visit(random, tcp, 'anything')
        continue
      }
      const method = pick(random, ['GET', 'HEAD', 'POST', 'PUT', 'SOCKET'])
      const extra =
        method === 'SOCKET'
          ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
          : method === 'POST'
            ? 'Content-Length: 400000\r\n'
            : ''
      const line = `${method === 'SOCKET' ? 'GET' : method} / HTTP/1.1\r\nHost: hostile.test\r\n${extra}\r\n`
      const text = await visit(random, web, method === 'POST' ? line + 'x'.repeat(400_000) : line)
      // What a target says in its head is written anew, or answered for.
      if (text !== '' && !PLAIN_START.test(text)) odd.push(text)
    }
  }
  const watch = setInterval(() => {
    expectLaw(proxy)
    expect(proxy.stats().bufferedBytes).toBeLessThanOrEqual(64 * MB)
  }, 20)
  await Promise.all([honest(), honest(), ...Array.from({ length: CLIENTS }, visitor)]).finally(() =>
    clearInterval(watch),
  )
  expect(odd).toEqual([])
  expect(served).toBeGreaterThan(10)
  await until(() => proxy.inFlight().requests === 0, 'no request in flight')
  await proxy.stopAccepting()
  await proxy.whenIdle(AbortSignal.timeout(10_000))
  await until(() => proxy.stats().connections.active === 0, 'no connection left')
  expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
  expectLaw(proxy)
  expect(proxy.stats().targets.every((one) => one.active === 0)).toBe(true)
  expect(process.memoryUsage().rss - rssBefore).toBeLessThan(400 * MB)
})
