import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createOwnClock } from '../../server/collector/own-clock.ts'
import { createSchedule, offsetOf } from '../../server/collector/schedule.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the schedule', () => {
  it('spreads a thousand targets over the interval', () => {
    const buckets = new Array<number>(10).fill(0)
    for (let i = 0; i < 1_000; i += 1) {
      const bucket = Math.floor(offsetOf(`node-${i}`, 5_000) / 500)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    expect(Math.min(...buckets)).toBeGreaterThan(50)
  })

  it('polls at absolute times, however long a poll takes', async () => {
    const starts: number[] = []
    const origin = performance.now()
    const schedule = createSchedule({
      targets: ['fra-1'],
      intervalMs: 1_000,
      run: async () => {
        starts.push(performance.now() - origin)
        await new Promise((done) => setTimeout(done, 700))
      },
    })
    schedule.start()
    await vi.advanceTimersByTimeAsync(4_999)
    schedule.close()
    const offset = offsetOf('fra-1', 1_000)
    expect(starts).toEqual([0, 1, 2, 3, 4].map((n) => offset + n * 1_000))
    expect(schedule.figures().missed).toBe(0)
  })

  it('never overlaps polls of one target and counts those it missed', async () => {
    let running = 0
    let most = 0
    const schedule = createSchedule({
      targets: ['a', 'b'],
      intervalMs: 1_000,
      run: async (target) => {
        if (target === 'b') return
        running += 1
        most = Math.max(most, running)
        await new Promise((done) => setTimeout(done, 2_500))
        running -= 1
      },
    })
    schedule.start()
    await vi.advanceTimersByTimeAsync(6_999)
    schedule.close()
    expect(most).toBe(1)
    expect(schedule.figures().missed).toBe(4)
  })

  it('goes on after a run that throws, and ends with close', async () => {
    const run = vi.fn(async () => {
      throw new Error('consumer')
    })
    const schedule = createSchedule({ targets: ['a'], intervalMs: 1_000, run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(2_999)
    expect(run).toHaveBeenCalledTimes(3)
    schedule.close()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(run).toHaveBeenCalledTimes(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('measures its own lateness and does not make up for a long delay in a burst', async () => {
    let now = 0
    const run = vi.fn(() => Promise.resolve())
    const schedule = createSchedule({ targets: ['a'], intervalMs: 1_000, run, now: () => now })
    schedule.start()
    now = 5_500 + offsetOf('a', 1_000)
    await vi.advanceTimersByTimeAsync(offsetOf('a', 1_000) + 1)
    schedule.close()
    expect(run).toHaveBeenCalledTimes(1)
    expect(schedule.figures()).toEqual({ latenessP99Ms: 5_500, missed: 5 })
  })
})

describe('the own clock', () => {
  const make = () => {
    const time = { wall: 1_000_000, monotonic: 0 }
    const onStall = vi.fn()
    const clock = createOwnClock({
      intervalMs: 2_000,
      onStall,
      wall: () => time.wall,
      monotonic: () => time.monotonic,
    })
    clock.start()
    const pass = async (wall: number, monotonic = wall) => {
      time.wall += wall
      time.monotonic += monotonic
      await vi.advanceTimersByTimeAsync(250)
    }
    return { clock, onStall, pass }
  }

  it('tells a stall of more than two intervals with both its ends', async () => {
    const { clock, onStall, pass } = make()
    await pass(250)
    await pass(5_000)
    expect(onStall).toHaveBeenCalledExactlyOnceWith(1_000_250, 1_005_250)
    clock.close()
  })

  it('sees a suspended machine by the wall clock alone', async () => {
    const { clock, onStall, pass } = make()
    await pass(3_600_000, 250)
    expect(onStall).toHaveBeenCalledTimes(1)
    clock.close()
  })

  it('is quiet for a clock that is set back and for short pauses, which it remembers', async () => {
    const { clock, onStall, pass } = make()
    await pass(-3_600_000, 250)
    await pass(1_500)
    expect(onStall).not.toHaveBeenCalled()
    expect(clock.stoodStill(300, 1_000)).toBe(true)
    expect(clock.stoodStill(1_750, 1_900)).toBe(false)
    clock.close()
  })
})
