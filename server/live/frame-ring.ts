import type { FleetEvent } from '../contract/events.ts'
import type { SamplePoint } from '../contract/live.ts'

/** The part of an event that decides whom it concerns. */
export interface EventFacts {
  type: string
  region: string | null
  node: string | null
  data: { incidentId?: unknown; drainId?: unknown }
}

/** One thing that was published, written as JSON once for all who get it. */
export type Entry =
  | { seq: number; kind: 'event'; facts: EventFacts; json: string }
  | { seq: number; kind: 'samples'; points: readonly SamplePoint[]; json: string }

export const eventEntry = (seq: number, event: FleetEvent): Entry => {
  const { type, region, node, data } = event
  const facts = { type, region, node, data: { incidentId: data.incidentId, drainId: data.drainId } }
  return { seq, kind: 'event', facts, json: JSON.stringify(event) }
}

export const samplesEntry = (seq: number, points: readonly SamplePoint[]): Entry => ({
  seq,
  kind: 'samples',
  points,
  json: JSON.stringify(points),
})

/** The newest entries, for clients that come back: bounded by count and by what they weigh. */
export class FrameRing {
  readonly #maxEntries: number
  readonly #maxBytes: number
  #entries: Entry[] = []
  /** Index of the oldest one that is kept; what comes before it is removed in one piece. */
  #first = 0
  #bytes = 0
  #evictedSeq = 0

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#entries.length - this.#first
  }

  get bytes(): number {
    return this.#bytes
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.json.length
    while (this.size > this.#maxEntries || (this.#bytes > this.#maxBytes && this.size > 0)) {
      const oldest = this.#entries[this.#first] as Entry
      this.#first++
      this.#bytes -= oldest.json.length
      this.#evictedSeq = oldest.seq
    }
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }

  /** What followed `seq`, oldest first; null where some of it is no longer kept. */
  after(seq: number): Entry[] | null {
    if (seq < this.#evictedSeq) return null
    let low = this.#first
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle] as Entry).seq > seq) high = middle
      else low = middle + 1
    }
    return this.#entries.slice(low)
  }
}
