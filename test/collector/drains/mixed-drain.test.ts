import { afterEach, describe, expect, it } from 'vitest'
import { ana, bo, type MixedRig, startMixedRig } from './mixed-rig.ts'

let rig: MixedRig
afterEach(() => rig.close())

const REGION = { region: 'fra', reason: 'kernel update', confirm: 'fra' }
const GATEWAY = { node: 'gw-1', reason: 'kernel update', confirm: 'gw-1' }
const soon = { timeout: 20_000, interval: 20 }
const stateOf = (node: string) => rig.collector.node(node)?.state

describe('a drain of a region of three kinds', () => {
  it('proves what counts, says of the rest that nobody can, and gives all of it back', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, receiver, gateway } = rig
    const visitor = await gateway.visit()
    gateway.keepComing(50)
    const plan = await collector.drains.preview({ region: 'fra' })
    expect(plan.blockers).toEqual([])
    expect(plan.nodes).toEqual([
      { node: 'fra-1', kind: 'tidegate', verb: 'its own drain: POST /drain', proof: 'counted' },
      {
        node: 'gw-1',
        kind: 'json',
        verb: expect.stringMatching(/^webhook: POST 127.0.0.1:\d+\/drain$/),
        proof: 'counted',
      },
      { node: 'web-1', kind: 'http', verb: expect.stringMatching(/^webhook: POST/), proof: 'none' },
    ])
    expect(plan.warnings.map(({ code }) => code)).toEqual(['unproven'])

    const { id } = await collector.drains.create(REGION, ana)
    // A connection that was there before is waited for, whatever else is done.
    await expect.poll(async () => (await rig.step(id, 'gw-1'))?.phase, soon).toBe('connections')
    await expect.poll(() => gateway.open, soon).toBe(1)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toBe('Waiting for 1 connection of gw-1 to end')
    expect((await rig.step(id, 'web-1'))?.phase).toBe('waiting')
    await expect.poll(() => stateOf('gw-1'), soon).toBe('draining')
    visitor.destroy()
    const drained = await rig.until(id, 'drained')
    expect(drained.steps.map(({ node, outcome }) => [node, outcome])).toEqual([
      ['fra-1', 'empty'],
      ['gw-1', 'empty'],
      ['web-1', 'unproven'],
    ])
    expect(drained.note).toBe('Drained (unproven): nobody can tell whether web-1 is empty')
    expect(drained.report?.notes).toEqual([
      'web-1 counts nothing, so nobody can prove that it is empty: it is drained (unproven)',
      'Connections that finished are not counted at web-1',
      'Requests that failed are not counted at gw-1 and web-1',
    ])
    expect(drained.report?.connections.finished).toBeGreaterThanOrEqual(1)
    for (const node of ['fra-1', 'gw-1', 'web-1'])
      await expect.poll(() => stateOf(node), soon).toBe('drained')
    expect(collector.regions()[0]).toMatchObject({ id: 'fra', state: 'drained', intent: 'drain' })
    expect(receiver.deliveries.map(({ body }) => [body.action, body.node])).toEqual([
      ['drain', 'gw-1'],
      ['drain', 'web-1'],
    ])
    expect(receiver.deliveries[0]).toMatchObject({
      signed: true,
      body: {
        region: 'fra',
        drainId: id,
        reason: 'kernel update',
        initiator: ana.name,
        mode: 'hold',
        deadlineSeconds: 300,
      },
      headers: { 'idempotency-key': `${id}.gw-1.drain`, 'content-type': 'application/json' },
    })

    await collector.drains.act(id, 'resume', { version: drained.version }, bo)
    const resumed = await rig.until(id, 'resumed')
    expect(resumed.steps.map(({ outcome }) => outcome)).toEqual(['back', 'back', 'back'])
    for (const node of ['fra-1', 'gw-1', 'web-1']) await expect.poll(() => stateOf(node), soon).toBe('up')
    expect(
      receiver.deliveries
        .slice(2)
        .map(({ body }) => [body.action, body.node, body.initiator])
        .sort(),
    ).toEqual([
      ['resume', 'gw-1', bo.name],
      ['resume', 'web-1', bo.name],
    ])
    expect(JSON.stringify([drained, resumed, plan])).not.toMatch(/hunter2|a-secret-of/)
  })

  it('goes on after a restart of the collector in the middle, with one record and one wish for each node', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const visitor = await rig.gateway.visit()
    const { id } = await rig.collector.drains.create(REGION, ana)
    await expect.poll(async () => (await rig.step(id, 'gw-1'))?.phase, soon).toBe('connections')
    await rig.restart()
    expect((await rig.drain(id)).state).toBe('running')
    await expect.poll(() => stateOf('gw-1'), soon).toBe('draining')
    visitor.destroy()
    const drained = await rig.until(id, 'drained', 50_000)
    expect(drained.steps.map(({ outcome }) => outcome)).toEqual(['empty', 'empty', 'unproven'])
    await rig.restart()
    await expect.poll(() => stateOf('web-1'), soon).toBe('drained')
    const keys = rig.receiver.deliveries.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([`${id}.gw-1.drain`, `${id}.web-1.drain`])
  })

  it('is one of two operators’, and an abort brings back what was asked and asks nothing of what was not', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, gateway, receiver } = rig
    await gateway.visit()
    const { id } = await collector.drains.create(REGION, ana)
    await expect(collector.drains.create(GATEWAY, bo)).rejects.toMatchObject({ code: 'ERR_DRAIN_RUNNING' })
    await expect.poll(async () => (await rig.step(id, 'gw-1'))?.phase, soon).toBe('connections')
    const { version } = await rig.drain(id)
    const both = await Promise.allSettled(
      [ana, bo].map((actor) => collector.drains.act(id, 'abort', { version, end: 'serving' }, actor)),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const aborted = await rig.until(id, 'aborted')
    expect(aborted.steps.map(({ outcome }) => outcome)).toEqual(['back', 'kept_serving', 'kept_serving'])
    expect(receiver.deliveries.map(({ body }) => [body.action, body.node])).toEqual([
      ['drain', 'gw-1'],
      ['resume', 'gw-1'],
    ])
    await expect.poll(() => stateOf('gw-1'), soon).toBe('up')
  })
})

