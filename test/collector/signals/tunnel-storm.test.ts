import { describe, expect, it } from 'vitest'
import type { OpenSignal, SignalVerdict } from '../../../server/collector/signals/rule.ts'
import { type TunnelLoss, TunnelLosses } from '../../../server/collector/signals/tunnel-losses.ts'
import { tunnelStorm } from '../../../server/collector/signals/tunnel-storm.ts'
import { eventOf, lookAt, scriptedView } from './scripted-view.ts'

describe('tunnel.storm', () => {
  const hosts = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => `host-${from + index}`)
  const loss = (hostId: string, at: number, more: Partial<TunnelLoss> = {}): TunnelLoss => ({
    hostId,
    node: 'fra-1',
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
  ): SignalVerdict => {
    const state = new TunnelLosses()
    for (const each of losses) state.add(each)
    const open: OpenSignal | null =
      openSince === null ? null : { startedAt: openSince, openedAt: openSince, memory: null }
    return tunnelStorm.verdict(state, lookAt(tunnelStorm, scriptedView({ registered }), { now, open }))
  }

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
    const before = process.cpuUsage()
    const found = verdict(lost, hosts(all - lost.length, lost.length), 50_000)
    // Each window looked at anew would take minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(5_000_000)
    expect(found.state).toBe(state)
  })

  it('stays open while losses go on and closes after 30 quiet seconds', () => {
    const losses = [...hosts(5).map((id) => loss(id, 1_000)), loss('host-9', 25_000)]
    expect(verdict(losses, hosts(10), 50_000, 1_000).state).toBe('open')
    expect(verdict(losses, hosts(10), 55_000, 1_000).state).toBe('closed')
  })

  describe('from events', () => {
    const view = scriptedView({ nodes: [{ id: 'fra-1' }, { id: 'fra-2', draining: true }, { id: 'iad-1' }] })
    const context = lookAt(tunnelStorm, view)
    const from = (...events: ReturnType<typeof eventOf>[]): readonly TunnelLoss[] =>
      events
        .reduce(
          (state, event) => tunnelStorm.take(state, { type: 'event', event }, context),
          tunnelStorm.start(),
        )
        .all()
    const lost = (node: string, at = 5_000) =>
      eventOf('tunnel.lost', at, { hostId: 'host-1', code: 1006, reason: '', heldMs: 1 }, node)
    const back = (previousNode: string, gapMs: number | null) =>
      eventOf(
        'tunnel.registered',
        9_000,
        { hostId: 'host-1', gapMs, previousNode, previousCloseCode: 1006 },
        'iad-1',
      )

    it.each([
      [
        'a loss, with its code',
        [lost('fra-1')],
        [{ node: 'fra-1', at: 5_000, code: 1006, explained: false }],
      ],
      ['a loss that a drain explains', [lost('fra-2')], [{ node: 'fra-2', explained: true }]],
      [
        'a loss that only the host reports, by the gap',
        [back('fra-1', 3_000)],
        [{ node: 'fra-1', at: 6_000 }],
      ],
      ['one loss that both report, once', [lost('fra-1'), back('fra-1', 4_000)], [{ at: 5_000 }]],
      ['no loss where nothing was lost', [back('fra-1', null), back('fra-1', 0)], []],
    ])('counts %s', (_, events, expected) => {
      expect(from(...events)).toEqual(expected.map((part) => expect.objectContaining(part)))
    })

    it.each([
      ['just before the window', 999, false],
      ['at its beginning', 1_000, true],
      ['at its last instant, also where it is read after it', 59_999, true],
      ['when it is over', 60_000, false],
    ])('counts a loss in maintenance for nothing, in it and afterwards: %s', (_, at, explained) => {
      const announced = scriptedView({
        inMaintenance: (node, when) => node === 'fra-1' && when >= 1_000 && when < 60_000,
      })
      const take = (...events: ReturnType<typeof eventOf>[]) =>
        events.reduce(
          (state, event) =>
            tunnelStorm.take(
              state,
              { type: 'event', event },
              lookAt(tunnelStorm, announced, { now: 61_000 }),
            ),
          tunnelStorm.start(),
        )
      expect(take(lost('fra-1', at)).all()).toMatchObject([{ at, explained }])
      const burst = hosts(9).map((hostId) =>
        eventOf('tunnel.lost', at, { hostId, code: 1006, reason: '', heldMs: 1 }, 'fra-1'),
      )
      const look = lookAt(tunnelStorm, announced, { now: 61_000 })
      expect(tunnelStorm.verdict(take(...burst), look).state).toBe(
        explained || at < 1_000 ? 'closed' : 'open',
      )
      // The one that nobody announced makes no storm of those that were.
      const other = lost('fra-2', 61_000)
      if (explained) expect(tunnelStorm.verdict(take(...burst, other), look).state).toBe('closed')
    })

    it('counts a loss in the region that lost it', () => {
      const region = (event: ReturnType<typeof eventOf>) => tunnelStorm.about({ type: 'event', event }, view)
      expect(region(lost('fra-1'))).toBe('region:fra')
      expect(region(back('fra-1', 3_000))).toBe('region:fra')
      expect(region(back('gone-1', 3_000))).toBeNull()
    })
  })
})
