import { afterEach, describe, expect, it } from 'vitest'
import {
  ana,
  around,
  codeOf,
  DrainBench,
  drainOf,
  drainOfNode,
  inWeather,
  refusal,
  root,
  type Weather,
} from './drain-bench.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

let bench: DrainBench

const open = async (options: ConstructorParameters<typeof DrainBench>[0] = {}): Promise<DrainBench> => {
  bench = await new DrainBench(options).open()
  return bench
}

afterEach(() => bench.close())

const slowly = (slowMs: number) => inWeather({ away: false, slowMs, silent: false })

const settled = async (works: Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(works)).map((result) =>
    result.status === 'fulfilled' ? 'created' : String((result.reason as { code?: unknown }).code),
  )

describe('the last serving region', () => {
  it('is not drained by two operators who press three milliseconds apart', async () => {
    const { desk, store } = await open({ fleet: new ScriptedFleet(['fra', 'iad']), wrap: slowly(10) })
    const later = async () => {
      await new Promise((resolve) => setTimeout(resolve, 3))
      return desk.create(drainOf('iad'), root)
    }
    const answers = await Promise.allSettled([desk.create(drainOf('fra'), ana), later()])
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected'])
    const loser = answers[1]
    expect(loser?.status === 'rejected' && loser.reason).toMatchObject({
      code: 'ERR_DRAIN_BLOCKED',
      facts: { blockers: [{ code: 'last_serving_region' }] },
    })
    const audited = (await store.auditRows({})).items.map((row) => [row.action, row.actor])
    expect(audited).toEqual([['drain.create', 'ana@example.com']])
    await bench.pass(5_000)
    expect(bench.serving()).toContain('iad-1')
  })

  it('is not drained node by node beside a drain of the other region', async () => {
    const { desk } = await open({ fleet: new ScriptedFleet(['fra', 'iad']) })
    const answers = await settled([
      desk.create(drainOf('fra'), ana),
      desk.create(drainOfNode('iad-1'), ana),
      desk.create(drainOfNode('iad-2'), root),
    ])
    expect(answers).toEqual(['created', 'created', 'ERR_DRAIN_BLOCKED'])
  })

  it('goes on serving when two drains that were planned for the same hour begin', async () => {
    const { desk } = await open({ fleet: new ScriptedFleet(['fra', 'iad']) })
    const startAt = new Date(bench.now() + 2_000).toISOString()
    const fra = await desk.create({ ...drainOf('fra'), strategy: { startAt } }, ana)
    const iad = await desk.create({ ...drainOf('iad'), strategy: { startAt } }, ana)
    await bench.until(fra.id, 'drained', 'paused')
    await bench.until(iad.id, 'drained', 'paused')
    const states = [await bench.get(fra.id), await bench.get(iad.id)]
    expect(states.map((drain) => drain.state).sort()).toEqual(['drained', 'paused'])
    const waiting = states.find((drain) => drain.state === 'paused')
    expect(waiting?.note).toContain('nothing would serve')
    expect(bench.serving()).toHaveLength(2)
    // Neither can somebody wave it through.
    const error = await refusal(
      desk.act(waiting?.id ?? '', 'continue', { version: waiting?.version ?? 0 }, ana),
    )
    expect(error.code).toBe('ERR_DRAIN_BLOCKED')
  })

  it('pauses a drain whose receivers die in its first second', async () => {
    const { desk, fleet } = await open({ fleet: new ScriptedFleet(['fra', 'iad']) })
    fleet.get('fra-1').health.drain.remaining.connections = 1
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    fleet.kill('iad-1')
    fleet.kill('iad-2')
    fleet.get('fra-1').health.drain.remaining.connections = 0
    const paused = await bench.until(id, 'paused', 'drained')
    expect(paused.state).toBe('paused')
    expect(bench.serving()).toEqual(['fra-2'])
  })
})

