import { describe, expect, it } from 'vitest'
import { type NodeDownFacts, nodeDown } from '../../../server/collector/signals/node-down.ts'
import {
  type PushReading,
  type PushTrack,
  pushStuck,
  trackPush,
} from '../../../server/collector/signals/push-stuck.ts'
import { regionUnreachable } from '../../../server/collector/signals/region-unreachable.ts'
import { DETECT_DEFAULTS } from '../../../server/collector/signals/rule.ts'
import { type TunnelLoss, tunnelStorm } from '../../../server/collector/signals/tunnel-storm.ts'

describe('push.stuck', () => {
  const thresholds = DETECT_DEFAULTS['push.stuck']
  /** Readings every 2 s from [received, delivered] pairs. */
  const track = (
    pairs: [number, number][],
    more: Partial<PushReading>[] = [],
    from: PushTrack | null = null,
  ) =>
    pairs.reduce<PushTrack | null>(
      (held, [received, delivered], index) =>
        trackPush(
          held,
          { at: index * 2_000, epoch: 'run1', received, delivered, lastOkAt: null, ...more[index] },
          thresholds,
        ),
      from,
    )
  const verdict = (
    held: PushTrack | null,
    context = { node: 'fra-1', drained: false, openedAt: null as number | null },
  ) => pushStuck(held, context, thresholds)
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
    const after = trackPush(
      before,
      { at: 30_000, epoch: 'run2', received: 3, delivered: 0, lastOkAt: null },
      thresholds,
    )
    expect(after.receivedSince).toBe(113)
    expect(verdict(after).state).toBe('open')
    const delivered = trackPush(
      after,
      { at: 32_000, epoch: 'run2', received: 4, delivered: 1, lastOkAt: null },
      thresholds,
    )
    const open = { node: 'fra-1', drained: false, openedAt: 22_000 }
    expect(verdict(after, open).state).toBe('open')
    expect(verdict(delivered, open)).toEqual({ state: 'closed', because: 'deliveries again' })
    const silentAgain = trackPush(
      delivered,
      { at: 34_000, epoch: 'run2', received: 9, delivered: 1, lastOkAt: null },
      thresholds,
    )
    expect(verdict(silentAgain, open).state).toBe('closed')
  })

  it('opens, and closes with the first delivery, in its time although the clock was set back an hour', () => {
    const hour = 3_600_000
    const from = (at: number, pairs: [number, number][], held: PushTrack | null) =>
      pairs.reduce<PushTrack | null>(
        (last, [received, delivered], index) =>
          trackPush(
            last,
            { at: at + index * 2_000, epoch: 'run1', received, delivered, lastOkAt: null },
            thresholds,
          ),
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
    const open = { node: 'fra-1', drained: false, openedAt: hour + 7_000 }
    expect(verdict(after, open).state).toBe('open')
    expect(verdict(from(12_000, [[140, 2]], after), open)).toEqual({
      state: 'closed',
      because: 'deliveries again',
    })
  })

  it('closes when the node is drained', () => {
    expect(verdict(track(silent(12, 10)), { node: 'fra-1', drained: true, openedAt: 1 }).state).toBe('closed')
  })

  it('holds an open signal after a restart of the collector until a delivery is seen', () => {
    const seed = { startedAt: 1_000, openedAt: 40_000 }
    const reading = { at: 100_000, epoch: 'run1', received: 500, delivered: 7, lastOkAt: 1_000 }
    const first = trackPush(null, reading, thresholds, seed)
    const open = { node: 'fra-1', drained: false, openedAt: 40_000 }
    expect(verdict(first, open).state).toBe('hold')
    const more = trackPush(first, { ...reading, at: 102_000, received: 505 }, thresholds)
    expect(verdict(more, open)).toMatchObject({ state: 'open', startedAt: 1_000 })
    const over = trackPush(null, { ...reading, lastOkAt: 90_000 }, thresholds, seed)
    expect(verdict(over, open).state).toBe('closed')
  })
})

