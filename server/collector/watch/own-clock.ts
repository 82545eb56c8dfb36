import { realTimers, type Timers } from '../../time/timers.ts'

const TICK_MS = 250
/** A pause of the event loop that can make a healthy node look silent. */
const HICCUP_MS = 500
const MAX_HICCUPS = 50
/** However often nodes are polled: a tick of our own is no stall. */
const MIN_STALL_MS = 1_000
/** Lateness of a tick that every busy process has now and then. */
const LAG_MS = 20
const MAX_LAGS = 200

export interface OwnClockOptions {
  /** The shortest interval at which anything is looked at. */
  intervalMs: () => number
  /** Wall clock of both ends, epoch ms. */
  onStall: (from: number, to: number) => void
  wall?: () => number
  monotonic?: () => number
  timers?: Timers
}

/** Monotonic ms. */
interface Span {
  readonly from: number
  readonly to: number
}

/**
 * Watches the collector itself: was it able to look at all? Ticks four times a second and compares. A tick that is more than two
 * of the shortest intervals late, or a wall clock that jumped ahead of the monotonic one (a suspended machine: CLOCK_MONOTONIC stands still meanwhile),
 * is a stall.
 */
export class OwnClock {
  readonly #onStall: OwnClockOptions['onStall']
  readonly #wall: () => number
  readonly #monotonic: () => number
  readonly #timers: Timers
  readonly #intervalMs: () => number
  readonly #hiccups: Span[] = []
  readonly #lags: Span[] = []
  #timer: unknown = null
  #lastWall = 0
  #lastMonotonic = 0

  constructor({ intervalMs, onStall, wall, monotonic, timers }: OwnClockOptions) {
    this.#timers = timers ?? realTimers
    this.#onStall = onStall
    this.#wall = wall ?? Date.now
    this.#monotonic = monotonic ?? (() => performance.now())
    this.#intervalMs = intervalMs
  }

  start(): void {
    if (this.#timer !== null) return
    this.#lastWall = this.#wall()
    this.#lastMonotonic = this.#monotonic()
    this.#arm()
  }

  close(): void {
    if (this.#timer !== null) this.#timers.clear(this.#timer)
    this.#timer = null
  }

  #arm(): void {
    const timer = this.#timers.set(() => this.#tick(), TICK_MS)
    this.#timer = timer
    // It keeps no process alive.
    if (timer instanceof Object && 'unref' in timer && typeof timer.unref === 'function') timer.unref()
  }

  /** True where the event loop stood still for a good part of this span (monotonic ms), so that a timeout in it proves nothing. */
  stoodStill(from: number, to: number): boolean {
    // The tick that would notice may itself still be waiting behind the callback that asks.
    const waiting = this.#timer !== null && to - this.#lastMonotonic > TICK_MS + HICCUP_MS
    return waiting || this.#hiccups.some((hiccup) => hiccup.from < to && hiccup.to > from)
  }

  /** Milliseconds of this span (monotonic ms) for which our own event loop kept others waiting: no fault of whom we asked. */
  lagBetween(from: number, to: number): number {
    const due = this.#lastMonotonic + TICK_MS
    const waiting = this.#timer !== null && to - due > LAG_MS ? [{ from: due, to }] : []
    return [...this.#lags, ...waiting].reduce(
      (sum, lag) => sum + Math.max(0, Math.min(lag.to, to) - Math.max(lag.from, from)),
      0,
    )
  }

  #tick(): void {
    this.#arm()
    const wall = this.#wall()
    const monotonic = this.#monotonic()
    const before = this.#lastMonotonic
    const passed = monotonic - before
    if (passed > TICK_MS + HICCUP_MS) {
      this.#hiccups.push({ from: before, to: monotonic })
      if (this.#hiccups.length > MAX_HICCUPS) this.#hiccups.shift()
    }
    if (passed > TICK_MS + LAG_MS) {
      this.#lags.push({ from: before + TICK_MS, to: monotonic })
      if (this.#lags.length > MAX_LAGS) this.#lags.shift()
    }
    const from = this.#lastWall
    this.#lastWall = wall
    this.#lastMonotonic = monotonic
    if (Math.max(passed, wall - from) > Math.max(MIN_STALL_MS, 2 * this.#intervalMs()))
      this.#onStall(from, wall)
  }
}