describe('a webhook', () => {
  it('that a drain needs to give its node back does not leave the configuration before that', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector } = rig
    const { id } = await collector.drains.create(GATEWAY, ana)
    const regions = collector.regions().map(({ id: region, name }) => ({ id: region, name }))
    const targets = collector.fleet.members().map(({ target }) => target)
    const bare = targets.map(({ drain: _, ...target }) => target as (typeof targets)[number])
    await expect(collector.setTargets(regions, bare)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      facts: {
        nodes: ['gw-1'],
        problems: [{ message: expect.stringContaining('no drain webhook for gw-1') }],
      },
    })
    const { version } = await rig.drain(id)
    await collector.drains.act(id, 'abort', { version, end: 'serving' }, ana)
    await rig.until(id, 'aborted')
    await collector.setTargets(regions, bare)
    expect(collector.node('gw-1')?.drains).toBeNull()
  })

  it('that is away is asked until it hears, with one key, and the drain says why it waits', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, receiver } = rig
    await receiver.down()
    const { id } = await collector.drains.create(GATEWAY, ana)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toMatch(/^gw-1: the webhook at 127\.0\.0\.1:\d+\/drain cannot be reached: connect ECONNREFUSED/)
    receiver.answer = (response) =>
      response.writeHead(500).end('{"error":{"message":"the balancer is locked"}}')
    await receiver.up()
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toMatch(/answered 500: the balancer is locked$/)
    receiver.answer = null
    expect((await rig.until(id, 'drained')).steps[0]?.outcome).toBe('empty')
    expect(new Set(receiver.deliveries.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    expect(new Set(receiver.deliveries.map(({ text }) => text)).size).toBe(1)
    expect(receiver.deliveries.every(({ signed }) => signed)).toBe(true)
  })

  it('that is slow, and answers within its time, is asked once', { timeout: 60_000 }, async () => {
    rig = await startMixedRig()
    const { receiver } = rig
    receiver.answer = (response, { body }) => {
      setTimeout(() => {
        receiver.act(body)
        response.end()
      }, 700)
    }
    const { id } = await rig.collector.drains.create(GATEWAY, ana)
    await expect.poll(async () => (await rig.drain(id)).note, soon).toMatch(/waiting for the webhook at /)
    expect((await rig.until(id, 'drained')).steps[0]?.outcome).toBe('empty')
    expect(receiver.deliveries).toHaveLength(1)
  })

  it('that hangs keeps nobody from aborting, and its late drain never overtakes the resume', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, receiver } = rig
    receiver.answer = () => undefined
    const { id } = await collector.drains.create(GATEWAY, ana)
    await expect.poll(() => receiver.deliveries.length, soon).toBeGreaterThan(0)
    await expect.poll(async () => (await rig.drain(id)).note, soon).toMatch(/gave no answer within 1000 ms$/)
    const { version } = await rig.drain(id)
    await collector.drains.act(id, 'abort', { version, end: 'serving' }, bo)
    receiver.answer = null
    const aborted = await rig.until(id, 'aborted')
    expect(aborted.steps[0]?.outcome).toBe('kept_serving')
    expect(receiver.deliveries.at(-1)?.body.action).toBe('resume')
    await expect.poll(() => stateOf('gw-1'), soon).toBe('up')
  })

  it('that says no is not believed to have done it: the drain waits with its sentence', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    rig.receiver.answer = (response) => response.writeHead(403).end('not you')
    const { id } = await rig.collector.drains.create(GATEWAY, ana)
    await expect.poll(async () => (await rig.drain(id)).note, soon).toMatch(/answered 403: not you$/)
    expect(await rig.step(id, 'gw-1')).toMatchObject({ phase: 'pre_drain' })
  })

  it('that says yes and does nothing proves nothing: traffic is the truth', { timeout: 60_000 }, async () => {
    rig = await startMixedRig()
    const { collector, receiver, gateway } = rig
    receiver.act = () => undefined
    gateway.keepComing(25)
    const { id } = await collector.drains.create(GATEWAY, ana)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toMatch(
        /^gw-1 still takes [\d.]+ connections\/s although it was asked to go at \d\d:\d\d:\d\d UTC; health checks of a balancer count too$/,
      )
    expect((await rig.step(id, 'gw-1'))?.outcome).toBeUndefined()
    gateway.stopComing()
    expect((await rig.until(id, 'drained')).steps[0]?.outcome).toBe('empty')
  })
})

