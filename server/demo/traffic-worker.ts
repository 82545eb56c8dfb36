import { generateKeyPairSync } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { generate } from 'selfsigned'
import { createLog } from '../observe/log.ts'
import { createHostClient, type HostClient } from '../runtime/host/host-client.ts'
import { Balancer } from './balancer.ts'
import { DEMO_HOSTS, relaysOf } from './demo-map.ts'
import { LocalApp } from './local-app.ts'
import { PushEndpoint } from './push-endpoint.ts'
import { Pusher } from './pusher.ts'
import type { FromTraffic, ToTraffic, TrafficNode, TrafficStart } from './traffic-messages.ts'
import { Visitors } from './visitors.ts'

/**
 * The thread in which everything around the demo's nodes lives: push endpoints, the application behind proxies and tunnels, hosts,
 * and visitors. Started by `demo-fleet.ts`, never imported: nothing of it may delay a node or the dashboard.
 */
const port = parentPort
if (port === null) throw new Error('traffic-worker.ts runs in a worker thread only')
const start = workerData as TrafficStart
const log = createLog('demo', start.logLevel)
const post = (message: FromTraffic): void => port.postMessage(message)

/** Hosts start over this long, as hosts of a fleet would have. */
const HOSTS_START_WITHIN_MS = 1_000

const endpoints = new Map<string, PushEndpoint>()
const hosts = new Map<string, HostClient>()
const pushers: Pusher[] = []
const balancer = new Balancer()
const visitors = new Visitors(balancer, (hostId) => hosts.get(hostId)?.node() ?? null)
const hostTimers = new Set<NodeJS.Timeout>()
let app: LocalApp | null = null
let stopping: Promise<void> | null = null

/** A private file, replaced whole: a link left in its place is not followed. */
const writePrivate = async (path: string, text: string): Promise<void> => {
  await rm(path, { force: true })
  await writeFile(path, text, { mode: 0o600, flag: 'wx' })
}

const startEndpoints = async (): Promise<void> => {
  const pems = await generate([{ name: 'commonName', value: 'tidegate demo push endpoint' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 365 * 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  await writePrivate(start.caPath, pems.cert)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writePrivate(start.keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  await Promise.all(
    start.nodes.map(async ({ id }) => {
      endpoints.set(id, await PushEndpoint.start({ key: pems.private, cert: pems.cert }))
    }),
  )
}

const begin = (nodes: readonly TrafficNode[]): void => {
  if (stopping) return
  balancer.begin(nodes)
  visitors.begin()
  for (const node of nodes) {
    const pusher = new Pusher(node, balancer, log)
    pushers.push(pusher)
    pusher.begin()
  }
  const hostLog = log.child({}, { level: log.isLevelEnabled('debug') ? 'debug' : 'error' })
  const byId = new Map(nodes.map((node) => [node.id, node]))
  DEMO_HOSTS.forEach((hostId, index) => {
    const host = createHostClient({
      hostId,
      token: start.hostTokens[hostId] ?? '',
      relays: relaysOf(index, nodes).map(({ id }) => `ws://127.0.0.1:${byId.get(id)?.relayPort}`),
      to: `http://127.0.0.1:${app?.webPort}`,
      log: hostLog,
    })
    hosts.set(hostId, host)
    const timer = setTimeout(() => {
      hostTimers.delete(timer)
      host.start()
    }, Math.random() * HOSTS_START_WITHIN_MS)
    hostTimers.add(timer)
  })
}

const stopTraffic = (): Promise<void> => {
  stopping ??= (async () => {
    for (const timer of hostTimers) clearTimeout(timer)
    visitors.stop()
    await Promise.all([
      balancer.stop(),
      ...pushers.map((pusher) => pusher.stop()),
      ...[...hosts.values()].map((host) => host.close()),
    ])
  })()
  return stopping
}

const close = async (): Promise<void> => {
  await stopTraffic()
  await Promise.all([app?.close(), ...[...endpoints.values()].map((endpoint) => endpoint.close())])
}

const act = async (message: ToTraffic): Promise<void> => {
  if (message.type === 'begin') begin(message.nodes)
  else if (message.type === 'moved') balancer.moved(message.node)
  else if (message.type === 'stuck') endpoints.get(message.node)?.setStuck(message.on)
  else if (message.type === 'stop') await stopTraffic()
  else await close()
}

port.on('message', (message: ToTraffic) => {
  act(message)
    .then(
      () => post({ type: 'done', id: message.id }),
      (error: unknown) =>
        post({ type: 'done', id: message.id, error: error instanceof Error ? error.message : String(error) }),
    )
    .finally(() => {
      if (message.type === 'close') port.close() // nothing is left then, and the thread ends by itself
    })
})

try {
  app = await LocalApp.start()
  await startEndpoints()
  post({
    type: 'ready',
    echoPort: app.echoPort,
    webPort: app.webPort,
    endpoints: Object.fromEntries([...endpoints].map(([node, endpoint]) => [node, endpoint.port])),
  })
} catch (error) {
  post({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
  await close()
  port.close()
}
