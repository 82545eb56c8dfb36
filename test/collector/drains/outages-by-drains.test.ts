import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../../server/collector/collector.ts'
import { absenceIn, REBOOT_LIMIT_MS } from '../../../server/collector/drains/absences.ts'
import type { Drain } from '../../../server/contract/drains.ts'
import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { createNode } from '../../../server/runtime/node/node.ts'
import { tinyBudget } from '../../runtime/drain/drain-rig.ts'
import { drain as drainFixture, log, sqlite } from '../../store/fixtures.ts'
import { ana, drainOf } from './drain-bench.ts'

const ends: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const TOKEN = 'control-token-0123456789abcdef'

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A machine: its node can be ended and started again, with the same folder and control port. */
class Machine {
  readonly id: string
  readonly port: number
  readonly dataDir: string
  ended = 0
  #node: ReturnType<typeof createNode> | null = null

  constructor(id: string, port: number, dataDir: string) {
    this.id = id
    this.port = port
    this.dataDir = dataDir
  }

  async start(): Promise<void> {
    const config = nodeConfigSchema.parse({
      id: this.id,
      region: this.id.slice(0, 3),
      control: { port: this.port, token: TOKEN },
      relay: { host: '127.0.0.1', port: 0, tokens: {} },
    })
    const node = createNode(config, {
      dataDir: this.dataDir,
      log,
      budget: tinyBudget(),
      exit: () => {
        this.ended += 1
        void this.stop()
      },
    })
    this.#node = node
    await node.start()
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#node = null
    await node?.destroy()
  }
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 25 })

const startFleet = async (ids: readonly string[]) => {
  const machines = new Map<string, Machine>()
  for (const id of ids) {
    const dataDir = await mkdtemp(join(tmpdir(), 'tidegate-machine-'))
    const machine = new Machine(id, await freePort(), dataDir)
    ends.push(() => rm(dataDir, { recursive: true, force: true }))
    ends.push(() => machine.stop())
    await machine.start()
    machines.set(id, machine)
  }
  const { store, remove } = await sqlite.create()
  ends.push(remove)
  const live = {
    hub: 'hub',
    seq: 0,
    event: () => undefined,
    samples: () => undefined,
    changed: () => undefined,
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: [...new Set(ids.map((id) => id.slice(0, 3)))].map((id) => ({ id, name: id })),
    nodes: [...machines.values()].map(({ id, port }) => ({
      id,
      region: id.slice(0, 3),
      url: `http://127.0.0.1:${port}`,
      token: TOKEN,
      kind: 'tidegate',
      embedded: false,
    })),
    polling: { intervalMs: 300, timeoutMs: 250, allow: [] },
    // Ten times faster than the wall, so that five seconds of proof are half a second.
    drains: { tickMs: 20, monotonic: () => performance.now() * 10 },
    demo: false,
    version: '0.1.0',
  })
  ends.push(() => collector.close())
  await collector.start()
  await eventually(() => expect(collector.overview().totals.up).toBe(ids.length))
  return { collector, machine: (id: string) => machines.get(id) as Machine }
}

