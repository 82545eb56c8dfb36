import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RunningDrainDesk } from '../../../server/collector/drains/desk/drain-desk.ts'
import type { Actor } from '../../../server/contract/access.ts'
import type { Drain } from '../../../server/contract/drains.ts'
import { AppError, type ErrorCode } from '../../../server/contract/errors.ts'
import { createLog } from '../../../server/observe/log.ts'
import { SqliteStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

const log = createLog('test', 'silent')
const ana: Actor = { name: 'ana@example.com', role: 'operator', address: null }
const root: Actor = { name: 'root@example.com', role: 'admin', address: null }
const request = { region: 'fra', reason: 'kernel update', confirm: 'fra' }

const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  try {
    await work
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('it was not refused')
}
const codeOf = async (work: Promise<unknown>): Promise<ErrorCode> => (await refusal(work)).code

describe('the drain desk', () => {
  let folder: string
  let store: Store
  let fleet: ScriptedFleet
  let desk: RunningDrainDesk
  const started = Date.now()
  /** Twenty times faster than the wall, so that the proof of empty takes a quarter of a second. */
  const now = () => started + (Date.now() - started) * 20

  const openDesk = async () => {
    desk = new RunningDrainDesk({
      store,
      fleet,
      live: { changed: () => undefined },
      log,
      now,
      monotonic: now,
      tickMs: 5,
    })
    await desk.start()
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-drains-'))
    store = new SqliteStore({ url: `file:${join(folder, 'test.db')}`, log })
    await store.open()
    fleet = new ScriptedFleet()
    await openDesk()
  })

  afterEach(async () => {
    await desk.close()
    await store.close()
    rmSync(folder, { recursive: true })
  })

  const until = async (id: string, state: Drain['state']): Promise<Drain> => {
    await expect.poll(async () => (await desk.get(id))?.state, { timeout: 15_000, interval: 10 }).toBe(state)
    const drain = await desk.get(id)
    if (drain === null) throw new Error('gone')
    return drain
  }

  it('cordons all nodes of the region before it drains the first, and drains one node after the other', async () => {
    const { id } = await desk.create(request, ana)
    const drain = await until(id, 'drained')
    expect(fleet.order).toEqual(['fra-1 /cordon', 'fra-2 /cordon', 'fra-1 /drain', 'fra-2 /drain'])
    const [first, second] = drain.steps
    expect(Date.parse(second?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(first?.endedAt ?? ''))
    expect(drain.report?.gaps).toEqual({
      count: 4,
      moved: 4,
      stayed: 0,
      missing: 0,
      p50Ms: 120,
      p99Ms: 120,
      maxMs: 120,
    })
    expect(drain.moves.map((move) => move.to)).toEqual(['iad-1', 'iad-1', 'iad-1', 'iad-1'])
    expect(fleet.recorded).toContain('drain.completed')
  })

  it('leaves the intent of a region alone until the hour of its drain', async () => {
    const startAt = new Date(now() + 3_600_000).toISOString()
    const { id } = await desk.create({ ...request, strategy: { startAt } }, ana)
    const intents = () =>
      fleet
        .nodes()
        .filter((node) => node.region === 'fra')
        .map((node) => node.intent)
    expect(intents()).toEqual(['serving', 'serving'])
    await desk.close()
    await openDesk()
    expect(intents()).toEqual(['serving', 'serving'])
    await desk.act(id, 'abort', { version: 1 }, ana)
    expect((await until(id, 'aborted')).steps.map((step) => step.phase)).toEqual(['waiting', 'waiting'])
    expect(fleet.order).toEqual([])
  })

  it('is planned for thirty days ahead at most', async () => {
    const inDays = (days: number, moreMs = 0) => new Date(now() + days * 86_400_000 + moreMs).toISOString()
    const problem = {
      path: 'strategy.startAt',
      message: 'is more than 30 days away; plan the drain when its time is nearer',
    }
    for (const startAt of ['9999-12-31T23:59:59Z', inDays(30, 60_000)]) {
      const refused = { code: 'ERR_INVALID', facts: { problems: [problem] } }
      await expect(desk.create({ ...request, strategy: { startAt } }, ana)).rejects.toMatchObject(refused)
      await expect(desk.preview({ region: 'fra', strategy: { startAt } })).rejects.toMatchObject(refused)
    }
    expect(desk.active()).toEqual([])
    for (const startAt of [inDays(30, -1_000), inDays(-1)])
      await desk.preview({ region: 'fra', strategy: { startAt } })
  })

  it('changes the version only with the state', async () => {
    const created = await desk.create(request, ana)
    expect([created.state, created.version]).toEqual(['planned', 1])
    const drained = await until(created.id, 'drained')
    expect(drained.version).toBe(3)
  })

  it('finishes with one record and one report wherever the collector is killed', {
    timeout: 60_000,
  }, async () => {
    for (let stopAfterMs = 0; stopAfterMs < 700; stopAfterMs += 60) {
      fleet = new ScriptedFleet()
      await desk.close()
      await openDesk()
      const { id } = await desk.create(request, ana)
      await new Promise((resolve) => setTimeout(resolve, stopAfterMs))
      await desk.close()
      await openDesk()
      const drain = await until(id, 'drained')
      expect(drain.report?.gaps.missing).toBe(0)
      expect((await desk.list({ active: true })).items.map((item) => item.id)).toEqual([id])
      await desk.act(id, 'resume', { version: drain.version }, ana)
      await until(id, 'resumed')
    }
  })

  it('sends the same drain again to a node that came back without its wish', async () => {
    const { id } = await desk.create(request, ana)
    await until(id, 'drained')
    const node = fleet.get('fra-1')
    node.health = {
      ...node.health,
      epoch: 'another',
      state: 'serving',
      drain: { ...node.health.drain, drainId: null },
    }
    await expect.poll(() => node.health.state).toBe('drained')
    expect(node.health.drain.drainId).toBe(id)
  })

  it('refuses a second drain of the region with 409, and a third one after the end is fine', async () => {
    const { id } = await desk.create(request, ana)
    const error = await refusal(desk.create(request, ana))
    expect([error.code, error.facts.drain]).toEqual(['ERR_DRAIN_RUNNING', id])
    const drained = await until(id, 'drained')
    expect(await codeOf(desk.create(request, ana))).toBe('ERR_DRAIN_RUNNING')
    await desk.act(id, 'resume', { version: drained.version }, ana)
    await until(id, 'resumed')
    expect((await desk.create(request, ana)).state).toBe('planned')
  })

  it('refuses a wrong confirmation, an unknown region, and mode exit for embedded nodes', async () => {
    expect(await codeOf(desk.create({ ...request, confirm: 'iad' }, ana))).toBe('ERR_CONFIRM_MISMATCH')
    expect(await codeOf(desk.create({ ...request, region: 'ams', confirm: 'ams' }, ana))).toBe(
      'ERR_NOT_FOUND',
    )
    // Who takes a node for a region is told that it is one.
    await expect(desk.create({ ...request, region: 'fra-1', confirm: 'fra-1' }, ana)).rejects.toThrow(
      'There is no region fra-1 in this fleet, but a node of that name (tidegate drain fra-1 --node)',
    )
    expect(fleet.order).toEqual([])
  })

  it('blocks the last serving region; only an administrator may force it, and that is audited', async () => {
    for (const id of ['iad-1', 'iad-2', 'sjc-1', 'sjc-2']) fleet.states.set(id, 'down')
    const error = await refusal(desk.create(request, ana))
    expect(error.code).toBe('ERR_DRAIN_BLOCKED')
    expect(error.facts.blockers).toMatchObject([{ code: 'last_serving_region' }])
    expect(await codeOf(desk.create({ ...request, force: true }, ana))).toBe('ERR_FORBIDDEN')
    await desk.create({ ...request, force: true }, root)
    expect((await store.auditRows({})).items[0]).toMatchObject({
      action: 'drain.force',
      actor: 'root@example.com',
    })
  })

  it('lets one of two operators win and tells the other who and when', async () => {
    const { id } = await desk.create(request, ana)
    const drained = await until(id, 'drained')
    const acts = await Promise.allSettled([
      desk.act(id, 'resume', { version: drained.version }, ana),
      desk.act(id, 'abort', { version: drained.version }, root),
    ])
    expect(acts.map((act) => act.status).sort()).toEqual(['fulfilled', 'rejected'])
    const loser = acts.find((act) => act.status === 'rejected')
    expect(loser?.reason).toMatchObject({
      code: 'ERR_VERSION_CONFLICT',
      facts: { version: drained.version + 1 },
    })
  })

  it('aborts to serving: drained nodes come back and waiting ones lose their cordon', async () => {
    const { id } = await desk.create(request, ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    const running = await until(id, 'running')
    await desk.act(id, 'abort', { version: running.version }, ana)
    const aborted = await until(id, 'aborted')
    expect(fleet.get('fra-1').health.state).toBe('serving')
    expect(fleet.get('fra-2').health.relay?.cordoned).toBe(false)
    expect(aborted.report).toBeDefined()
    expect(fleet.nodes().every((node) => node.intent === 'serving')).toBe(true)
  })

  it('aborts to held: what was drained stays so, and can be resumed later', async () => {
    const { id } = await desk.create(request, ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    const running = await until(id, 'running')
    await desk.act(id, 'abort', { version: running.version, end: 'held' }, ana)
    const aborted = await until(id, 'aborted')
    expect(fleet.get('fra-1').health.state).toBe('drained')
    expect(fleet.get('fra-2').health.state).toBe('serving')
    await desk.act(id, 'resume', { version: aborted.version }, ana)
    await until(id, 'resumed')
    expect(fleet.get('fra-1').health.state).toBe('serving')
  })

  it('pauses by itself, and says why, when a receiving region goes down', async () => {
    const { id } = await desk.create({ ...request, strategy: { deadlineSeconds: 60 } }, ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    fleet.get('fra-1').health.drain.remaining.connections = 1
    for (const node of ['iad-1', 'iad-2']) fleet.states.set(node, 'down')
    const paused = await until(id, 'paused')
    expect(paused.note).toContain('iad is down')
    expect(fleet.get('fra-2').calls).not.toContain('POST /drain')
    for (const node of ['iad-1', 'iad-2']) fleet.states.set(node, 'up')
    fleet.get('fra-1').health.drain.remaining.connections = 0
    await desk.act(id, 'continue', { version: paused.version }, ana)
    await until(id, 'drained')
  })

  it('goes on when an operator continues it although the receiving region is still down', async () => {
    const { id } = await desk.create(request, ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    fleet.get('fra-1').health.drain.remaining.connections = 1
    for (const node of ['iad-1', 'iad-2']) fleet.states.set(node, 'down')
    const paused = await until(id, 'paused')
    fleet.get('fra-1').health.drain.remaining.connections = 0
    await desk.act(id, 'continue', { version: paused.version }, ana)
    expect((await until(id, 'drained')).version).toBe(paused.version + 2)
  })

  it('is not paused by a region that was down before it began, nor a forced one by what was overridden', async () => {
    for (const node of ['iad-1', 'iad-2', 'sjc-1', 'sjc-2']) fleet.states.set(node, 'down')
    const { id } = await desk.create({ ...request, force: true }, root)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    fleet.get('fra-1').health.drain.remaining.connections = 1
    const settled = now() + 25_000
    await expect.poll(() => now() > settled, { timeout: 5_000 }).toBe(true)
    expect((await desk.get(id))?.state).toBe('running')
    fleet.get('fra-1').health.drain.remaining.connections = 0
    await until(id, 'drained')
  })

  it('counts a host that never came back as missing, by name', async () => {
    fleet.lost.add('fra-1-a')
    const { id } = await desk.create(request, ana)
    const drain = await until(id, 'drained')
    expect(drain.report?.gaps.missing).toBe(1)
    expect(drain.report?.notes.join()).toContain('fra-1-a')
  })

  it('counts what is left on nodes whose turn has not come', async () => {
    fleet.get('fra-2').health.drain.remaining = { connections: 7, requests: 1, tunnels: 2, pushes: 0 }
    const { id } = await desk.create(request, ana)
    await expect.poll(async () => (await desk.get(id))?.steps[1]?.remaining?.connections).toBe(7)
    expect((await desk.get(id))?.steps[1]?.phase).toBe('waiting')
    fleet.get('fra-2').health.drain.remaining = { connections: 0, requests: 0, tunnels: 0, pushes: 0 }
    await until(id, 'drained')
  })

  it('waits for a node that does not answer, and says so', async () => {
    const { id } = await desk.create(request, ana)
    await expect.poll(() => fleet.get('fra-1').health.state).toBe('drained')
    fleet.get('fra-1').answers = false
    await expect
      .poll(async () => (await desk.get(id))?.note)
      .toBe('fra-1 does not answer; the drain waits for it')
    fleet.get('fra-1').answers = true
    await until(id, 'drained')
  })

  it('previews without touching anything', async () => {
    const plan = await desk.preview({ region: 'fra' })
    expect(plan.moves.map((move) => [move.node, move.tunnels])).toEqual([
      ['fra-1', 2],
      ['fra-2', 2],
    ])
    expect(plan.forecast.map((entry) => [entry.region, entry.tunnelsAfter])).toEqual([
      ['iad', 6],
      ['sjc', 6],
    ])
    expect(plan.totalSeconds).toBe(plan.phases.reduce((sum, phase) => sum + phase.seconds, 0))
    expect(fleet.order).toEqual([])
  })

  it('names the regions that have sent nothing, since when, and what to do', async () => {
    for (const node of ['iad-1', 'iad-2', 'sjc-1', 'sjc-2']) fleet.unread.add(node)
    const never = 'iad has sent no data yet and sjc has sent no data yet: nobody knows'
    const told = async () => (await desk.preview({ region: 'fra' })).blockers
    expect(await told()).toEqual([{ code: 'no_receiver_data', message: expect.stringContaining(never) }])
    const at = Date.parse('2026-04-27T18:00:03.000Z')
    fleet.unreadSince = at
    const [blocker] = await told()
    expect(blocker?.message).toMatch(/^iad has sent no data since 2026-04-27 18:00:03 UTC and sjc has/)
    expect(blocker?.message).toMatch(/wait until they do; an administrator may force the drain$/)
  })

  it('calls tunnels that nobody counts unknown, and warns of a capacity that what comes alone exceeds', async () => {
    const counted = fleet.regions.bind(fleet)
    fleet.regions = () =>
      counted().map((region) =>
        region.id === 'iad' ? { ...region, tunnels: null, capacity: { tunnels: 1 } } : region,
      )
    const { forecast, warnings } = await desk.preview({ region: 'fra' })
    expect(
      forecast.map(({ region, tunnelsNow, tunnelsAfter }) => [region, tunnelsNow, tunnelsAfter]),
    ).toEqual([
      ['iad', null, null],
      ['sjc', 4, 6],
    ])
    expect(warnings).toMatchObject([
      { code: 'capacity', message: 'iad would hold 2 tunnels, above its capacity of 1' },
    ])
  })

  it('plans nothing for what it does not know, and never calls that zero', async () => {
    fleet.unread.add('fra-1')
    fleet.get('fra-2').kind = 'json'
    fleet.hosts = fleet.hosts.filter(({ region }) => region !== 'fra')
    const unknown = { connections: null, tunnels: null, requests: null, pushes: null }
    expect((await desk.preview({ region: 'fra' })).moves).toEqual([
      { node: 'fra-1', ...unknown },
      { node: 'fra-2', ...unknown, connections: 7 },
    ])
    expect((await desk.preview({ node: 'iad-1' })).moves).toEqual([
      { node: 'iad-1', connections: 0, tunnels: 2, requests: 0, pushes: 0 },
    ])
  })

  it.each([
    [
      'a drain of it',
      { node: 'fra-2' },
      'fra-2',
      /^fra-2 is a json node, which the collector cannot take out of service, also not by force; add drain: \{ webhook: \{ url, secret \} \} to its entry of nodes$/,
    ],
    [
      'a drain of its region',
      { region: 'fra' },
      'fra',
      /^fra-2 is a json node.*, or drain the other nodes of fra one by one$/,
    ],
  ])('refuses what it has no verbs for, also by force: %s', async (_, subject, confirm, sentence) => {
    fleet.get('fra-2').kind = 'json'
    const blockers = [{ code: 'cannot_drain', message: expect.stringMatching(sentence) }]
    expect((await desk.preview(subject)).blockers).toEqual(blockers)
    const wanted = { ...subject, reason: 'kernel update', confirm }
    for (const [who, force] of [
      [ana, false],
      [root, true],
    ] as const) {
      const refused = await refusal(desk.create({ ...wanted, force }, who))
      expect(refused).toMatchObject({ code: 'ERR_DRAIN_BLOCKED', facts: { blockers } })
    }
    expect(fleet.order).toEqual([])
    expect((await desk.list({})).items).toEqual([])
  })

  it('forces what is a risk, and not what cannot be done', async () => {
    fleet.get('fra-2').kind = 'json'
    for (const node of ['iad-1', 'iad-2', 'sjc-1', 'sjc-2']) fleet.kill(node)
    const refused = await refusal(desk.create({ ...request, force: true }, root))
    expect(refused.facts.blockers).toMatchObject([{ code: 'cannot_drain' }])
    const { id } = await desk.create({ node: 'fra-1', reason: 'x', confirm: 'fra-1', force: true }, root)
    expect((await desk.get(id))?.steps.map((step) => step.node)).toEqual(['fra-1'])
  })

  it('does not take a node of another kind for one that takes over', async () => {
    for (const { id } of fleet.scripted) if (!id.startsWith('fra')) fleet.get(id).kind = 'json'
    const plan = await desk.preview({ region: 'fra' })
    expect(plan.blockers).toMatchObject([{ code: 'last_serving_region' }])
    expect(plan.forecast).toEqual([])
    expect(await codeOf(desk.create(request, ana))).toBe('ERR_DRAIN_BLOCKED')
    // Its neighbour is one.
    expect((await desk.preview({ node: 'fra-1' })).blockers).toEqual([])
    fleet.kill('iad-1')
    const { id } = await desk.create({ node: 'fra-1', reason: 'x', confirm: 'fra-1' }, ana)
    await expect.poll(async () => (await desk.get(id))?.state, { timeout: 10_000 }).toBe('drained')
    expect(await codeOf(desk.create({ node: 'fra-2', reason: 'x', confirm: 'fra-2' }, ana))).toBe(
      'ERR_DRAIN_BLOCKED',
    )
  })

  it('warns that nobody can prove empty what does not count', async () => {
    fleet.proof = 'none'
    const { warnings, blockers } = await desk.preview({ node: 'fra-1' })
    expect(warnings).toMatchObject([{ code: 'unproven', message: expect.stringContaining('fra-1') }])
    expect(blockers).toEqual([])
  })

  it('can be aborted, and says what is left, where its nodes became nodes of another kind', async () => {
    fleet.hostsStay = true
    const { id } = await desk.create(request, ana)
    await expect.poll(async () => (await desk.get(id))?.steps[0]?.phase).toBe('proving')
    for (const node of ['fra-1', 'fra-2']) fleet.get(node).kind = 'json'
    await expect.poll(async () => (await desk.get(id))?.steps[0]?.remaining).toBeNull()
    await desk.act(id, 'abort', { version: (await desk.get(id))?.version ?? 0 }, ana)
    await expect
      .poll(async () => (await desk.get(id))?.note)
      .toMatch(/fra-1 is of a kind that cannot be taken out/)
  })
})
