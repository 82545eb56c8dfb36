/**
 * How much of one number that a program counts is our own asking. A poll without an answer may still have been counted, and perhaps later
 * than the next one: it is taken off where the number has room for it, and given up once the program has answered twice since.
 */
export class OwnPolls {
  /** As it was read last. */
  #last = 0
  /** Asked since it was read last. */
  #fresh = 0
  /** Asked before that, and not seen in the number yet. */
  #late = 0
  #ours = 0

  /** We asked, whatever became of the answer. */
  ask(times = 1): void {
    this.#fresh += times
  }

  /** Another process answered: what its predecessor was asked is in none of its numbers. */
  begin(): void {
    this.#last = 0
    this.#fresh = 1
    this.#late = 0
    this.#ours = 0
  }

  /**
   * How much of `count`, as it was just read, is ours.
   *
   * @param each how much one poll adds
   */
  of(count: number, each = 1): number {
    const rose = Math.max(0, count - this.#last)
    const seen = each === 0 ? 0 : Math.min(this.#late + this.#fresh, rose / each)
    this.#late = Math.max(0, this.#fresh - seen)
    this.#fresh = 0
    this.#last = count
    this.#ours += seen * each
    return this.#ours
  }
}
