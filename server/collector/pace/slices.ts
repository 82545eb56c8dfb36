import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Long work in slices: between two of them everybody else has a turn of the event loop. What the work reads may have changed by then.
 *
 * ```ts
 * for (const item of items) {
 *   if (slices.isOver) await slices.rest()
 *   look(item)
 * }
 * ```
 */
export class Slices {
  readonly #sliceMs: number
  #began = performance.now()

  /** @param sliceMs how long the event loop may be held at once */
  constructor(sliceMs = 10) {
    this.#sliceMs = sliceMs
  }

  /** Whether the loop has been held for long enough. */
  get isOver(): boolean {
    return performance.now() - this.#began >= this.#sliceMs
  }

  /** Lets others have their turn, and begins the next slice. */
  async rest(): Promise<void> {
    await nextTurn()
    this.#began = performance.now()
  }
}
