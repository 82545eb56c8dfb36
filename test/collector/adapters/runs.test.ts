import { describe, expect, it } from 'vitest'
import { Runs } from '../../../server/collector/adapters/runs.ts'

const saw = (at: number, uptimeMs: number) => ({ at, epoch: null, uptimeMs, counters: {} })

describe('runs that a program does not name', () => {
  it('are another one where it runs for a shorter time than before', () => {
    const runs = new Runs()
    const first = runs.epochOf('envoy-1', saw(100_000, 50_000))
    expect(runs.epochOf('envoy-1', saw(101_000, 51_000))).toBe(first)
    expect(runs.epochOf('envoy-1', saw(102_000, 50_000))).not.toBe(first)
  })

  it('stay the same where of two looks at once the earlier is done last', () => {
    const runs = new Runs()
    const first = runs.epochOf('envoy-1', saw(100_000, 50_000))
    expect(runs.epochOf('envoy-1', saw(103_050, 53_000))).toBe(first)
    expect(runs.epochOf('envoy-1', saw(102_950, 52_000))).toBe(first)
    expect(runs.epochOf('envoy-1', saw(104_000, 54_000))).toBe(first)
  })

  it('are told apart all the same where our clock was set back', () => {
    const runs = new Runs()
    const first = runs.epochOf('envoy-1', saw(7_200_000, 5_000_000))
    expect(runs.epochOf('envoy-1', saw(3_600_000, 1_000))).not.toBe(first)
  })
})
