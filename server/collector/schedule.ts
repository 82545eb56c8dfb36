/** Polls started at absolute times, spread over the interval. */
export interface Schedule {
  start(): void
  close(): void
  figures(): { latenessP99Ms: number; missed: number }
}

const LATENESS_WINDOW_MS = 60_000
const MAX_LATENESS_SAMPLES = 10_000

/** A place in [0, intervalMs) that a target keeps for ever (FNV-1a), so that a thousand of them do not fire at once. */
export const offsetOf = (id: string, intervalMs: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193) >>> 0
  return hash % intervalMs
}

/**
 * Runs `run` for every target once an interval. Due times are absolute: a slow poll never shifts the next one, polls of one
 * target never overlap, and a missed one is counted, not made up for in a burst.
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
  const timers = new Map<string, NodeJS.Timeout>()
  const busy = new Set<string>()
  let lateness: { at: number; ms: number }[] = []
  let missed = 0
  let closed = true

  const arm = (target: string, due: number): void => {
    if (closed) return
    timers.set(
      target,
      setTimeout(() => fire(target, due), Math.max(0, due - now())),
    )
  }

  const fire = (target: string, due: number): void => {
    const at = now()
    const late = Math.max(0, at - due)
    lateness.push({ at, ms: late })
    if (lateness.length > MAX_LATENESS_SAMPLES) lateness = lateness.slice(MAX_LATENESS_SAMPLES / 2)
    const skipped = Math.floor(late / options.intervalMs)
    missed += skipped
    arm(target, due + (skipped + 1) * options.intervalMs)
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

  return {
    start() {
      if (!closed) return
      closed = false
      const origin = now()
      for (const target of options.targets) arm(target, origin + offsetOf(target, options.intervalMs))
    },
    close() {
      closed = true
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
    figures() {
      const from = now() - LATENESS_WINDOW_MS
      lateness = lateness.filter((sample) => sample.at >= from)
      const sorted = lateness.map((sample) => sample.ms).sort((a, b) => a - b)
      const p99 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
      return { latenessP99Ms: Math.round(p99 * 10) / 10, missed }
    },
  }
}
