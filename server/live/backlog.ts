/**
 * What a socket has been given and has not yet sent. The frame that is on its way does not count, however large it is: one snapshot of a
 * large fleet must not count against the reader who is receiving it.
 */
export class Backlog {
  readonly #frames: { length: number; at: number }[] = []
  #total = 0

  /** Characters that wait behind the first frame. */
  get length(): number {
    return this.#total - (this.#frames[0]?.length ?? 0)
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  /** How long the first frame has been on its way, in ms. */
  age(now: number): number {
    const [first] = this.#frames
    return first === undefined ? 0 : now - first.at
  }

  sent(length: number, now: number): void {
    this.#frames.push({ length, at: now })
    this.#total += length
  }

  /** The first frame has left; the clock of the next one starts. */
  left(now: number): void {
    this.#total -= this.#frames.shift()?.length ?? 0
    const [next] = this.#frames
    if (next !== undefined) next.at = now
  }
}
