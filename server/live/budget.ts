/** An allowance that is spent and comes back evenly. Its owner decides what it counts: messages, or ms of work. */
export class Budget {
  readonly #capacity: number
  readonly #perMs: number
  readonly #now: () => number
  #left: number
  #at: number

  constructor(capacity: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#capacity = capacity
    this.#perMs = perSecond / 1_000
    this.#now = now
    this.#left = capacity
    this.#at = now()
  }

  /** True while something is left; the last piece may be larger than that, and the difference is then owed. */
  get hasLeft(): boolean {
    return this.#refresh() > 0
  }

  get isFull(): boolean {
    return this.#refresh() >= this.#capacity
  }

  /** How long until something is left again, in ms. */
  get waitMs(): number {
    const left = this.#refresh()
    return left > 0 ? 0 : Math.ceil((1 - left) / this.#perMs)
  }

  spend(amount: number): void {
    this.#left = this.#refresh() - amount
  }

  /** Spends one where one is left. */
  tryOne(): boolean {
    if (this.#refresh() < 1) return false
    this.#left -= 1
    return true
  }

  #refresh(): number {
    const now = this.#now()
    this.#left = Math.min(this.#capacity, this.#left + Math.max(0, now - this.#at) * this.#perMs)
    this.#at = now
    return this.#left
  }
}
