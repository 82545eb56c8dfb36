/** How late things began, in a ring over typed arrays: a thousand targets polled once a second are sixty thousand samples a minute. */
export class Lateness {
  #size: number
  #times: Float64Array
  #values: Float64Array
  #written = 0

  /** @param size samples that are kept */
  constructor(size: number) {
    this.#size = size
    this.#times = new Float64Array(size)
    this.#values = new Float64Array(size)
  }

  /** Makes room for more samples; what is kept stays. A smaller size changes nothing. */
  grow(size: number): void {
    if (size <= this.#size) return
    this.#times = this.#inOrder(this.#times, size)
    this.#values = this.#inOrder(this.#values, size)
    this.#written = Math.min(this.#written, this.#size)
    this.#size = size
  }

  /** Both in monotonic ms. */
  record(at: number, lateMs: number): void {
    this.#times[this.#written % this.#size] = at
    this.#values[this.#written % this.#size] = lateMs
    this.#written += 1
  }

  /** The 99th percentile since `from`; 0 where nothing was recorded. */
  p99Since(from: number): number {
    const kept: number[] = []
    for (let index = this.#written - 1; index >= 0 && index >= this.#written - this.#size; index -= 1) {
      if ((this.#times[index % this.#size] ?? 0) < from) break
      kept.push(this.#values[index % this.#size] ?? 0)
    }
    const sorted = Float64Array.from(kept).sort()
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
  }

  /** What a ring keeps, oldest first, in a larger one. */
  #inOrder(ring: Float64Array, size: number): Float64Array {
    const count = Math.min(this.#written, this.#size)
    const next = new Float64Array(size)
    for (let index = 0; index < count; index += 1)
      next[index] = ring[(this.#written - count + index) % this.#size] ?? 0
    return next
  }
}
