/** How late things began, within a span of time and by a ceiling of samples. */
export interface Lateness {
  /** Both in monotonic ms. */
  record(at: number, lateMs: number): void
  /** The 99th percentile since `from`; 0 where nothing was recorded. */
  p99Since(from: number): number
}

/** A ring over typed arrays: a thousand targets polled once a second are sixty thousand samples a minute. */
export const createLateness = (size: number): Lateness => {
  const times = new Float64Array(size)
  const values = new Float64Array(size)
  let written = 0
  return {
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
