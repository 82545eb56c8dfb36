import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { Collector } from '../../../../server/collector/collector.ts'
import {
  EVENT_TYPES,
  type LivePublisher,
  MAX_EVENT_BYTES,
  NODE_EVENT_TYPES,
} from '../../../../server/contract/index.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../../fuzz.ts'
import { log, sqlite } from '../../../store/fixtures.ts'
import { startScriptedNode } from '../../scripted-node.ts'
import { healthDocument } from './health-document.ts'

type Random = () => number

/** A node that answers and sends whatever the dice say: near the truth, broken in one place, or plain rubbish. */
const startHostileNode = async (random: Random) => {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const sockets = new Set<WebSocket>()
  let epoch = 'run1'
  let seq = 0

  const rubbish = (depth = 0): unknown =>
    pick([
      () => null,
      () => random() * 1e18 - 5e17,
      () => -1,
      () => 'x'.repeat(Math.floor(random() ** 8 * 200_000)),
      () => '\u202e\u0000\u001b[31m<script>__proto__',
      () => new Date((random() - 0.5) * 1.6e16).toISOString(),
      () => true,
      () => (depth > 4 ? [] : Array.from({ length: Math.floor(random() * 5) }, () => rubbish(depth + 1))),
      () => (depth > 4 ? {} : { [pick(['__proto__', 'a', 'seq', 'data', 'type'])]: rubbish(depth + 1) }),
      () =>
        Object.fromEntries(
          Array.from({ length: Math.floor(random() ** 6 * 20_000) }, (_, n) => [`k${n}`, n]),
        ),
    ])()
  /** The same with one thing in it, at any depth, replaced. */
  const broken = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || random() < 0.2) return rubbish()
    const keys = Object.keys(value)
    const key = pick(keys.length === 0 ? ['a'] : keys)
    const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
    if (random() < 0.15) delete copy[key]
    else copy[key] = broken(copy[key])
    return copy
  }
  const deep = () => '['.repeat(100_000) + ']'.repeat(100_000)
  const health = () => healthDocument({ node: 'bad-1', region: 'bad', epoch, seq })
  const host = () => `host-${Math.floor(random() * 50)}`
  const dataOf = (type: string): unknown =>
    type === 'tunnel.registered'
      ? {
          hostId: host(),
          gapMs: 5,
          previousNode: 'fra-1',
          previousCloseCode: 1006,
          attempt: 1,
          fence: random() * 1e15,
        }
      : type === 'tunnel.lost'
        ? { hostId: host(), code: 1006, reason: '', heldMs: 1 }
        : { problem: 'made up', scope: 'drain', drainId: 'd', reason: '', actor: 'admin' }
  const event = () => {
    seq += pick([1, 1, 1, 1, 1, 1, 0, -1, 2, 1_000, 1_000_000_000])
    const type = pick(random() < 0.3 ? ['tunnel.registered', 'tunnel.lost'] : EVENT_TYPES)
    return {
      seq,
      epoch,
      node: 'fra-1',
      region: 'fra',
      type,
      at: new Date().toISOString(),
      data: dataOf(type),
    }
  }
  const tunnels = () => ({
    items: Array.from({ length: Math.floor(random() * 60) }, () => ({
      hostId: host(),
      since: new Date().toISOString(),
      remoteAddress: '::1',
      lastPongAt: new Date().toISOString(),
      pending: 0,
      fence: random() * 1e15,
      gapMs: null,
    })),
    directory: { [host()]: 'bad-1', [host()]: 'fra-1' },
  })
  const textOf = (truth: unknown): string => {
    const dice = random()
    if (dice < 0.4) return JSON.stringify(truth) ?? ''
    if (dice < 0.85) return JSON.stringify(broken(truth)) ?? ''
    if (dice < 0.9) return deep()
    if (dice < 0.95) return (JSON.stringify(truth) ?? '').slice(0, Math.floor(random() * 200))
    return JSON.stringify(rubbish()) ?? ''
  }
  const answer = (response: ServerResponse, text: string): void => {
    const dice = random()
    if (dice < 0.05) return // never
    if (dice < 0.08) return void response.socket?.destroy()
    if (dice < 0.1) return void response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx')
    if (dice < 0.15) response.setHeader('date', new Date((random() - 0.5) * 1e13).toUTCString())
    response.writeHead(dice < 0.2 ? pick([301, 404, 500, 204]) : 200, { 'content-type': 'application/json' })
    if (dice > 0.97) return void response.write(text.slice(0, 20)) // never ends
    response.end(text)
  }
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    const path = request.url ?? ''
    if (path.startsWith('/health')) return answer(response, textOf(health()))
    if (path.startsWith('/tunnels')) return answer(response, textOf(tunnels()))
    answer(response, textOf({ events: Array.from({ length: 20 }, event), next: seq, oldest: 1 }))
  })
  const wss = new WebSocketServer({ noServer: true })
  const send = (client: WebSocket): void => {
    const dice = random()
    const hello = { type: 'hello', node: 'fra-1', epoch, seq: Math.max(0, seq), oldest: 1 }
    if (dice < 0.02) epoch = `run${Math.floor(random() * 1e6)}`
    if (dice < 0.04) client.send(textOf(hello))
    else if (dice < 0.042) client.send('x'.repeat(2_000_000))
    else if (dice < 0.06) client.send(Buffer.from([0, 1, 2]), { binary: true })
    else if (dice < 0.062) client.terminate()
    else if (dice < 0.1) client.send(textOf({ type: 'events', events: Array.from({ length: 50 }, event) }))
    else client.send(textOf(event()))
  }
  server.on('upgrade', (request, socket, head) => {
    if (random() < 0.05) return void socket.end('HTTP/1.1 500 No\r\n\r\n')
    wss.handleUpgrade(request, socket, head, (client) => {
      sockets.add(client)
      client.on('close', () => sockets.delete(client))
      client.on('error', () => client.terminate())
      client.send(JSON.stringify({ type: 'hello', node: 'bad-1', epoch, seq: Math.max(0, seq), oldest: 1 }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  let frames = 0
  const timer = setInterval(() => {
    for (const client of sockets) {
      // What the collector does not take is not thrown after it: this process pays for it too.
      for (let many = 0; many < 20 && client.bufferedAmount < 4_000_000; many += 1) {
        frames += 1
        send(client)
      }
    }
  }, 5)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get frames() {
      return frames
    },
    async close() {
      clearInterval(timer)
      for (const client of sockets) client.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

it('a hostile node costs itself: nothing escapes, all others are judged and their events are stored, memory is bounded', {
  timeout: FUZZ_SECONDS * 1_000 + 60_000,
}, async () => {
  const escaped: unknown[] = []
  const note = (error: unknown) => void escaped.push(error)
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
  onTestFinished(() => {
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
  })
  const hostile = await startHostileNode(seededRandom(fuzzSeed('node')))
  onTestFinished(() => hostile.close())
  const good = await startScriptedNode('fra-1')
  onTestFinished(() => good.close())
  const { store, remove } = await sqlite.create()
  onTestFinished(remove)
  const live: LivePublisher = {
    hub: 'h',
    seq: 0,
    event: () => undefined,
    samples: () => undefined,
    changed: () => undefined,
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: ['fra', 'bad'].map((id) => ({ id, name: id })),
    nodes: [
      { id: 'fra-1', region: 'fra', url: good.url, token: good.token, kind: 'tidegate', embedded: false },
      { id: 'bad-1', region: 'bad', url: hostile.url, token: 'any', kind: 'tidegate', embedded: false },
    ],
    polling: { intervalMs: 250, timeoutMs: 240, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  onTestFinished(() => collector.close())
  await collector.start()
  await vi.waitFor(() => expect(collector.node('fra-1')?.state).toBe('up'), { timeout: 20_000 })

  const sent: string[] = []
  const until = performance.now() + FUZZ_SECONDS * 1_000
  const memoryBefore = process.memoryUsage().rss
  while (performance.now() < until) {
    const problem = `problem ${sent.length}`
    sent.push(problem)
    good.emit('node.problem_found', { problem })
    // Whatever it says, the pages can be made of it.
    JSON.stringify([collector.overview(), collector.tunnels(), collector.node('bad-1'), collector.room()])
    await delay(20)
  }
  expect(escaped).toEqual([])
  expect(hostile.frames).toBeGreaterThan(20)
  await vi.waitFor(
    async () => {
      const page = await store.events({
        nodes: ['fra-1'],
        types: ['node.problem_found'],
        order: 'desc',
        limit: 1_000,
      })
      expect(page.items.map((event) => event.data.problem).reverse()).toEqual(sent.slice(-1_000))
    },
    { timeout: 20_000, interval: 50 },
  )
  expect(['up', 'degraded']).toContain(collector.node('fra-1')?.state)
  expect(collector.room().events.oldestAgeMs ?? 0).toBeLessThan(10_000)
  // Both ends of all that was sent live in this process.
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(700_000_000)
  const { items } = await store.events({ nodes: ['bad-1'], limit: 1_000 })
  for (const event of items.filter(({ source }) => source === 'node')) {
    expect(NODE_EVENT_TYPES.has(event.type), event.type).toBe(true)
    expect(Buffer.byteLength(JSON.stringify(event.data))).toBeLessThanOrEqual(MAX_EVENT_BYTES + 100)
    expect(Math.abs(Date.parse(event.at) - Date.now())).toBeLessThan(30 * 86_400_000)
  }
})
