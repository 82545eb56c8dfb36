import { afterEach, expect, it } from 'vitest'
import type { NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { startEnvoyAdmin } from '../adapters/envoy/envoy-admin.ts'
import { ana, bo, startMixedRig } from './mixed-rig.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const soon = { timeout: 20_000, interval: 20 }
const ORDER = { node: 'envoy-1', reason: 'kernel update', confirm: 'envoy-1' }

const start = async () => {
  const admins = [await startEnvoyAdmin(), await startEnvoyAdmin()]
  for (const { close } of admins) closers.push(close)
  const rig = await startMixedRig({
    nodes: admins.map(
      ({ url }, index): NodeTarget => ({
        id: `envoy-${index + 1}`,
        region: index === 0 ? 'fra' : 'iad',
        kind: 'envoy',
        url,
        embedded: false,
      }),
    ),
  })
  closers.push(rig.close)
  const [admin] = admins
  if (admin === undefined) throw new Error('no Envoy')
  for (const id of ['envoy-1', 'envoy-2', 'fra-1', 'iad-1'])
    await expect.poll(() => rig.collector.node(id)?.state, soon).toBe('up')
  return { rig, admin }
}

it('drains an Envoy to empty by its health checks, and gives it back', { timeout: 60_000 }, async () => {
  const { rig, admin } = await start()
  const { collector } = rig
  const plan = await collector.drains.preview({ node: 'envoy-1' })
  expect([plan.blockers, plan.nodes]).toEqual([
    [],
    [{ node: 'envoy-1', kind: 'envoy', verb: 'POST /healthcheck/fail', proof: 'counted' }],
  ])
  const { id } = await collector.drains.create(ORDER, ana)
  await expect
    .poll(async () => (await rig.drain(id)).note, soon)
    .toBe('Waiting for 5 connections of envoy-1 to end')
  await expect.poll(() => collector.node('envoy-1')?.state, soon).toBe('draining')
  // Somebody beside us takes it back: it is asked again.
  await fetch(`${admin.url}/healthcheck/ok`, { method: 'POST' })
  await expect.poll(() => admin.state, soon).toBe('DRAINING')
  admin.empty()
  const drained = await rig.until(id, 'drained')
  expect(drained.steps).toMatchObject([{ node: 'envoy-1', outcome: 'empty' }])
  await collector.drains.act(id, 'resume', { version: drained.version }, bo)
  await rig.until(id, 'resumed')
  expect(admin.state).toBe('LIVE')
  expect(admin.calls).not.toContain('POST /drain_listeners')
})

it('lets go of the listeners of an Envoy that is to exit, and sees it end', { timeout: 60_000 }, async () => {
  const { rig, admin } = await start()
  const order = { ...ORDER, strategy: { mode: 'exit' as const } }
  expect((await rig.collector.drains.preview(order)).blockers).toEqual([])
  const { id } = await rig.collector.drains.create(order, ana)
  await expect.poll(() => admin.calls, soon).toContain('POST /drain_listeners')
  admin.empty()
  await expect.poll(async () => (await rig.step(id, 'envoy-1'))?.phase, soon).not.toBe('waiting')
  await admin.close()
  const drained = await rig.until(id, 'drained')
  expect(['empty', 'exited']).toContain(drained.steps[0]?.outcome)
})

it('says what an Envoy that let go of its listeners needs, also after a restart of the collector', {
  timeout: 90_000,
}, async () => {
  const { rig, admin } = await start()
  const { id } = await rig.collector.drains.create({ ...ORDER, strategy: { mode: 'exit' as const } }, ana)
  await expect
    .poll(async () => (await rig.drain(id)).note, soon)
    .toBe('Waiting for 5 connections of envoy-1 to end')
  await rig.restart()
  const { version } = await rig.drain(id)
  await rig.collector.drains.act(id, 'abort', { version, end: 'serving' }, bo)
  await expect
    .poll(async () => (await rig.drain(id)).note, soon)
    .toBe('envoy-1 has let go of its listeners, which cannot be undone; start that Envoy again')
  // Whoever tells it that it is healthy does not give it listeners.
  await fetch(`${admin.url}/healthcheck/ok`, { method: 'POST' })
  await expect.poll(() => rig.collector.node('envoy-1')?.state, soon).toBe('up')
  expect((await rig.drain(id)).state).toBe('aborting')
  admin.restart(0, '1s')
  await rig.until(id, 'aborted')
  expect(admin.calls.filter((call) => call === 'POST /healthcheck/ok')).toHaveLength(1)
})

it('takes a restart of the collector in the middle of an exit for no exit of the Envoy', {
  timeout: 90_000,
}, async () => {
  const { rig, admin } = await start()
  const { id } = await rig.collector.drains.create({ ...ORDER, strategy: { mode: 'exit' as const } }, ana)
  await expect
    .poll(async () => (await rig.drain(id)).note, soon)
    .toBe('Waiting for 5 connections of envoy-1 to end')
  await rig.restart()
  const before = admin.calls.length
  // Polls and looks of the drain: several of both.
  await expect.poll(() => admin.calls.length - before, soon).toBeGreaterThan(60)
  expect(await rig.drain(id)).toMatchObject({
    state: 'running',
    note: 'Waiting for 5 connections of envoy-1 to end',
  })
  // Another process at that address is one that began after it was asked.
  admin.restart(1, '0s')
  const drained = await rig.until(id, 'drained')
  expect(drained.steps).toMatchObject([{ node: 'envoy-1', outcome: 'exited' }])
})