describe('resume', () => {
  it('never takes the healthy node out again because its neighbour is dead', async () => {
    const { desk, fleet } = await open({ speed: 200 })
    const { id } = await desk.create(drainOf('fra'), ana)
    const drained = await bench.until(id, 'drained')
    fleet.kill('fra-1')
    await desk.act(id, 'resume', { version: drained.version }, ana)
    await expect.poll(() => fleet.get('fra-2').health.state).toBe('serving')
    const failed = await bench.until(id, 'failed', 'drained')
    expect(failed.state).toBe('failed')
    expect(failed.note).toContain('fra-1')
    await bench.pass(30_000)
    expect(fleet.get('fra-2').health.state).toBe('serving')
    expect(fleet.nodes().find((node) => node.id === 'fra-2')?.intent).toBe('serving')
    expect(failed.steps.map((step) => step.outcome)).toEqual(['out', 'back'])
    expect(desk.held()).toMatchObject([{ region: 'fra', nodes: ['fra-1'], drainId: id, state: 'failed' }])
    // It comes back as it was left, drained, and the same Resume brings it back.
    fleet.start('fra-1', { keepsWish: true })
    await desk.act(id, 'resume', { version: failed.version }, ana)
    await bench.until(id, 'resumed')
    expect(bench.serving()).toHaveLength(6)
    expect(desk.held()).toEqual([])
  })
})

describe('a report', () => {
  it('says once of a node that it is not in the configuration any more, however long the others take', async () => {
    const { desk, fleet } = await open({ speed: 200 })
    const { id } = await desk.create(drainOf('fra'), ana)
    const drained = await bench.until(id, 'drained')
    fleet.kill('fra-1')
    const all = fleet.nodes.bind(fleet)
    fleet.nodes = () => all().filter((node) => node.id !== 'fra-2')
    await desk.act(id, 'resume', { version: drained.version }, ana)
    const { report } = await bench.until(id, 'failed', 'drained')
    const said = report?.notes.filter((note) => note.includes('not in the configuration'))
    expect(said).toEqual(['fra-2 is not in the configuration any more'])
  })
})

describe('a drain in mode exit', () => {
  const exit = { strategy: { mode: 'exit' as const } }

  it('finishes with nodes that are idle, and asks the processes that come after them nothing', async () => {
    const { desk, fleet } = await open()
    for (const id of ['fra-1', 'fra-2']) fleet.get(id).supervised = true
    const { id } = await desk.create({ ...drainOf('fra'), ...exit }, ana)
    const drain = await bench.until(id, 'drained')
    expect(drain.steps.map((step) => step.phase)).toEqual(['done', 'done'])
    await bench.pass(10_000)
    for (const node of ['fra-1', 'fra-2']) {
      expect(fleet.get(node).starts).toBe(2)
      expect(fleet.get(node).calls.filter((call) => call === 'POST /drain')).toHaveLength(1)
      expect(fleet.serves(node)).toBe(true)
      expect(fleet.get(node).health.relay?.cordoned).toBe(false)
    }
    expect(fleet.nodes().map((node) => node.intent)).not.toContain('drain')
  })

  it('lets a process serve tunnels again that died when it had heard no more than that it takes none', async () => {
    const { fleet, desk } = await open()
    const call = fleet.call.bind(fleet)
    fleet.call = (id, method, path, body) => {
      if (path === '/drain') fleet.kill(id)
      return call(id, method, path, body)
    }
    const { id } = await desk.create({ ...drainOf('fra'), strategy: { mode: 'exit' } }, ana)
    const exited = { outcome: 'exited' }
    expect((await bench.until(id, 'drained')).steps).toMatchObject([exited, exited])
    fleet.start('fra-1', { keepsWish: true })
    expect(fleet.get('fra-1').health.relay?.cordoned).toBe(true)
    await expect.poll(() => fleet.get('fra-1').health.relay?.cordoned).toBe(false)
    await expect.poll(() => fleet.nodes().find((node) => node.id === 'fra-1')?.intent).toBe('serving')
  })

  it('does not take one lost answer for the end of a node with 500 open connections', async () => {
    const { desk, fleet } = await open()
    const node = fleet.get('fra-1')
    // It accepts the order and begins, but 500 connections are open.
    node.health.state = 'draining'
    node.health.drain.phase = 'connections'
    node.health.drain.remaining.connections = 500
    const begin = async () => {
      const { id } = await desk.create({ ...drainOf('fra'), ...exit }, ana)
      node.health.drain.drainId = id
      return id
    }
    fleet.hostsStay = true
    const original = fleet.call.bind(fleet)
    fleet.call = async (id, method, path, body) => {
      if (id === 'fra-1' && path === '/drain') return { status: 202, body: {} }
      return original(id, method, path, body)
    }
    const id = await begin()
    await expect.poll(async () => (await bench.get(id)).steps[0]?.phase).toBe('connections')
    node.loseAnswers = 2
    await expect.poll(() => node.loseAnswers).toBe(0)
    await bench.pass(2_000)
    expect((await bench.get(id)).steps.map((step) => step.phase)).toEqual(['connections', 'waiting'])
    expect(fleet.get('fra-2').calls).not.toContain('POST /drain')
  })
})

