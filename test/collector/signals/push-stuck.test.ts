import { describe, expect, it } from 'vitest'
import { pushStuck } from '../../../server/collector/signals/push-stuck.ts'
import type { OpenSignal, SignalVerdict } from '../../../server/collector/signals/rule.ts'
import { factsWith, lookAt, scriptedView } from './scripted-view.ts'

type Track = ReturnType<typeof pushStuck.start>

interface PushReading {
  at: number
  epoch: string
  received: number
  delivered: number
  lastOkAt: number | null
}

const openAt = (openedAt: number, more: Partial<OpenSignal> = {}): OpenSignal => ({
  startedAt: openedAt,
  openedAt,
  memory: null,
  ...more,
})

const taken = (
  held: Track,
  { at, epoch, received, delivered, lastOkAt }: PushReading,
  open: OpenSignal | null = null,
): Track =>
  pushStuck.take(
    held,
    {
      type: 'reading',
      node: 'fra-1',
      at,
      facts: factsWith({
        epoch,
        lastDeliveryAt: lastOkAt,
        counters: { push_received: { push: received }, push_delivered: { push: delivered } },
      }),
    },
    lookAt(pushStuck, scriptedView(), { open }),
  )

const verdict = (
  held: Track,
  {
    drained = false,
    openedAt = null as number | null,
    open = null as OpenSignal | null,
    /** A look right after the newest reading. */
    now = held?.readAt ?? 0,
  } = {},
): SignalVerdict =>
  pushStuck.verdict(
    held,
    lookAt(pushStuck, scriptedView({ nodes: [{ id: 'fra-1', state: drained ? 'drained' : 'up' }] }), {
      open: open ?? (openedAt === null ? null : openAt(openedAt)),
      now,
    }),
  )

