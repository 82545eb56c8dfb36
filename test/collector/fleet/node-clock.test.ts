import { describe, expect, it } from 'vitest'
import { NodeClock } from '../../../server/collector/fleet/node-clock.ts'

const now = 1_800_000_000_000
const live = (clock: NodeClock, ...skews: number[]) => {
  for (const skew of skews) clock.sawLive(now + skew, now)
}

describe("a node's clock", () => {
  it('is not known before anything was heard, and by live events from the first', () => {
    const clock = new NodeClock()
    expect(clock.skewMs).toBeNull()
    live(clock, 600_000)
    expect(clock.skewMs).toBe(600_000)
  })

  it('is taken from the event with the least delay', () => {
    const clock = new NodeClock()
    live(clock, -3_000, -40, -900)
    expect(clock.skewMs).toBe(-40)
  })

  it('is known by the Date of polls within seconds, before any event', () => {
    const clock = new NodeClock()
    clock.sawDate(now - 62_000, now, 10)
    expect(Math.abs((clock.skewMs ?? 0) + 61_500)).toBeLessThan(1_000)
    const right = new NodeClock()
    right.sawDate(now - 900, now, 10)
    expect(right.skewMs).toBeNull()
  })

  it('is not called wrong for one event that was long on its way', () => {
    const clock = new NodeClock()
    clock.sawDate(now, now, 10)
    live(clock, -30_000)
    expect(clock.skewMs).toBeNull()
  })

  it('is believed again when it was set, forward or back', () => {
    for (const set of [3_600_000, -3_600_000]) {
      const clock = new NodeClock()
      live(clock, 0, 0, 0, 0, 0)
      live(clock, set, set, set)
      expect(clock.skewMs).toBe(set)
    }
    const clock = new NodeClock()
    clock.sawDate(now + 600_000, now, 10)
    live(clock, 600_000, 600_000, 600_000)
    clock.sawDate(now, now, 10)
    expect(clock.skewMs).toBeNull()
  })

  it.each([
    ['in the future', 5_000, 0, 0],
    ['before the event before it', -60_000, now - 1_000, -1_000],
    ['of 1971', -1.8e12 + 4e10, 0, 0],
    ['of 9998', 2e14, now - 5_000, 0],
    ['an hour ago, in a backlog', -3_600_000, now - 7_200_000, -3_600_000],
  ])('dates an event whose own time is %s', (_, said, floor, expected) => {
    expect(new NodeClock().timeOf(now + said, now, floor)).toBe(now + expected)
  })
})
