import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { type NodeDrainRequest, nodeDrainSchema } from '../../../server/contract/node-api.ts'
import { createMemoryDirectory, type Directory } from '../../../server/runtime/relay/directory.ts'
import { connectDirectory, serveDirectory } from '../../../server/runtime/relay/shared-directory.ts'
import { startHost, startRelay, startTarget, type TestHost } from '../relay/fixture.ts'
import { type DrainRig, startDrainRig } from './drain-rig.ts'
import { type Door, hammer, openEvents, openSocket } from './visitors.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const order = (change: Partial<NodeDrainRequest> = {}): NodeDrainRequest =>
  nodeDrainSchema.parse({ drainId: 'drain-1', reason: 'kernel update', initiator: 'ops', ...change })

/** One directory in this thread, seen through a port by each relay, as embedded nodes do. */
const sharedDirectory = () => {
  const memory = createMemoryDirectory()
  onTestFinished(() => memory.close())
  const connect = (): Directory => {
    const { port1, port2 } = new MessageChannel()
    const stop = serveDirectory(memory, port1)
    const client = connectDirectory(port2)
    onTestFinished(() => {
      client.close()
      stop()
    })
    return client
  }
  return { memory, connect }
}

/** A page, a stream of events and an echoing WebSocket, behind a tunnel. */
const startApp = (): Promise<string> =>
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

const HOSTS = ['host-a', 'host-b', 'host-c', 'host-d', 'host-e']

const hostAt = (hostId: string, relays: string[], to: string): TestHost =>
  startHost({ hostId, token: `token-of-${hostId}`, relays, to })

const urlOf = (rig: DrainRig): string => `ws://127.0.0.1:${rig.relay?.listeners()[0]?.port}`

const doorsOf = (name: string, port: number, hosts: readonly string[] = HOSTS): Door[] =>
  hosts.map((hostId) => ({ hostId, port, name: `${hostId} by way of ${name}` }))

/** `fra-1` with a drain, `iad-1` beside it, hosts that know both in this order, and the doors to all of them. */
const startFleet = async (hosts: readonly string[] = HOSTS, budget = {}) => {
  const { memory, connect } = sharedDirectory()
  const rig = await startDrainRig({ hosts, directory: connect(), budget })
  ends.push(() => rig.end())
  const iad = await startRelay({
    directory: connect(),
    node: 'iad-1',
    region: 'iad',
    config: { tokens: Object.fromEntries(hosts.map((hostId) => [hostId, `token-of-${hostId}`])) },
  })
  const to = await startApp()
  const clients = hosts.map((hostId) => hostAt(hostId, [urlOf(rig), iad.url], to))
  await Promise.all(clients.map((client) => client.registered()))
  const fraPort = rig.relay?.listeners()[0]?.port ?? 0
  return { memory, connect, rig, iad, to, clients, fraPort, hosts }
}

describe('hosts of a node that drains', () => {
  it('are served by way of every relay while an idle WebSocket and an event stream hold the drain, and move without a gap', async () => {
    const { memory, rig, iad, clients, fraPort } = await startFleet()
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const events = await openEvents({ hostId: 'host-b', port: fraPort, name: 'fra' })
    const distant = await openEvents({ hostId: 'host-c', port: iad.port, name: 'iad' })
    const visitors = hammer([...doorsOf('fra', fraPort), ...doorsOf('iad', iad.port)])
    await rig.drain.begin(order())
    // Long enough for a drain that refuses, cuts or forgets to be seen doing so.
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(visitors.failures).toEqual([])
    await Promise.all(clients.map((client) => client.registered(2)))
    expect(rig.drain.status()).toMatchObject({ state: 'draining', phase: 'connections' })
    expect(visitors.asked).toBeGreaterThan(100)
    expect(await socket.echo('still there')).toBe('still there')
    expect([socket.state.code, events.state.cut, distant.state.cut]).toEqual([null, false, false])
    for (const client of clients) {
      expect(client.of('registered')[1]).toMatchObject({ gapMs: 0, previousNode: 'fra-1', node: 'iad-1' })
      expect(client.of('lost')).toEqual([])
    }
    expect(await memory.owners()).toEqual(Object.fromEntries(HOSTS.map((hostId) => [hostId, 'iad-1'])))
    expect(rig.drain.status().remaining.tunnels).toBe(0)

    socket.state.ws.close(1000)
    events.leave()
    distant.leave()
    await visitors.stop()
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({
      state: 'drained',
      remaining: { connections: 0, requests: 0, tunnels: 0 },
    })
    expect(visitors.failures).toEqual([])
    expect(rig.drain.health().requestsFailed).toBe(0)
    expect(rig.relay?.stats().closedBy).toEqual({ '4001': HOSTS.length })
    const after = hammer(doorsOf('iad', iad.port))
    await vi.waitFor(() => expect(after.asked).toBeGreaterThan(20))
    expect(after.failures).toEqual([])
  })
})
