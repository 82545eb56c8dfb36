/** A clock that is wrong by more than this is a problem; what is less is corrected without a word. */
export const CLOCK_PROBLEM_MS = 5_000
/** A smaller difference is not corrected: it is within what delivery and a header of whole seconds leave open. */
const CORRECTED_MS = 1_000
/** Two readings of `Date` that differ by more than this, one before and one after a live event, mean that a clock was set. */
const DATE_SLACK_MS = 2_500
const KEPT = 20
/** So many live events in a row that agree with each other and not with those before them: the clock was set. */
const AGREEING = 3
const STEP_MS = 5_000
const AGREEMENT_MS = 1_000
/** What happened longer ago than this was not just read; such a time is a fault of the clock or of its author. */
const OLDEST_MS = 30 * 86_400_000

/**
 * How far one node's clock is ahead of ours, from its live events and, coarsely, from the `Date` of its answers; and its times
 * put into ours by that. A wrong clock of a node must not decide what came first in the fleet.
 */
export class NodeClock {
  #live: number[] = []
  #date: number | null = null
  #dateWithLive: number | null = null

  /** Milliseconds by which the node is ahead; null before anything was measured. */
  get skewMs(): number | null {
    const byDate = this.#date !== null && Math.abs(this.#date) >= DATE_SLACK_MS ? this.#date : null
    if (this.#live.length === 0) return byDate
    // Delivery only ever makes an event look older, so the largest difference is the one with the least delay in it.
    const byEvents = Math.max(...this.#live)
    const disagree = this.#date !== null && Math.abs(byEvents - this.#date) > DATE_SLACK_MS
    // One or two events may have been on their way for long.
    return disagree && this.#live.length < AGREEING ? byDate : byEvents
  }

  /** A live event: both times in epoch ms. */
  sawLive(at: number, receivedAt: number): void {
    this.#live = [...this.#live.slice(1 - KEPT), at - receivedAt]
    this.#dateWithLive ??= this.#date
    const last = this.#live.slice(-AGREEING)
    const newest = Math.max(...last)
    const agree = last.length === AGREEING && newest - Math.min(...last) <= AGREEMENT_MS
    if (agree && newest < Math.max(...this.#live) - STEP_MS) this.#live = last
  }

  /** The `Date` of an answer, which has whole seconds; `roundTripMs` is how long the answer took. */
  sawDate(date: number, receivedAt: number, roundTripMs: number): void {
    if (roundTripMs > 1_000) return
    this.#date = Math.round(date + 500 - (receivedAt - roundTripMs / 2))
    if (this.#dateWithLive === null) return
    if (Math.abs(this.#date - this.#dateWithLive) <= DATE_SLACK_MS) return
    // Set since the last live event: what was measured with that one is over.
    this.#live = []
    this.#dateWithLive = null
  }

  /** A time of the node in our clock, without further judgement. */
  toOurs(at: number): number {
    const skew = this.skewMs
    return skew === null || Math.abs(skew) < CORRECTED_MS ? at : at - skew
  }

  /**
   * When an event happened, in our clock: never after it was received, never before the one before it (`floor`) of the same run,
   * and where the node's word cannot be true, when it was received.
   */
  timeOf(at: number, receivedAt: number, floor: number): number {
    const ours = this.toOurs(at)
    const plausible = ours >= receivedAt - OLDEST_MS ? Math.min(ours, receivedAt) : receivedAt
    return Math.min(receivedAt, Math.max(plausible, floor))
  }
}
