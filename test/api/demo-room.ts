import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApi } from '../../server/api/api.ts'
import { createSnapshots } from '../../server/api/snapshots.ts'
import { createAuth } from '../../server/auth/auth.ts'
import { Passwords } from '../../server/auth/passwords.ts'
import { Collector } from '../../server/collector/collector.ts'
import { createDemoFleet } from '../../server/demo/demo-fleet.ts'
import { Hub } from '../../server/live/hub.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { noConfiguration } from './no-configuration.ts'
import { admin, apiToken } from './server.ts'

/**
 * The product without its pages: the demo's nodes of one region with their hosts, visitors and pushes, a collector that watches them, a
 * store, access, the live stream's hub, and the API on a port.
 */
export const startDemoRoom = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-room-'))
  const place = await sqlite.create()
  const fleet = createDemoFleet({ dataDir: folder, log, regions: ['fra'] })
  await fleet.start()
  let collector: Collector | null = null
  const hub = new Hub({
    log,
    snapshot: async (topic) => collector && createSnapshots(collector, place.store)(topic),
  })
  const hook = createServer((request, response) => {
    request.resume().on('end', () => response.end('ok'))
  })
  hook.listen(0, '127.0.0.1')
  await once(hook, 'listening')
  collector = new Collector({
    store: place.store,
    live: hub,
    log,
    regions: fleet.regions(),
    nodes: fleet.nodes(),
    polling: { intervalMs: 200, timeoutMs: 150, allow: [] },
    detect: { 'push.stuck': { received: 1, withinSeconds: 1, forSeconds: 0.5 } },
    notify: [
      {
        kind: 'webhook',
        name: 'hook',
        url: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/path`,
        min: 'info',
        groupWaitSeconds: 0,
        repeatHours: 4,
        recovery: true,
      },
    ],
    demo: true,
    version: '1.2.3',
  })
  const watching = collector
  fleet.onMoved((id, url, token) => watching.setNode(id, { url, token }))
  await collector.start()
  await fleet.startTraffic()

  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const auth = await createAuth({
    store: place.store,
    prisma: place.store.prisma,
    dataDir: folder,
    serverUrl: url,
    adminEmail: admin.email,
    adminPassword: admin.password,
    apiToken,
    passwords: new Passwords({ cost: 16 }),
    log,
  })
  const api = createApi({
    store: place.store,
    auth,
    collector,
    live: { hub: () => hub.hub, seq: () => hub.seq, subscribers: () => 0, slowClosed: () => 0 },
    demo: fleet,
    demoMode: true,
    configuration: noConfiguration,
    version: '1.2.3',
    measure: () => place.store.measure(),
    ready: () => ({ ok: true, reason: null }),
    log,
  })
  server.on('request', api.handle)

  return {
    url,
    hub,
    collector,
    store: place.store,
    async close() {
      server.closeAllConnections()
      server.close()
      await auth.close()
      await watching.close()
      hook.close()
      hub.close()
      await fleet.close()
      await place.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type DemoRoom = Awaited<ReturnType<typeof startDemoRoom>>
