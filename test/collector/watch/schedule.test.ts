import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OwnClock } from '../../../server/collector/watch/own-clock.ts'
import { offsetOf, Schedule } from '../../../server/collector/watch/schedule.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const every = (intervalMs: number, ...ids: string[]) => ids.map((id) => ({ id, intervalMs }))

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
    const schedule = new Schedule({
      targets: every(1_000, 'fra-1'),
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
    const schedule = new Schedule({
      targets: every(1_000, 'a', 'b'),
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
    const schedule = new Schedule({ targets: every(1_000, 'a'), run })
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
    const schedule = new Schedule({ targets: every(1_000, 'a'), run, now: () => now })
    schedule.start()
    now = 5_500 + offsetOf('a', 1_000)
    await vi.advanceTimersByTimeAsync(offsetOf('a', 1_000) + 1)
    schedule.close()
    expect(run).not.toHaveBeenCalled()
    expect(schedule.figures()).toMatchObject({ latenessP99Ms: 5_500, recentLatenessMs: 5_500, missed: 6 })
  })

  it.each([
    ['thirty seconds', 30_000],
    ['most of an interval', 4_900],
  ])('spreads its polls after a pause of %s, and does not fire them at once', async (_, pauseMs) => {
    let now = 0
    const starts: number[] = []
    const targets = Array.from({ length: 200 }, (_, index) => `node-${index}`)
    const run = async () => void starts.push(now)
    const schedule = new Schedule({ targets: every(5_000, ...targets), run, now: () => now })
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10) {
        now += 10
        await vi.advanceTimersByTimeAsync(10)
      }
    }
    schedule.start()
    await pass(10_000)
    starts.length = 0
    now += pauseMs
    await pass(10_000)
    schedule.close()
    expect(starts.length).toBeGreaterThan(190)
    const slices = new Map<number, number>()
    for (const at of starts) slices.set(Math.floor(at / 100), (slices.get(Math.floor(at / 100)) ?? 0) + 1)
    // Four in each tenth of a second is the fair share of 200 in five seconds.
    expect(Math.max(...slices.values())).toBeLessThanOrEqual(24)
  })

  it('goes on polling on a machine that is always late by more than an interval', async () => {
    let now = 0
    const run = vi.fn(() => Promise.resolve())
    const schedule = new Schedule({ targets: every(1_000, 'a', 'b'), run, now: () => now })
    schedule.start()
    for (let round = 0; round < 20; round += 1) {
      now += 2_500
      await vi.advanceTimersByTimeAsync(1_000)
    }
    schedule.close()
    expect(run.mock.calls.length).toBeGreaterThan(10)
  })

  it('knows its lateness of the last minute also of more polls than ten thousand', async () => {
    let now = 0
    const targets = Array.from({ length: 1_000 }, (_, index) => `node-${index}`)
    const schedule = new Schedule({
      targets: every(1_000, ...targets),
      run: async () => undefined,
      now: () => now,
    })
    schedule.start()
    for (let second = 0; second < 30; second += 1) {
      // For its first two seconds it is 300 ms late.
      now = second * 1_000 + (second < 2 ? 700 : 400)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    schedule.close()
    expect(schedule.figures().latenessP99Ms).toBeGreaterThan(250)
  })

  it('takes a new set of targets: who stays keeps its turns, who comes gets its own place, who leaves has none', async () => {
    const starts: [string, number][] = []
    const origin = performance.now()
    const run = async (target: string) => void starts.push([target, performance.now() - origin])
    const schedule = new Schedule({ targets: every(1_000, 'fra-1', 'fra-2'), run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(2_345)
    schedule.setTargets(every(1_000, 'iad-1', 'fra-1'))
    await vi.advanceTimersByTimeAsync(2_654)
    schedule.close()
    const turnsOf = (id: string) => starts.filter(([target]) => target === id).map(([, at]) => at)
    const allOf = (id: string) => [0, 1, 2, 3, 4].map((turn) => turn * 1_000 + offsetOf(id, 1_000))
    expect(turnsOf('fra-1')).toEqual(allOf('fra-1'))
    expect(turnsOf('fra-2')).toEqual(allOf('fra-2').filter((at) => at <= 2_345))
    expect(turnsOf('iad-1')).toEqual(allOf('iad-1').filter((at) => at >= 2_345))
    expect(schedule.figures().missed).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never overlaps polls of a target that left and came back while it was asked', async () => {
    let running = 0
    let most = 0
    const run = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((done) => setTimeout(done, 1_500))
      running -= 1
    }
    const schedule = new Schedule({ targets: every(1_000, 'a'), run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(offsetOf('a', 1_000) + 10)
    schedule.setTargets([])
    schedule.setTargets(every(1_000, 'a'))
    await vi.advanceTimersByTimeAsync(5_000)
    schedule.close()
    expect(most).toBe(1)
  })

  it('knows its lateness of a minute ago also after many targets came', async () => {
    let now = 0
    const schedule = new Schedule({
      targets: every(1_000, 'a'),
      run: async () => undefined,
      now: () => now,
    })
    schedule.start()
    now = 900
    await vi.advanceTimersByTimeAsync(1_000)
    const before = schedule.figures().latenessP99Ms
    expect(before).toBeGreaterThan(0)
    schedule.setTargets(every(1_000, 'a', ...Array.from({ length: 1_000 }, (_, index) => `node-${index}`)))
    now = 2_000
    expect(schedule.figures().latenessP99Ms).toBe(before)
    schedule.close()
  })
})

describe('intervals of their own', () => {
  const turns = (id: string, intervalMs: number, until: number) =>
    Array.from({ length: 60 }, (_, turn) => offsetOf(id, intervalMs) + turn * intervalMs).filter(
      (at) => at < until,
    )
  const record = () => {
    const starts: [string, number][] = []
    const origin = performance.now()
    return {
      starts,
      run: async (id: string) => void starts.push([id, performance.now() - origin]),
      of: (id: string) => starts.filter(([each]) => each === id).map(([, at]) => at),
    }
  }

  it('give each target its own turns, spread within its own interval', async () => {
    const { run, of } = record()
    const schedule = new Schedule({ targets: [...every(1_000, 'a'), ...every(7_000, 'b', 'c')], run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(30_000)
    expect(of('a')).toEqual(turns('a', 1_000, 30_001))
    expect(of('b')).toEqual(turns('b', 7_000, 30_001))
    expect(of('c')).toEqual(turns('c', 7_000, 30_001))
    expect(schedule.shortestIntervalMs).toBe(1_000)
    schedule.close()
  })

  it('may change: the target takes the turns of the new one, the others keep theirs', async () => {
    const { run, of } = record()
    const schedule = new Schedule({ targets: every(1_000, 'a', 'b'), run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(5_000)
    schedule.setTargets([...every(1_000, 'a'), ...every(4_000, 'b')])
    await vi.advanceTimersByTimeAsync(20_000)
    schedule.close()
    expect(of('a')).toEqual(turns('a', 1_000, 25_001))
    expect(of('b').filter((at) => at > 5_000)).toEqual(turns('b', 4_000, 25_001).filter((at) => at > 5_000))
    expect(schedule.figures().missed).toBe(0)
  })

  it('never overlap runs of one target where one changes while it is asked', async () => {
    let running = 0
    let most = 0
    const run = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((done) => setTimeout(done, 2_500))
      running -= 1
    }
    const schedule = new Schedule({ targets: every(5_000, 'a'), run })
    schedule.start()
    await vi.advanceTimersByTimeAsync(offsetOf('a', 5_000) + 10)
    schedule.setTargets(every(1_000, 'a'))
    await vi.advanceTimersByTimeAsync(10_000)
    schedule.close()
    expect(most).toBe(1)
  })
})

describe('runs at once', () => {
  it('are bounded: who finds no place waits for one, is counted, and shifts nobody', async () => {
    let running = 0
    let most = 0
    const begun: string[] = []
    const ids = Array.from({ length: 8 }, (_, index) => `node-${index}`)
    const schedule = new Schedule({
      targets: every(10_000, ...ids),
      maxUnderWay: 3,
      run: async (id) => {
        begun.push(id)
        running += 1
        most = Math.max(most, running)
        await new Promise((done) => setTimeout(done, 9_000))
        running -= 1
      },
    })
    schedule.start()
    await vi.advanceTimersByTimeAsync(60_000)
    const { held, underWay, missed, latenessP99Ms } = schedule.figures()
    expect(most).toBe(3)
    expect(underWay).toBe(3)
    expect(held).toBeGreaterThan(0)
    expect(missed).toBeGreaterThan(0)
    expect(latenessP99Ms).toBeGreaterThan(1_000)
    // Nobody is left out: places go to whoever waited longest.
    expect(new Set(begun)).toEqual(new Set(ids))
    schedule.close()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(schedule.figures().underWay).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leave no place to one that left while it waited', async () => {
    const begun: string[] = []
    const schedule = new Schedule({
      targets: every(1_000, 'a', 'b'),
      maxUnderWay: 1,
      run: async (id) => {
        begun.push(id)
        await new Promise((done) => setTimeout(done, 1_500))
      },
    })
    schedule.start()
    await vi.advanceTimersByTimeAsync(1_000)
    const [first] = begun
    const [other] = ['a', 'b'].filter((id) => id !== first)
    schedule.setTargets(every(1_000, first ?? ''))
    begun.length = 0
    await vi.advanceTimersByTimeAsync(6_000)
    schedule.close()
    expect(begun).not.toContain(other)
    expect(begun.length).toBeGreaterThan(1)
  })
})

describe('the own clock', () => {
  const make = () => {
    const time = { wall: 1_000_000, monotonic: 0 }
    const onStall = vi.fn()
    const clock = new OwnClock({
      intervalMs: () => 2_000,
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
