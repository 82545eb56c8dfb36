import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type NodeConfig, nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createLog } from '../../../server/observe/log.ts'
import { type EmbeddedNode, startEmbeddedNode } from '../../../server/runtime/embed/embed.ts'
import { EmbeddedFleet } from '../../../server/runtime/embed/embedded-fleet.ts'

const QUICK = {
  SHUTDOWN_PRE_DRAIN_SECS: '0',
  SHUTDOWN_HTTP_DRAIN_SECS: '1',
  SHUTDOWN_TUNNEL_DRAIN_SECS: '0',
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('the embedded fleet', { timeout: 60_000 }, () => {
  let folder: string
  let target: Server
  const sockets: Socket[] = []

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-embedded-'))
    // An echo with a greeting: a client knows that its connection went through.
    target = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1')
    await once(target, 'listening')
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    target.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const entry = (id: string, port: number, more: object = {}): NodeConfig =>
    nodeConfigSchema.parse({
      id,
      region: 'fra',
      proxy: {
        host: '127.0.0.1',
        routes: [
          {
            name: 'echo',
            match: { ports: port },
            action: {
              type: 'forward',
              targets: [{ host: '127.0.0.1', port: (target.address() as AddressInfo).port }],
            },
          },
        ],
      },
      ...more,
    })

  const start = async (nodes: NodeConfig[]) => {
    /** The newest life of each node, and how many it had. */
    const running = new Map<string, EmbeddedNode>()
    const lives = new Map<string, number>()
    const fleet = new EmbeddedFleet({
      nodes,
      dataDirOf: (node) => join(folder, node),
      env: QUICK,
      log: createLog('test', 'silent'),
      startNode: async (options) => {
        const node = await startEmbeddedNode(options)
        running.set(node.id, node)
        lives.set(node.id, (lives.get(node.id) ?? 0) + 1)
        return node
      },
    })
    onTestFinished(() => fleet.close())
    const moved: string[] = []
    fleet.onMoved((id) => moved.push(id))
    await fleet.start()
    return { fleet, running, lives, moved }
  }

  const open = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const echo = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text)
    const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })
    return String(chunk)
  }
  const answers = (port: number) =>
    open(port)
      .then((socket) => echo(socket, 'hello'))
      .catch(() => null)

  it('starts a node again whose thread crashed, while the other does not notice', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const { fleet, running, moved } = await start([entry('fra-1', a), entry('fra-2', b)])
    const kept = await open(b)
    expect(await echo(kept, 'before')).toBe('before')
    const before = fleet.nodes().find(({ id }) => id === 'fra-1')?.url
    moved.length = 0

    await running.get('fra-1')?.terminate()
    await expect.poll(() => moved, { timeout: 15_000 }).toEqual(['fra-1'])
    expect(await answers(a)).toBe('hello')
    expect(fleet.nodes().find(({ id }) => id === 'fra-1')?.url).not.toBe(before)
    expect(await echo(kept, 'after')).toBe('after')
  })

  it('takes a new set: who stays keeps its connections, who came serves, who left drains and ends', async () => {
    const [a, b, c] = [await freePort(), await freePort(), await freePort()]
    const { fleet, lives } = await start([entry('fra-1', a), entry('fra-2', b)])
    const kept = await open(a)
    expect(await echo(kept, 'before')).toBe('before')
    const [url] = fleet.nodes().map((node) => node.url)

    fleet.setNodes([entry('fra-1', a), entry('fra-3', c)])
    expect(fleet.nodes().map(({ id }) => id)).toEqual(['fra-1', 'fra-3'])
    await expect.poll(() => answers(c), { timeout: 15_000 }).toBe('hello')
    await expect.poll(() => answers(b), { timeout: 15_000 }).toBeNull()
    expect(await echo(kept, 'after')).toBe('after')
    expect(fleet.nodes()[0]?.url).toBe(url)
    // It serves a moment before it is known to have started.
    await expect
      .poll(() => Object.fromEntries(lives), { timeout: 15_000 })
      .toEqual({ 'fra-1': 1, 'fra-2': 1, 'fra-3': 1 })
  })

  it('lets a node that comes back wait for the end of its former self, and never runs it twice', async () => {
    const port = await freePort()
    const other = await freePort()
    const { fleet, running, lives } = await start([entry('fra-1', port), entry('fra-2', other)])
    const former = running.get('fra-1')
    // A connection that is in use: the drain takes its whole second.
    const busy = await open(port)
    expect(await echo(busy, 'busy')).toBe('busy')
    fleet.setNodes([entry('fra-2', other)])
    fleet.setNodes([entry('fra-1', port), entry('fra-2', other)])
    expect(lives.get('fra-1')).toBe(1)
    await former?.exited
    await expect.poll(() => answers(port), { timeout: 15_000 }).toBe('hello')
    await expect.poll(() => lives.get('fra-1'), { timeout: 15_000 }).toBe(2)
  })

  it('leaves a node alone whose entry changed, and names it', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const { fleet, lives } = await start([entry('fra-1', a)])
    const kept = await open(a)
    const changed = [entry('fra-1', b)]
    expect(fleet.changed(changed)).toEqual(['fra-1'])
    expect(fleet.changed([entry('fra-1', a)])).toEqual([])
    fleet.setNodes(changed)
    expect(await echo(kept, 'still')).toBe('still')
    expect(lives.get('fra-1')).toBe(1)
  })

  it('starts a node whose port is taken as soon as it is free, and none any more once it is closed', async () => {
    const port = await freePort()
    const squatter = createServer().listen(port, '127.0.0.1')
    await once(squatter, 'listening')
    const { fleet } = await start([entry('fra-1', port)])
    expect(fleet.nodes()[0]?.url).toBe('http://127.0.0.1:9')
    squatter.close()
    await expect.poll(() => answers(port), { timeout: 15_000 }).toBe('hello')
    await fleet.close()
    expect(await answers(port)).toBeNull()
    fleet.setNodes([entry('fra-1', port), entry('fra-2', await freePort())])
    expect(await answers(port)).toBeNull()
  })
})
