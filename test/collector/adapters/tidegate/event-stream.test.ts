import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { EventSink, StreamGap } from '../../../../server/collector/adapters/adapter.ts'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { Control } from '../../../../server/collector/adapters/tidegate/control.ts'
import type { EventAllowance } from '../../../../server/collector/adapters/tidegate/event-budget.ts'
import { TidegateStream } from '../../../../server/collector/adapters/tidegate/event-stream.ts'
import { NodeClock } from '../../../../server/collector/fleet/node-clock.ts'
import type { FleetEvent } from '../../../../server/contract/index.ts'
import type { EventInput } from '../../../../server/store/store.ts'
import { log } from '../../../store/fixtures.ts'
import { type ScriptedNode, startScriptedNode } from '../../scripted-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 10 })

const makeNode = async (): Promise<ScriptedNode> => {
  const node = await startScriptedNode('fra-1')
  closers.push(() => node.close())
  return node
}

const follow = (
  node: ScriptedNode,
  options: {
    allowance?: EventAllowance
    position?: { epoch: string; seq: number }
    /** How long the store takes to answer where the events end, one call after the other. */
    positionTakesMs?: number[]
    room?: () => boolean
  } = {},
) => {
  const events: EventInput[] = []
  const liveOnly: Omit<FleetEvent, 'id'>[] = []
  const gaps: StreamGap[] = []
  const rules = createAddressRules([])
  const control = new Control(rules)
  const target = { id: node.id, region: node.region, token: node.token, embedded: false }
  const sink: EventSink = {
    clock: new NodeClock(),
    isLagging: () => false,
    accept(event) {
      if (options.room && !options.room()) return false
      events.push(event)
      return true
    },
    room: () => delay(5),
    onLiveOnly: (event) => void liveOnly.push(event),
    onGap: (gap) => void gaps.push(gap),
    onLive: () => undefined,
    onChange: () => undefined,
  }
  const stream = new TidegateStream(() => ({ ...target, url: node.url }), sink, {
    store: {
      async position() {
        await delay(options.positionTakesMs?.shift() ?? 0)
        return options.position ?? null
      },
    },
    control,
    rules,
    log,
    maxBackoffMs: 100,
    ...(options.allowance === undefined ? {} : { allowance: options.allowance }),
  })
  closers.push(() => {
    stream.close()
    return control.close()
  })
  stream.start()
  return { stream, events, liveOnly, gaps }
}
const problem = (number: number) => ({ problem: `problem ${number}` })
const seqs = (events: readonly { seq: number }[]) => events.map((event) => event.seq)
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const raw = (seq: number, more: Record<string, unknown> = {}) => ({
  seq,
  epoch: 'run1',
  node: 'fra-1',
  region: 'fra',
  type: 'node.problem_found',
  at: new Date().toISOString(),
  data: problem(seq),
  ...more,
})

