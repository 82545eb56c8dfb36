import { Lateness } from './lateness.ts'

export interface ScheduleFigures {
  /** Over the last minute. */
  latenessP99Ms: number
  /** Over the last two intervals: what holds at the moment. */
  recentLatenessMs: number
  missed: number
  /** Milliseconds since a run was begun; null before the first. */
  startedAgeMs: number | null
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
 * Runs `run` for every target once an interval, at absolute times spread over it. A slow poll never shifts the next one, polls of
 * one target never overlap, and a missed one is counted, not made up for. After a pause of the whole process those that are due
 * begin in slices, not all at once. Targets come and go without moving the others' turns.
 */
export class Schedule {
  readonly #intervalMs: number
  readonly #run: (target: string) => Promise<void>
  readonly #now: () => number
  readonly #lateness: Lateness
  readonly #targets = new Set<string>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #busy = new Set<string>()
  readonly #skipped = new Set<string>()
  #slice = { until: Number.NEGATIVE_INFINITY, begun: 0 }
  #kept: { at: number; latenessP99Ms: number; recentLatenessMs: number } | null = null
  /** When all turns count from; null while it is not started. */
  #origin: number | null = null
  #startedAt: number | null = null
  #missed = 0

  /** @param options.now monotonic milliseconds */
  constructor(options: {
    targets: readonly string[]
    intervalMs: number
    run: (target: string) => Promise<void>
    now?: () => number
  }) {
    this.#intervalMs = options.intervalMs
    this.#run = options.run
    this.#now = options.now ?? (() => performance.now())
    this.#lateness = new Lateness(latenessSize(options.targets.length, options.intervalMs))
    for (const target of options.targets) this.#targets.add(target)
  }

  start(): void {
    if (this.#origin !== null) return
    this.#origin = this.#now()
    for (const target of this.#targets) this.#begin(target)
  }

  /** Takes a new set of targets: one that stays keeps its turns, one that left has none any more. */
  setTargets(targets: readonly string[]): void {
    const wanted = new Set(targets)
    for (const target of this.#targets) if (!wanted.has(target)) this.#end(target)
    this.#lateness.grow(latenessSize(wanted.size, this.#intervalMs))
    for (const target of wanted) {
      if (this.#targets.has(target)) continue
      this.#targets.add(target)
      this.#begin(target)
    }
  }

  close(): void {
    this.#origin = null
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  figures(): ScheduleFigures {
    const at = this.#now()
    if (!this.#kept || at - this.#kept.at >= FIGURES_KEPT_MS) {
      this.#kept = {
        at,
        latenessP99Ms: rounded(this.#lateness.p99Since(at - LATENESS_WINDOW_MS)),
        recentLatenessMs: rounded(this.#lateness.p99Since(at - 2 * this.#intervalMs)),
      }
    }
    const { latenessP99Ms, recentLatenessMs } = this.#kept
    return {
      latenessP99Ms,
      recentLatenessMs,
      missed: this.#missed,
      startedAgeMs: this.#startedAt === null ? null : at - this.#startedAt,
    }
  }

  /** Its first turn is the next one of its own place in the interval, whenever it came. */
  #begin(target: string): void {
    if (this.#origin === null) return
    const first = this.#origin + offsetOf(target, this.#intervalMs)
    const turns = Math.max(0, Math.ceil((this.#now() - first) / this.#intervalMs))
    const due = first + turns * this.#intervalMs
    this.#arm(target, due, due)
  }

  #end(target: string): void {
    this.#targets.delete(target)
    this.#skipped.delete(target)
    clearTimeout(this.#timers.get(target))
    this.#timers.delete(target)
  }

  #arm(target: string, due: number, at: number): void {
    if (this.#origin === null) return
    const timer = setTimeout(() => this.#fire(target, due), Math.max(0, at - this.#now()))
    this.#timers.set(target, timer)
  }

  #fire(target: string, due: number): void {
    const intervalMs = this.#intervalMs
    const at = this.#now()
    const late = Math.max(0, at - due)
    if (late >= intervalMs && !this.#skipped.has(target)) {
      // Its turn is over. The next one comes at its own time, which is spread already; but on a machine that is always late
      // not every turn may be over.
      const turns = Math.floor(late / intervalMs) + 1
      this.#missed += turns
      this.#lateness.record(at, late)
      this.#skipped.add(target)
      const next = due + turns * intervalMs
      this.#arm(target, next, next)
      return
    }
    if (at >= this.#slice.until) this.#slice = { until: at + SLICE_MS, begun: 0 }
    if (this.#slice.begun >= this.#sliceCeiling) {
      this.#arm(target, due, this.#slice.until)
      return
    }
    this.#slice.begun += 1
    this.#skipped.delete(target)
    this.#lateness.record(at, late)
    this.#startedAt = at
    const turns = Math.floor(late / intervalMs)
    this.#missed += turns
    const next = due + (turns + 1) * intervalMs
    this.#arm(target, next, next)
    if (this.#busy.has(target)) {
      this.#missed += 1
      return
    }
    this.#busy.add(target)
    this.#run(target)
      .catch(() => {
        // A poll is a value; what its consumers throw is logged where it happens, and must not end the schedule.
      })
      .finally(() => this.#busy.delete(target))
  }

  get #sliceCeiling(): number {
    return SLICE_MINIMUM + Math.ceil((2 * this.#targets.size * SLICE_MS) / this.#intervalMs)
  }
}

/** Room for a minute of all targets. */
const latenessSize = (targets: number, intervalMs: number): number =>
  Math.min(MAX_LATENESS_SAMPLES, Math.max(1_000, targets * Math.ceil(LATENESS_WINDOW_MS / intervalMs + 1)))

const rounded = (ms: number): number => Math.round(ms * 10) / 10
