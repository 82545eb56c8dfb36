import { afterEach, describe, expect, it } from 'vitest'
import type { Drain } from '../../../server/contract/drains.ts'
import { ana, DrainBench, drainOf, drainOfNode } from './drain-bench.ts'
import { ScriptedProxies } from './scripted-proxies.ts'

let bench: DrainBench
const open = async (): Promise<ScriptedProxies> => {
  const fleet = new ScriptedProxies()
  bench = new DrainBench({ fleet })
  fleet.clock = bench.monotonic
  fleet.standing = (id) => bench.desk.standing(id)
  await bench.open()
  return fleet
}
afterEach(() => bench.close())

const restart = async (fleet: ScriptedProxies): Promise<void> => {
  await bench.pass(1_500)
  await bench.desk.close()
  fleet.renameRuns()
  await bench.openDesk()
}
const exitOf = (node: string) => ({ ...drainOfNode(node), strategy: { mode: 'exit' as const } })
const act = (drain: Drain, action: 'abort' | 'resume') =>
  bench.desk.act(drain.id, action, { version: drain.version }, ana)

describe('a drain of a program that counts no tunnels', () => {
  it('says null of what is not counted, and never 0', async () => {
    const fleet = await open()
    fleet.program('fra-1').connections = 1_000_000
    const { id } = await bench.desk.create(drainOf('fra'), ana)
    await expect
      .poll(async () => (await bench.get(id)).steps[0]?.remaining)
      .toMatchObject({ connections: expect.any(Number), requests: null, tunnels: null, pushes: null })
    fleet.program('fra-1').connections = 2
    const { report } = await bench.until(id, 'drained')
    expect(report).toMatchObject({
      connections: { finished: expect.any(Number), aborted: null },
      requestsFailed: null,
    })
    expect(report?.notes).toEqual([])
  })

  it('counts what finished over a restart of the collector, and calls nobody restarted', async () => {
    const fleet = await open()
    fleet.program('fra-1').connections = 60
    const { id } = await bench.desk.create(drainOfNode('fra-1'), ana)
    await expect
      .poll(async () => (await bench.get(id)).note)
      .toMatch(/^Waiting for \d+ connections of fra-1 to end$/)
    await restart(fleet)
    fleet.program('fra-1').connections = 2
    const { report, createdAt } = await bench.until(id, 'drained')
    expect([report?.notes, createdAt]).toEqual([[], expect.any(String)])
    expect(report?.connections.finished).toBeGreaterThan(0)
  })

  it('does not compare what two processes of the collector counted by themselves', async () => {
    const fleet = await open()
    const { id } = await bench.desk.create(drainOfNode('fra-2'), ana)
    await expect.poll(async () => (await bench.get(id)).steps[0]?.phase).not.toBe('waiting')
    fleet.program('fra-2').connections = 60
    await restart(fleet)
    // Our own polls of before are not taken off any more.
    fleet.program('fra-2').accepted += 5_000
    fleet.program('fra-2').connections = 2
    const { report } = await bench.until(id, 'drained')
    expect(report?.connections.finished).toBeNull()
    expect(report?.notes).toEqual([
      'The collector began again during the drain, so what finished at fra-2 was not counted',
    ])
  })

  it('says that one restarted where it did, also while no collector looked', async () => {
    const fleet = await open()
    fleet.program('fra-1').connections = 60
    const { id } = await bench.desk.create(drainOfNode('fra-1'), ana)
    await expect.poll(async () => (await bench.get(id)).steps[0]?.phase).toBe('connections')
    await bench.pass(1_500)
    await bench.desk.close()
    fleet.renameRuns()
    fleet.start('fra-1')
    await bench.openDesk()
    const { report } = await bench.until(id, 'drained')
    expect(report?.notes).toEqual([
      'fra-1 restarted during the drain, so what finished there was not counted',
    ])
  })
})

describe('an Envoy that was told to let go of its listeners', () => {
  const begun = async (): Promise<[ScriptedProxies, string]> => {
    const fleet = await open()
    fleet.program('iad-1').connections = 1_000_000
    const { id } = await bench.desk.create(exitOf('iad-1'), ana)
    await expect
      .poll(async () => (await bench.get(id)).note)
      .toMatch(/^Waiting for .* connections of iad-1 to end$/)
    return [fleet, id]
  }

  it('is not asked to come back by the next process of the collector; it says what is needed', async () => {
    const [fleet, id] = await begun()
    expect(fleet.get('iad-1').kind).toBe('envoy')
    await restart(fleet)
    await act(await bench.get(id), 'abort')
    await expect.poll(async () => (await bench.get(id)).note).toBe('iad-1 has to be started again')
    // Somebody tells it that it is healthy: it takes nothing all the same.
    fleet.get('iad-1').health.state = 'serving'
    await bench.pass(3_000)
    expect((await bench.get(id)).state).toBe('aborting')
    fleet.start('iad-1')
    expect((await bench.until(id, 'aborted')).steps).toMatchObject([{ outcome: 'kept_serving' }])
  })

  it('is not said to have ended while its process is there, and has ended when it is gone', async () => {
    const [fleet, id] = await begun()
    fleet.program('iad-1').connections = 2
    await expect
      .poll(async () => (await bench.get(id)).note)
      .toBe('iad-1 is empty; the drain waits for its process to be ended')
    await bench.pass(8_000)
    expect(await bench.get(id)).toMatchObject({ state: 'running', steps: [{ phase: 'proving' }] })
    // Its region goes on serving, which this fleet would not see.
    fleet.states.set('iad-1', 'draining')
    fleet.kill('iad-1')
    expect((await bench.until(id, 'drained')).steps).toMatchObject([{ outcome: 'exited' }])
  })

  it.each([
    ['as it was', 0],
    ['an hour ahead', 3_600_000],
    ['an hour back', -3_600_000],
  ])('has not ended because the collector began again, its clock %s', async (_title, shiftMs) => {
    const [fleet, id] = await begun()
    bench.wallShiftMs = shiftMs
    await restart(fleet)
    await bench.pass(5_000)
    expect(await bench.get(id)).toMatchObject({ state: 'running', steps: [{ node: 'iad-1' }] })
    expect((await bench.get(id)).steps[0]?.outcome).toBeUndefined()
  })

  it.each([
    ['as it was', 0],
    ['an hour ahead', 3_600_000],
    ['an hour back', -3_600_000],
  ])('has ended where another process answers after that, our clock %s', async (_title, shiftMs) => {
    const [fleet, id] = await begun()
    await bench.pass(1_500)
    await bench.desk.close()
    fleet.renameRuns()
    fleet.start('iad-1')
    bench.wallShiftMs = shiftMs
    await bench.openDesk()
    expect((await bench.until(id, 'drained')).steps).toMatchObject([{ node: 'iad-1', outcome: 'exited' }])
  })
})
