export interface RateOptions {
  /** So many of them pass in each second; the rest is left out. */
  perSecond: number
  /** Of those above the limit every nth still passes, so that a flood stays visible. Default: none. */
  sampleEvery?: number
  /** Monotonic clock in milliseconds; for tests. */
  now?: () => number
}

const WINDOW_MS = 1_000

/**
 * Lets so many a second pass and counts exactly what it leaves out. For what is worth telling one by one until there is too much of
 * it: events, lines of the log.
 */
export class Rate {
  readonly #perSecond: number
  readonly #sampleEvery: number
  readonly #now: () => number
  #windowStart = Number.NEGATIVE_INFINITY
  #inWindow = 0
  #passed = 0
  #leftOut = 0

  constructor({ perSecond, sampleEvery = 0, now = () => performance.now() }: RateOptions) {
    this.#perSecond = perSecond
    this.#sampleEvery = sampleEvery
    this.#now = now
  }

  /** Whether this one passes. Each call counts as one, passed or left out. */
  take(): boolean {
    const now = this.#now()
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#windowStart = now
      this.#inWindow = 0
    }
    this.#inWindow += 1
    const above = this.#inWindow - this.#perSecond
    const passes = above <= 0 || (this.#sampleEvery > 0 && above % this.#sampleEvery === 0)
    if (passes) this.#passed += 1
    else this.#leftOut += 1
    return passes
  }

  /** Since the start. */
  get passed(): number {
    return this.#passed
  }

  /** Since the start. With `passed` it is the number of calls. */
  get leftOut(): number {
    return this.#leftOut
  }
}
