import { realTimers, type Timers } from '../../time/timers.ts'
import { Lateness } from './lateness.ts'

/** Who has a turn every so many milliseconds. */
export interface ScheduleTarget {
  readonly id: string
  readonly intervalMs: number
}

export interface ScheduleFigures {
  /** Over the last minute. */
  latenessP99Ms: number
  /** Over the last two of the shortest intervals: what holds at the moment. */
  recentLatenessMs: number
  missed: number
  /** Runs that are under way. */
  underWay: number
  /** Runs that had to wait because too many were under way. */
  held: number
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
/** Runs at once: what a thousand silent nodes may hold open until their deadlines. */
const MAX_UNDER_WAY = 256

/**
 * Turns begin at whole multiples of this: those of one moment cost the process one awakening, and their answers come together. Of a process that
 * wakes up for each poll, a third of the time goes into bringing its code back into the caches of the processor.
 */
const GRAIN_MS = 100

/** A place in [0, intervalMs) that a target always keeps (FNV-1a), so that a thousand of them do not fire at once. */
export const offsetOf = (id: string, intervalMs: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193) >>> 0
  const place = hash % intervalMs
  return place - (place % GRAIN_MS)
}

/** One target with its turns. */
interface Entry {
  readonly id: string
  readonly intervalMs: number
  timer: unknown
  /** Its last turn was over before it could begin. */
  wasSkipped: boolean
}

/**
 * Runs `run` for every target once in its interval, at absolute times spread over it. A slow poll never shifts the next one, polls of
 * one target never overlap, and a missed one is counted, not made up for. After a pause of the whole process those that are due
 * begin in slices, not all at once, and where too many are under way the next ones wait for a place. Targets come and go, and change
 * their intervals, without moving the others' turns.
 */
export class Schedule {
  readonly #run: (target: string) => Promise<void>
  readonly #now: () => number
  readonly #maxUnderWay: number
  readonly #timers: Timers
  readonly #lateness: Lateness
  readonly #entries = new Map<string, Entry>()
  /** Whose run is under way, or waits for a place; also where its interval has changed meanwhile. */
  readonly #busy = new Set<string>()
  /** Those whose turn has come and who wait for a place, the oldest first. */
  readonly #waiting: { entry: Entry; due: number }[] = []
  #slice = { until: Number.NEGATIVE_INFINITY, begun: 0 }
  #sliceCeiling = SLICE_MINIMUM
  #shortestIntervalMs: number | null = null
  #kept: { at: number; latenessP99Ms: number; recentLatenessMs: number } | null = null
  /** When all turns count from; null while it is not started. */
  #origin: number | null = null
  #startedAt: number | null = null
  #missed = 0
  #underWay = 0
  #held = 0

  /** @param options.now monotonic milliseconds */
  constructor(options: {
    targets: readonly ScheduleTarget[]
    run: (target: string) => Promise<void>
    maxUnderWay?: number
    now?: () => number
    timers?: Timers
  }) {
    this.#timers = options.timers ?? realTimers
    this.#run = options.run
    this.#now = options.now ?? (() => performance.now())
    this.#maxUnderWay = options.maxUnderWay ?? MAX_UNDER_WAY
    this.#lateness = new Lateness(latenessSize(options.targets))
    this.setTargets(options.targets)
  }

