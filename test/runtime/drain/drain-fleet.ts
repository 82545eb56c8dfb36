import { MessageChannel } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import type { DrainBudget } from '../../../server/contract/drain-budget.ts'
import { type NodeDrainRequest, nodeDrainSchema } from '../../../server/contract/node-api.ts'
import type { Directory } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { connectDirectory, DirectoryServer } from '../../../server/runtime/directory/shared.ts'
import type { RelayTimings } from '../../../server/runtime/relay/relay-timings.ts'
import { startHost, startRelay, startTarget, type TestHost, type TestRelay } from '../relay/fixture.ts'
import { type DrainRig, startDrainRig } from './drain-rig.ts'
import type { Door } from './visitors.ts'

export const order = (change: Partial<NodeDrainRequest> = {}): NodeDrainRequest =>
  nodeDrainSchema.parse({ drainId: 'drain-1', reason: 'kernel update', initiator: 'ops', ...change })

/** One directory in this thread, seen through a port by each relay, as embedded nodes do. */
export const sharedDirectory = () => {
  const memory = createMemoryDirectory()
  onTestFinished(() => memory.close())
  const connect = (): Directory & { vanish(): void } => {
    const { port1, port2 } = new MessageChannel()
    const server = new DirectoryServer(memory, port1)
    const client = connectDirectory(port2)
    onTestFinished(() => {
      client.close()
      server.close()
    })
    // `passKey` and the like are read as they become known: no copy of them.
    return Object.assign(client, { vanish: () => client.close() })
  }
  return { memory, connect }
}

/** A page, a stream of events and an echoing WebSocket, behind a tunnel. */
export const startApp = (): Promise<string> =>
  startTarget(
    (req, res) => {
      if (req.url !== '/events') {
        res.end('a page')
        return
      }
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      res.write('data: 0\n\n')
      const beat = setInterval(() => res.write('data: beat\n\n'), 50)
      res.on('close', () => clearInterval(beat))
    },
    (server) => {
      new WebSocketServer({ server }).on('connection', (ws) => {
        ws.on('message', (data) => ws.send(data.toString()))
      })
    },
  )

export const HOSTS = ['host-a', 'host-b', 'host-c', 'host-d', 'host-e']

export const tokensOf = (hosts: readonly string[]): Record<string, string> =>
  Object.fromEntries(hosts.map((hostId) => [hostId, `token-of-${hostId}`]))

export const hostAt = (hostId: string, relays: string[], to: string): TestHost =>
  startHost({ hostId, token: `token-of-${hostId}`, relays, to })

export const portOf = (rig: DrainRig): number => rig.relay?.listeners()[0]?.port ?? 0
export const urlOf = (rig: DrainRig): string => `ws://127.0.0.1:${portOf(rig)}`

export const doorsOf = (name: string, port: number, hosts: readonly string[] = HOSTS): Door[] =>
  hosts.map((hostId) => ({ hostId, port, name: `${hostId} by way of ${name}` }))

export interface Fleet {
  memory: Directory
  connect: ReturnType<typeof sharedDirectory>['connect']
  rig: DrainRig
  iad: TestRelay
  to: string
  fraPort: number
  hosts: readonly string[]
}

/** `fra-1` with a drain and `iad-1` beside it, over one directory; no host yet. */
export const startFleet = async (
  options: { hosts?: readonly string[]; budget?: Partial<DrainBudget>; timings?: Partial<RelayTimings> } = {},
): Promise<Fleet> => {
  const { hosts = HOSTS, budget = {}, timings = {} } = options
  const { memory, connect } = sharedDirectory()
  const rig = await startDrainRig({ hosts, directory: connect(), budget, relayOptions: { timings } })
  onTestFinished(() => rig.end())
  const iad = await relayBeside(connect(), 'iad-1', hosts)
  return { memory, connect, rig, iad, to: await startApp(), fraPort: portOf(rig), hosts }
}

/** One more relay of that directory, in a region named like it. */
export const relayBeside = (
  directory: Directory,
  node: string,
  hosts: readonly string[] = HOSTS,
): Promise<TestRelay> =>
  startRelay({ directory, node, region: node.slice(0, 3), config: { tokens: tokensOf(hosts) } })

/** All hosts of the fleet, registered at the first of the relays that each knows. */
export const joinAll = async (
  fleet: Fleet,
  relays = [urlOf(fleet.rig), fleet.iad.url],
): Promise<TestHost[]> => {
  const clients = fleet.hosts.map((hostId) => hostAt(hostId, relays, fleet.to))
  await Promise.all(clients.map((client) => client.registered()))
  return clients
}
