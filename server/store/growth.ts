const hour = 3_600_000
const day = 24 * hour

/** How much time it takes to estimate a pace. */
const leastMs = hour / 6
/** One figure is kept for each such interval, for a day. */
const everyMs = 5 * 60_000

/** How fast the database grows, from sizes seen since the start. Freed pages count as free, so that a pruned row shrinks it. */
export class Growth {
  readonly #now: () => number
  #seen: { at: number; bytes: number }[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  saw(bytes: number): void {
    const at = this.#now()
    const last = this.#seen.at(-1)
    if (last !== undefined && this.#seen.length > 1 && at - (this.#seen.at(-2)?.at ?? 0) < everyMs)
      this.#seen.pop()
    this.#seen.push({ at, bytes })
    while (at - (this.#seen[0]?.at ?? at) > day) this.#seen.shift()
  }

  /** Bytes a day; null until enough time has passed. */
  get perDay(): number | null {
    const [first] = this.#seen
    const last = this.#seen.at(-1)
    if (first === undefined || last === undefined || last.at - first.at < leastMs) return null
    return Math.round(((last.bytes - first.bytes) / (last.at - first.at)) * day)
  }
}