  start(): void {
    if (this.#origin !== null) return
    this.#origin = this.#now()
    for (const entry of this.#entries.values()) this.#begin(entry)
  }

  /** Takes a new set of targets: one that stays keeps its turns, one that left has none any more. */
  setTargets(targets: readonly ScheduleTarget[]): void {
    const wanted = new Map(targets.map((target) => [target.id, target.intervalMs]))
    for (const entry of this.#entries.values())
      if (wanted.get(entry.id) !== entry.intervalMs) this.#end(entry)
    this.#lateness.grow(latenessSize(targets))
    const perSlice = targets.reduce((sum, { intervalMs }) => sum + SLICE_MS / intervalMs, 0)
    this.#sliceCeiling = SLICE_MINIMUM + Math.ceil(2 * perSlice)
    this.#shortestIntervalMs =
      targets.length === 0
        ? null
        : targets.reduce((least, { intervalMs }) => Math.min(least, intervalMs), Number.POSITIVE_INFINITY)
    for (const { id, intervalMs } of targets) {
      if (this.#entries.has(id)) continue
      const entry: Entry = { id, intervalMs, timer: undefined, wasSkipped: false }
      this.#entries.set(id, entry)
      this.#begin(entry)
    }
  }

  close(): void {
    this.#origin = null
    this.#waiting.length = 0
    for (const entry of this.#entries.values()) this.#timers.clear(entry.timer)
  }

  /** The shortest interval of all targets; null without any. */
  get shortestIntervalMs(): number | null {
    return this.#shortestIntervalMs
  }

  figures(): ScheduleFigures {
    const at = this.#now()
    if (!this.#kept || at - this.#kept.at >= FIGURES_KEPT_MS) {
      const recentMs = 2 * (this.#shortestIntervalMs ?? 0)
      this.#kept = {
        at,
        latenessP99Ms: rounded(this.#lateness.p99Since(at - LATENESS_WINDOW_MS)),
        recentLatenessMs: rounded(this.#lateness.p99Since(at - recentMs)),
      }
    }
    const { latenessP99Ms, recentLatenessMs } = this.#kept
    return {
      latenessP99Ms,
      recentLatenessMs,
      missed: this.#missed,
      underWay: this.#underWay,
      held: this.#held,
      startedAgeMs: this.#startedAt === null ? null : at - this.#startedAt,
    }
  }

  /** Its first turn is the next one of its own place in the interval, whenever it came. */
  #begin(entry: Entry): void {
    if (this.#origin === null) return
    const { id, intervalMs } = entry
    const first = this.#origin + offsetOf(id, intervalMs)
    const turns = Math.max(0, Math.ceil((this.#now() - first) / intervalMs))
    const due = first + turns * intervalMs
    this.#arm(entry, due, due)
  }

  #end(entry: Entry): void {
    this.#entries.delete(entry.id)
    this.#timers.clear(entry.timer)
    const place = this.#waiting.findIndex((each) => each.entry === entry)
    if (place < 0) return
    this.#waiting.splice(place, 1)
    this.#busy.delete(entry.id)
  }

  #arm(entry: Entry, due: number, at: number): void {
    if (this.#origin === null) return
    entry.timer = this.#timers.set(() => this.#fire(entry, due), Math.max(0, at - this.#now()))
  }

  #fire(entry: Entry, due: number): void {
    const { intervalMs } = entry
    const at = this.#now()
    const late = Math.max(0, at - due)
    if (late >= intervalMs && !entry.wasSkipped) {
      // Its turn is over. The next one comes at its own time, which is spread already; but on a machine that is always late
      // not every turn may be over.
      const turns = Math.floor(late / intervalMs) + 1
      this.#missed += turns
      this.#lateness.record(at, late)
      entry.wasSkipped = true
      const next = due + turns * intervalMs
      this.#arm(entry, next, next)
      return
    }
    if (at >= this.#slice.until) this.#slice = { until: at + SLICE_MS, begun: 0 }
    if (this.#slice.begun >= this.#sliceCeiling) {
      this.#arm(entry, due, this.#slice.until)
      return
    }
    this.#slice.begun += 1
    entry.wasSkipped = false
    const turns = Math.floor(late / intervalMs)
    this.#missed += turns
    const next = due + (turns + 1) * intervalMs
    this.#arm(entry, next, next)
    if (this.#busy.has(entry.id)) {
      this.#lateness.record(at, late)
      this.#missed += 1
      return
    }
    this.#busy.add(entry.id)
    if (this.#underWay < this.#maxUnderWay) {
      this.#start(entry, due)
      return
    }
    this.#held += 1
    this.#waiting.push({ entry, due })
  }

  #start(entry: Entry, due: number): void {
    const at = this.#now()
    this.#lateness.record(at, Math.max(0, at - due))
    this.#startedAt = at
    this.#underWay += 1
    this.#run(entry.id)
      .catch(() => {
        // A poll is a value; what its consumers throw is logged where it happens, and must not end the schedule.
      })
      .finally(() => {
        this.#busy.delete(entry.id)
        this.#underWay -= 1
        const next = this.#waiting.shift()
        if (next !== undefined) this.#start(next.entry, next.due)
      })
  }
}

/** Room for a minute of all targets. */
const latenessSize = (targets: readonly ScheduleTarget[]): number =>
  Math.min(
    MAX_LATENESS_SAMPLES,
    Math.max(
      1_000,
      targets.reduce((sum, { intervalMs }) => sum + Math.ceil(LATENESS_WINDOW_MS / intervalMs + 1), 0),
    ),
  )

const rounded = (ms: number): number => Math.round(ms * 10) / 10
