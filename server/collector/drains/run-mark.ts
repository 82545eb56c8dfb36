import { type CounterName, type Facts, totalOf } from '../adapters/facts.ts'
import { tellRuns } from '../adapters/run-names.ts'

/** Counters of traffic by which one run of a program is known again. */
const COUNTED = [
  'connections_accepted',
  'requests',
  'bytes_up',
  'bytes_down',
] as const satisfies CounterName[]
/** Programs say in whole seconds how long they run, and a look takes its time. */
const UPTIME_STEP_MS = 1_000
const UPTIME_WOBBLE_MS = 10_000

/**
 * What one look told of a run, kept with the drain: a program that does not name its runs gets another name from each process of the
 * collector.
 */
export interface RunMark {
  epoch: string
  uptimeMs: number | null
  /** By the collector's wall, epoch ms. */
  at: number
  counted: Partial<Record<(typeof COUNTED)[number], number>>
}

/** @param at by the collector's wall, epoch ms */
export const markOf = (facts: Facts, at: number): RunMark => ({
  epoch: facts.epoch,
  uptimeMs: facts.uptimeMs,
  at,
  counted: Object.fromEntries(
    COUNTED.flatMap((name) => {
      const total = facts.isCountedHere === true ? undefined : totalOf(facts, name)
      return total === undefined ? [] : [[name, total]]
    }),
  ),
})

/**
 * Whether what answers now is the run that was marked. Two names that the program gave, or one process of the collector, are the whole
 * truth. Else it is another run where it runs for a shorter time or has counted less; and where it seems to run for longer or shorter than
 * has passed, its counters decide, because a clock is set more often than a new process counts more than the one before. No clock of the
 * node's is asked.
 *
 * @param now by the collector's wall, epoch ms
 */
export const isSameRun = (mark: RunMark | { epoch: string }, facts: Facts, now: number): boolean => {
  const told = tellRuns(mark.epoch, facts.epoch)
  if (told !== 'unknown') return told === 'same'
  // A record of an older version says nothing more.
  if (!('counted' in mark)) return true
  const newer = markOf(facts, now)
  const longer = mark.uptimeMs === null || newer.uptimeMs === null ? null : newer.uptimeMs - mark.uptimeMs
  if (longer !== null && longer < -UPTIME_STEP_MS) return false
  if (longer !== null && Math.abs(longer - (now - mark.at)) <= UPTIME_WOBBLE_MS) return true
  let hasCounted = false
  for (const name of COUNTED) {
    const before = mark.counted[name]
    const after = newer.counted[name]
    if (before === undefined || after === undefined) continue
    if (after < before) return false
    hasCounted ||= before > 0
  }
  return hasCounted || longer === null
}
