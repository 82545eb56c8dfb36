/** How late things began, within a span of time and by a ceiling of samples. */
export interface Lateness {
  /** Both in monotonic ms. */
  record(at: number, lateMs: number): void
  /** The 99th percentile since `from`; 0 where nothing was recorded. */
  p99Since(from: number): number
  /** Makes room for more samples; what is kept stays. A smaller size changes nothing. */
  grow(size: number): void
}

/** A ring over typed arrays: a thousand targets polled once a second are sixty thousand samples a minute. */
export const createLateness = (sizeAtFirst: number): Lateness => {
  let size = sizeAtFirst
  let times = new Float64Array(size)
  let values = new Float64Array(size)
  let written = 0
  return {
    grow(larger) {
      if (larger <= size) return
      const count = Math.min(written, size)
      const inOrder = (ring: Float64Array): Float64Array<ArrayBuffer> => {
        const next = new Float64Array(larger)
        for (let index = 0; index < count; index += 1)
          next[index] = ring[(written - count + index) % size] ?? 0
        return next
      }
      times = inOrder(times)
      values = inOrder(values)
      written = count
      size = larger
    },
    record(at, lateMs) {
      times[written % size] = at
      values[written % size] = lateMs
      written += 1
    },
    p99Since(from) {
      const kept: number[] = []
      for (let index = written - 1; index >= 0 && index >= written - size; index -= 1) {
        if ((times[index % size] ?? 0) < from) break
        kept.push(values[index % size] ?? 0)
      }
      const sorted = Float64Array.from(kept).sort()
      return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
    },
  }
}
