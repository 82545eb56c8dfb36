// What one overview costs: every state, every number and the verdict of a large fleet, as each page gets it up to four times a
// second. Nodes and hosts are those of the real fleet in memory, with readings as a poll brings them; only the network is absent.
//
// npm run bench -- overview [--nodes 500] [--hosts 50000] [--rounds 200]

import { parseArgs } from 'node:util'
import { createAddressRules } from '../server/collector/adapters/address.ts'
import type { Facts } from '../server/collector/adapters/facts.ts'
import type { Reading } from '../server/collector/adapters/reading.ts'
import { Adapters } from '../server/collector/adapters/registry.ts'
import { Fleet } from '../server/collector/fleet/fleet.ts'
import { overviewOf } from '../server/collector/fleet/overview.ts'
import { judge } from '../server/collector/judgement/judge.ts'
import { createLog } from '../server/observe/log.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '500' },
    hosts: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '200' },
  },
})
const [nodes, hosts, rounds] = [values.nodes, values.hosts, values.rounds].map(Number) as [
  number,
  number,
  number,
]
const REGIONS = 10
const now = Date.now()
const log = createLog('bench', 'silent')

const facts: Facts = {
  ok: true,
  problems: [],
  state: 'serving',
  version: '0.1.0',
  epoch: 'run1',
  uptimeMs: 3_600_000,
  newestSeq: 1,
  gauges: { connections: 40, tunnels: hosts / nodes, rss_bytes: 1e8, event_loop_delay_ms: 1, open_fds: 90 },
  counters: {
    requests: { proxy: 1_000, relay: 2_000 },
    push_received: { push: 5 },
    push_delivered: { push: 5 },
  },
  listeners: [],
  lastDeliveryAt: null,
  drain: null,
}
const reading: Reading = {
  at: now,
  durationMs: 2,
  outcome: 'ok',
  status: 200,
  reason: 'answered',
  facts,
  raw: {},
}

const fleet = new Fleet({
  regions: Array.from({ length: REGIONS }, (_, index) => ({ id: `r${index}`, name: `Region ${index}` })),
  nodes: Array.from({ length: nodes }, (_, index) => ({
    id: `n${index}`,
    region: `r${index % REGIONS}`,
    kind: 'tidegate' as const,
    url: 'http://127.0.0.1:1',
    token: '',
    embedded: false,
  })),
  adapters: new Adapters({ timeoutMs: 1_000, rules: createAddressRules([]), log } as never),
  store: { setting: async () => null, setSetting: async () => undefined },
  record: async () => null,
  log,
  now: () => now,
  pollIntervalMs: 5_000,
  openIncidents: () => [],
  activeDrains: () => [],
  absence: () => null,
  standing: () => null,
})
const perNode = Math.round(hosts / nodes)
for (const [index, node] of fleet.members().entries()) {
  node.take(reading)
  node.know(facts, reading)
  for (let poll = 0; poll < 3; poll++) node.judge(judge(node.judgement, reading), null)
  const items = Array.from({ length: perNode }, (_, host) => ({
    hostId: `h${index}-${host}`,
    since: new Date(now - 1_000).toISOString(),
    lastPongAt: null,
    fence: 1,
  }))
  fleet.hosts.reconcile(node.id, node.region, items as never, undefined, now)
}

const overview = () =>
  overviewOf({
    regions: fleet.regions(),
    nodes: fleet.nodes(),
    incidents: [],
    drains: [],
    held: [],
    live: { hub: 'hub', seq: 1 },
    collector: { latenessP99Ms: 0, storeOk: true, startedAt: new Date(now).toISOString() },
    problems: [],
    demo: false,
    now,
  })
const timed = (work: () => unknown): number => {
  const times = Array.from({ length: rounds }, () => {
    const began = performance.now()
    work()
    return performance.now() - began
  }).sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)] ?? 0
}
const { totals, verdict } = overview()
process.stdout.write(`${totals.nodes} nodes, ${totals.tunnels} tunnels: ${verdict.text}\n`)
const began = process.cpuUsage()
process.stdout.write(`one overview                ${timed(overview).toFixed(2)} ms (median of ${rounds})\n`)
const { user } = process.cpuUsage(began)
process.stdout.write(`of a core                   ${(user / 1_000 / rounds).toFixed(2)} ms each\n`)
process.stdout.write(`and as JSON                 ${timed(() => JSON.stringify(overview())).toFixed(2)} ms\n`)
