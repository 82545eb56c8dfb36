// What it costs to watch a fleet: N nodes of mixed kinds on loopback, in four other processes, polled every 5 s by a real collector with a
// real database, while one page is open. Every second one is a Tidegate node with an open event stream and 10 tunnels; of the others a third
// each answers with JSON, with a push gateway's document, and with a page for Prometheus. Printed are how late polls began, how late the event
// loop was, what of a core it took, how the memory went minute by minute, how long answers of the API took, and what the disk holds.
//
// npm run bench -- fleet [--minutes 3] [--nodes 1000] [--events 0] [--interval 5000] [--gc]
//
// --events: a second and Tidegate node. --gc: the heap is collected at the end of each minute, so that the table shows what is held; without
// it, what a collector takes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Worker } from 'node:worker_threads'
import { type WebSocket, WebSocketServer } from 'ws'
import { createSnapshots } from '../server/api/snapshots.ts'
import type { NodeTarget } from '../server/collector/adapters/registry.ts'
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
    minutes: { type: 'string', default: '3' },
    events: { type: 'string', default: '0' },
    interval: { type: 'string', default: '5000' },
    gc: { type: 'boolean', default: false },
  },
})
const [nodes, minutes, eventsPerSecond, intervalMs] = [
  values.nodes,
  values.minutes,
  values.events,
  values.interval,
].map(Number) as [number, number, number, number]

const seconds = 60 * minutes
const PROCESSES = 4
const KINDS = ['tidegate', 'json', 'tidegate', 'gateway', 'tidegate', 'prometheus'] as const
const kindOf = (index: number): (typeof KINDS)[number] => KINDS[index % KINDS.length] ?? 'tidegate'
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
  const turn = (): number => Math.floor((Date.now() - began) / 1_000)
  const status = (): string =>
    JSON.stringify({
      ok: true,
      uptime_seconds: turn(),
      stats: { open: 12 + (turn() % 5), asked: 40 * turn() },
    })
  const gateway = (): string =>
    JSON.stringify({
      ok: true,
      total_tokens: 900,
      last_event_received_at: new Date().toISOString(),
      uptime_seconds: turn(),
      apns: {
        received: 9 * turn(),
        sendOk: 9 * turn(),
        sendRejected: { Unregistered: 3 },
        sendFail: 0,
        noTokens: 1,
        sessionAlive: true,
        lastOkAt: new Date().toISOString(),
      },
    })
  const page = (): string =>
    `# TYPE app_requests_total counter\n${Array.from({ length: 60 }, (_, series) => `app_requests_total{pod="pod-${series}"} ${series + turn()}\n`).join('')}# TYPE app_open gauge\napp_open 7\nprocess_start_time_seconds ${began / 1_000}\n`
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
  // Longer than an interval, as of a node and of most proxies: else every poll would meet a connection that has just been closed.
  const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    const path = request.url ?? ''
    response.setHeader('content-type', path.endsWith('/metrics') ? 'text/plain' : 'application/json')
    if (path.endsWith('/status')) response.end(status())
    else if (path.endsWith('/gateway')) response.end(gateway())
    else if (path.endsWith('/metrics')) response.end(page())
    else if (path.endsWith('/health')) response.end(health(indexOf(path)))
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

const targetOf = (index: number, port: number): NodeTarget => {
  const url = `http://127.0.0.1:${port}/${idOf(index)}`
  const node = { id: idOf(index), region: regionOf(index), embedded: false }
  switch (kindOf(index)) {
    case 'json':
      return {
        ...node,
        kind: 'json',
        url: `${url}/status`,
        map: {
          ok: '/ok',
          uptime_seconds: '/uptime_seconds',
          connections: '/stats/open',
          requests: '/stats/asked',
        },
      }
    case 'gateway':
      return { ...node, kind: 'json', url: `${url}/gateway`, preset: 'push-gateway' }
    case 'prometheus':
      return {
        ...node,
        kind: 'prometheus',
        url: `${url}/metrics`,
        map: { connections: { metric: 'app_open' }, requests: { metric: 'app_requests_total' } },
      }
    default:
      return { ...node, kind: 'tidegate', url, token: TOKEN }
  }
}

/** Where the memory is, minute by minute, in MB: of the main thread, and of the threads that hold the database. */
class MemoryTable {
  readonly #threads = new Set<Worker>()
  readonly #lines: string[] = []
  readonly #collect: (() => void) | null
  #pausedMs = 0
  #longestPauseMs = 0

