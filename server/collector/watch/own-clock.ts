/** Watches the collector itself: was it able to look at all? */
export interface OwnClock {
  start(): void
  close(): void
  /** True where the event loop stood still for a good part of this span (monotonic ms), so that a timeout in it proves nothing. */
  stoodStill(from: number, to: number): boolean
  /** Milliseconds of this span (monotonic ms) for which our own event loop kept others waiting: no fault of whom we asked. */
  lagBetween(from: number, to: number): number
}

const TICK_MS = 250
/** A pause of the event loop that can make a healthy node look silent. */
const HICCUP_MS = 500
const MAX_HICCUPS = 50
/** However often nodes are polled: a tick of our own is no stall. */
const MIN_STALL_MS = 1_000
/** Lateness of a tick that every busy process has now and then. */
const LAG_MS = 20
const MAX_LAGS = 200

/**
 * Ticks four times a second and compares. A tick that is more than two poll intervals late, or a wall clock that jumped
 * ahead of the monotonic one (a suspended machine: CLOCK_MONOTONIC stands still meanwhile), is a stall.
 */
export const createOwnClock = (options: {
  intervalMs: number
  /** Wall clock of both ends, epoch ms. */
  onStall: (from: number, to: number) => void
  wall?: () => number
  monotonic?: () => number
}): OwnClock => {
  const wall = options.wall ?? Date.now
  const monotonic = options.monotonic ?? (() => performance.now())
  const stallMs = Math.max(MIN_STALL_MS, 2 * options.intervalMs)
  let timer: NodeJS.Timeout | null = null
  let lastWall = 0
  let lastMonotonic = 0
  const hiccups: { from: number; to: number }[] = []
  const lags: { from: number; to: number }[] = []

  const tick = (): void => {
    const nowWall = wall()
    const nowMonotonic = monotonic()
    const passed = nowMonotonic - lastMonotonic
    if (passed > TICK_MS + HICCUP_MS) {
      hiccups.push({ from: lastMonotonic, to: nowMonotonic })
      if (hiccups.length > MAX_HICCUPS) hiccups.shift()
    }
    if (passed > TICK_MS + LAG_MS) {
      lags.push({ from: lastMonotonic + TICK_MS, to: nowMonotonic })
      if (lags.length > MAX_LAGS) lags.shift()
    }
    const from = lastWall
    lastWall = nowWall
    lastMonotonic = nowMonotonic
    if (Math.max(passed, nowWall - from) > stallMs) options.onStall(from, nowWall)
  }

  return {
    start() {
      if (timer) return
      lastWall = wall()
      lastMonotonic = monotonic()
      timer = setInterval(tick, TICK_MS)
      timer.unref()
    },
    close() {
      if (timer) clearInterval(timer)
      timer = null
    },
    stoodStill(from, to) {
      // The tick that would notice may itself still be waiting behind the callback that asks.
      const waiting = timer !== null && to - lastMonotonic > TICK_MS + HICCUP_MS
      return waiting || hiccups.some((hiccup) => hiccup.from < to && hiccup.to > from)
    },
    lagBetween(from, to) {
      const due = lastMonotonic + TICK_MS
      const waiting = timer !== null && to - due > LAG_MS ? [{ from: due, to }] : []
      return [...lags, ...waiting].reduce(
        (sum, lag) => sum + Math.max(0, Math.min(lag.to, to) - Math.max(lag.from, from)),
        0,
      )
    },
  }
}
