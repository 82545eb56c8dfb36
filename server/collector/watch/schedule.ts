import { createLateness } from './lateness.ts'

export interface ScheduleFigures {
  /** Over the last minute. */
  latenessP99Ms: number
  /** Over the last two intervals: what holds at the moment. */
  recentLatenessMs: number
  missed: number
  /** Milliseconds since a run was begun; null before the first. */
  startedAgeMs: number | null
}

/** Polls started at absolute times, spread over the interval. */
export interface Schedule {
  start(): void
  close(): void
  figures(): ScheduleFigures
}

const LATENESS_WINDOW_MS = 60_000
const MAX_LATENESS_SAMPLES = 200_000
/** Sorting a minute of a thousand targets costs; a figure of a second ago does as well. */
const FIGURES_KEPT_MS = 1_000
/** A slice in which at most twice its fair share of runs begins, and never fewer than a few. */
const SLICE_MS = 100
const SLICE_MINIMUM = 4

/** A place in [0, intervalMs) that a target keeps for ever (FNV-1a), so that a thousand of them do not fire at once. */
export const offsetOf = (id: string, intervalMs: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193) >>> 0
  return hash % intervalMs
}

/**
 * Runs `run` for every target once an interval. Due times are absolute: a slow poll never shifts the next one, polls of one
 * target never overlap, and a missed one is counted, not made up for. After a pause of the whole process those that are due
 * begin in slices, not all at once.
 *
 * @param options.now monotonic milliseconds
 */
export const createSchedule = (options: {
  targets: readonly string[]
  intervalMs: number
  run: (target: string) => Promise<void>
  now?: () => number
}): Schedule => {
  const now = options.now ?? (() => performance.now())
  const { intervalMs } = options
  const perMinute = options.targets.length * Math.ceil(LATENESS_WINDOW_MS / intervalMs + 1)
  const lateness = createLateness(Math.min(MAX_LATENESS_SAMPLES, Math.max(1_000, perMinute)))
  const sliceCeiling = SLICE_MINIMUM + Math.ceil((2 * options.targets.length * SLICE_MS) / intervalMs)
  const timers = new Map<string, NodeJS.Timeout>()
  const busy = new Set<string>()
  const skipped = new Set<string>()
  let slice = { until: Number.NEGATIVE_INFINITY, begun: 0 }
  let kept: { at: number; latenessP99Ms: number; recentLatenessMs: number } | null = null
  let startedAt: number | null = null
  let missed = 0
  let closed = true

  const arm = (target: string, due: number, at: number): void => {
    if (closed) return
    timers.set(
      target,
      setTimeout(() => fire(target, due), Math.max(0, at - now())),
    )
  }

  const fire = (target: string, due: number): void => {
    const at = now()
    const late = Math.max(0, at - due)
    if (late >= intervalMs && !skipped.has(target)) {
      // Its turn is over. The next one comes at its own time, which is spread already; but on a machine that is always late
      // not every turn may be over.
      const turns = Math.floor(late / intervalMs) + 1
      missed += turns
      lateness.record(at, late)
      skipped.add(target)
      const next = due + turns * intervalMs
      arm(target, next, next)
      return
    }
    if (at >= slice.until) slice = { until: at + SLICE_MS, begun: 0 }
    if (slice.begun >= sliceCeiling) {
      arm(target, due, slice.until)
      return
    }
    slice.begun += 1
    skipped.delete(target)
    lateness.record(at, late)
    startedAt = at
    const turns = Math.floor(late / intervalMs)
    missed += turns
    const next = due + (turns + 1) * intervalMs
    arm(target, next, next)
    if (busy.has(target)) {
      missed += 1
      return
    }
    busy.add(target)
    options
      .run(target)
      .catch(() => {
        // A poll is a value; what its consumers throw is logged where it happens, and must not end the schedule.
      })
      .finally(() => busy.delete(target))
  }

  const rounded = (ms: number): number => Math.round(ms * 10) / 10

  return {
    start() {
      if (!closed) return
      closed = false
      const origin = now()
      for (const target of options.targets) {
        const due = origin + offsetOf(target, intervalMs)
        arm(target, due, due)
      }
    },
    close() {
      closed = true
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
    figures() {
      const at = now()
      if (!kept || at - kept.at >= FIGURES_KEPT_MS) {
        kept = {
          at,
          latenessP99Ms: rounded(lateness.p99Since(at - LATENESS_WINDOW_MS)),
          recentLatenessMs: rounded(lateness.p99Since(at - 2 * intervalMs)),
        }
      }
      const { latenessP99Ms, recentLatenessMs } = kept
      return {
        latenessP99Ms,
        recentLatenessMs,
        missed,
        startedAgeMs: startedAt === null ? null : at - startedAt,
      }
    },
  }
}
