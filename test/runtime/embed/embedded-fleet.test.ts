import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { EmbeddedFleet } from '../../../server/runtime/embed/embedded-fleet.ts'
import { silent } from '../drain/drain-rig.ts'

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

const newFleet = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-fleet-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const port = await freePort()
  const config = nodeConfigSchema.parse({
    id: 'fra-1',
    region: 'fra',
    relay: { host: '127.0.0.1', port, tokens: {} },
  })
  const env = {
    PATH: process.env.PATH,
    SHUTDOWN_PRE_DRAIN_SECS: '0',
    SHUTDOWN_HTTP_DRAIN_SECS: '0',
    SHUTDOWN_TUNNEL_DRAIN_SECS: '0',
  }
  const fleet = new EmbeddedFleet({ nodes: [config], dataDirOf: (id) => join(folder, id), env, log: silent })
  onTestFinished(() => fleet.close())
  return { fleet, port }
}

it.each(['close', 'drainForSignal'] as const)(
  'a node whose start is under way when the collector stops does not outlive it: %s',
  async (verb) => {
    const { fleet, port } = await newFleet()
    const started = fleet.start()
    await fleet[verb]()
    expect(await accepts(port)).toBe(false)
    await started
    // Nothing comes up behind the back of whoever has stopped.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await accepts(port)).toBe(false)
    expect(fleet.nodes()[0]?.token).toBe('')
  },
)

it('a node whose port is taken comes up once that is free, and its address is told', async () => {
  const { fleet, port } = await newFleet()
  const squatter = createServer().listen(port, '127.0.0.1')
  await new Promise((resolve) => squatter.once('listening', resolve))
  const moved: string[] = []
  fleet.onMoved((_id, url) => moved.push(url))
  await fleet.start()
  expect(moved).toEqual([])
  await new Promise((resolve) => squatter.close(resolve))
  await vi.waitFor(() => expect(moved).toHaveLength(1), { timeout: 10_000 })
  expect(await accepts(port)).toBe(true)
})
