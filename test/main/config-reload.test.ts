import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import type { FleetChange } from '../../server/collector/fleet/members.ts'
import { loadConfig } from '../../server/config/load.ts'
import { AppError } from '../../server/contract/errors.ts'
import { ConfigApplier } from '../../server/main/config-applier.ts'
import { ConfigInForce } from '../../server/main/config-in-force.ts'
import { log } from '../store/fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-reload-'))
const path = join(folder, 'tidegate.yaml')
const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

afterAll(() => rmSync(folder, { recursive: true }))

const node = (token: string) =>
  `regions: [{ id: fra }]\nnodes: [{ id: fra-1, region: fra, kind: tidegate, url: "http://a", token: ${token} }]\n`
const nothing: FleetChange = { added: [], removed: [], changed: [], regions: [] }

it('reads a refused file again when the file that it lacked is there', async () => {
  writeFileSync(path, node('a-long-enough-token'))
  const configuration = new ConfigInForce({ path, env: {}, log })
  closers.push(() => configuration.close())
  configuration.start({
    changedNodes: () => [],
    drained: () => [],
    async apply(_config, commit) {
      await commit(nothing)
      return nothing
    },
    audit: async () => undefined,
    applied: () => undefined,
    problemsChanged: () => undefined,
  })
  writeFileSync(path, node('${file:./token}'))
  configuration.reload('test')
  await vi.waitFor(() => expect(configuration.inForce().refused?.problems).toHaveLength(1))
  writeFileSync(join(folder, 'token'), 'another-long-token\n')
  await vi.waitFor(() => expect(configuration.inForce().refused).toBeNull(), { timeout: 8_000, interval: 50 })
}, 15_000)

it('reads a file again when the drains have ended that have the nodes which it lacks', async () => {
  writeFileSync(path, node('a-long-enough-token'))
  const configuration = new ConfigInForce({ path, env: {}, log })
  closers.push(() => configuration.close())
  const held = ['fra-1', 'fra-2']
  const causes: string[] = []
  let applied = 0
  configuration.start({
    changedNodes: () => [],
    drained: (nodes) => nodes.filter((id) => held.includes(id)),
    async apply(_config, commit) {
      applied += 1
      if (held.length > 0)
        throw new AppError('ERR_CONFLICT', 'Drains have nodes', {
          problems: [{ path: 'nodes', message: `lacks ${held[0]}` }],
          nodes: [...held],
        })
      await commit({ ...nothing, regions: ['fra'] })
      return nothing
    },
    audit: async ({ reason }) => void causes.push(reason),
    applied: () => undefined,
    problemsChanged: () => undefined,
  })
  configuration.reload('test')
  await vi.waitFor(() => expect(configuration.inForce().refused?.problems).toHaveLength(1))
  held.shift()
  // One of two: nothing is tried while the other one has a node still.
  await new Promise((done) => setTimeout(done, 2_500))
  expect(applied).toBe(1)
  held.shift()
  await vi.waitFor(() => expect(configuration.inForce().refused).toBeNull(), { timeout: 8_000, interval: 50 })
  expect(causes).toEqual(['the drains that had its nodes have ended'])
}, 15_000)

it('has everything in force before a node that came is asked, and nothing where it cannot be written down', async () => {
  writeFileSync(
    path,
    `${node('a-long-enough-token')}polling: { allow: [10.0.0.0/8] }\nretention: { raw: 24h }\n`,
  )
  const config = loadConfig(path, {})
  const done: string[] = []
  const does = (what: string) => () => void done.push(what)
  const applier = new ConfigApplier({
    file: 'tidegate.yaml',
    nodes: { changed: () => [], nodesAfter: () => [], setNodes: does('nodes') },
    collector: {
      fleet: { record: async () => null },
      drained: () => [],
      async setTargets(_regions, _nodes, commit) {
        await commit?.(nothing)
        done.push('asked')
        return nothing
      },
      setThresholds: does('thresholds'),
      setPolling: does('polling'),
      setNotify: does('channels'),
    },
    store: { auditAlways: async () => 'stored', setRetention: does('retention') },
    problemsChanged: () => undefined,
  })
  await expect(applier.apply(config, () => Promise.reject(new Error('no audit')))).rejects.toThrow('no audit')
  expect(done).toEqual([])
  await applier.apply(config, async () => void done.push('audit'))
  expect(done).toEqual(['audit', 'nodes', 'thresholds', 'polling', 'channels', 'retention', 'asked'])
})
