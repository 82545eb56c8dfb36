/** Part of a node's stream that cannot be had any more. */
export interface StreamGap {
  fromSeq: number
  /** Null where it is not known how much it was. */
  toSeq: number | null
  /** Null where it is not known since when. */
  fromMs: number | null
  toMs: number
  reason: string
}

/** Gaps of one node are told at most this often: each is a row in the store, and a broken node may make one a moment. */
const EVERY_MS = 5_000

/** Tells the first gap at once, and those that follow soon after as one. */
export const createGapTeller = (
  onGap: (gap: StreamGap) => void,
): { tell(gap: StreamGap): void; close(): void } => {
  let timer: NodeJS.Timeout | null = null
  let waiting: StreamGap | null = null
  let more = 0

  const due = (): void => {
    timer = null
    const gap = waiting
    if (!gap) return
    waiting = null
    const reason = more === 0 ? gap.reason : `${gap.reason} (and ${more} more such gaps)`
    more = 0
    hand({ ...gap, reason })
  }
  const hand = (gap: StreamGap): void => {
    onGap(gap)
    timer = setTimeout(due, EVERY_MS)
  }

  return {
    tell(gap) {
      if (!timer) return hand(gap)
      if (!waiting) {
        waiting = gap
        return
      }
      more += 1
      waiting = {
        ...gap,
        fromSeq: waiting.fromSeq,
        fromMs: waiting.fromMs ?? gap.fromMs,
      }
    },
    close() {
      if (timer) clearTimeout(timer)
      timer = null
      if (waiting) onGap(waiting)
      waiting = null
    },
  }
}
