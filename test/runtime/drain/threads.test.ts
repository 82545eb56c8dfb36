import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { type Health, healthSchema } from '../../../server/contract/health.ts'
import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { type EmbeddedNode, startEmbeddedNode } from '../../../server/runtime/embed/embed.ts'
import { doorsOf, HOSTS, hostAt, startApp, tokensOf } from './drain-fleet.ts'
import { silent, tinyBudget } from './drain-rig.ts'
import { hammer, openSocket } from './visitors.ts'

const directory = () => {
  const memory = createMemoryDirectory()
  onTestFinished(() => memory.close())
  return memory
}

const startThread = async (id: string, shared: ReturnType<typeof directory>): Promise<EmbeddedNode> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'tidegate-thread-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const node = await startEmbeddedNode({
    config: nodeConfigSchema.parse({
      id,
      region: id.slice(0, 3),
      relay: { host: '127.0.0.1', port: 0, directory: 'shared', tokens: tokensOf(HOSTS) },
    }),
    dataDir,
    directory: shared,
    budget: tinyBudget({ httpSeconds: 3 }),
    log: silent,
  })
  onTestFinished(() => node.terminate())
  return node
}

const portOf = (node: EmbeddedNode): number => node.listeners()[0]?.port ?? 0

const call = async (node: EmbeddedNode, method: string, path: string, body?: unknown): Promise<unknown> => {
  const answer = await fetch(`${node.controlUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${node.controlToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return await answer.json()
}

const healthOf = async (node: EmbeddedNode): Promise<Health> =>
  healthSchema.parse(await call(node, 'GET', '/health'))

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 50 })

it('a rolling drain of two nodes in threads of their own, by an operator and then by a signal, fails no visitor', async () => {
  const shared = directory()
  const [fra, iad, nrt] = await Promise.all([
    startThread('fra-1', shared),
    startThread('iad-1', shared),
    startThread('nrt-1', shared),
  ])
  const to = await startApp()
  const relays = [fra, iad, nrt].map((node) => `ws://127.0.0.1:${portOf(node)}`)
  const clients = HOSTS.map((hostId) => hostAt(hostId, relays, to))
  await Promise.all(clients.map((client) => client.registered()))
  const socket = await openSocket({ hostId: 'host-a', port: portOf(fra), name: 'fra' })
  const steady = hammer([...doorsOf('nrt', portOf(nrt)), ...doorsOf('iad', portOf(iad))])
  const there = hammer(doorsOf('fra', portOf(fra)))

  await call(fra, 'POST', '/drain', { drainId: 'd1', reason: 'kernel update' })
  await until(async () => expect((await healthOf(iad)).relay?.tunnels.current).toBe(HOSTS.length))
  await until(async () => expect((await healthOf(fra)).relay?.tunnels).toMatchObject({ current: 0, kept: 1 }))
  expect(await socket.echo('here')).toBe('here')
  // Whoever still came by way of the draining node leaves before its port goes.
  await there.stop()
  expect(there.failures).toEqual([])
  socket.state.ws.close(1000)
  await until(async () => expect((await healthOf(fra)).state).toBe('drained'))
  expect((await healthOf(fra)).drain).toMatchObject({ requestsFailed: 0, remaining: { tunnels: 0 } })
  await call(fra, 'POST', '/resume', {})

  // Hosts avoid the relay that drained last for a while, and find their way all the same.
  const gone = iad.drainForSignal()
  await until(async () => expect(new Set(Object.values(await shared.owners())).has('iad-1')).toBe(false))
  await steady.stop()
  expect(steady.failures).toEqual([])
  await gone
  expect(await iad.exited).toEqual({ code: 0 })
  for (const client of clients) {
    expect(client.of('lost')).toEqual([])
    expect(client.of('registered').map(({ gapMs }) => gapMs)).toEqual([null, 0, 0])
  }
  expect(Object.keys(await shared.owners())).toHaveLength(HOSTS.length)
})
