import { afterEach, describe, expect, it } from 'vitest'
import type { HaproxyTarget } from '../../../server/collector/adapters/haproxy/target.ts'
import { nodeDetailSchema } from '../../../server/contract/answers/node.ts'
import {
  ask,
  freePort,
  type Haproxy,
  hasHaproxy,
  preamble,
  startHaproxy,
  startOrigin,
} from '../adapters/haproxy/haproxy.ts'
import { ana, bo, type MixedRig, startMixedRig } from './mixed-rig.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const soon = { timeout: 20_000, interval: 20 }
const of = (id: string) => ({ reason: 'kernel update', confirm: id })

/** The mixed fleet with an HAProxy in each region, whose servers are nodes beside the process itself. */
const start = async (socket = 'admin.sock', both = false, twins = false) => {
  const [one, two] = [await startOrigin('one'), await startOrigin('two')]
  closers.push(one.close, two.close)
  const ports = [await freePort(), await freePort()]
  const proxies: Haproxy[] = []
  for (const port of ports) {
    const proxy = await startHaproxy(
      (folder) => `${preamble(
        folder,
        `stats socket ${folder}/op.sock level operator
  stats socket ${folder}/twin.sock level admin`,
      )}
frontend site
  bind 127.0.0.1:${port}
  default_backend web
frontend shop
  bind unix@${folder}/shop.sock
  default_backend web
backend web
  server web-1 127.0.0.1:${one.port} check inter 100ms
  server web-2 127.0.0.1:${two.port} check inter 100ms
`,
    )
    closers.push(proxy.close)
    proxies.push(proxy)
  }
  const [fra, iad] = proxies
  if (fra === undefined || iad === undefined) throw new Error('no HAProxy')
  const node = (id: string, region: string, proxy: Haproxy, server?: string): HaproxyTarget => ({
    id,
    region,
    kind: 'haproxy',
    url: `unix:${proxy.socket}`,
    socket: region === 'fra' ? proxy.path(socket) : proxy.socket,
    embedded: false,
    ...(server === undefined ? {} : { backend: 'web', server }),
  })
  const rig: MixedRig = await startMixedRig({
    nodes: [
      node('edge-1', 'fra', fra),
      node('server-1', 'fra', fra, 'web-1'),
      ...(both ? [node('server-3', 'fra', fra, 'web-2')] : []),
      ...(twins
        ? [
            { ...node('edge-3', 'fra', fra), socket: fra.path('twin.sock') },
            { ...node('server-4', 'iad', fra, 'web-1'), socket: fra.path('twin.sock') },
          ]
        : []),
      node('edge-2', 'iad', iad),
      node('server-2', 'iad', iad, 'web-2'),
    ],
  })
  closers.push(rig.close)
  for (const id of ['edge-1', 'edge-2', 'server-1', 'server-2', 'fra-1', 'iad-1'])
    await expect.poll(() => rig.collector.node(id)?.state, soon).toBe('up')
  const served = async () => {
    const answers = new Set<string>()
    for (let asked = 0; asked < 6; asked += 1) answers.add(await ask(ports[0] ?? 0))
    return [...answers].sort()
  }
  return { rig, one, two, port: ports[0] ?? 0, fra, iad, served }
}

