import { describe, expect, it } from 'vitest'
import { liveThrough, type Story } from './simulated-day.ts'
import type { SimulatedFleet } from './simulated-fleet.ts'

/** Every twentieth poll gets lost, and answers take up to 200 ms longer than the shortest. */
const BAD_WEATHER = { loss: 0.05, jitterMs: 200 }
const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const POLLS_A_DAY = (24 * HOUR) / (5 * SECOND)
const DAWN = Date.parse('2026-04-27T00:00:00Z')

describe('a day of six nodes at an interval of 5 s, with 5 % loss and 200 ms of jitter', {
  timeout: 180_000,
}, () => {
  it.each([1, 2])('opens no incident where nothing is wrong (seed %i)', async (seed) => {
    const { incidents, asked, lost, changes } = await liveThrough(seed, BAD_WEATHER, [])
    expect(incidents.map(({ title }) => title)).toEqual([])
    // The day was what it should have been: every poll, and the weather.
    expect(asked).toBeGreaterThan(6 * POLLS_A_DAY - 6)
    expect(lost / asked).toBeCloseTo(BAD_WEATHER.loss, 2)
    expect(changes.down).toBeUndefined()
    expect(changes.degraded ?? 0).toBeLessThan(10)
  })

  const AT = 10 * HOUR + 7 * MINUTE + 3_100
  const LASTS = 10 * MINUTE

  /** Exactly one incident, told within a minute, and over once what was wrong is over. */
  const oneIncident = async (seed: number, story: Story) => {
    const { incidents } = await liveThrough(seed, BAD_WEATHER, story)
    expect(incidents.map(({ title }) => title)).toHaveLength(1)
    const [incident] = incidents
    const toldAfterMs = Date.parse(incident!.detectedAt) - (DAWN + AT)
    expect(toldAfterMs).toBeGreaterThan(0)
    expect(toldAfterMs).toBeLessThan(MINUTE)
    expect(incident).toMatchObject({ state: 'resolved' })
    expect(incident!.signals.filter(({ closedAt }) => closedAt === undefined)).toEqual([])
    return { ...incident!, kinds: [...new Set(incident!.signals.map(({ kind }) => kind))].sort() }
  }
  const during = (begin: (fleet: SimulatedFleet) => void, end: (fleet: SimulatedFleet) => void): Story => [
    [AT, begin],
    [AT + LASTS, end],
  ]
  const node = (fleet: SimulatedFleet) => fleet.nodes.get('fra-1')!

  it('opens one for a process that is killed, and none for its coming back', async () => {
    const story = during(
      (fleet) => node(fleet).become({ isKilled: true }),
      (fleet) => node(fleet).start(),
    )
    const { title, kinds, resolvedAt } = await oneIncident(3, story)
    expect([title, kinds]).toEqual(['fra-1 is down', ['node.down']])
    expect(Date.parse(resolvedAt ?? '')).toBeGreaterThan(DAWN + AT + LASTS)
    expect(Date.parse(resolvedAt ?? '')).toBeLessThan(DAWN + AT + LASTS + 3 * MINUTE)
  })

  it('opens one for a machine that goes dark, which looks like lost polls at first', async () => {
    const story = during(
      (fleet) => node(fleet).become({ isSilent: true }),
      (fleet) => node(fleet).become({ isSilent: false }),
    )
    const { title, kinds } = await oneIncident(4, story)
    expect([title, kinds]).toEqual(['fra-1 is down', ['node.down']])
  })

  it('opens one for pushes that come in and do not go out', async () => {
    const story = during(
      (fleet) => node(fleet).become({ isStuck: true }),
      (fleet) => node(fleet).become({ isStuck: false }),
    )
    const { title, kinds } = await oneIncident(5, story)
    expect([title, kinds]).toEqual(['fra-1 receives pushes but delivers none', ['push.stuck']])
  })

  it('opens one for a region that is cut off', async () => {
    const cut = (isSilent: boolean) => (fleet: SimulatedFleet) => {
      for (const each of fleet.of('fra')) each.become({ isSilent })
    }
    const { title, regions, nodes } = await oneIncident(6, during(cut(true), cut(false)))
    expect([title, regions, nodes]).toEqual(['fra is unreachable', ['fra'], ['fra-1', 'fra-2']])
  })

  it('opens one for a process that crashes and is back before anybody misses it', async () => {
    const { title, kinds } = await oneIncident(7, [[AT, (fleet) => node(fleet).start()]])
    expect([title, kinds]).toEqual(['fra-1 restarted', ['node.restarted']])
  })

  it('opens none where the collector itself stands still, sleeps, loses its network, or has its clock set', async () => {
    const { incidents, changes } = await liveThrough(8, BAD_WEATHER, [
      [3 * HOUR, (_, time) => time.freeze(30 * SECOND)],
      [5 * HOUR, (_, time) => time.shiftWall(2 * HOUR)],
      [9 * HOUR, (_, time) => time.shiftWall(-HOUR)],
      [14 * HOUR, (fleet) => fleet.setCutOff(true)],
      [14 * HOUR + LASTS, (fleet) => fleet.setCutOff(false)],
    ])
    expect(incidents.map(({ title }) => title)).toEqual([])
    expect(changes.down).toBeUndefined()
    // All six were not known any more: after standing still, after sleeping, and without a network.
    expect(changes.unknown).toBeGreaterThanOrEqual(18)
  })
})
