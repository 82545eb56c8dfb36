import type { DrainContext } from './drain-context.ts'
import { moveWorries, receiverWorries, type Worry } from './worries.ts'

/** Receivers may be unknown for so long after a start or a stall of the collector: nothing new begins, and nothing pauses. */
const RECEIVER_GRACE_MS = 20_000

/** Who takes over from the nodes of a drain, as far as anybody knows, and what speaks against going on. */
export class Receivers {
  readonly #context: DrainContext
  readonly #startedAt: number
  /** Since when no receiver is known; null while one is. */
  #blindSince: number | null = null
  #known: boolean

  constructor(context: DrainContext) {
    this.#context = context
    this.#startedAt = context.clock.monotonic()
    this.#known = !context.adopted
  }

  /** What is known of them can be gone by. */
  get areKnown(): boolean {
    return this.#known
  }

  /**
   * Just after a start of the collector, or when it stalled or lost its own network, nothing is known of the receivers. For a while
   * that is no reason to pause, and none to begin anything either.
   */
  look(): void {
    const { adopted, clock, fleet, record } = this.#context
    const now = clock.monotonic()
    const others = fleet.nodes().filter(({ id }) => !record.progress.order.includes(id))
    const blind = others.length > 0 && others.every(({ state }) => state === 'unknown')
    this.#blindSince = blind ? (this.#blindSince ?? now) : null
    const isGrace = this.#blindSince !== null && now - this.#blindSince <= RECEIVER_GRACE_MS
    this.#known = !isGrace && (!adopted || now - this.#startedAt > RECEIVER_GRACE_MS)
  }

  /** Why the drain should not go on by itself; null where all is well, or an operator accepted what is not. */
  worry(): string | null {
    const worries = this.worries()
    const { progress } = this.#context.record
    // What is over is worth a pause when it comes again.
    if (this.#known) {
      const codes = worries.map(({ code }) => code)
      progress.accepted = progress.accepted.filter((code) => codes.includes(code))
    }
    return worries.find(({ code }) => !progress.accepted.includes(code))?.sentence ?? null
  }

  /** All that speaks against going on now, accepted or not. */
  worries(): Worry[] {
    const { fleet, record } = this.#context
    const region = record.drain.region ?? null
    return [
      ...(this.#known ? receiverWorries(fleet, record.progress.order, region) : []),
      ...moveWorries(fleet, region, record.drain.moves),
    ]
  }
}
