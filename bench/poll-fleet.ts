// What it costs to watch a fleet: N quiet nodes on loopback, all in one other process, with open event streams and 10 tunnels
// each, polled every 5 s by a real collector with a real database, while one page is open. Printed are how late polls began,
// how late the event loop was, what of a core it took, and how long one overview took.
//
// npm run bench -- poll-fleet [--nodes 1000] [--seconds 60] [--events 0] [--interval 5000]     (--events: a second and node)

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type WebSocket, WebSocketServer } from 'ws'
import { createSnapshots } from '../server/api/snapshots.ts'
import { Collector } from '../server/collector/collector.ts'
import { Hub } from '../server/live/hub.ts'
import { parseTopic } from '../server/live/topic.ts'
import { createLog } from '../server/observe/log.ts'
import { SqliteStore } from '../server/store/sqlite-store.ts'

const SELF = fileURLToPath(import.meta.url)
const TOKEN = 'a-token-of-the-benchmark'
const TUNNELS = 10
const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    events: { type: 'string', default: '0' },
    interval: { type: 'string', default: '5000' },
  },
})
const [nodes, seconds, eventsPerSecond, intervalMs] = [
  values.nodes,
  values.seconds,
  values.events,
  values.interval,
].map(Number) as [number, number, number, number]

const idOf = (index: number): string => `n${index}`
const regionOf = (index: number): string => `r${index % 10}`

/** The other process: every node is a path of one server. */
const simulate = async (): Promise<void> => {
  const startedAt = new Date().toISOString()
  const began = Date.now()
  const seqs = new Map<number, number>()
  const sockets = new Map<number, WebSocket>()
  const indexOf = (path: string): number => Number(/^\/n(\d+)/.exec(path)?.[1] ?? -1)
  const health = (index: number): string =>
    JSON.stringify({
      ok: true,
      state: 'serving',
      region: regionOf(index),
      node: idOf(index),
      version: '0.1.0',
      epoch: 'run1',
      startedAt,
      uptimeSeconds: (Date.now() - began) / 1_000,
      seq: seqs.get(index) ?? 0,
      proxy: {
        connections: { active: 12, accepted: 9_000, closed: 8_988, rejected: { route_ip_blocked: 3 } },
        closedBy: { finished: 8_900, backend_refused: 85, route_ip_blocked: 3 },
        bytes: { upstream: Date.now() - began, downstream: 2 * (Date.now() - began) },
        requests: { total: Date.now() - began, byStatus: { '2xx': Date.now() - began, '5xx': 1 } },
        targets: Array.from({ length: 8 }, (_, target) => ({
          route: `route-${target}`,
          target: `10.0.0.${target}:8080`,
          healthy: true,
          active: 3,
          connectFailures: 0,
        })),
      },
      relay: {
        tunnels: { current: TUNNELS, registered: 44, lost: 4, reconnected: 4, refused: { 4403: 1 } },
        closedBy: { 1001: 1, 4001: 3 },
        requests: { total: Date.now() - began, pending: 2, byStatus: { '2xx': Date.now() - began } },
        directory: { backend: 'memory', reachable: true, entries: TUNNELS, mismatches: 0 },
      },
      drain: {
        phase: null,
        startedAt: null,
        reason: null,
        budgetSeconds: { preDrain: 10, http: 45, tunnels: 10, margin: 10 },
        ceilingSeconds: 120,
        fits: true,
        remaining: { connections: 12, requests: 1, tunnels: TUNNELS, pushes: 0 },
      },
      process: { rssBytes: 9e7, eventLoopDelayP99Ms: 3, openFds: 90, cpuSeconds: 4.2 },
    })
  const tunnels = (index: number): string =>
    JSON.stringify({
      items: Array.from({ length: TUNNELS }, (_, host) => ({
        hostId: `host-${index}-${host}`,
        since: startedAt,
        remoteAddress: '127.0.0.1',
        lastPongAt: new Date().toISOString(),
        pending: 0,
        fence: index * TUNNELS + host,
        gapMs: null,
      })),
    })
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    response.setHeader('content-type', 'application/json')
    if (path.endsWith('/health')) response.end(health(indexOf(path)))
    else if (path.endsWith('/tunnels')) response.end(tunnels(indexOf(path)))
    else response.end(JSON.stringify({ events: [], next: seqs.get(indexOf(path)) ?? 0, oldest: 1 }))
  })
  const wss = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    const index = indexOf(request.url ?? '')
    wss.handleUpgrade(request, socket, head, (client) => {
      sockets.set(index, client)
      const seq = seqs.get(index) ?? 0
      client.send(JSON.stringify({ type: 'hello', node: idOf(index), epoch: 'run1', seq, oldest: seq + 1 }))
    })
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 })
  await once(server, 'listening')
  if (eventsPerSecond > 0) {
    let turn = 0
    // A hundredth of the fleet at a time, so that they come evenly.
    setInterval(() => {
      for (let index = turn % 100; index < nodes; index += 100) {
        const seq = (seqs.get(index) ?? 0) + 1
        const data = { route: 'web', target: '10.0.0.1:8080', reason: 'ECONNREFUSED' }
        const about = { epoch: 'run1', node: idOf(index), region: regionOf(index), type: 'target.down' }
        if (!sockets.has(index)) continue
        seqs.set(index, seq)
        sockets.get(index)?.send(JSON.stringify({ seq, ...about, at: new Date().toISOString(), data }))
      }
      turn += 1
    }, 10 / eventsPerSecond)
  }
  process.on('disconnect', () => process.exit(0))
  process.send?.((server.address() as AddressInfo).port)
}

