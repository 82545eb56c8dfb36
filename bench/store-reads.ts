// What readers cost everybody else: a database of 100 nodes × 24 h and 2 million events, five viewers who ask for the dearest
// things at once, and beside them the writes of a working fleet. Printed are medians of the rounds: how late the event loop
// was, how long each read took, and how long the writes and lookups beside them took.
//
// npm run bench -- store-reads [--nodes 100] [--hours 24] [--events 2000000] [--rounds 3]

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { EVENT_TYPES, METRIC_NAMES } from '../server/contract/index.ts'
import { createLog } from '../server/observe/log.ts'
import { SqliteStore } from '../server/store/sqlite-store.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '100' },
    hours: { type: 'string', default: '24' },
    events: { type: 'string', default: '2000000' },
    rounds: { type: 'string', default: '3' },
  },
})
const [nodes, hours, events, rounds] = [values.nodes, values.hours, values.events, values.rounds].map(
  Number,
) as [number, number, number, number]
const pollMs = 5_000
const hour = 3_600_000

const say = (text: string) => process.stdout.write(`${text}\n`)
const median = (list: number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0

const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
const path = join(folder, 'tidegate.db')
const log = createLog('bench', 'error')
const open = () =>
  new SqliteStore({ url: `file:${path}`, log, expectedIntervalMs: pollMs, readLimitMs: 60_000 })

const fill = (now: number): void => {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -200000')
  database.exec('BEGIN')
  const columns = ['node', 'at', 'region', ...METRIC_NAMES]
  const sample = database.prepare(
    `INSERT INTO "samples" (${columns.map((name) => `"${name}"`).join()}) VALUES (${columns.map(() => '?').join()})`,
  )
  const polls = (hours * hour) / pollMs
  for (let poll = 0; poll < polls; poll++) {
    const at = now - hours * hour + poll * pollMs
    for (let node = 0; node < nodes; node++)
      sample.run(
        `node-${node}`,
        at + node,
        `r-${node % 5}`,
        ...METRIC_NAMES.map((_, index) => (poll * 7 + node * 13 + index) % 1_000),
      )
  }
  const event = database.prepare(
    `INSERT INTO "events" ("origin", "epoch", "seq", "source", "node", "region", "type", "at", "receivedAt", "orderedAt", "data") VALUES (?, 'run', ?, 'node', ?, ?, ?, ?, ?, ?, ?)`,
  )
  for (let seq = 0; seq < events; seq++) {
    const node = `node-${seq % nodes}`
    const at = now - hours * hour + Math.floor((seq / events) * hours * hour)
    // Nearly all are of one frequent type, as in a fleet with traffic; the others are rare.
    const type = seq % 1_000 === 0 ? EVENT_TYPES[(seq / 1_000) % EVENT_TYPES.length] : 'connection.closed'
    const data = JSON.stringify({
      id: `c-${seq}`,
      route: 'web',
      client: `10.0.${seq % 250}.${seq % 199}`,
      target: '10.0.0.7:8080',
      reason: 'finished',
      bytesUpstream: seq % 9_999,
      bytesDownstream: seq % 99_999,
      durationMs: seq % 777,
    })
    event.run(node, seq, node, `r-${(seq % nodes) % 5}`, type ?? 'connection.closed', at, at + 20, at, data)
  }
  database.exec('COMMIT')
  database.close()
}

try {
  const first = open()
  await first.open()
  await first.close()
  say(`building ${nodes} nodes × ${hours} h of samples and ${events} events …`)
  const now = Date.now()
  fill(now)
  const store = open()
  await store.open()
  say(`${(statSync(path).size / 1e6).toFixed(0)} MB in ${((Date.now() - now) / 1_000).toFixed(0)} s\n`)

  const metrics = ['connections', 'tunnels', 'bytes_down', 'requests', 'latency_ms'] as const
  const series = (spanMs: number) => async () => {
    const to = Date.now()
    await store.series({
      scope: { kind: 'fleet' },
      metrics: [...metrics],
      from: to - spanMs,
      to,
      points: 300,
    })
  }
  const requests: Record<string, () => Promise<unknown>> = {
    'fleet chart, 24 h, first time': series(24 * hour),
    'fleet chart, 24 h, again': series(24 * hour),
    'fleet chart, 1 h': series(hour),
    'events, text that is nowhere': () => store.events({ text: `nowhere-${Math.random()}` }),
    'events, type=push.*': () => store.events({ types: ['push.*'] }),
    'events, one region and text': () => store.events({ regions: ['r-3'], text: '10.0.7.' }),
    'events, newest page': () => store.events({}),
  }

  let seq = 0
  const writes = async (took: number[], lookUps: number[], until: () => boolean) => {
    while (!until()) {
      const startedAt = performance.now()
      const at = new Date().toISOString()
      await store.appendEvents(
        Array.from({ length: 50 }, () => ({
          origin: 'bench',
          source: 'node' as const,
          epoch: 'now',
          seq: seq++,
          node: 'node-1',
          region: 'r-1',
          type: 'tunnel.lost' as const,
          at,
          receivedAt: at,
          data: { hostId: 'h', code: 4001, reason: 'drain', heldMs: 1 },
        })),
      )
      took.push(performance.now() - startedAt)
      const askedAt = performance.now()
      await store.setting('bench')
      lookUps.push(performance.now() - askedAt)
      await sleep(20)
    }
  }

  const row = (cells: (string | number)[]) =>
    say(
      cells
        .map((cell, index) => (index === 0 ? String(cell).padEnd(34) : String(cell).padStart(14)))
        .join(''),
    )
  row(['five viewers at once', 'read ms', 'loop p99 ms', 'loop max ms', 'write ms', 'look-up ms'])
  for (const [name, request] of Object.entries(requests)) {
    const results = {
      read: [] as number[],
      p99: [] as number[],
      max: [] as number[],
      write: [] as number[],
      lookUp: [] as number[],
    }
    for (let round = 0; round < (name.endsWith('first time') ? 1 : rounds); round++) {
      const delay = monitorEventLoopDelay({ resolution: 5 })
      const took: number[] = []
      const lookUps: number[] = []
      let done = false
      const writing = writes(took, lookUps, () => done)
      await sleep(100)
      delay.enable()
      const startedAt = performance.now()
      await Promise.all(Array.from({ length: 5 }, request))
      results.read.push(performance.now() - startedAt)
      await sleep(20)
      delay.disable()
      done = true
      await writing
      results.p99.push(Math.max(0, delay.percentile(99) / 1e6 - 5))
      results.max.push(Math.max(0, delay.max / 1e6 - 5))
      results.write.push(Math.max(...took))
      results.lookUp.push(Math.max(...lookUps))
    }
    row([
      name,
      ...[results.read, results.p99, results.max, results.write, results.lookUp].map((list) =>
        median(list).toFixed(1),
      ),
    ])
  }
  await store.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
