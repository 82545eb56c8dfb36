import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { FleetEvent } from '../../server/contract/events.ts'
import { startRoom, watchEscapes } from '../api/room.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../fuzz.ts'

type Random = () => number
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
const some = (random: Random, most: number): number => Math.floor(random() * most)

const NAMES = [
  'overview',
  'tunnels',
  'events',
  'events?type=tunnel.*&region=fra',
  'node:fra-1',
  'region:fra',
  'drain:D',
  'incident:I',
  'nothing',
  '',
]

const message = (random: Random): string => {
  const topics = Array.from({ length: 1 + some(random, 70) }, (_, index) =>
    random() < 0.5 ? pick(random, NAMES) : `events?type=t${some(random, 100)}.${index}`,
  )
  const roll = random()
  if (roll < 0.5) {
    const after = { hub: pick(random, ['x', '01']), seq: some(random, 1_000) }
    return JSON.stringify({ type: 'subscribe', topics, ...(random() < 0.4 ? { after } : {}) })
  }
  if (roll < 0.7) return JSON.stringify({ type: 'unsubscribe', topics })
  if (roll < 0.75) return '{"type":"pong"}'
  if (roll < 0.8) return '['.repeat(20_000)
  if (roll < 0.85)
    return JSON.stringify({
      type: 'subscribe',
      topics: { __proto__: 1 },
      x: 'y'.repeat(some(random, 60_000)),
    })
  return String.fromCharCode(...Array.from({ length: some(random, 50) }, () => some(random, 60_000)))
}

/** A frame of RFC 6455, often a wrong one. */
const frame = (random: Random): Buffer => {
  const payload = Buffer.from(message(random))
  const first = random() < 0.7 ? 0x81 : some(random, 256)
  const masked = random() < 0.95 ? 0x80 : 0
  const length = random() < 0.9 ? payload.length : some(random, 70_000)
  const head =
    length < 126
      ? Buffer.from([first, masked | length])
      : Buffer.from([first, masked | 126, (length >> 8) & 255, length & 255])
  return Buffer.concat([head, Buffer.alloc(masked === 0 ? 0 : 4), payload])
}

const open = async (port: number, token: string): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.write(
    `GET /live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  await Promise.race([new Promise((resolve) => socket.once('readable', resolve)), sleep(1_000)])
  return socket
}

/** One hostile viewer, from its handshake to its end. */
const attack = async (random: Random, port: number, token: string): Promise<void> => {
  const socket = await open(port, token)
  if (random() < 0.4) socket.pause()
  else socket.resume()
  for (let steps = 1 + some(random, 30); steps > 0 && socket.writable; steps -= 1) {
    const roll = random()
    if (roll < 0.85) socket.write(frame(random))
    else if (roll < 0.9)
      socket.write(Buffer.from(Array.from({ length: some(random, 500) }, () => some(random, 256))))
    else if (roll < 0.92) socket.end()
    else await sleep(random() * 20)
  }
  await sleep(random() * 100)
  if (random() < 0.5) socket.resetAndDestroy()
  else socket.destroy()
}

it('a hostile viewer costs itself: nothing escapes, and another one misses no event and no heartbeat', {
  timeout: (FUZZ_SECONDS + 60) * 1_000,
}, async () => {
  const random = seededRandom(fuzzSeed('/live'))
  const room = await startRoom(async (topic) => {
    await sleep(1)
    return { topic, padding: 'x'.repeat(2_000) }
  })
  const watch = watchEscapes()
  const viewer = await room.inner.asAdmin('POST', '/api/v1/tokens', { name: 'viewer', role: 'viewer' })
  const { token } = viewer.json as { token: string }
  const before = process.memoryUsage().rss
  const good = new WebSocket(`ws://127.0.0.1:${room.port}/live`, {
    headers: { authorization: `Bearer ${room.token}` },
  })
  await new Promise((resolve) => good.once('open', resolve))
  const seen: number[] = []
  const numbers: number[] = []
  good.on('message', (data) => {
    const { type, seq, event } = JSON.parse(String(data)) as {
      type: string
      seq?: number
      event?: FleetEvent
    }
    if (seq !== undefined) numbers.push(seq)
    if (type === 'event' && event !== undefined) seen.push(event.seq)
  })
  good.send('{"type":"subscribe","topics":["overview","events"]}')
  await expect.poll(() => numbers.length, { timeout: 5_000 }).toBe(2)
  const until = Date.now() + FUZZ_SECONDS * 1_000
  let told = 0
  const tell = async () => {
    while (Date.now() < until) {
      const at = new Date().toISOString()
      const where = { node: 'fra-1', region: 'fra', at, receivedAt: at, epoch: 'e', source: 'node' as const }
      told++
      room.hub.event({
        ...where,
        id: told,
        seq: told,
        type: 'tunnel.lost',
        data: { hostId: 'h', code: 1006, reason: '', heldMs: 1 },
      })
      for (const topic of ['tunnels', 'overview', `node:n-${told}`]) room.hub.changed(topic)
      await sleep(5)
    }
  }
  const bad = async () => {
    while (Date.now() < until) await attack(random, room.port, token)
  }
  try {
    await Promise.all([tell(), ...Array.from({ length: 24 }, bad)])
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(told)
    expect(seen).toEqual(Array.from({ length: told }, (_, index) => index + 1))
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    expect(watch.escaped).toEqual([])
    await expect.poll(() => room.live.clients, { timeout: 10_000 }).toBe(1)
    await expect.poll(() => room.hub.figures.readsWaiting, { timeout: 10_000 }).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024)
    expect(good.readyState).toBe(WebSocket.OPEN)
  } finally {
    watch.stop()
    good.terminate()
    await room.close()
  }
})