describe('push.stuck', () => {
  /** Readings every 2 s from [received, delivered] pairs. */
  const track = (pairs: [number, number][], more: Partial<PushReading>[] = []): Track =>
    pairs.reduce<Track>(
      (held, [received, delivered], index) =>
        taken(held, {
          at: index * 2_000,
          epoch: 'run1',
          received,
          delivered,
          lastOkAt: null,
          ...more[index],
        }),
      null,
    )
  /** `count` readings that add `perPoll` pushes each and deliver none. */
  const silent = (count: number, perPoll: number): [number, number][] =>
    Array.from({ length: count }, (_, index): [number, number] => [index * perPoll, 0])

  it.each<[string, [number, number][], string]>([
    ['is not known without a reading', [], 'hold'],
    [
      'stays closed while deliveries go on',
      [
        [0, 0],
        [30, 28],
        [60, 58],
      ],
      'closed',
    ],
    [
      'stays closed for 20 pushes that are only a poll old',
      [
        [0, 0],
        [20, 0],
      ],
      'closed',
    ],
    [
      'opens when 20 pushes without a delivery held for 10 s',
      [
        [0, 0],
        [20, 0],
        [20, 0],
        [20, 0],
        [20, 0],
        [20, 0],
        [20, 0],
      ],
      'open',
    ],
    [
      'stays closed for 19 pushes within 30 s',
      [
        [0, 0],
        [19, 0],
        [19, 0],
        [19, 0],
        [19, 0],
        [19, 0],
        [19, 0],
      ],
      'closed',
    ],
    [
      'opens for a single push after 30 s and the 10 s of holding',
      [[0, 0], ...Array.from({ length: 21 }, (): [number, number] => [1, 0])],
      'open',
    ],
    [
      'stays closed for a single push after 30 s',
      [[0, 0], ...Array.from({ length: 18 }, (): [number, number] => [1, 0])],
      'closed',
    ],
    [
      'stays closed where nothing is received',
      Array.from({ length: 60 }, (): [number, number] => [0, 0]),
      'closed',
    ],
    ['closes with one delivery', [...silent(12, 10), [120, 1]], 'closed'],
  ])('%s', (_title, pairs, state) => {
    expect(verdict(track(pairs)).state).toBe(state)
  })

  it('says what is known, from the last delivery on', () => {
    const held = track(
      [[0, 0], [10, 10], ...Array.from({ length: 130 }, (_, i): [number, number] => [10 + (i + 1) * 10, 10])],
      [{}, { lastOkAt: 1_500 }],
    )
    expect(verdict(held)).toMatchObject({
      state: 'open',
      startedAt: 1_500,
      title: 'fra-1 receives pushes but delivers none',
      severity: 'critical',
      impact: '1 300 pushes not delivered in 4 min',
    })
  })

  it('counts from zero after a restart of the node, and stays open over it', () => {
    const before = track(silent(12, 10))
    const after = taken(before, { at: 30_000, epoch: 'run2', received: 3, delivered: 0, lastOkAt: null })
    expect(after?.receivedSince).toBe(113)
    expect(verdict(after).state).toBe('open')
    const delivered = taken(after, { at: 32_000, epoch: 'run2', received: 4, delivered: 1, lastOkAt: null })
    const open = { openedAt: 22_000 }
    expect(verdict(after, open).state).toBe('open')
    expect(verdict(delivered, open)).toEqual({ state: 'closed', because: 'deliveries again' })
    const silentAgain = taken(delivered, {
      at: 34_000,
      epoch: 'run2',
      received: 9,
      delivered: 1,
      lastOkAt: null,
    })
    expect(verdict(silentAgain, open).state).toBe('closed')
  })

  it('opens, and closes with the first delivery, in its time although the clock was set back an hour', () => {
    const hour = 3_600_000
    const from = (at: number, pairs: [number, number][], held: Track) =>
      pairs.reduce<Track>(
        (last, [received, delivered], index) =>
          taken(last, { at: at + index * 2_000, epoch: 'run1', received, delivered, lastOkAt: null }),
        held,
      )
    const before = from(
      hour,
      [
        [0, 0],
        [10, 1],
        [40, 1],
        [70, 1],
      ],
      null,
    )
    const after = from(
      0,
      [
        [80, 1],
        [90, 1],
        [100, 1],
        [110, 1],
        [120, 1],
        [130, 1],
      ],
      before,
    )
    expect(verdict(after).state).toBe('open')
    const open = { openedAt: hour + 7_000 }
    expect(verdict(after, open).state).toBe('open')
    expect(verdict(from(12_000, [[140, 2]], after), open)).toEqual({
      state: 'closed',
      because: 'deliveries again',
    })
  })

  it('stays open at a look before the next reading, which is older than what was noticed', () => {
    const held = track([
      [0, 0],
      [10, 5],
      ...silent(12, 10).map(([received]): [number, number] => [received + 20, 5]),
    ])
    const readAt = held?.readAt ?? 0
    expect(verdict(held, { now: readAt + 500 }).state).toBe('open')
    for (const now of [readAt + 1_500, readAt + 9_500])
      expect(verdict(held, { openedAt: readAt + 500, now }).state).toBe('open')
  })

  it('closes when the node is drained', () => {
    expect(verdict(track(silent(12, 10)), { drained: true, openedAt: 1 }).state).toBe('closed')
  })

  it('holds an open signal after a restart of the collector until a delivery is seen', () => {
    const open = openAt(40_000, { startedAt: 1_000 })
    const reading = { at: 100_000, epoch: 'run1', received: 500, delivered: 7, lastOkAt: 1_000 }
    const first = taken(null, reading, open)
    expect(verdict(first, { open }).state).toBe('hold')
    const more = taken(first, { ...reading, at: 102_000, received: 505 }, open)
    expect(verdict(more, { open })).toMatchObject({ state: 'open', startedAt: 1_000 })
    const over = taken(null, { ...reading, lastOkAt: 90_000 }, open)
    expect(verdict(over, { open }).state).toBe('closed')
  })

  describe('after a restart of the collector', () => {
    const before = taken(track(silent(12, 10)), {
      at: 24_000,
      epoch: 'run1',
      received: 1_200,
      delivered: 0,
      lastOkAt: null,
    })
    const said = verdict(before)
    const memory = said.state === 'open' ? (said.memory ?? null) : null
    const open = openAt(22_000, { startedAt: 0, memory })
    const later = { at: 90_000, epoch: 'run1', received: 1_500, delivered: 0, lastOkAt: null }

    it('goes on counting where it stopped, with what the node counted meanwhile', () => {
      expect(said).toMatchObject({ state: 'open', impact: '1 200 pushes not delivered in 24 s' })
      expect(verdict(taken(null, later, open), { open })).toMatchObject({
        state: 'open',
        startedAt: 0,
        impact: '1 500 pushes not delivered in 90 s',
      })
    })

    it('adds what a node that restarted meanwhile has counted since', () => {
      const restarted = { ...later, epoch: 'run2', received: 40 }
      expect(verdict(taken(null, restarted, open), { open })).toMatchObject({
        impact: '1 240 pushes not delivered in 90 s',
      })
    })

    it('closes for what was delivered meanwhile', () => {
      expect(verdict(taken(null, { ...later, delivered: 1 }, open), { open })).toEqual({
        state: 'closed',
        because: 'deliveries again',
      })
    })

    it('takes a memory that somebody damaged for none', () => {
      const damaged = { ...open, memory: { epoch: 'run1', received: 'many' } }
      expect(verdict(taken(null, later, damaged), { open: damaged }).state).toBe('hold')
    })
  })

  it('knows nothing of a node that counts no pushes', () => {
    const held = track(silent(12, 10))
    const none = pushStuck.take(
      held,
      { type: 'reading', node: 'fra-1', at: 30_000, facts: factsWith() },
      lookAt(pushStuck, scriptedView()),
    )
    expect(verdict(none)).toEqual({ state: 'hold' })
  })
})
