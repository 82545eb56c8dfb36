import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import {
  PrometheusAdapter,
  type PrometheusTarget,
} from '../../../../server/collector/adapters/prometheus/adapter.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import type { PrometheusMap } from '../../../../server/contract/prometheus-map.ts'
import { freePort, hasProgram, startProgram } from '../program.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const start = async (options: Parameters<typeof startProgram>[0]) => {
  const program = await startProgram(options)
  closers.push(() => program.stop())
  return program
}
const poller = (more: Partial<PrometheusTarget> & { url: string }) => {
  const adapter = new PrometheusAdapter({ timeoutMs: 5_000, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  let base: CountedBase | null = null
  return async () => {
    const reading = await adapter.probe({
      id: 'a',
      region: 'fra',
      kind: 'prometheus',
      embedded: false,
      ...more,
    })
    expect(reading, reading.reason).toMatchObject({ outcome: 'ok' })
    const { facts } = reading
    if (!facts) throw new Error(reading.reason)
    const rose = sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false })
    base = countedBase(base, facts)
    return { reading, facts, rose }
  }
}
const GO: PrometheusMap = {
  started_seconds: { metric: 'process_start_time_seconds' },
  rss_bytes: { metric: 'process_resident_memory_bytes' },
  open_fds: { metric: 'process_open_fds' },
}

describe.skipIf(!hasProgram('prometheus-node-exporter'))('a real node exporter', () => {
  it('is read whole: thousands of lines, none of them bad', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/metrics`
    await start({
      command: 'prometheus-node-exporter',
      args: () => [`--web.listen-address=127.0.0.1:${port}`],
      answersAt: url,
    })
    const poll = poller({
      url,
      map: {
        ...GO,
        version: { metric: 'node_exporter_build_info' },
        requests: { metric: 'promhttp_metric_handler_requests_total', labels: { code: '200' } },
        bytes_down: { metric: 'node_network_receive_bytes_total' },
      },
    })
    const first = await poll()
    expect(first.reading.partial).toBeUndefined()
    expect(first.facts.version).toMatch(/^\d+\.\d+/)
    expect(first.facts.gauges.rss_bytes).toBeGreaterThan(1e6)
    expect(first.facts.uptimeMs).toBeLessThan(60_000)
    const second = await poll()
    expect(second.rose.requests).toBe(1)
    expect(second.facts.epoch).toBe(first.facts.epoch)
  })
})

describe.skipIf(!hasProgram('prometheus'))('a real Prometheus', () => {
  it('is read, and counts what it answers; a restart brings no leap', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/metrics`
    const program = await start({
      command: 'prometheus',
      args: (folder) => [
        '--config.file=prometheus.yml',
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      files: { 'prometheus.yml': 'global: {}\n' },
      answersAt: url,
    })
    const poll = poller({
      url,
      map: {
        ...GO,
        ok: { metric: 'prometheus_config_last_reload_successful' },
        version: { metric: 'prometheus_build_info' },
        requests: { metric: 'prometheus_http_requests_total', labels: { handler: '/metrics' } },
      },
    })
    const first = await poll()
    expect(first.reading.partial).toBeUndefined()
    expect(first.facts.ok).toBe(true)
    for (let more = 0; more < 50; more += 1) await (await fetch(url)).arrayBuffer()
    expect((await poll()).rose.requests).toBe(51)
    await program.restart()
    const after = await poll()
    expect(after.facts.epoch).not.toBe(first.facts.epoch)
    expect(after.rose.requests).toBeLessThan(10)
  })
})

describe.skipIf(!hasProgram('haproxy'))('the exporter of a real HAProxy', () => {
  it('is read by its preset under traffic: sessions, requests, servers', async () => {
    const [web, stats, dead] = [await freePort(), await freePort(), await freePort()]
    const url = `http://127.0.0.1:${stats}/metrics`
    await start({
      command: 'haproxy',
      args: () => ['-db', '-f', 'haproxy.cfg'],
      files: {
        'haproxy.cfg': `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
frontend web
  bind 127.0.0.1:${web}
  http-request return status 200 content-type text/plain string hi if { path / }
  default_backend app
backend app
  server a1 127.0.0.1:${dead}
  server a2 127.0.0.1:${dead} disabled
frontend stats
  bind 127.0.0.1:${stats}
  http-request use-service prometheus-exporter if { path /metrics }
`,
      },
      answersAt: url,
    })
    const poll = poller({ url, preset: 'haproxy' })
    const first = await poll()
    expect(first.reading.partial).toBeUndefined()
    expect(first.facts.version).toMatch(/^\d/)
    expect(first.facts.gauges.connections).toBe(0)
    for (let more = 0; more < 20; more += 1) await (await fetch(`http://127.0.0.1:${web}/`)).arrayBuffer()
    for (let more = 0; more < 3; more += 1) await (await fetch(`http://127.0.0.1:${web}/dead`)).arrayBuffer()
    const second = await poll()
    expect(second.rose.requests).toBe(23)
    expect(second.rose.requests_failed).toBe(3)
    expect(second.facts.gauges.connections).toBeGreaterThanOrEqual(1)
    const third = await poll()
    expect(third.rose).toMatchObject({ requests: 0, bytes_up: 0, bytes_down: 0, connections_accepted: 0 })
    const servers = second.facts.tables?.find(({ id }) => id === 'servers')
    expect(servers?.rows.map(({ server, state }) => [server, state])).toEqual([
      ['a1', { tone: 'up', word: 'UP' }],
      ['a2', { tone: 'drained', word: 'MAINT' }],
    ])
  })
})

describe.skipIf(!hasProgram('caddy'))('the metrics of a real Caddy', () => {
  it('are read by their preset under traffic', async () => {
    const [web, admin, dead] = [await freePort(), await freePort(), await freePort()]
    const url = `http://127.0.0.1:${admin}/metrics`
    await start({
      command: 'caddy',
      args: () => ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
      files: {
        Caddyfile: `{
  admin 127.0.0.1:${admin}
  servers {
    metrics
  }
}
http://127.0.0.1:${web} {
  respond / hi
  reverse_proxy /dead 127.0.0.1:${dead}
}
`,
      },
      answersAt: url,
    })
    const poll = poller({ url, preset: 'caddy' })
    const silent = await poll()
    expect(silent.reading.partial).toBeUndefined()
    // Nothing tells a Caddy without requests from one that does not count them.
    expect(silent.facts.counters.requests).toBeUndefined()
    await (await fetch(`http://127.0.0.1:${web}/`)).arrayBuffer()
    await poll()
    for (let more = 0; more < 20; more += 1) await (await fetch(`http://127.0.0.1:${web}/`)).arrayBuffer()
    const second = await poll()
    expect(second.rose.requests).toBe(20)
    expect(second.facts.gauges.open_fds).toBeGreaterThan(3)
    expect(second.facts.tables?.map(({ id }) => id)).toContain('handlers')
  })
})
