import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { freePort, hasProgram, type Program, startProgram } from '../adapters/program.ts'
import { SECRET } from '../adapters/webhook/receiver.ts'
import { ana, type MixedRig, startMixedRig } from './mixed-rig.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const soon = { timeout: 20_000, interval: 20 }

/** Visitors who come again and again until their load balancer sends them elsewhere, and one who stays. */
const startTraffic = async (port: number) => {
  const stays = connect(port, '127.0.0.1')
  stays.on('error', () => stays.destroy())
  closers.push(() => void stays.destroy())
  let isLed = true
  const comes = setInterval(() => {
    if (isLed)
      void fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } }).catch(() => undefined)
  }, 20)
  closers.push(() => clearInterval(comes))
  return {
    lead(to: boolean) {
      isLed = to
    },
    goes: () => stays.destroy(),
  }
}

/** @param twin of the same kind in the other region, which may take over */
const drainWhileServing = async (node: NodeTarget, twin: NodeTarget, port: number) => {
  // The rig knows the receiver's address only once it runs.
  let rig: MixedRig | null = null
  const drain = { webhook: { url: '', secret: SECRET, timeoutMs: 1_000 } }
  rig = await startMixedRig({ nodes: [node, twin].map((each) => ({ ...each, drain })) })
  closers.push(() => rig?.close())
  drain.webhook.url = rig.receiver.url
  const { id } = node
  await expect.poll(() => rig?.collector.node(id)?.state, soon).toBe('up')
  const traffic = await startTraffic(port)
  await expect.poll(() => rig?.collector.node(id)?.numbers.connections ?? 0, soon).toBeGreaterThanOrEqual(1)
  rig.receiver.act = ({ action }) => traffic.lead(action === 'resume')
  await expect
    .poll(async () => (await rig?.collector.drains.preview({ node: id }))?.blockers, soon)
    .toEqual([])
  const plan = await rig.collector.drains.preview({ node: id })
  expect(plan.nodes).toMatchObject([{ node: id, proof: 'counted' }])
  const drained = await rig.collector.drains.create({ node: id, reason: 'kernel update', confirm: id }, ana)
  await expect.poll(() => rig?.receiver.deliveries.length, soon).toBe(1)
  // One who was there before is waited for, however often we ask meanwhile.
  await expect
    .poll(async () => (await rig?.drain(drained.id))?.note, soon)
    .toBe(`Waiting for 1 connection of ${id} to end`)
  traffic.goes()
  const done = await rig.until(drained.id, 'drained')
  expect(done.steps.map(({ outcome }) => outcome)).toEqual(['empty'])
  await rig.collector.drains.act(drained.id, 'resume', { version: done.version }, ana)
  await rig.until(drained.id, 'resumed')
  await expect.poll(() => rig?.collector.node(id)?.state, soon).toBe('up')
}

const start = async (options: Parameters<typeof startProgram>[0]): Promise<Program> => {
  const program = await startProgram(options)
  closers.push(() => program.stop())
  return program
}

const startNginx = async (): Promise<number> => {
  const port = await freePort()
  await start({
    command: 'nginx',
    args: (folder) => ['-p', folder, '-e', 'error.log', '-c', 'nginx.conf'],
    files: {
      'nginx.conf': `daemon off;
pid nginx.pid;
error_log error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:${port}; location /stub_status { stub_status; } location / { return 200 hi; } }
}
`,
    },
    answersAt: `http://127.0.0.1:${port}/`,
  })
  return port
}

const startHaproxy = async (): Promise<{ web: number; url: string }> => {
  const [web, stats] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${stats}/metrics`
  await start({
    command: 'haproxy',
    args: () => ['-db', '-f', 'haproxy.cfg'],
    files: {
      'haproxy.cfg': `defaults
  mode http
  timeout client 60s
  timeout http-request 60s
frontend web
  bind 127.0.0.1:${web}
  http-request return status 200 content-type text/plain string hi
frontend stats
  bind 127.0.0.1:${stats}
  http-request use-service prometheus-exporter if { path /metrics }
`,
    },
    answersAt: url,
  })
  return { web, url }
}

describe('a program that counts its connections is proved to be empty, although we ask it all the time', () => {
  it.skipIf(!hasProgram('nginx'))('nginx, by its stub_status', { timeout: 90_000 }, async () => {
    const [port, other] = [await startNginx(), await startNginx()]
    const node = (id: string, region: string, at: number): NodeTarget => ({
      id,
      region,
      kind: 'nginx',
      url: `http://127.0.0.1:${at}/stub_status`,
      embedded: false,
    })
    await drainWhileServing(node('nginx-1', 'fra', port), node('nginx-2', 'iad', other), port)
  })

  it.skipIf(!hasProgram('haproxy'))('HAProxy, by its page for Prometheus', { timeout: 90_000 }, async () => {
    const [here, there] = [await startHaproxy(), await startHaproxy()]
    const node = (id: string, region: string, url: string): NodeTarget => ({
      id,
      region,
      kind: 'prometheus',
      preset: 'haproxy',
      url,
      embedded: false,
    })
    await drainWhileServing(node('px-1', 'fra', here.url), node('px-2', 'iad', there.url), here.web)
  })
})