const stateOf = async (collector: Collector, id: string) => (await collector.drains.get(id))?.state
/** Long enough for signals to be looked at more than once. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 2_200))

describe('a drain explains', { timeout: 90_000 }, () => {
  it('the reboot for which a region is held: no incident, no outage, and the drain says so', async () => {
    const { collector, machine } = await startFleet(['fra-1', 'fra-2', 'iad-1'])
    const { id } = await collector.drains.create(drainOf('fra'), ana)
    await eventually(async () => expect(await stateOf(collector, id)).toBe('drained'))
    const { report, budget } = (await collector.drains.get(id)) as Drain
    expect(report?.phases.length).toBeGreaterThan(0)
    for (const { node, phase, budgetMs } of report?.phases ?? [])
      expect(budgetMs).toBe(
        (budget?.find((each) => each.node === node && each.phase === phase)?.seconds ?? -1) * 1_000,
      )
    expect(collector.overview().held).toMatchObject([
      { region: 'fra', nodes: ['fra-1', 'fra-2'], drainId: id },
    ])
    await Promise.all([machine('fra-1').stop(), machine('fra-2').stop()])
    await eventually(() => expect(collector.node('fra-2')?.state).toBe('down'))
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    await aWhile()
    expect(collector.overview().incidents.map((incident) => incident.title)).toEqual([])
    expect(collector.overview().verdict.level).toBe('ok')
    expect(collector.node('fra-1')?.away).toMatchObject({ drainId: id, until: expect.any(String) })
    expect((await collector.drains.get(id))?.note).toContain('a restart is expected while held')
    await Promise.all([machine('fra-1').start(), machine('fra-2').start()])
    // Whoever resumes in the first moment after the reboot, before polls have seen it, gets no incident either.
    const drained = await collector.drains.get(id)
    await collector.drains.act(id, 'resume', { version: drained?.version ?? 0 }, ana)
    await eventually(async () => expect(await stateOf(collector, id)).toBe('resumed'))
    await eventually(() => expect(collector.overview().totals.up).toBe(3))
    await aWhile()
    expect(collector.overview().incidents.map((incident) => incident.title)).toEqual([])
  })

  it('a region whose processes it ended, until they serve again; then their death is an incident', async () => {
    const { collector, machine } = await startFleet(['fra-1', 'fra-2', 'iad-1'])
    const { id } = await collector.drains.create({ ...drainOf('fra'), strategy: { mode: 'exit' } }, ana)
    await eventually(async () => expect(await stateOf(collector, id)).toBe('drained'))
    expect([machine('fra-1').ended, machine('fra-2').ended]).toEqual([1, 1])
    await eventually(() => expect(collector.node('fra-2')?.state).toBe('down'))
    await eventually(() => expect(collector.node('fra-1')?.state).toBe('down'))
    await aWhile()
    expect(collector.overview().incidents.map((incident) => incident.title)).toEqual([])
    expect(collector.overview().verdict.level).toBe('ok')
    expect(collector.overview().held).toEqual([])
    await Promise.all([machine('fra-1').start(), machine('fra-2').start()])
    await eventually(() =>
      expect(collector.nodes().map((node) => [node.state, node.intent])).toEqual(
        Array(3).fill(['up', 'serving']),
      ),
    )
    await machine('fra-2').stop()
    await eventually(() => expect(collector.overview().incidents[0]?.title).toBe('fra-2 is down'))
  })
})

describe('what a drain does not explain', () => {
  const step = { node: 'fra-1', startedAt: null, endedAt: null, remaining: null }
  const held = { ...step, phase: 'done' as const, outcome: 'empty' as const }
  it.each<[string, Partial<Drain>, number | null | undefined]>([
    ['a held node that restarts, for half an hour', { state: 'drained', steps: [held] }, REBOOT_LIMIT_MS],
    ['one that waits for its neighbours', { state: 'running', steps: [held] }, REBOOT_LIMIT_MS],
    ['a node held by an abort', { state: 'aborted', steps: [{ ...held, outcome: 'held' }] }, REBOOT_LIMIT_MS],
    ['a process that ended', { state: 'drained', steps: [{ ...held, outcome: 'exited' }] }, null],
    [
      'not: a node whose turn has not come',
      { state: 'running', steps: [{ ...step, phase: 'waiting' }] },
      undefined,
    ],
    [
      'not: a node that dies with traffic on it',
      { state: 'running', steps: [{ ...step, phase: 'connections' }] },
      undefined,
    ],
    [
      'not: a node that could not be brought back',
      { state: 'failed', steps: [{ ...held, outcome: 'out' }] },
      undefined,
    ],
    ['not: a node that serves again', { state: 'aborted', steps: [{ ...held, outcome: 'back' }] }, undefined],
    ['not: before it begins', { state: 'planned', steps: [{ ...step, phase: 'waiting' }] }, undefined],
  ])('%s', (_title, change, limitMs) => {
    expect(absenceIn({ ...drainFixture('d1').drain, ...change }, 'fra-1')?.limitMs).toBe(limitMs)
  })
})
