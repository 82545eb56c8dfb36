/** A step of the clock below this is no step: NTP moves it by less, ms. */
const STEP_MS = 2_000

/** Notices a wall clock that was set back, by one that cannot be. */
export class ClockWatch {
  readonly #now: () => number
  readonly #monotonic: () => number
  #offset: number | null = null

  constructor({ now, monotonic }: { now: () => number; monotonic: () => number }) {
    this.#now = now
    this.#monotonic = monotonic
  }

  /** By how many ms it was set back; 0 where it was not. The same step is answered until {@link accept}. */
  setBackBy(): number {
    const offset = this.#now() - this.#monotonic()
    const back = this.#offset === null ? 0 : this.#offset - offset
    if (back >= STEP_MS) return back
    this.#offset = Math.max(this.#offset ?? offset, offset)
    return 0
  }

  /** What follows of the step was done. */
  accept(): void {
    this.#offset = this.#now() - this.#monotonic()
  }
}
