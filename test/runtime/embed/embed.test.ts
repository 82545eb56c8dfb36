import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { healthSchema } from '../../../server/contract/health.ts'
import { type NodeConfig, nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { type EmbeddedNode, startEmbeddedNode } from '../../../server/runtime/embed/embed.ts'
import { registerHost, silent, tinyBudget } from '../drain/drain-rig.ts'

const ends: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const relayNode = (id: string, change: Record<string, unknown> = {}): NodeConfig =>
  nodeConfigSchema.parse({
    id,
    region: 'fra',
    relay: {
      host: '127.0.0.1',
      port: 0,
      directory: 'shared',
      tokens: { 'host-a': 'token-of-host-a', 'host-b': 'token-of-host-b' },
      ...change,
    },
  })

const directory = () => {
  const shared = createMemoryDirectory()
  ends.push(() => shared.close())
  return shared
}

const newFolder = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-embed-'))
  ends.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const start = async (config: NodeConfig, shared = directory(), dataDir?: string): Promise<EmbeddedNode> => {
  const folder = dataDir ?? (await newFolder())
  const node = await startEmbeddedNode({
    config,
    dataDir: folder,
    directory: shared,
    budget: tinyBudget(),
    log: silent,
  })
  ends.push(() => node.terminate())
  return node
}

const ask = async (node: EmbeddedNode, path: string, body?: unknown) => {
  const answer = await fetch(`${node.controlUrl}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${node.controlToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: await answer.json() }
}

const relayUrl = (node: EmbeddedNode) => `ws://127.0.0.1:${node.listeners()[0]?.port}`

describe('embedded nodes', () => {
  it('serve from threads of their own and share one directory', async () => {
    const shared = directory()
    const [one, two] = await Promise.all([
      start(relayNode('fra-1'), shared),
      start(relayNode('fra-2'), shared),
    ])
    const hosts = await Promise.all([
      registerHost(relayUrl(one), 'host-a'),
      registerHost(relayUrl(two), 'host-b'),
    ])
    ends.push(() => Promise.all(hosts.map((host) => host.close())))
    expect(await shared.owners()).toEqual({ 'host-a': 'fra-1', 'host-b': 'fra-2' })
    const tunnels = await ask(one, '/tunnels')
    expect(tunnels.body).toMatchObject({
      items: [{ hostId: 'host-a' }],
      directory: { 'host-a': 'fra-1', 'host-b': 'fra-2' },
    })
    expect(healthSchema.parse((await ask(two, '/health')).body)).toMatchObject({
      node: 'fra-2',
      state: 'serving',
    })
  })

  it('refuse mode exit, which would end everybody', async () => {
    const node = await start(relayNode('fra-1'))
    expect(await ask(node, '/drain', { drainId: 'd', mode: 'exit' })).toMatchObject({
      status: 422,
      body: { error: { code: 'ERR_UNSUPPORTED' } },
    })
  })

  it('drain for a signal, end their thread with code 0, and leave neither port nor directory entry', async () => {
    const shared = directory()
    const node = await start(relayNode('fra-1'), shared)
    const host = await registerHost(relayUrl(node), 'host-a')
    ends.push(() => host.close())
    await Promise.all([node.drainForSignal(), node.drainForSignal()])
    expect(await node.exited).toEqual({ code: 0 })
    expect(node.listeners()).toEqual([])
    expect(await shared.owners()).toEqual({})
    await expect(fetch(`${node.controlUrl}/health`)).rejects.toThrow()
  })

  it('report a killed thread through exited; the main thread and the directory go on without it', async () => {
    const shared = directory()
    const [one, two] = await Promise.all([
      start(relayNode('fra-1'), shared),
      start(relayNode('fra-2'), shared),
    ])
    const host = await registerHost(relayUrl(one), 'host-a')
    ends.push(() => host.close())
    await one.terminate()
    expect((await one.exited).code).toBe(1)
    await vi.waitFor(async () => expect(await shared.owners()).toEqual({}))
    expect((await ask(two, '/health')).status).toBe(200)
  })

  it('pass the reason of a failed start through: a port that is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    ends.push(() => squatter.close())
    const { port } = squatter.address() as AddressInfo
    await expect(start(relayNode('fra-1', { port }))).rejects.toMatchObject({
      code: 'ERR_PORT_TAKEN',
      facts: { port },
    })
  })

  it('pass the reason of a failed start through: a data folder that is a file', async () => {
    await expect(start(relayNode('fra-1'), directory(), '/dev/null/x')).rejects.toMatchObject({
      code: 'ERR_DATA_FOLDER',
    })
  })

  it('start drained where the wish says so, and tell their listeners once resumed', async () => {
    const dataDir = await newFolder()
    const first = await start(relayNode('fra-1'), directory(), dataDir)
    await ask(first, '/drain', { drainId: 'd' })
    await vi.waitFor(async () =>
      expect((await ask(first, '/health')).body).toMatchObject({ state: 'drained' }),
    )
    await vi.waitFor(() => expect(first.listeners()).toEqual([]))
    await first.terminate()
    const second = await start(relayNode('fra-1'), directory(), dataDir)
    expect(second.listeners()).toEqual([])
    expect((await ask(second, '/resume', {})).status).toBe(200)
    await vi.waitFor(() => expect(second.listeners()).toHaveLength(1))
  })
})