  constructor(collects: boolean) {
    if (collects) setFlagsFromString('--expose-gc')
    this.#collect = collects ? (runInNewContext('gc') as () => void) : null
    process.on('worker', (thread: Worker) => {
      this.#threads.add(thread)
      thread.once('exit', () => this.#threads.delete(thread))
    })
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        this.#pausedMs += duration
        this.#longestPauseMs = Math.max(this.#longestPauseMs, duration)
      }
    }).observe({ entryTypes: ['gc'] })
  }

  async add(minute: number): Promise<void> {
    const [pausedMs, longestPauseMs] = [this.#pausedMs, this.#longestPauseMs]
    this.#collect?.()
    const { heapUsed, heapTotal, external, arrayBuffers, rss } = process.memoryUsage()
    const threads = await Promise.all([...this.#threads].map((thread) => thread.getHeapStatistics()))
    const ofThreads = threads.reduce((sum, { total_heap_size }) => sum + total_heap_size, 0)
    const megabytes = [heapUsed, heapTotal, external, arrayBuffers, ofThreads, rss].map((bytes) =>
      Math.round(bytes / 1e6),
    )
    this.#lines.push(
      [minute, ...megabytes, Math.round(pausedMs), Math.round(longestPauseMs)]
        .map((number) => String(number).padStart(9))
        .join(''),
    )
    this.#pausedMs = 0
    this.#longestPauseMs = 0
  }

  get text(): string {
    const heads = ['minute', 'heap', 'reserved', 'external', 'buffers', 'threads', 'RSS', 'gc ms', 'longest']
    return [heads.map((head) => head.padStart(9)).join(''), ...this.#lines].join('\n  ')
  }
}

/** Grows by so many MB an hour: the slope of the least squares. */
const slopeOf = (points: readonly { at: number; rss: number }[]): number => {
  const mean = (of: (point: { at: number; rss: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [at, rss] = [mean((point) => point.at), mean((point) => point.rss)]
  const spread = points.reduce((sum, point) => sum + (point.at - at) ** 2, 0)
  const joint = points.reduce((sum, point) => sum + (point.at - at) * (point.rss - rss), 0)
  return spread === 0 ? 0 : (joint / spread) * 3_600_000
}

const measure = async (): Promise<void> => {
  const say = (text: string) => process.stdout.write(`${text}\n`)
  const children = Array.from({ length: PROCESSES }, () =>
    fork(SELF, process.argv.slice(2), { env: { ...process.env, POLL_FLEET_SIMULATES: '1' } }),
  )
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL')
  })
  const ports = await Promise.all(
    children.map(async (child) => ((await once(child, 'message')) as [number])[0]),
  )
  const table = new MemoryTable(values.gc)
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
    nodes: indexes.map((index) => targetOf(index, ports[index % PROCESSES] ?? 0)),
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
  const took: Record<'overview' | 'nodes' | 'series', number[]> = { overview: [], nodes: [], series: [] }
  const memory: { at: number; rss: number }[] = []
  const time = async (of: keyof typeof took, answer: () => unknown): Promise<void> => {
    const asked = performance.now()
    JSON.stringify(await answer())
    took[of].push(performance.now() - asked)
  }
  let minutesTold = 0
  const began = performance.now()
  while (performance.now() - began < seconds * 1_000) {
    await sleep(1_000)
    const minute = Math.floor((performance.now() - began) / 60_000)
    if (minute > minutesTold) {
      minutesTold = minute
      await table.add(minute)
    }
    memory.push({ at: performance.now() - began, rss: process.memoryUsage().rss / 1e6 })
    await time('overview', () => collector.overview())
    await time('nodes', () => collector.nodes())
    await time('series', () =>
      store.series({
        scope: { kind: 'fleet' },
        metrics: ['connections', 'requests', 'latency_ms'],
        from: Date.now() - 900_000,
        to: Date.now(),
        points: 150,
      }),
    )
  }
  const wallMs = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  delay.disable()
  const { latenessP99Ms, pollsMissed } = collector.figures()
  const { events, problems } = collector.room()
  const totals = collector.overview().totals
  const share = (values: readonly number[], of: number): number =>
    [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * of))] ?? 0
  // What is read once after the start is no growth.
  const settled = memory.slice(Math.floor(memory.length / 3))
  const { bytes } = store.health()
  const ms = (value: number) => `${Math.round(value * 10) / 10} ms`
  say(
    `${nodes} nodes of four kinds every ${intervalMs} ms, ${eventsPerSecond} events/s of each Tidegate node, one page open, ${minutes} min`,
  )
  say(`  up                    ${totals.up} of ${totals.nodes}, ${totals.tunnels} tunnels`)
  say(`  poll lateness p99     ${ms(latenessP99Ms)}, missed ${pollsMissed - missedBefore}`)
  say(
    `  event-loop delay      p50 ${ms(delay.percentile(50) / 1e6)}, p99 ${ms(delay.percentile(99) / 1e6)}, max ${ms(delay.max / 1e6)}`,
  )
  say(`  CPU of a core         ${Math.round((user + system) / 10 / wallMs)} %`)
  for (const [name, values] of Object.entries(took))
    say(`  ${name.padEnd(20)}  p50 ${ms(share(values, 0.5))}, p99 ${ms(share(values, 0.99))}`)
  say(`  events stored         ${events.stored - storedBefore}, waiting ${events.queued}`)
  say(`  sent to the page      ${Math.round(sentBytes / 1024 / (wallMs / 1_000))} KiB/s`)
  say(
    `  memory                ${Math.round(process.memoryUsage().rss / 1e6)} MB, ${Math.round(slopeOf(settled))} MB an hour over the last two thirds`,
  )
  say(`  ${table.text}`)
  say(`  disk                  ${Math.round(bytes / 1e6)} MB`)
  say(`  problems              ${problems.map((problem) => problem.text).join('; ') || 'none'}`)

  page.close()
  await collector.close()
  hub.close()
  await store.close()
  for (const child of children) child.disconnect()
  rmSync(folder, { recursive: true, force: true })
}

await (process.env.POLL_FLEET_SIMULATES === '1' ? simulate() : measure())
