import type { WatchedNode } from './store.ts'

/** So many intervals without a sample are a hole. */
export const HOLE_INTERVALS = 3

interface Patience {
  /** Longer without a sample is a hole, ms. */
  holeMs: number
  /** It was longer before this moment (epoch ms), when the interval became shorter; null where it never did. */
  shortened: { at: number; holeMs: number } | null
}

/** How long each node may be without a sample until one is missing. */
export class Holes {
  /** Of a node of which nobody said how often it is polled. */
  readonly #usualMs: number
  #patience = new Map<string, Patience>()

  constructor(usualMs: number) {
    this.#usualMs = usualMs
  }

  /** How often each node is polled from `now` (epoch ms) on. */
  setWatched(nodes: readonly WatchedNode[], now: number): void {
    const before = this.#patience
    this.#patience = new Map(
      nodes.map(({ id, intervalMs }) => {
        const holeMs = HOLE_INTERVALS * intervalMs
        const known = before.get(id)
        if (known === undefined || holeMs > known.holeMs) return [id, { holeMs, shortened: null }]
        if (holeMs === known.holeMs) return [id, known]
        return [id, { holeMs, shortened: { at: now, holeMs: known.holeMs } }]
      }),
    )
  }

  /** Whether something is missing between two samples of a node, or since its last one (epoch ms). */
  isHole(node: string, from: number, to: number): boolean {
    const { holeMs, shortened } = this.#patience.get(node) ?? { holeMs: this.#usualMs, shortened: null }
    if (to - from <= holeMs) return false
    if (shortened === null || from >= shortened.at) return true
    // Who was asked seldom until a moment ago is not late before the new interval has passed.
    return to - from > shortened.holeMs || to - shortened.at > holeMs
  }
}
