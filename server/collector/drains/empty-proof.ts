import type { Health } from '../../contract/health.ts'
import type { DrainClock } from './drain-clock.ts'

/** Seconds without a byte before a node counts as empty. */
export const PROVING_SECONDS = 5

/**
 * Empty is proved by observation: nothing open and no byte moved for five seconds, within one run of the node. The seconds are
 * monotonic, so that nobody's wall clock can lengthen or shorten them.
 */
export class EmptyProof {
  readonly #clock: Pick<DrainClock, 'monotonic'>
  #since: { at: number; bytes: number; epoch: string } | null = null

  constructor(clock: Pick<DrainClock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Takes in what the node says now; true once it is proven empty. */
  see(document: Health): boolean {
    const { connections, requests, tunnels } = document.drain.remaining
    const bytes = (document.proxy?.bytes.upstream ?? 0) + (document.proxy?.bytes.downstream ?? 0)
    const at = this.#clock.monotonic()
    const { epoch } = document
    const quiet = connections === 0 && requests === 0 && tunnels === 0
    const since = this.#since
    if (!quiet || since === null || since.bytes !== bytes || since.epoch !== epoch) {
      this.#since = { at, bytes, epoch }
      return false
    }
    return at - since.at >= PROVING_SECONDS * 1_000
  }
}
