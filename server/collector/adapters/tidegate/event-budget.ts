/** What one node may send: a burst at once, and a rate for long. */
export interface EventAllowance {
  eventsPerSecond: number
  burstEvents: number
  bytesPerSecond: number
  burstBytes: number
}

/**
 * A node's whole ring at once, five times over, and then ten times what a busy node tells of itself. Beyond it the node is read
 * more slowly; what its own ring forgets meanwhile is its loss alone.
 */
export const EVENT_ALLOWANCE: EventAllowance = {
  eventsPerSecond: 1_000,
  burstEvents: 60_000,
  bytesPerSecond: 512 * 1024,
  burstBytes: 48 * 1024 * 1024,
}

/** Two leaky buckets, one of events and one of bytes. Times are monotonic ms. */
export class EventBudget {
  readonly #allowance: EventAllowance
  #events: number
  #bytes: number
  #at: number

  constructor(now: number, allowance: EventAllowance = EVENT_ALLOWANCE) {
    this.#allowance = allowance
    this.#events = allowance.burstEvents
    this.#bytes = allowance.burstBytes
    this.#at = now
  }

  /** Takes one event of `bytes`; answers how many ms to wait before the next. */
  take(bytes: number, now: number): number {
    const { eventsPerSecond, burstEvents, bytesPerSecond, burstBytes } = this.#allowance
    const passed = Math.max(0, now - this.#at) / 1_000
    this.#at = now
    this.#events = Math.min(burstEvents, this.#events + passed * eventsPerSecond) - 1
    this.#bytes = Math.min(burstBytes, this.#bytes + passed * bytesPerSecond) - bytes
    const short = Math.max(-this.#events / eventsPerSecond, -this.#bytes / bytesPerSecond, 0)
    return Math.ceil(short * 1_000)
  }
}
