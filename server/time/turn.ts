/**
 * A serial queue of asynchronous work: one piece at a time, in the order in which it was asked for. A piece that fails does not
 * stop the next; its own caller gets the rejection.
 */
export class Turn {
  #last: Promise<unknown> = Promise.resolve()
  #pending = 0

  /** Pieces that run or wait, for callers that need a ceiling or a gauge. */
  get pending(): number {
    return this.#pending
  }

  /**
   * Runs `work` after everything asked for before it, never in the same tick. Answers what it answers, rejects with what it throws. Work
   * that waits for another turn of the same queue waits forever: call such work directly.
   */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    this.#pending += 1
    const result = this.#last.then(work).finally(() => {
      this.#pending -= 1
    })
    // The queue itself never fails, so that a rejection reaches its caller alone and the next piece still runs.
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Resolves when everything asked for so far has ended, failed or not. */
  async settled(): Promise<void> {
    await this.#last
  }
}