describe('the deadline of what has none of its own', () => {
  it.each([
    [
      'force',
      'drained',
      'unproven',
      /^gw-1 reached its deadline of 1 s with 1 connection open, and nothing can close them there: it is drained \(unproven\)$/,
    ],
    ['resume', 'aborted', 'kept_serving', /^gw-1 was not empty 1 s after it was asked to go$/],
  ] as const)(
    'ends it as it was asked: %s',
    { timeout: 60_000 },
    async (onDeadline, state, outcome, note) => {
      rig = await startMixedRig()
      await rig.gateway.visit()
      const strategy = { deadlineSeconds: 1, onDeadline }
      const plan = await rig.collector.drains.preview({ node: 'gw-1', strategy })
      expect(plan.warnings.map(({ code }) => code)).toEqual(onDeadline === 'force' ? ['cannot_force'] : [])
      const { id } = await rig.collector.drains.create({ ...GATEWAY, strategy }, ana)
      const ended = await rig.until(id, state)
      expect(ended.steps[0]?.outcome).toBe(outcome)
      expect(ended.report?.notes).toEqual([expect.stringMatching(note)])
      expect(rig.gateway.open).toBe(1)
    },
  )

  it('is no way to end a process: mode exit is refused in words, also by force', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const wanted = { ...GATEWAY, strategy: { mode: 'exit' as const }, force: true }
    await expect(rig.collector.drains.create(wanted, { ...ana, role: 'admin' })).rejects.toMatchObject({
      code: 'ERR_DRAIN_BLOCKED',
      message:
        'This drain is blocked: gw-1 is a json node, whose process a drain cannot end, also not by force; use mode hold',
    })
    expect(rig.receiver.deliveries).toEqual([])
  })
})

describe('what is drained', () => {
  it('and fails its checks because of that is no incident, and is back when it passes them again', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, receiver, web } = rig
    receiver.act = ({ action }) => {
      web.ok = action === 'resume'
    }
    const { id } = await collector.drains.create({ ...GATEWAY, node: 'web-1', confirm: 'web-1' }, ana)
    await expect.poll(() => stateOf('web-1'), soon).toBe('down')
    const drained = await rig.until(id, 'drained')
    expect(drained.steps[0]?.outcome).toBe('unproven')
    expect(collector.node('web-1')?.away?.drainId).toBe(id)
    await collector.drains.act(id, 'resume', { version: drained.version }, ana)
    await rig.until(id, 'resumed')
    await expect.poll(() => stateOf('web-1'), soon).toBe('up')
    expect(collector.overview().incidents).toEqual([])
    expect((await collector.incidents.list({})).items.map(({ title }) => title)).toEqual([])
  })

  it('and takes traffic again is shown as draining, with a signal that says so until it is quiet', {
    timeout: 60_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, gateway } = rig
    const { id } = await collector.drains.create(GATEWAY, ana)
    await rig.until(id, 'drained')
    await expect.poll(() => stateOf('gw-1'), soon).toBe('drained')
    await gateway.comeBack()
    gateway.keepComing(50)
    await expect.poll(() => stateOf('gw-1'), soon).toBe('draining')
    expect(collector.node('gw-1')?.problems[0]).toMatch(
      /^gw-1 is drained, and took \d+ connections or requests since/,
    )
    expect(collector.overview().incidents.map(({ title }) => title)).toContain(
      'gw-1 takes traffic although it is drained',
    )
    gateway.stopComing()
    gateway.leave()
    collector.setThresholds({ 'drain.residue': { quietSeconds: 1 } })
    await expect.poll(() => stateOf('gw-1'), soon).toBe('drained')
  })

  it('and cannot be brought back ends failed, and the next resume is another wish', {
    timeout: 90_000,
  }, async () => {
    rig = await startMixedRig()
    const { collector, receiver } = rig
    const { id } = await collector.drains.create(GATEWAY, ana)
    const { version } = await rig.until(id, 'drained')
    receiver.answer = (response) => response.writeHead(404).end('no such pool')
    await collector.drains.act(id, 'resume', { version }, ana)
    const failed = await rig.until(id, 'failed', 60_000)
    expect(failed.note).toMatch(
      /^Still out of service: gw-1 \(gw-1: the webhook at .* answered 404: no such pool\)\. Resume tries again$/,
    )
    expect(stateOf('gw-1')).toBe('drained')
    receiver.answer = null
    await collector.drains.act(id, 'resume', { version: failed.version }, bo)
    await rig.until(id, 'resumed')
    const keys = receiver.deliveries
      .filter(({ body }) => body.action === 'resume')
      .map(({ headers }) => headers['idempotency-key'])
    expect(new Set(keys).size).toBe(2)
  })
})