describe('an event stream', () => {
  it('reads a backlog and a live burst of 20 000 events each, in order and once, though there is seldom room', async () => {
    const node = await makeNode()
    for (const seq of upTo(20_000)) node.emitUnsent('node.problem_found', problem(seq))
    let asked = 0
    const { events, stream } = follow(node, {
      room: () => {
        asked += 1
        return asked % 500 !== 0
      },
    })
    await eventually(() => expect(events.length).toBe(20_000))
    for (const seq of upTo(20_000)) node.emit('node.problem_found', problem(20_000 + seq))
    await eventually(() => expect(events.length).toBe(40_000))
    expect(seqs(events)).toEqual(upTo(40_000))
    expect(stream.position).toEqual({ epoch: 'run1', seq: 40_000 })
  }, 40_000)

  it("does not fill the collector's memory with frames while the node leaves a hole unanswered", async () => {
    const node = await makeNode()
    node.hangs = true
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('node.problem_found', problem(1))
    await eventually(() => expect(events).toHaveLength(1))
    node.emitUnsent('node.problem_found', problem(2))
    const padding = 'x'.repeat(1_000_000)
    for (const seq of upTo(60)) node.sendFrame(raw(seq + 2, { padding }))
    await delay(1_000)
    // What was not taken stays where it came from, but for what the kernel holds between the two.
    expect(node.unsentBytes).toBeGreaterThan(40_000_000)
    expect(stream.state).toBe('live')
  }, 20_000)

  it('goes on after an event of 800 kB, and says whose fault it is', async () => {
    const node = await makeNode()
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    const closedBy = Object.fromEntries(upTo(30_000).map((number) => [`reason_${number}`, number]))
    node.emit('connections.counted', { active: 1, accepted: 1, closed: 1, closedBy })
    node.emit('node.problem_found', { problem: 'x'.repeat(200_000) })
    node.emit('node.problem_found', problem(3))
    await eventually(() => expect(seqs(events)).toEqual([3]))
    expect(stream.figures().refused.too_large).toBe(2)
    expect(stream.problems()).toEqual([expect.stringMatching(/^sends events larger than 16384 bytes/)])
  })

  it('goes on after a frame larger than any frame may be', async () => {
    const node = await makeNode()
    const { events, stream, gaps } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('node.problem_found', problem(1))
    node.emit('node.problem_found', { problem: 'x'.repeat(1_200_000) })
    node.emit('node.problem_found', problem(3))
    await eventually(() => expect(seqs(events)).toEqual([1, 3]))
    expect(gaps).toMatchObject([{ fromSeq: 2, toSeq: 2 }])
  })

  it("refuses the collector's own events from a node, and drains that an operator never made", async () => {
    const node = await makeNode()
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('operator.acted', { actor: 'admin@example.com', action: 'x', object: 'y' })
    node.emit('incident.opened', { incidentId: '1', title: 'made up', severity: 'critical' })
    node.emit('drain.planned', { drainId: '1', region: 'iad', node: null, reason: '', actor: 'a' })
    node.emit('node.down', { reason: 'made up', since: 'now' })
    node.emit('drain.started', { drainId: '1', scope: 'drain', reason: '', initiator: 'admin' })
    node.emit('drain.started', { drainId: '1', scope: 'node', reason: '', initiator: 'admin' })
    await eventually(() => expect(seqs(events)).toEqual([6]))
    expect(stream.figures().refused.not_its_own).toBe(5)
    expect(stream.problems()[0]).toMatch(/only the collector may record/)
  })

  it('keeps only known keys of an event', async () => {
    const node = await makeNode()
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('node.problem_found', { ...problem(1), more: { deep: ['x'.repeat(1_000)] } })
    await eventually(() => expect(events[0]?.data).toEqual(problem(1)))
  })

  it.each([
    ['far beyond its ring', 1_000_000_000],
    ['a little', 5_000],
  ])('takes the events after a number that leapt %s', async (_, leap) => {
    const node = await makeNode()
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    for (const seq of upTo(3)) node.emit('node.problem_found', problem(seq))
    await eventually(() => expect(events).toHaveLength(3))
    node.sendFrame(raw(leap))
    await delay(50)
    for (const seq of upTo(5)) node.emit('node.problem_found', problem(3 + seq))
    await eventually(() => expect(seqs(events).filter((seq) => seq !== leap)).toEqual(upTo(8)))
  })

  it('takes the events of a node whose numbers leapt for good, and tells the gap once', async () => {
    const node = await makeNode()
    const { events, gaps, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('node.problem_found', problem(1))
    await eventually(() => expect(events).toHaveLength(1))
    node.leapTo(1_000_000_000)
    for (const seq of upTo(5)) node.emit('node.problem_found', problem(1_000_000_000 + seq))
    await eventually(() => expect(seqs(events)).toEqual([1, ...upTo(5).map((seq) => 1_000_000_000 + seq)]))
    expect(gaps).toHaveLength(1)
  })

  it('reads a node that sends without end more slowly, and loses nothing that its ring holds', async () => {
    const node = await makeNode()
    const allowance = { eventsPerSecond: 1_000, burstEvents: 100, bytesPerSecond: 1e6, burstBytes: 1e6 }
    const { events, stream } = follow(node, { allowance })
    await eventually(() => expect(stream.state).toBe('live'))
    const began = performance.now()
    for (const seq of upTo(1_000)) node.emit('node.problem_found', problem(seq))
    await eventually(() => expect(events).toHaveLength(1_000))
    expect(performance.now() - began).toBeGreaterThan(700)
    expect(seqs(events)).toEqual(upTo(1_000))
    expect(stream.figures().throttledMs).toBeGreaterThan(0)
    expect(stream.problems()[0]).toMatch(/sends more events than a node may/)
  })

  it('tells what is counted each second at once, stores nothing of it, and sees no gap in its place', async () => {
    const node = await makeNode()
    node.emitUnsent('connections.counted', { active: 9, accepted: 9, closed: 0, closedBy: {} })
    const { events, liveOnly, gaps, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    const counted = { active: 1, accepted: 2, closed: 1, closedBy: { finished: 1 } }
    node.emit('connections.counted', counted)
    node.emit('node.problem_found', problem(3))
    node.emit('connections.counted', counted)
    await eventually(() => expect(seqs(liveOnly)).toEqual([2, 4]))
    node.dropStreams()
    await eventually(() => expect(node.streams).toBe(1))
    node.emit('node.problem_found', problem(5))
    await eventually(() => expect(seqs(events)).toEqual([3, 5]))
    expect(liveOnly[0]).toMatchObject({ type: 'connections.counted', data: counted })
    expect(seqs(liveOnly)).toEqual([2, 4])
    expect(gaps).toEqual([])
  })

  it('dates events of a node whose clock is wrong by our own, and keeps what it said', async () => {
    const node = await makeNode()
    node.skewMs = 3_600_000
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.emit('node.problem_found', problem(1))
    await eventually(() => expect(events).toHaveLength(1))
    const event = events[0]!
    expect(Math.abs(Date.parse(event.at) - Date.now())).toBeLessThan(5_000)
    expect(Date.parse(String(event.data.nodeAt)) - Date.parse(event.at)).toBeGreaterThan(3_590_000)
    node.skewMs = -3_600_000
    for (const seq of upTo(5)) node.emit('node.problem_found', problem(1 + seq))
    await eventually(() => expect(events).toHaveLength(6))
    for (const { at } of events) expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(5_000)
  })

  it.each(['9998-01-01T00:00:00Z', '1971-01-01T00:00:00Z'])('does not believe an event of %s', async (at) => {
    const node = await makeNode()
    const { events, stream } = follow(node)
    await eventually(() => expect(stream.state).toBe('live'))
    node.sendFrame(raw(1, { at }))
    node.sendFrame(raw(2))
    await eventually(() => expect(events).toHaveLength(2))
    for (const event of events) expect(Math.abs(Date.parse(event.at) - Date.now())).toBeLessThan(10_000)
  })

  it('tells a node that greets with a new run at every moment as few gaps, not as many', async () => {
    const node = await makeNode()
    const { gaps, stream } = follow(node, { position: { epoch: 'run0', seq: 50 } })
    await eventually(() => expect(stream.state).toBe('live'))
    await eventually(() => expect(gaps).toHaveLength(1))
    for (const round of upTo(5)) {
      node.sendFrame({ ...raw(1), epoch: `made-up-${round}` })
      node.sendFrame({ type: 'hello', node: 'fra-1', epoch: `made-up-${round}`, seq: 9, oldest: 5 })
    }
    node.emit('node.problem_found', problem(1))
    await delay(100)
    expect(gaps).toHaveLength(1)
    expect(stream.state).toBe('live')
  })

  it('is read on soon when the new connection of a node that moved failed while the old one was still being waited for', async () => {
    const node = await makeNode()
    const allowance = { eventsPerSecond: 1, burstEvents: 3, bytesPerSecond: 1e6, burstBytes: 1e6 }
    const { events, stream } = follow(node, { allowance })
    await eventually(() => expect(stream.state).toBe('live'))
    for (const seq of upTo(5)) node.emit('node.problem_found', problem(seq))
    await eventually(() => expect(stream.figures().throttledMs).toBeGreaterThan(0))
    const { url } = node
    Object.assign(node, { url: 'http://127.0.0.1:9' })
    stream.restart()
    await delay(300)
    Object.assign(node, { url })
    await vi.waitFor(() => expect(stream.state).toBe('live'), { timeout: 10_000, interval: 10 })
    await eventually(() => expect(seqs(events)).toEqual(upTo(5)))
  }, 30_000)

  it('loses no event of a node that moved while the store was still being asked where its events end', async () => {
    const node = await makeNode()
    const { events, stream } = follow(node, { positionTakesMs: [20, 500] })
    stream.restart()
    await eventually(() => expect(stream.state).toBe('live'))
    await delay(600)
    node.emit('node.problem_found', problem(1))
    await eventually(() => expect(seqs(events)).toEqual([1]))
    expect(stream.figures().refused.malformed).toBe(0)
  })
})
