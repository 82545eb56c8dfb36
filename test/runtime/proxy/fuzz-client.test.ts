import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { expectLaw, httpRoute, httpTarget, startProxy, tcpRoute, tcpTarget, until } from './harness.ts'

const HOSTILE = 24
const MB = 1024 * 1024

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!
const noise = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))

const HOST = 'Host: a.test\r\n'
const PIECES = [
  `GET / HTTP/1.1\r\n${HOST}\r\n`,
  `GET /big HTTP/1.1\r\n${HOST}\r\n`,
  `GET /slow HTTP/1.1\r\n${HOST}\r\n`,
  `GET /big HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
  `GET / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`,
  'GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n',
  `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
  `POST / HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n`,
  `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`,
  `POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '5;x=y\r\nhello\r\n',
  'ffffffffffff\r\n',
  '\r\n',
  '\n',
  'GET /../%2e%2e/%zz?x HTTP/1.1\r\n',
  HOST,
  `Host: ${'a.'.repeat(200)}\r\n`,
  `X: ${'y'.repeat(9_000)}\r\n`,
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  `HEAD / HTTP/1.1\r\n${HOST}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]

const mutated = (random: Random, text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1')
  for (let times = Math.floor(random() * 3); times > 0 && bytes.length > 0; times -= 1) {
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  }
  return random() < 0.2 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
}

const sent = (random: Random): Buffer => {
  const roll = random()
  if (roll < 0.1) return noise(random, Math.floor(random() * 2_000))
  if (roll < 0.2) return Buffer.from(pick(random, PIECES).repeat(1 + Math.floor(random() * 500)), 'latin1')
  if (roll < 0.6) return mutated(random, pick(random, PIECES))
  return Buffer.from(pick(random, PIECES), 'latin1')
}

/** One hostile connection, from its first byte to its end. Nothing it does may be seen by anybody else. */
const attack = async (random: Random, port: number): Promise<void> => {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => undefined)
  if (random() < 0.4) socket.pause()
  else socket.resume()
  for (let steps = 1 + Math.floor(random() * 8); steps > 0 && !socket.destroyed; steps -= 1) {
    const roll = random()
    if (roll < 0.75) socket.write(sent(random))
    else if (roll < 0.8) socket.end()
    else if (roll < 0.85) socket.pause()
    else if (roll < 0.9) socket.resume()
    else await sleep(random() * 30)
    if (!socket.writable) break
  }
  await sleep(random() * 60)
  if (random() < 0.5) socket.resetAndDestroy()
  else socket.destroy()
}

it('hostile clients cost themselves: others keep their service, memory stays, nothing is left over', {
  timeout: FUZZ_SECONDS * 1_000 + 30_000,
}, async () => {
  const random = seededRandom(fuzzSeed('proxy clients'))
  const big = Buffer.alloc(2 * MB, 'b')
  const target = await httpTarget((request, response) => {
    if (request.url === '/big') response.end(big)
    else if (request.url === '/slow') setTimeout(() => response.end('slow'), 200)
    else request.on('error', () => undefined).pipe(response)
  })
  const echo = await tcpTarget((socket) => socket.pipe(socket))
  const { proxy, port } = await startProxy({
    routes: [httpRoute(target.port, { domains: 'a.test' }), tcpRoute(echo.port)],
    maxBufferedBytes: 64 * MB,
    headersTimeoutMs: 500,
    bodyIdleTimeoutMs: 500,
    readerIdleTimeoutMs: 1_000,
    keepAliveTimeoutMs: 1_000,
  })
  const [web, tcp] = [port('web'), port('tcp')]
  const rssBefore = process.memoryUsage().rss
  const stopAt = performance.now() + FUZZ_SECONDS * 1_000
  let served = 0
  const honest = async (): Promise<void> => {
    while (performance.now() < stopAt) {
      const body = String(random())
      const answer = await new Promise<string>((resolve, reject) => {
        const options = { port: web, host: '127.0.0.1', method: 'POST', headers: { Host: 'a.test' } }
        const request = http.request(options, (response) => {
          let text = `${response.statusCode} `
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString()
          })
          response.on('end', () => resolve(text))
        })
        request.on('error', reject)
        request.end(body)
      })
      expect(answer).toBe(`200 ${body}`)
      served += 1
    }
  }
  const hostile = async (): Promise<void> => {
    while (performance.now() < stopAt) await attack(random, random() < 0.85 ? web : tcp)
  }
  const watch = setInterval(() => {
    expectLaw(proxy)
    expect(proxy.inFlight().requests).toBeLessThanOrEqual(proxy.stats().connections.active)
    expect(proxy.stats().bufferedBytes).toBeLessThanOrEqual(64 * MB)
  }, 20)
  await Promise.all([honest(), honest(), ...Array.from({ length: HOSTILE }, hostile)]).finally(() =>
    clearInterval(watch),
  )
  expect(served).toBeGreaterThan(10)
  await until(() => proxy.inFlight().requests === 0, 'no request in flight')
  await proxy.stopAccepting()
  await proxy.whenIdle(AbortSignal.timeout(10_000))
  expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
  await until(() => proxy.stats().connections.active === 0, 'no connection left')
  expectLaw(proxy)
  expect(proxy.stats().targets.every((one) => one.active === 0)).toBe(true)
  expect(process.memoryUsage().rss - rssBefore).toBeLessThan(400 * MB)
})
