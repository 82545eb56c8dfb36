const NONE = Buffer.alloc(0)
const FIRST_BYTES = 256

/**
 * The first bytes of a connection, kept until their reader knows enough. It holds at most its ceiling and what one read brought beyond
 * it, however small the pieces are.
 */
export class Peek {
  readonly #maxBytes: number
  #kept = NONE
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** All bytes so far; valid until the next `add`. */
  get bytes(): Buffer {
    return this.#kept.subarray(0, this.#length)
  }

  /** The ceiling is reached: a reader that still does not know enough must refuse. */
  get full(): boolean {
    return this.#length >= this.#maxBytes
  }

  /** Keeps a copy of the first `length` bytes of `buffer`. */
  add(buffer: Buffer, length: number): void {
    const needed = this.#length + length
    if (needed > this.#kept.length) {
      const grown = Buffer.allocUnsafe(Math.max(FIRST_BYTES, 2 * this.#kept.length, needed))
      this.#kept.copy(grown, 0, 0, this.#length)
      this.#kept = grown
    }
    buffer.copy(this.#kept, this.#length, 0, length)
    this.#length = needed
  }
}