const measure = async (): Promise<void> => {
  const say = (text: string) => process.stdout.write(`${text}\n`)
  const child = fork(SELF, process.argv.slice(2), { env: { ...process.env, POLL_FLEET_SIMULATES: '1' } })
  const [port] = (await once(child, 'message')) as [number]
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
  const log = createLog('bench', 'error')
  const store = new SqliteStore({
    url: `file:${join(folder, 'tidegate.db')}`,
    log,
    expectedIntervalMs: intervalMs,
  })
  await store.open()
  const indexes = Array.from({ length: nodes }, (_, index) => index)
  const hub: Hub = new Hub({ log, snapshot: (topic) => createSnapshots(collector, store)(topic) })
  const collector = new Collector({
    store,
    live: hub,
    log,
    regions: Array.from({ length: Math.min(10, nodes) }, (_, index) => ({
      id: regionOf(index),
      name: regionOf(index),
    })),
    nodes: indexes.map((index) => ({
      id: idOf(index),
      region: regionOf(index),
      url: `http://127.0.0.1:${port}/${idOf(index)}`,
      token: TOKEN,
      kind: 'tidegate',
      embedded: false,
    })),
    polling: { intervalMs, timeoutMs: Math.min(3_000, intervalMs - 100), allow: [] },
    demo: false,
    version: '0.0.0',
  })
  await collector.start()
  let sentBytes = 0
  const page = hub.join((text) => {
    sentBytes += text.length
  })
  page.subscribe(['overview', 'events', 'tunnels'].flatMap((name) => parseTopic(name) ?? []))
  // What a start costs is another matter.
  await sleep(2 * intervalMs)

  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const cpu = process.cpuUsage()
  const missedBefore = collector.figures().pollsMissed
  const storedBefore = collector.room().events.stored
  const overviews: number[] = []
  const began = performance.now()
  while (performance.now() - began < seconds * 1_000) {
    await sleep(1_000)
    const asked = performance.now()
    collector.overview()
    overviews.push(performance.now() - asked)
  }
  const wallMs = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  const { latenessP99Ms, pollsMissed } = collector.figures()
  const { events, problems } = collector.room()
  const totals = collector.overview().totals
  const sorted = overviews.sort((a, b) => a - b)
  const ms = (value: number) => `${Math.round(value * 10) / 10} ms`
  say(`${nodes} nodes every ${intervalMs} ms, ${eventsPerSecond} events/s each, one page open, ${seconds} s`)
  say(`  up                    ${totals.up} of ${totals.nodes}, ${totals.tunnels} tunnels`)
  say(`  poll lateness p99     ${ms(latenessP99Ms)}, missed ${pollsMissed - missedBefore}`)
  say(
    `  event-loop delay      p50 ${ms(delay.percentile(50) / 1e6)}, p99 ${ms(delay.percentile(99) / 1e6)}, max ${ms(delay.max / 1e6)}`,
  )
  say(`  CPU of a core         ${Math.round((user + system) / 10 / wallMs)} %`)
  say(
    `  one overview          p50 ${ms(sorted[Math.floor(sorted.length / 2)] ?? 0)}, max ${ms(sorted.at(-1) ?? 0)}`,
  )
  say(`  events stored         ${events.stored - storedBefore}, waiting ${events.queued}`)
  say(`  sent to the page      ${Math.round(sentBytes / 1024 / (wallMs / 1_000))} KiB/s`)
  say(`  memory                ${Math.round(process.memoryUsage().rss / 1e6)} MB`)
  say(`  problems              ${problems.map((problem) => problem.text).join('; ') || 'none'}`)

  page.close()
  await collector.close()
  hub.close()
  await store.close()
  child.disconnect()
  rmSync(folder, { recursive: true, force: true })
}

await (process.env.POLL_FLEET_SIMULATES === '1' ? simulate() : measure())
