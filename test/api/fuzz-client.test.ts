import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../fuzz.ts'
import { startRoom, watchEscapes } from './room.ts'
import { admin, apiToken } from './server.ts'

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
const noise = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))

const HOST = 'Host: localhost\r\n'
const JSON_TYPE = 'Content-Type: application/json\r\n'
const TOKEN = `Authorization: Bearer ${apiToken}\r\n`
const UPGRADE = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const signIn = JSON.stringify({ email: admin.email, password: 'wrong' })

const HEADS = [
  'GET / HTTP/1.1\r\n',
  'GET /login HTTP/1.1\r\n',
  'GET /healthz/live HTTP/1.0\r\n',
  'GET /api/v1/overview?limit=%zz HTTP/1.1\r\n',
  'GET /api/v1/events?q=%00&from=9999999999999999 HTTP/1.1\r\n',
  'GET /api/v1/connections?limit=1000 HTTP/1.1\r\n',
  'GET /metrics HTTP/1.1\r\n',
  'HEAD /api/v1/me HTTP/1.1\r\n',
  'OPTIONS * HTTP/1.1\r\n',
  'TRACE / HTTP/1.1\r\n',
  'CONNECT a:1 HTTP/1.1\r\n',
  'GET /live HTTP/1.1\r\n',
  'POST /live HTTP/1.1\r\n',
  'POST /api/auth/sign-in/email HTTP/1.1\r\n',
  'POST /api/v1/annotations HTTP/1.1\r\n',
  'POST /api/v1/setup HTTP/1.1\r\n',
  'DELETE /api/v1/tunnels/%2e%2e%2f HTTP/1.1\r\n',
  'GET http://evil.example/ HTTP/1.1\r\n',
  'GET //evil.example/..;/%c0%ae HTTP/1.1\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
]
const FIELDS = [
  HOST,
  HOST,
  HOST,
  'Host: evil.example\r\n',
  'Host:\r\n',
  TOKEN,
  'Authorization: Bearer wrong\r\n',
  'Authorization: Basic x\r\n',
  `Cookie: ${'a=b; '.repeat(500)}\r\n`,
  'Cookie: tidegate.session_token=%ff.%ff; tidegate.device-x=a.b.c\r\n',
  'X-Forwarded-For: , 1.1.1.1, ::ffff:%, 127.0.0.1\r\n',
  `X-Forwarded-For: ${'1.1.1.1,'.repeat(1_000)}\r\n`,
  'X-Forwarded-Proto: https\r\n',
  'Origin: null\r\n',
  'Expect: 100-continue\r\n',
  'Expect: nonsense\r\n',
  UPGRADE,
  KEY,
  JSON_TYPE,
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 999999999999\r\n',
  `Content-Length: ${signIn.length}\r\n`,
  'Connection: close\r\n',
  `X: ${'y'.repeat(17_000)}\r\n`,
  'next-action: x\r\n',
]
const BODIES = [
  '',
  signIn,
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  'ffffffff\r\n',
  '{"a":'.repeat(5_000),
  '\x81\xfe\xff\xff',
]

const mutated = (random: Random, text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1')
  for (let times = Math.floor(random() * 3); times > 0 && bytes.length > 0; times -= 1)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  return random() < 0.2 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes
}

const request = (random: Random): Buffer => {
  if (random() < 0.05) return noise(random, Math.floor(random() * 2_000))
  let text = pick(random, HEADS)
  for (let count = Math.floor(random() * 7); count > 0; count -= 1) text += pick(random, FIELDS)
  text += `\r\n${pick(random, BODIES)}`
  return random() < 0.4 ? mutated(random, text) : Buffer.from(text, 'latin1')
}

/** One hostile connection, from its first byte to its end. */
const attack = async (random: Random, port: number): Promise<void> => {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => undefined)
  if (random() < 0.3) socket.pause()
  else socket.resume()
  for (let steps = 1 + Math.floor(random() * 6); steps > 0 && socket.writable; steps -= 1) {
    const roll = random()
    if (roll < 0.8) socket.write(request(random))
    else if (roll < 0.87) socket.end()
    else await sleep(random() * 30)
  }
  await sleep(random() * 50)
  if (random() < 0.5) socket.resetAndDestroy()
  else socket.destroy()
}

it('a hostile client of the one port costs itself: nothing escapes, and others are answered meanwhile', {
  timeout: (FUZZ_SECONDS + 60) * 1_000,
}, async () => {
  const random = seededRandom(fuzzSeed('the collector port'))
  const room = await startRoom()
  const watch = watchEscapes()
  const url = `http://127.0.0.1:${room.port}`
  const before = process.memoryUsage().rss
  const until = Date.now() + FUZZ_SECONDS * 1_000
  let answered = 0
  let slowestMs = 0
  const good = async () => {
    while (Date.now() < until) {
      for (const [path, status] of [
        ['/healthz/live', 200],
        ['/login', 200],
        ['/api/v1/me', 200],
      ] as const) {
        const began = performance.now()
        const response = await fetch(url + path, { headers: { authorization: `Bearer ${room.token}` } })
        await response.arrayBuffer()
        slowestMs = Math.max(slowestMs, performance.now() - began)
        expect([path, response.status]).toEqual([path, status])
        answered++
      }
      await sleep(20)
    }
  }
  const bad = async () => {
    while (Date.now() < until) await attack(random, room.port)
  }
  try {
    await Promise.all([good(), ...Array.from({ length: 24 }, bad)])
    expect(watch.escaped).toEqual([])
    expect(answered).toBeGreaterThan(0)
    expect(slowestMs).toBeLessThan(5_000)
    // What was left half-said is over by its deadlines; the kept-alive ones of the good client go on their own.
    await expect.poll(room.openConnections, { timeout: 15_000 }).toBeLessThan(5)
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024)
  } finally {
    watch.stop()
    await room.close()
  }
})
