import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MetricName } from '../../server/contract/index.ts'
import type { SqliteStore } from '../../server/store/sqlite-store.ts'
import { dialects, drain, event, iso, start, storedIncident, tunnel } from './fixtures.ts'

const fleet = { kind: 'fleet' } as const
const sample = (
  node: string,
  at: number,
  values: Partial<Record<MetricName, number>>,
  region = node.slice(0, 3),
) => ({
  node,
  region,
  at,
  values,
})

describe.each(dialects)('a store on $name', ({ create }) => {
  let store: SqliteStore
  let reopen: Awaited<ReturnType<typeof create>>
  let now = start

  beforeEach(async () => {
    now = start
    reopen = await create({ expectedIntervalMs: 1_000, now: () => now })
    store = reopen.store
  })
  afterEach(() => reopen.remove())

  describe('events', () => {
    it('stores each event once and answers just the new ones, in input order', async () => {
      const first = await store.appendEvents([event(2), event(1)])
      expect(first.map((each) => each.seq)).toEqual([2, 1])
      expect(first[0]!.id).toBeLessThan(first[1]!.id)
      const second = await store.appendEvents([event(1), event(3), event(3), event(2), event(4)])
      expect(second.map((each) => each.seq)).toEqual([3, 4])
      expect((await store.events({})).items).toHaveLength(4)
      expect(second[0]).not.toHaveProperty('origin')
    })

    it('tells apart the same number of another run and of another node', async () => {
      await store.appendEvents([event(1)])
      const stored = await store.appendEvents([
        event(1, { epoch: 'run-2' }),
        event(1, { origin: 'fra-2', node: 'fra-2' }),
      ])
      expect(stored).toHaveLength(2)
    })

    it('stores more events in one call than one statement holds', async () => {
      const many = Array.from({ length: 1_234 }, (_, index) => event(index))
      expect(await store.appendEvents(many)).toHaveLength(1_234)
      expect(await store.appendEvents(many)).toHaveLength(0)
      expect((await store.rowCounts()).events).toBe(1_234)
    })

    it('pages through everything once, both ways, also where times are equal', async () => {
      await store.appendEvents(
        Array.from({ length: 25 }, (_, index) => event(index, { at: iso(start + (index % 3) * 1_000) })),
      )
      for (const order of ['asc', 'desc'] as const) {
        const seen: number[] = []
        const times: string[] = []
        let cursor: string | undefined
        do {
          const page = await store.events({ order, limit: 10, ...(cursor ? { cursor } : {}) })
          seen.push(...page.items.map((each) => each.seq))
          times.push(...page.items.map((each) => each.at))
          cursor = page.nextCursor ?? undefined
        } while (cursor)
        expect(new Set(seen).size).toBe(25)
        expect(seen).toHaveLength(25)
        const sorted = [...times].sort()
        expect(times).toEqual(order === 'asc' ? sorted : sorted.reverse())
      }
    })

    it('filters by time, region, node, type, prefix and text', async () => {
      await store.appendEvents([
        event(1),
        event(2, { type: 'tunnel.registered', data: { hostId: 'host-100%' } }),
        event(3, {
          origin: 'iad-1',
          node: 'iad-1',
          region: 'iad',
          type: 'push.rejected',
          data: { reason: 'BadDeviceToken' },
        }),
        event(4, {
          origin: '@collector',
          node: null,
          region: null,
          source: 'collector',
          type: 'incident.opened',
          data: {},
        }),
      ])
      const seqs = async (filter: Parameters<typeof store.events>[0]) =>
        (await store.events({ order: 'asc', ...filter })).items.map((each) => each.seq)
      expect(await seqs({ from: iso(start + 2_000), to: iso(start + 4_000) })).toEqual([2, 3])
      expect(await seqs({ regions: ['fra'] })).toEqual([1, 2])
      expect(await seqs({ nodes: ['iad-1'] })).toEqual([3])
      expect(await seqs({ types: ['tunnel.*'] })).toEqual([1, 2])
      expect(await seqs({ types: ['tunnel.lost', 'push.*'] })).toEqual([1, 3])
      expect(await seqs({ types: [] })).toEqual([])
      expect(await seqs({ text: 'baddevice' })).toEqual([3])
      expect(await seqs({ text: '100%' })).toEqual([2])
      expect(await seqs({ text: 'host_1' })).toEqual([])
    })

    it('remembers where a stream was read to', async () => {
      expect(await store.position('fra-1')).toBeNull()
      await store.appendEvents([event(7), event(9), event(8)])
      expect(await store.position('fra-1')).toEqual({ epoch: 'run-1', seq: 9 })
      await store.appendEvents([event(0, { epoch: 'run-2' })])
      expect(await store.position('fra-1')).toEqual({ epoch: 'run-2', seq: 0 })
      expect(await store.position('fra-2')).toBeNull()
    })

    it.each([
      'x',
      '!!',
      Buffer.from('["events.asc",1,1]').toString('base64url'),
      Buffer.from('{}').toString('base64url'),
      '',
    ])('refuses the cursor %j', async (cursor) => {
      await expect(store.events({ cursor })).rejects.toMatchObject({ code: 'ERR_INVALID' })
    })
  })

  describe('series', () => {
    const ask = (more: Partial<Parameters<typeof store.series>[0]> = {}) =>
      store.series({
        scope: fleet,
        metrics: ['connections', 'requests'],
        from: start,
        to: start + 20_000,
        points: 10,
        ...more,
      })

    it('keeps min, max and average of gauges and the sum of counters, aligned to the step', async () => {
      now = start + 60_000
      store.writeSamples([
        sample('fra-1', start + 100, { connections: 10, requests: 5 }),
        sample('fra-1', start + 1_100, { connections: 30, requests: 7 }),
        sample('fra-1', start + 2_100, { connections: 8, requests: 1 }),
      ])
      await store.flush()
      const answer = await ask()
      expect(answer.step).toBe(2_000)
      expect(answer.level).toBe('raw')
      expect(answer.series).toEqual([
        {
          scope: 'fleet',
          metric: 'connections',
          unit: 'connections',
          points: [
            [start, 10, 30, 20],
            [start + 2_000, 8, 8, 8],
          ],
        },
        {
          scope: 'fleet',
          metric: 'requests',
          unit: 'requests',
          points: [
            [start, 12, 12, 12],
            [start + 2_000, 1, 1, 1],
          ],
        },
      ])
    })

    it('adds up nodes, or takes the largest where a sum would mean nothing', async () => {
      now = start + 60_000
      store.writeSamples([
        sample('fra-1', start + 100, { connections: 10, latency_ms: 4, requests: 1 }),
        sample('fra-1', start + 1_100, { connections: 20, latency_ms: 8, requests: 1 }),
        sample('iad-1', start + 200, { connections: 1, latency_ms: 90, requests: 1 }),
        sample('iad-1', start + 1_200, { connections: 3, latency_ms: 92, requests: 2 }),
      ])
      await store.flush()
      const all = await ask({ metrics: ['connections', 'latency_ms', 'requests'] })
      expect(all.series.map((each) => each.points)).toEqual([
        [[start, 11, 23, 17]],
        [[start, 90, 92, 91]],
        [[start, 5, 5, 5]],
      ])
      const region = await ask({ scope: { kind: 'region', id: 'fra' }, metrics: ['requests'] })
      expect(region.series[0]).toMatchObject({ scope: 'region:fra', points: [[start, 2, 2, 2]] })
      const node = await ask({ scope: { kind: 'node', id: 'iad-1' }, metrics: ['requests'] })
      expect(node.series[0]).toMatchObject({ scope: 'node:iad-1', points: [[start, 3, 3, 3]] })
    })

    it('draws no drop where only some nodes were measured: at the edges of a gap, and after a start', async () => {
      now = start + 60_000
      const both = (at: number) => [
        sample('fra-1', start + at, { connections: 10, requests: 4 }),
        sample('iad-1', start + at + 100, { connections: 30, requests: 4 }),
      ]
      store.writeSamples([
        sample('iad-1', start - 1_900, { connections: 30, requests: 4 }),
        ...both(0),
        ...both(2_000),
        sample('fra-1', start + 4_000, { connections: 10, requests: 4 }),
        // nothing at all for three steps, then one node before the other
        sample('iad-1', start + 12_000, { connections: 30, requests: 4 }),
        ...both(14_000),
      ])
      await store.flush()
      const { series, gaps } = await ask()
      const offsets = [0, 2_000, 14_000]
      expect(series[0]!.points).toEqual(offsets.map((at) => [start + at, 40, 40, 40]))
      expect(series[1]!.points).toEqual(offsets.map((at) => [start + at, 8, 8, 8]))
      const partly = gaps.filter((gap) => gap.reason === 'not every node was measured')
      expect(partly.map((gap) => gap.from - start)).toEqual([4_000, 12_000])
    })

    it('has no point where there is no measurement, and never a zero', async () => {
      now = start + 60_000
      store.writeSamples([
        sample('fra-1', start, { connections: 0 }),
        sample('fra-1', start + 8_000, { connections: 2 }),
      ])
      await store.flush()
      const answer = await ask({ metrics: ['connections', 'tunnels'] })
      expect(answer.series[0]!.points.map(([t]) => t - start)).toEqual([0, 8_000])
      expect(answer.series[1]!.points).toEqual([])
    })

    it('is read without a write: a step whose samples still wait is left out until they are on disk', async () => {
      now = start + 60_000
      store.writeSamples([sample('fra-1', start + 100, { requests: 5 })])
      await store.flush()
      store.writeSamples([sample('fra-1', start + 2_100, { requests: 7 })])
      const values = async () => (await ask()).series[1]?.points.map(([, , , sum]) => sum)
      expect(await values()).toEqual([5])
      expect((await store.rowCounts()).samples).toBe(1)
      await expect.poll(values, { timeout: 5_000 }).toEqual([5, 7])
    })

    it('leaves out the step that is still running', async () => {
      store.writeSamples([
        sample('fra-1', start + 100, { requests: 1 }),
        sample('fra-1', start + 2_100, { requests: 1 }),
      ])
      await store.flush()
      now = start + 3_999
      expect((await ask()).series[1]!.points.map(([t]) => t - start)).toEqual([0])
      now = start + 4_000
      expect((await ask()).series[1]!.points.map(([t]) => t - start)).toEqual([0, 2_000])
    })

    it('shows the holes of a node, those that ended and the one that lasts', async () => {
      now = start + 15_000
      store.writeSamples([
        sample('fra-1', start, { requests: 1 }),
        sample('fra-1', start + 3_000, { requests: 1 }),
      ])
      await store.flush()
      store.writeSamples([sample('fra-1', start + 9_000, { requests: 1 })])
      await store.flush()
      await store.addGap({ from: start + 1_000, to: start + 2_000, reason: 'collector stalled' })
      await store.addGap({ from: start + 1_500, to: start + 2_000, reason: 'stream gap', node: 'iad-1' })
      const { gaps } = await ask({ scope: { kind: 'node', id: 'fra-1' } })
      expect(gaps).toEqual([
        { from: start + 1_000, to: start + 2_000, reason: 'collector stalled' },
        { from: start + 3_000, to: start + 9_000, reason: 'no samples from this node', node: 'fra-1' },
        { from: start + 9_000, to: start + 15_000, reason: 'no samples from this node', node: 'fra-1' },
      ])
      expect((await store.gaps({ from: start, to: start + 20_000 })).map((gap) => gap.node)).toContain(
        'iad-1',
      )
    })

    it.each([
      [20_000, 10, 2_000],
      [20_000, 600, 2_000],
      [3_600_000, 600, 10_000],
      [3_600_000, 150, 30_000],
      [86_400_000, 600, 300_000],
      [86_400_000, 100_000, 300_000],
      [400 * 86_400_000, 300, 2 * 86_400_000],
    ])('chooses for a range of %i ms and %i points a step of %i ms', async (range, points, step) => {
      expect((await ask({ to: start + range, points })).step).toBe(step)
    })
  })

  describe('history', () => {
    const up = (scope: string, at: number, problems: string[] = []) =>
      ({ scope, at, state: problems.length > 0 ? 'degraded' : 'up', intent: 'serving', problems }) as const

    it('answers what held at any time, of every scope that was known by then', async () => {
      await store.writeHistory(
        [
          up('node:fra-1', start),
          up('node:fra-1', start + 5_000, ['slow: 900 ms']),
          up('region:fra', start + 6_000),
          up('node:fra-1', start + 9_000),
        ],
        [],
      )
      expect(await store.statesAt(start - 1)).toEqual([])
      expect(await store.statesAt(start + 4_999)).toEqual([up('node:fra-1', start)])
      expect(await store.statesAt(start + 7_000)).toEqual([
        up('node:fra-1', start + 5_000, ['slow: 900 ms']),
        up('region:fra', start + 6_000),
      ])
    })

    it('answers the document that was the newest at a time', async () => {
      await store.writeHistory([], [{ node: 'fra-1', at: start, data: { ok: true } }])
      await store.writeHistory([], [{ node: 'fra-1', at: start + 5_000, data: { ok: false, why: ['a', 1] } }])
      expect(await store.documentAt('fra-1', start - 1)).toBeNull()
      expect(await store.documentAt('fra-1', start + 4_999)).toEqual({
        node: 'fra-1',
        at: start,
        data: { ok: true },
      })
      expect(await store.documentAt('fra-1', start + 60_000)).toMatchObject({
        data: { ok: false, why: ['a', 1] },
      })
      expect(await store.documentAt('iad-1', start + 60_000)).toBeNull()
    })
  })

  it('keeps samples and knows every node’s newest one', async () => {
    store.writeSamples([
      sample('fra-1', start, {}),
      sample('iad-1', start + 5, {}),
      sample('fra-1', start + 7, {}),
    ])
    await store.flush()
    expect(await store.lastSampleAt()).toEqual(
      new Map([
        ['fra-1', start + 7],
        ['iad-1', start + 5],
      ]),
    )
    expect((await store.rowCounts()).samples).toBe(3)
  })

  it('writes queued samples by itself', async () => {
    store.writeSamples([sample('fra-1', start, { requests: Number.NaN })])
    await expect.poll(async () => (await store.rowCounts()).samples, { timeout: 5_000 }).toBe(1)
  })

  describe('drains', () => {
    it('gives back what was stored, and only the active ones where asked', async () => {
      const stored = drain('d1')
      await store.createDrain(stored)
      expect(await store.drain('d1')).toEqual(stored)
      expect(await store.drain('d2')).toBeNull()
      await store.saveDrain(drain('d1', { state: 'failed', version: 2 }), 1)
      await store.createDrain(drain('d2', { createdAt: iso(start + 1) }))
      expect((await store.drains({})).items.map((each) => each.drain.id)).toEqual(['d2', 'd1'])
      expect((await store.drains({ active: true })).items.map((each) => each.drain.id)).toEqual(['d2'])
      expect((await store.drains({ active: false })).items.map((each) => each.drain.id)).toEqual(['d1'])
      expect((await store.drains({ region: 'iad' })).items).toEqual([])
    })

    it('refuses a second active drain of the same region, and lets exactly one of many at once through', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => store.createDrain(drain(`d${index}`))),
      )
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected')
          expect(result.reason).toMatchObject({ code: 'ERR_DRAIN_RUNNING', facts: { id: 'fra' } })
      }
      await store.createDrain(drain('other', { region: 'iad' }))
    })

    it('refuses the drain of a node that a drain of its region has in hand', async () => {
      const step = {
        node: 'fra-1',
        phase: 'waiting',
        startedAt: null,
        endedAt: null,
        remaining: null,
      } as const
      await store.createDrain(drain('d1', { steps: [step] }))
      const node = drain('d2', { node: 'fra-1', steps: [step] })
      delete node.drain.region
      await expect(store.createDrain(node)).rejects.toMatchObject({
        code: 'ERR_DRAIN_RUNNING',
        facts: { drainId: 'd1' },
      })
    })

    it.each(['resumed', 'aborted', 'failed'] as const)(
      'lets a new drain begin once the last one has %s',
      async (state) => {
        await store.createDrain(drain('d1'))
        await store.saveDrain(drain('d1', { state, version: 2 }), 1)
        await store.createDrain(drain('d2'))
      },
    )

    it('refuses to take up an aborted drain while another one is active', async () => {
      await store.createDrain(drain('d1'))
      await store.saveDrain(drain('d1', { state: 'aborted', version: 2 }), 1)
      await store.createDrain(drain('d2'))
      const again = store.saveDrain(drain('d1', { state: 'resuming', version: 3 }), 2)
      await expect(again).rejects.toMatchObject({ code: 'ERR_DRAIN_RUNNING', facts: { drainId: 'd2' } })
    })

    it('counts a drained region as taken while it is held, and as free once its nodes have left', async () => {
      await store.createDrain(drain('d1', { state: 'drained' }))
      await expect(store.createDrain(drain('d2'))).rejects.toMatchObject({ code: 'ERR_DRAIN_RUNNING' })
      const left = drain('d1', { state: 'drained' })
      left.drain.strategy.mode = 'exit'
      await store.saveDrain(left, 1)
      await store.createDrain(drain('d2'))
    })

    it('tells the second of two operators who changed the drain, when, and its version now', async () => {
      await store.createDrain(drain('d1'))
      const mine = {
        state: 'running',
        version: 2,
        updatedBy: 'ben@example.com',
        updatedAt: iso(start + 5),
      } as const
      const both = await Promise.allSettled([
        store.saveDrain(drain('d1', mine), 1),
        store.saveDrain(drain('d1', { state: 'aborting', version: 2 }), 1),
      ])
      expect(both.map((result) => result.status)).toEqual(['fulfilled', 'rejected'])
      expect((both[1] as PromiseRejectedResult).reason).toMatchObject({
        code: 'ERR_VERSION_CONFLICT',
        facts: { by: 'ben@example.com', at: iso(start + 5), version: 2 },
      })
      await expect(store.saveDrain(drain('nope'), 1)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })
  })

  describe('incidents', () => {
    const stuck = 'push.stuck|node:fra-1'
    const signals = [
      {
        kind: 'push.stuck',
        scope: 'node:fra-1',
        openedAt: iso(start),
        sentence: '24 received, none delivered',
      },
    ]
    const closed = signals.map((signal) => ({ ...signal, closedAt: iso(start + 1_000) }))

    it('are replaced by whoever knows the newest version, and nobody else', async () => {
      await store.saveIncident(storedIncident('i1'), 0)
      await store.saveIncident(storedIncident('i1', { title: 'second' }, 2), 1)
      const late = store.saveIncident(storedIncident('i1', { title: 'late' }, 2), 1)
      await expect(late).rejects.toMatchObject({ code: 'ERR_VERSION_CONFLICT', facts: { version: 2 } })
      const again = store.saveIncident(storedIncident('i1', { title: 'again' }), 0)
      await expect(again).rejects.toMatchObject({ code: 'ERR_VERSION_CONFLICT' })
      expect(await store.incident('i1')).toMatchObject({ title: 'second' })
    })

    it('hold an open signal one at a time; it is free once it closed', async () => {
      await store.saveIncident(storedIncident('i1', { signals }), 0)
      await expect(store.saveIncident(storedIncident('i2', { signals }), 0)).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
        facts: { key: stuck, incidentId: 'i1', muted: false },
      })
      expect(await store.incident('i2')).toBeNull()
      await store.saveIncident(storedIncident('i1', { signals: closed }, 2), 1)
      await store.saveIncident(storedIncident('i2', { signals }), 0)
      expect((await store.unsettledIncidents(0)).map(({ incident, open }) => [incident.id, open])).toEqual([
        ['i1', []],
        ['i2', [stuck]],
      ])
    })

    it('of two that open the same signal at once exactly one is written', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          store.saveIncident(storedIncident(`i${index}`, { signals }), 0),
        ),
      )
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await store.incidents({})).items).toHaveLength(1)
    })

    it('keep a signal muted after they are resolved, until it is unmuted', async () => {
      const resolved = { state: 'resolved' as const, resolvedAt: iso(start + 1_000), signals: closed }
      await store.saveIncident({ ...storedIncident('i1', resolved), muted: [stuck] }, 0)
      await expect(store.saveIncident(storedIncident('i2', { signals }), 0)).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
        facts: { incidentId: 'i1', muted: true },
      })
      const later = start + 24 * 3_600_000
      expect((await store.unsettledIncidents(later)).map(({ muted }) => muted)).toEqual([[stuck]])
      await store.unmuteSignal(stuck)
      await store.saveIncident(storedIncident('i2', { signals }), 0)
      expect((await store.unsettledIncidents(later)).map(({ incident }) => incident.id)).toEqual(['i2'])
    })

    it('do not unmute what is open', async () => {
      await store.saveIncident(storedIncident('i1', { signals }), 0)
      await store.unmuteSignal(stuck)
      expect(await store.storedIncident('i1')).toMatchObject({ open: [stuck], muted: [] })
    })

    it('give back what was kept beside them', async () => {
      const resume = {
        titled: true,
        signals: { [stuck]: { startedAt: 1, impact: '', memory: { received: 3 } } },
      }
      await store.saveIncident({ ...storedIncident('i1', { signals }), resume }, 0)
      expect(await store.storedIncident('i1')).toMatchObject({ version: 1, resume, open: [stuck] })
      expect(await store.storedIncident('i9')).toBeNull()
    })

    it('saves, replaces and finds them by state and by time', async () => {
      await store.saveIncident(storedIncident('i1'), 0)
      await store.saveIncident(storedIncident('i2', { startedAt: iso(start + 60_000) }), 0)
      await store.saveIncident(
        storedIncident('i1', { state: 'resolved', resolvedAt: iso(start + 30_000) }, 2),
        1,
      )
      expect(await store.incident('i1')).toMatchObject({ state: 'resolved' })
      expect(await store.incident('i9')).toBeNull()
      const ids = async (filter: Parameters<typeof store.incidents>[0]) =>
        (await store.incidents(filter)).items.map((each) => each.id)
      expect(await ids({})).toEqual(['i2', 'i1'])
      expect(await ids({ status: 'open' })).toEqual(['i2'])
      expect(await ids({ status: 'active' })).toEqual(['i2'])
      expect(await ids({ status: 'open,resolved' })).toEqual(['i2', 'i1'])
      expect(await ids({ to: iso(start + 60_000) })).toEqual(['i1'])
      expect(await ids({ from: iso(start + 40_000) })).toEqual(['i2'])
      const first = await store.incidents({ limit: 1 })
      expect(
        (await store.incidents({ limit: 1, cursor: first.nextCursor! })).items.map((each) => each.id),
      ).toEqual(['i1'])
    })

    it('keeps timeline rows in order of time and replaces a row with the same id', async () => {
      const note = (id: string, at: number, title: string) =>
        ({
          id,
          at: iso(at),
          receivedAt: iso(at),
          kind: 'note',
          source: 'ana@example.com',
          title,
          data: {},
        }) as const
      await store.addTimelineItem('i1', note('b', start + 10, 'second'))
      await store.addTimelineItem('i1', note('a', start, 'first'))
      await store.addTimelineItem('i2', note('a', start, 'elsewhere'))
      await store.addTimelineItem('i1', note('b', start + 10, 'second, corrected'))
      expect((await store.timelineItems('i1')).map((item) => item.title)).toEqual([
        'first',
        'second, corrected',
      ])
    })

    it('keeps annotations', async () => {
      const mark = {
        id: 'a1',
        at: iso(start),
        title: 'deploy 4711',
        kind: 'deploy',
        regions: ['fra'],
        actor: 'ci',
      } as const
      await store.addAnnotation({ ...mark, regions: ['fra'] })
      expect(await store.annotations({ from: iso(start), to: iso(start + 1) })).toEqual([mark])
      expect(await store.annotations({ from: iso(start + 1), to: iso(start + 2) })).toEqual([])
    })
  })

  it('keeps the last word about each tunnel', async () => {
    await store.saveTunnels([tunnel('host-2'), tunnel('host-1'), tunnel('host-1', { state: 'lost' })])
    await store.saveTunnels([tunnel('host-2', { node: 'iad-1', region: 'iad' })])
    expect((await store.tunnels()).map(({ hostId, state, node }) => [hostId, state, node])).toEqual([
      ['host-1', 'lost', 'fra-1'],
      ['host-2', 'registered', 'iad-1'],
    ])
  })

  it('appends audit rows and reads them newest first', async () => {
    for (const action of ['drain.create', 'drain.abort', 'user.create']) {
      const row = {
        at: iso(start),
        actor: 'ana@example.com',
        address: '::1',
        action,
        object: 'fra',
        reason: 'because',
      }
      await store.audit({ ...row, before: null, after: { nested: [1] } })
    }
    const page = await store.auditRows({ limit: 2 })
    expect(page.items.map((row) => row.action)).toEqual(['user.create', 'drain.abort'])
    expect(page.items[0]).toMatchObject({
      before: null,
      after: { nested: [1] },
      reason: 'because',
      address: '::1',
    })
    expect((await store.auditRows({ cursor: page.nextCursor! })).items.map((row) => row.action)).toEqual([
      'drain.create',
    ])
  })

  it('keeps API tokens by hash, and when they were last used', async () => {
    const token = {
      id: 't1',
      name: 'ci',
      role: 'operator',
      createdAt: iso(start),
      expiresAt: iso(start + 1),
      lastUsedAt: null,
    } as const
    await store.addApiToken({ ...token, hash: 'ab' })
    await store.touchApiToken('t1', iso(start + 5))
    await store.touchApiToken('gone', iso(start + 5))
    expect(await store.apiTokens()).toEqual([{ ...token, hash: 'ab', lastUsedAt: iso(start + 5) }])
    expect(await store.removeApiToken('t1')).toBe(true)
    expect(await store.removeApiToken('t1')).toBe(false)
  })

  it('keeps settings, and forgets them', async () => {
    await store.setSetting('real', '1')
    await store.setSetting('real', '2')
    expect(await store.setting('real')).toBe('2')
    await store.setSetting('real', null)
    expect(await store.setting('real')).toBeNull()
  })

  it('deletes what is old, but not what lies in an incident', async () => {
    const day = 86_400_000
    now = start
    const old = start - 20 * day
    await store.saveIncident(
      storedIncident('i1', {
        startedAt: iso(old + 3_600_000),
        resolvedAt: iso(old + 7_200_000),
        state: 'resolved',
      }),
      0,
    )
    await store.appendEvents([
      event(1, { at: iso(old), receivedAt: iso(old) }),
      event(2, { at: iso(old + 5_400_000), receivedAt: iso(old + 5_400_000) }),
      event(3, { at: iso(start), receivedAt: iso(start) }),
    ])
    store.writeSamples([
      sample('fra-1', old, {}),
      sample('fra-1', old + 5_400_000, {}),
      sample('fra-1', start - day, {}),
    ])
    await store.flush()
    expect(await store.prune()).toMatchObject({ events: 1, samples: 1 })
    expect((await store.events({ order: 'asc' })).items.map((each) => each.seq)).toEqual([2, 3])
    expect((await store.rowCounts()).samples).toBe(2)
  })

  it('serves fifty writers of all kinds at once without a single refusal', async () => {
    const writers = Array.from({ length: 50 }, async (_, index) => {
      store.writeSamples([sample(`n-${index}`, start + index, { requests: index }, 'fra')])
      await Promise.all([
        store.flush(),
        store.appendEvents([event(index, { origin: `o-${index % 5}` })]),
        store.saveIncident(storedIncident(`i${index}`), 0),
        store.createDrain(drain(`d${index}`, { region: `r-${index}` })),
        store.saveTunnels([tunnel(`host-${index}`)]),
        store.setSetting(`key-${index}`, 'x'),
        store.audit({
          at: iso(start),
          actor: 'a',
          address: null,
          action: 'x',
          object: 'y',
          before: null,
          after: null,
          reason: null,
        }),
        store.prisma.$transaction(async (tx) => {
          const user = { id: `u${index}`, email: `${index}@example.com`, name: 'x' }
          await tx.user.create({ data: user })
          await tx.user.update({ where: { id: user.id }, data: { name: 'y' } })
        }),
        store.series({ scope: fleet, metrics: ['requests'], from: start, to: start + 1_000, points: 10 }),
      ])
    })
    await Promise.all(writers)
    expect(await store.rowCounts()).toMatchObject({
      samples: 50,
      events: 50,
      incidents: 50,
      drains: 50,
      tunnels: 50,
      audit_rows: 50,
      users: 50,
    })
    expect(store.health()).toMatchObject({ ok: true, reason: null })
  })

  it('undoes a Prisma transaction that fails, and goes on', async () => {
    await expect(
      store.prisma.$transaction(async (tx) => {
        await tx.setting.create({ data: { key: 'k', value: 'v' } })
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    expect(await store.setting('k')).toBeNull()
    await store.setSetting('k', 'w')
  })
})