describe('tunnel.storm', () => {
  const thresholds = DETECT_DEFAULTS['tunnel.storm']
  const hosts = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => `host-${from + index}`)
  const loss = (hostId: string, at: number, more: Partial<TunnelLoss> = {}): TunnelLoss => ({
    hostId,
    node: 'fra-1',
    region: 'fra',
    at,
    code: 1006,
    explained: false,
    ...more,
  })
  const verdict = (
    losses: TunnelLoss[],
    registered: string[],
    now = 10_000,
    openSince: number | null = null,
  ) => tunnelStorm(losses, { region: 'fra', registered: new Set(registered), now, openSince }, thresholds)

  it.each<[string, TunnelLoss[], number, string]>([
    ['opens for 3 of 10 within 10 s', hosts(3).map((id, i) => loss(id, 1_000 + i * 3_000)), 7, 'open'],
    ['stays closed for 2 of 10', hosts(2).map((id) => loss(id, 1_000)), 8, 'closed'],
    ['stays closed for one host alone, however small the region', [loss('host-0', 1_000)], 1, 'closed'],
    [
      'counts a host once',
      [loss('host-0', 1_000), loss('host-0', 2_000), loss('host-0', 3_000)],
      4,
      'closed',
    ],
    ['stays closed when the losses are spread', hosts(3).map((id, i) => loss(id, i * 9_900)), 7, 'closed'],
    ['ignores drain closes', hosts(5).map((id) => loss(id, 1_000, { code: 4001 })), 5, 'closed'],
    ['ignores kicks', hosts(5).map((id) => loss(id, 1_000, { code: 4404 })), 5, 'closed'],
    [
      'ignores what a running drain explains',
      hosts(5).map((id) => loss(id, 1_000, { explained: true })),
      5,
      'closed',
    ],
    ['ignores other regions', hosts(5).map((id) => loss(id, 1_000, { region: 'iad' })), 5, 'closed'],
  ])('%s', (_title, losses, registered, state) => {
    expect(verdict(losses, hosts(registered, 100)).state).toBe(state)
  })

  it('does not shrink the region by the hosts that came back', () => {
    expect(
      verdict(
        hosts(2).map((id) => loss(id, 1_000)),
        hosts(10),
      ).state,
    ).toBe('closed')
    expect(
      verdict(
        hosts(3).map((id) => loss(id, 1_000)),
        hosts(10),
      ),
    ).toMatchObject({
      state: 'open',
      startedAt: 1_000,
      title: 'fra lost 3 of 10 tunnels',
    })
  })

  it('sees a burst that was read late, but not one of an hour ago', () => {
    const burst = hosts(5).map((id) => loss(id, 1_000))
    expect(verdict(burst, [], 50_000).state).toBe('open')
    expect(verdict(burst, [], 3_600_000).state).toBe('closed')
  })

  it.each([
    ['just no storm', 19, 'closed'],
    ['a storm', 30, 'open'],
  ])('of 50 000 tunnels is looked for without holding up everything else: %s', (_, percent, state) => {
    const all = 50_000
    // Spread over 10 s and 50 s: many windows, each with many losses.
    const lost = hosts((all * percent) / 100).map((id, index, { length }) =>
      loss(id, (index * (percent > 20 ? 10_000 : 50_000)) / length),
    )
    const began = performance.now()
    const found = verdict(lost, hosts(all - lost.length, lost.length), 50_000)
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(found.state).toBe(state)
  })

  it('stays open while losses go on and closes after 30 quiet seconds', () => {
    const losses = [...hosts(5).map((id) => loss(id, 1_000)), loss('host-9', 25_000)]
    expect(verdict(losses, hosts(10), 50_000, 1_000).state).toBe('open')
    expect(verdict(losses, hosts(10), 55_000, 1_000).state).toBe('closed')
  })
})

describe('node.down and region.unreachable', () => {
  const facts: NodeDownFacts = {
    node: 'fra-1',
    region: 'fra',
    state: 'down',
    downSince: 1_000,
    regionUnreachable: false,
    explained: false,
    othersUp: 1,
    reason: 'refused',
    open: false,
    now: 61_000,
  }
  it.each<[string, Partial<NodeDownFacts>, string]>([
    ['opens for a node that is told to be down', {}, 'open'],
    ['closes when it answers', { state: 'up', downSince: null }, 'closed'],
    ['closes for a drained node that answers', { state: 'drained', downSince: null }, 'closed'],
    ['holds while it is unknown', { state: 'unknown' }, 'hold'],
    ['leaves it to the region', { regionUnreachable: true }, 'closed'],
    ['keeps its own when it was down before its region', { regionUnreachable: true, open: true }, 'open'],
    ['is quiet about what was wanted', { explained: true }, 'closed'],
    ['waits until it is told', { downSince: null }, 'closed'],
  ])('node.down %s', (_title, part, state) => {
    expect(nodeDown({ ...facts, ...part }).state).toBe(state)
  })

  it('is critical where nobody else serves', () => {
    expect(nodeDown({ ...facts, othersUp: 0 })).toMatchObject({
      severity: 'critical',
      impact: 'fra-1 down for 60 s',
    })
    expect(nodeDown(facts)).toMatchObject({ severity: 'warning' })
  })

  it.each([
    ['opens', { unreachableSince: 1_000, anyAlive: false, open: false }, 'open'],
    ['closes with the first answer', { unreachableSince: 1_000, anyAlive: true, open: true }, 'closed'],
    [
      'holds after a restart of the collector',
      { unreachableSince: null, anyAlive: false, open: true },
      'hold',
    ],
    ['stays closed', { unreachableSince: null, anyAlive: false, open: false }, 'closed'],
    [
      'is quiet about what a drain took away',
      { unreachableSince: 1_000, anyAlive: false, open: false, explained: true },
      'closed',
    ],
  ])('region.unreachable %s', (_title, part, state) => {
    expect(
      regionUnreachable({ region: 'fra', nodes: ['fra-1', 'fra-2'], now: 5_000, explained: false, ...part })
        .state,
    ).toBe(state)
  })
})