describe.skipIf(!hasHaproxy)('a drain of what stands behind a real HAProxy', () => {
  it('waits for the session of a server, proves it empty, and gives it back', {
    timeout: 60_000,
  }, async () => {
    const { rig, one, two, port, served } = await start()
    const { collector } = rig
    one.hold()
    two.hold()
    // Round robin: one of both is the server's.
    const held = [ask(port), ask(port)]
    await expect.poll(() => [one.held, two.held], soon).toEqual([expect.any(Number), expect.any(Number)])
    await expect.poll(() => one.held, soon).toBeGreaterThan(0)
    two.release()
    const plan = await collector.drains.preview({ node: 'server-1' })
    expect(plan.blockers).toEqual([])
    expect(plan.nodes).toEqual([
      { node: 'server-1', kind: 'haproxy', verb: 'set server web/web-1 state drain', proof: 'counted' },
    ])
    const { id } = await collector.drains.create({ node: 'server-1', ...of('server-1') }, ana)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toBe('Waiting for 1 connection of server-1 to end')
    await expect.poll(() => collector.node('server-1')?.state, soon).toBe('draining')
    one.release()
    await Promise.all(held)
    const drained = await rig.until(id, 'drained')
    expect(drained.steps).toMatchObject([{ node: 'server-1', outcome: 'empty' }])
    expect(await served()).toEqual(['two'])
    await expect.poll(() => collector.node('server-1')?.state, soon).toBe('drained')
    await collector.drains.act(id, 'resume', { version: drained.version }, bo)
    await rig.until(id, 'resumed')
    expect(await served()).toEqual(['one', 'two'])
    expect(nodeDetailSchema.parse(collector.node('edge-1')).tables.map((table) => table.id)).toEqual([
      'frontends',
      'backends',
      'servers',
    ])
  })

  it('never takes both servers of a backend, also where two operators press at once', {
    timeout: 60_000,
  }, async () => {
    const { rig, port, fra, served } = await start('admin.sock', true)
    const { collector } = rig
    await expect.poll(() => collector.node('server-3')?.state, soon).toBe('up')
    const both = await Promise.allSettled(
      ['server-1', 'server-3'].map((node) => collector.drains.create({ node, ...of(node) }, ana)),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const won = both.find((each) => each.status === 'fulfilled')?.value
    const lost = both.find((each) => each.status === 'rejected')?.reason
    expect(lost).toMatchObject({ facts: { blockers: [{ code: 'last_serving_region' }] } })
    const drained = await rig.until(won?.id ?? '', 'drained')
    expect((await served()).length).toBe(1)
    expect(await ask(port)).not.toContain('503')
    await collector.drains.act(drained.id, 'resume', { version: drained.version }, bo)
    await rig.until(drained.id, 'resumed')
    // Somebody else's word takes a server away just as well.
    await fra.type('set server web/web-2 state maint')
    await expect.poll(() => collector.node('server-3')?.state, soon).toBe('drained')
    await expect
      .poll(async () => (await collector.drains.preview({ node: 'server-1' })).blockers, soon)
      .toMatchObject([{ code: 'last_serving_region' }])
  })

  it('drains a region with our relay, others and a whole HAProxy, over a reload in the middle', {
    timeout: 90_000,
  }, async () => {
    const { rig, port, fra, one, two } = await start()
    const { collector } = rig
    one.hold()
    two.hold()
    const held = ask(port)
    await expect.poll(() => one.held + two.held, soon).toBe(1)
    expect((await collector.drains.preview({ region: 'fra' })).blockers).toEqual([])
    const { id } = await collector.drains.create({ region: 'fra', ...of('fra') }, ana)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toMatch(/^Waiting for 1 connection of (edge-1|server-1) to end$/)
    // The new process knows of no drain: it is asked again.
    await fra.reload()
    one.release()
    two.release()
    await held
    const drained = await rig.until(id, 'drained', 60_000)
    expect(drained.steps.map(({ node, outcome }) => [node, outcome])).toEqual(
      expect.arrayContaining([
        ['fra-1', 'empty'],
        ['edge-1', 'empty'],
        ['server-1', 'empty'],
      ]),
    )
    expect(await ask(port)).toBe('')
    await collector.drains.act(id, 'resume', { version: drained.version }, bo)
    await rig.until(id, 'resumed')
    expect(await ask(port)).not.toBe('')
  })

  it('opens what a drain of the process has closed and nothing else, over a restart of the collector', {
    timeout: 90_000,
  }, async () => {
    const { rig, fra, port } = await start()
    await fra.type('disable frontend shop')
    const { id } = await rig.collector.drains.create({ node: 'edge-1', ...of('edge-1') }, ana)
    await rig.until(id, 'drained')
    expect(await ask(port)).toBe('')
    await rig.restart()
    const { version } = await rig.drain(id)
    await rig.collector.drains.act(id, 'resume', { version }, bo)
    await rig.until(id, 'resumed')
    expect(await ask(port)).not.toBe('')
    expect(await fra.type('show stat shop 1 -1')).toContain('PAUSED')
  })

  it('is blocked from the start where the socket allows only reading', { timeout: 60_000 }, async () => {
    const { rig } = await start('op.sock')
    const plan = await rig.collector.drains.preview({ node: 'server-1' })
    expect(plan.blockers).toEqual([
      {
        code: 'cannot_drain',
        message:
          'server-1: its runtime API allows only reading (level operator); write `level admin` in its `stats socket` line to have it drained',
      },
    ])
    await expect(
      rig.collector.drains.create(
        { node: 'server-1', ...of('server-1'), force: true },
        { ...ana, role: 'admin' },
      ),
    ).rejects.toMatchObject({ code: 'ERR_DRAIN_BLOCKED' })
  })

  it('says that HAProxy died in the middle, and goes on when it is back', { timeout: 90_000 }, async () => {
    const { rig, fra, one, two, port } = await start()
    one.hold()
    two.hold()
    const held = [ask(port), ask(port)]
    await expect.poll(() => one.held, soon).toBe(1)
    const { id } = await rig.collector.drains.create({ node: 'server-1', ...of('server-1') }, ana)
    await expect.poll(async () => (await rig.step(id, 'server-1'))?.phase, soon).toBe('connections')
    await fra.kill()
    await Promise.all(held)
    await expect
      .poll(async () => (await rig.drain(id)).note, soon)
      .toContain('server-1 does not answer; the drain waits for it')
    one.release()
    two.release()
    await fra.start()
    const drained = await rig.until(id, 'drained')
    expect(drained.steps).toMatchObject([{ node: 'server-1', outcome: 'empty' }])
  })

  it('is not fought over by two entries that lead to one process', { timeout: 90_000 }, async () => {
    const { rig } = await start('admin.sock', false, true)
    const { collector } = rig
    const problems = (id: string) => collector.node(id)?.problems.join(' ')
    await expect
      .poll(() => problems('edge-1'), soon)
      .toBe(
        'edge-1 and edge-3 are one HAProxy process, asked at 2 places: a drain of one takes out all of them; keep one entry',
      )
    await expect
      .poll(() => problems('server-4'), soon)
      .toMatch(/^server-4 and server-1 are one server web\/web-1,/)
    expect([problems('edge-2'), problems('server-2')]).toEqual(['', ''])
    const plan = await collector.drains.preview({ node: 'edge-1' })
    expect(plan.blockers).toEqual([])
    expect(plan.warnings).toContainEqual({
      code: 'same_process',
      message: 'edge-3 is the same as edge-1 by another address, and goes with it; keep one entry',
    })
    const { id } = await collector.drains.create({ node: 'edge-1', ...of('edge-1') }, ana)
    const other = collector.drains.create({ node: 'edge-3', ...of('edge-3') }, ana)
    await expect(other).rejects.toMatchObject({ code: 'ERR_DRAIN_RUNNING', facts: { drain: id } })
  })
})