describe('an abort', () => {
  it('that was answered is not overruled by the tick that finished meanwhile', async () => {
    const { desk, fleet } = await open({ speed: 100, wrap: slowly(60) })
    for (let round = 0; round < 6; round += 1) {
      const { id } = await desk.create(drainOf('fra'), ana)
      await expect.poll(async () => (await bench.get(id)).steps[1]?.phase, { interval: 2 }).toBe('proving')
      await new Promise((resolve) => setTimeout(resolve, 40 + round * 12))
      const { version } = await bench.get(id)
      const answer = await desk.act(id, 'abort', { version }, ana)
      expect(answer.state).toBe('aborting')
      const ended = await bench.until(id, 'aborted', 'drained')
      expect([ended.state, ended.updatedBy]).toEqual(['aborted', 'ana@example.com'])
      expect(fleet.get('fra-1').health.state).toBe('serving')
      expect(fleet.get('fra-2').health.state).toBe('serving')
    }
  })

  it('tells moved, stayed and missing tunnels apart, and how each node ended', async () => {
    const { desk, fleet } = await open()
    fleet.lost.add('fra-1-b')
    fleet.get('fra-1').health.drain.remaining.connections = 1
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    const { version } = await bench.until(id, 'running')
    await desk.act(id, 'abort', { version }, ana)
    const { report, steps, moves } = await bench.until(id, 'aborted')
    expect(report?.gaps).toMatchObject({ moved: 1, stayed: 2, missing: 1 })
    expect(steps.map((step) => step.outcome)).toEqual(['kept_serving', 'kept_serving'])
    expect(steps.every((step) => step.endedAt !== null)).toBe(true)
    expect(moves.map((move) => move.state)).toEqual(['moved', 'nowhere', 'here', 'here'])
  })

  it('that leaves a region held says so until somebody resumes it, over restarts of the collector', async () => {
    const { desk, fleet } = await open()
    fleet.get('fra-1').health.drain.remaining.connections = 1
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    const { version } = await bench.until(id, 'running')
    await desk.act(id, 'abort', { version, end: 'held' }, ana)
    const aborted = await bench.until(id, 'aborted')
    const held = [{ region: 'fra', nodes: ['fra-1'], drainId: id, reason: 'kernel update', state: 'aborted' }]
    expect(desk.held()).toMatchObject(held)
    await desk.close()
    await bench.openDesk()
    expect(bench.desk.held()).toMatchObject(held)
    await bench.desk.act(id, 'resume', { version: aborted.version }, ana)
    await bench.until(id, 'resumed')
    expect(bench.desk.held()).toEqual([])
    expect(await codeOf(bench.desk.act(id, 'resume', { version: 99 }, ana))).toBe('ERR_VERSION_CONFLICT')
  })
})

