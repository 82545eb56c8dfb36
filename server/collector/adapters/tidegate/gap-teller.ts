import type { StreamGap } from '../adapter.ts'

/** Gaps of one node are told at most this often: each is a row in the store, and a broken node may make one a moment. */
const EVERY_MS = 5_000

/** Tells the first gap at once, and those that follow soon after as one. */
export class GapTeller {
  readonly #onGap: (gap: StreamGap) => void
  #timer: NodeJS.Timeout | null = null
  #waiting: StreamGap | null = null
  /** How many other gaps the waiting one represents. */
  #more = 0

  constructor(onGap: (gap: StreamGap) => void) {
    this.#onGap = onGap
  }

  tell(gap: StreamGap): void {
    if (this.#timer === null) {
      this.#hand(gap)
      return
    }
    if (this.#waiting === null) {
      this.#waiting = gap
      return
    }
    this.#more += 1
    const { fromSeq, fromMs } = this.#waiting
    this.#waiting = { ...gap, fromSeq, fromMs: fromMs ?? gap.fromMs }
  }

  /** Tells at once what waits. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const gap = this.#takeWaiting()
    if (gap) this.#onGap(gap)
  }

  #hand(gap: StreamGap): void {
    this.#onGap(gap)
    this.#timer = setTimeout(() => {
      this.#timer = null
      const next = this.#takeWaiting()
      if (next) this.#hand(next)
    }, EVERY_MS)
  }

  #takeWaiting(): StreamGap | null {
    const gap = this.#waiting
    const more = this.#more
    this.#waiting = null
    this.#more = 0
    if (gap === null || more === 0) return gap
    return { ...gap, reason: `${gap.reason} (and ${more} more such gaps)` }
  }
}
