/** All jitter: waits between 0 and the ceiling. For many who would come back at the same instant. */
export const FULL_JITTER = 1
/** Half the ceiling is always waited, the other half is random. For one peer that must not be asked in a loop. */
export const EQUAL_JITTER = 0.5

export interface BackoffOptions {
  /** Ceiling of the first wait, in milliseconds; doubled with each further failure. */
  baseMs: number
  /** No wait is longer, in milliseconds. */
  maxMs: number
  /** Share of the wait that is random, from 0 (none) to 1 (all). Default: `EQUAL_JITTER`. */
  jitter?: number
  /** From 0 (included) to 1 (excluded); for tests. */
  random?: () => number
}

/** 2³⁰ times the base is above every ceiling; a larger exponent would only lose its precision. */
const MAX_DOUBLINGS = 30

/** How long to wait before the next attempt: `min(base · 2ⁿ, max)`, less its random share. Counts failures until `reset`. */
export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Counts one failure and answers the wait after it, in milliseconds. */
  next(): number {
    this.#failures += 1
    return this.current()
  }

  /** A wait for the failures counted so far, in milliseconds, drawn again with each call; 0 where there were none. */
  current(): number {
    if (this.#failures === 0) return 0
    const { baseMs, maxMs, jitter = EQUAL_JITTER, random = Math.random } = this.#options
    const ceilingMs = Math.min(baseMs * 2 ** Math.min(this.#failures - 1, MAX_DOUBLINGS), maxMs)
    return ceilingMs * (1 - jitter + jitter * random())
  }

  /** It works again: the next failure waits the shortest time. */
  reset(): void {
    this.#failures = 0
  }
}