describe('a drain', () => {
  it('leaves no audit row when it was refused', async () => {
    const { desk, store } = await open({ wrap: slowly(10) })
    const answers = await settled(Array.from({ length: 10 }, () => desk.create(drainOf('fra'), ana)))
    expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
    expect((await store.auditRows({})).items.map((row) => row.action)).toEqual(['drain.create'])
  })

  it('proves a node empty although the clock is set back an hour in the middle', async () => {
    const { desk } = await open()
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(async () => (await bench.get(id)).steps[0]?.phase).toBe('proving')
    bench.wallShiftMs = -3_600_000
    const drain = await bench.until(id, 'drained')
    expect(drain.report?.durationMs).toBeGreaterThan(5_000)
    expect(drain.report?.durationMs).toBeLessThan(60_000)
  })

  it('warns in its plan of a region that would hold more than it may, and pauses with the same words', async () => {
    const { desk, fleet } = await open({ fleet: new ScriptedFleet(['fra', 'iad']) })
    fleet.capacities.set('iad', 5)
    const plan = await desk.preview({ region: 'fra' })
    expect(plan.blockers).toEqual([])
    expect(plan.warnings).toContainEqual({
      code: 'capacity',
      message: 'iad would hold 8 tunnels, above its capacity of 5',
    })
    const { id } = await desk.create(drainOf('fra'), ana)
    const paused = await bench.until(id, 'paused')
    expect(paused.note).toMatch(/iad holds \d tunnels, above its capacity of 5/)
    await desk.act(id, 'continue', { version: paused.version }, ana)
    await bench.until(id, 'drained')
  })

  it('is found again by a collector that starts beside a damaged record', async () => {
    const { desk, store } = await open()
    const { id } = await desk.create(drainOf('fra'), ana)
    await bench.until(id, 'drained')
    await desk.close()
    await store.prisma.$executeRawUnsafe(
      `INSERT INTO "drains" ("id","region","node","state","activeKey","version","createdAt","data","resume") VALUES ('broken','iad',NULL,'running','region:iad',2,1,'{"id":','{}'), ('hollow','sjc',NULL,'running','region:sjc',2,1,'{}','{}')`,
    )
    expect((await store.drains({})).items.map((each) => each.drain.id)).toEqual([id])
    await bench.openDesk()
    expect(bench.desk.active().map((drain) => drain.id)).toEqual([id])
    expect((await bench.desk.create(drainOf('iad'), ana)).state).toBe('planned')
  })

  it('says of each tunnel whether it is still on its node', async () => {
    const { desk, fleet } = await open()
    fleet.hostsStay = true
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(async () => (await bench.get(id)).moves[0]?.state).toBe('here')
    fleet.hostsStay = false
    fleet.moveHosts('fra-1')
    await expect.poll(async () => (await bench.get(id)).moves[0]?.state).toBe('moved')
  })

  it('counts what visitors lost, at its nodes and elsewhere, over restarts', async () => {
    const { desk, fleet } = await open()
    const relay = (id: string) => {
      const part = fleet.get(id).health.relay
      if (part === undefined) throw new Error('no relay')
      return part
    }
    fleet.get('fra-1').health.drain.requestsFailed = 40
    relay('iad-1').requests.failedByFormerOwner = { 'fra-1': 7 }
    fleet.get('fra-1').health.drain.remaining.connections = 1
    const { id } = await desk.create(drainOf('fra'), ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    await bench.pass(500)
    fleet.get('fra-1').health.drain.requestsFailed = 43
    relay('iad-1').requests.failedByFormerOwner = { 'fra-1': 9, 'sjc-1': 50 }
    await bench.pass(500)
    // A relay that starts again counts from nought.
    fleet.start('iad-1')
    relay('iad-1').requests.failedByFormerOwner = { 'fra-1': 1 }
    relay('sjc-2').requests.failedByFormerOwner = { 'fra-2': 4 }
    fleet.get('fra-1').health.drain.remaining.connections = 0
    const { report } = await bench.until(id, 'drained')
    expect(report?.requestsFailed).toBe(3 + 2 + 1 + 4)
  })

  it('says the same time line in plan and report', async () => {
    const { desk } = await open()
    const plan = await desk.preview({ region: 'fra' })
    expect(plan.phases.filter((phase) => phase.node === 'fra-1').map(({ seconds }) => seconds)).toEqual([
      1, 5, 3, 5,
    ])
    expect(plan.totalSeconds).toBe(28)
    const drain = await desk.create(drainOf('fra'), ana)
    expect(drain.budget).toEqual(plan.phases)
  })
})

describe('without a store', () => {
  it.each<[string, Partial<Weather>]>([
    ['that refuses every call', { away: true }],
    ['that can be read and not written', { full: true }],
    ['that never answers', { silent: true }],
  ])(
    '%s a region is drained, is listed, and an abort brings it back; it is written when the store is back',
    async (_, bad) => {
      const weather = { away: false, slowMs: 0, silent: false }
      const rows: string[] = []
      const { desk, fleet, store } = await open({
        wrap: inWeather(weather),
        storePatienceMs: 50,
        emergency: (row) => rows.push(row.action),
      })
      Object.assign(weather, bad)
      const { id } = await desk.create(drainOf('fra'), ana)
      const drained = await bench.until(id, 'drained')
      expect(
        (await desk.list({ active: true }).catch(() => null))?.items.map((drain) => drain.id) ?? [id],
      ).toEqual([id])
      await desk.act(id, 'abort', { version: drained.version }, ana)
      const aborted = await bench.until(id, 'aborted')
      expect(fleet.serves('fra-1') && fleet.serves('fra-2')).toBe(true)
      expect(rows).toEqual(['drain.create', 'drain.running', 'drain.drained', 'drain.abort', 'drain.aborted'])
      Object.assign(weather, { away: false, full: false, silent: false })
      await expect.poll(async () => (await store.drain(id))?.drain, { timeout: 10_000 }).toEqual(aborted)
      // The emergency log brings its rows into the audit itself, once.
      expect((await store.auditRows({})).items).toEqual([])
    },
  )
})

describe('a store that was only slow', () => {
  it('has what it was asked for after all, and the drain can be aborted', async () => {
    const rows: string[] = []
    let slowMs = 0
    const { desk, fleet, store } = await open({
      storePatienceMs: 50,
      emergency: (row) => rows.push(row.action),
      wrap: (real) =>
        around(real, ['createDrain'], async (call) => {
          await call()
          await new Promise((resolve) => setTimeout(resolve, slowMs))
        }),
    })
    slowMs = 200
    const { id } = await desk.create(drainOf('fra'), ana)
    slowMs = 0
    const drained = await bench.until(id, 'drained')
    await desk.act(id, 'abort', { version: drained.version }, ana)
    const aborted = await bench.until(id, 'aborted')
    expect(fleet.serves('fra-1') && fleet.serves('fra-2')).toBe(true)
    await expect.poll(async () => (await store.drain(id))?.drain, { timeout: 10_000 }).toEqual(aborted)
    expect(rows).toEqual(['drain.create'])
  })
})

describe('a drain that the collector has not in memory', () => {
  it('is resumed once by two operators who press at the same time, and everybody sees how it goes on', async () => {
    const { desk, fleet } = await open()
    const { id } = await desk.create(drainOf('fra'), ana)
    const drained = await bench.until(id, 'drained')
    await desk.act(id, 'abort', { version: drained.version, end: 'held' }, ana)
    const held = await bench.until(id, 'aborted')
    await desk.close()
    // What was wanted of the nodes could not be kept.
    fleet.setIntent(['fra-1', 'fra-2'], 'serving')
    await bench.openDesk()
    const press = (actor: typeof ana) => bench.desk.act(id, 'resume', { version: held.version }, actor)
    expect((await settled([press(ana), press(root)])).sort()).toEqual(['ERR_VERSION_CONFLICT', 'created'])
    await bench.until(id, 'resumed')
    expect(bench.desk.active()).toEqual([])
    expect(fleet.serves('fra-1') && fleet.serves('fra-2')).toBe(true)
  })
})

describe('an abort that was on its way', () => {
  it('is not refused because the drain itself went one step on, but one after another operator is', async () => {
    const { desk } = await open({ speed: 5 })
    const { id } = await desk.create(drainOf('fra'), ana)
    const running = await bench.until(id, 'running')
    const drained = await bench.until(id, 'drained')
    bench.freeze()
    expect(drained.version).toBe(running.version + 1)
    expect(await codeOf(desk.act(id, 'resume', { version: running.version }, ana))).toBe(
      'ERR_VERSION_CONFLICT',
    )
    const aborting = await desk.act(id, 'abort', { version: running.version }, ana)
    expect([aborting.state, aborting.version]).toEqual(['aborting', drained.version + 1])
    expect(await codeOf(desk.act(id, 'abort', { version: drained.version }, root))).toBe(
      'ERR_VERSION_CONFLICT',
    )
  })
})
