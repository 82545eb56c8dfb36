import type { Remaining } from '../../contract/drains.ts'
import { type CounterName, type Facts, totalOf } from '../adapters/facts.ts'
import type { DrainClock } from './drain-clock.ts'

/** Seconds without a byte before a node counts as empty. */
export const PROVING_SECONDS = 5

/** What is still open on a node; null where it does not count that, which is not zero. */
export const remainingOn = ({ drain, gauges }: Facts): Remaining | null => {
  if (drain !== null) return { ...drain.remaining }
  const { connections, requests_pending: requests = null, tunnels = null } = gauges
  return connections === undefined ? null : { connections, requests, tunnels, pushes: null }
}

/** How much of it would be cut by an end now: pushes wait for nobody. What is not counted holds nothing back. */
export const openIn = ({ connections, requests, tunnels }: Remaining): number =>
  connections + (requests ?? 0) + (tunnels ?? 0)

/** A node that refuses what is new, as ours does, shows by its bytes whether anything still moves; of others all that they count has to stand. */
const OWN: readonly CounterName[] = ['bytes_up', 'bytes_down']
const FOREIGN: readonly CounterName[] = [...OWN, 'connections_accepted', 'requests']

const movedBy = (facts: Facts): number =>
  (facts.drain === null ? FOREIGN : OWN).reduce((sum, name) => sum + (totalOf(facts, name) ?? 0), 0)

/**
 * Empty is proved by observation: nothing open and nothing moved for five seconds, within one run of the node. The seconds are
 * monotonic, so that nobody's wall clock can lengthen or shorten them.
 */
export class EmptyProof {
  readonly #clock: Pick<DrainClock, 'monotonic'>
  #isQuiet = false
  #since: { at: number; moved: number; epoch: string } | null = null

  constructor(clock: Pick<DrainClock, 'monotonic'>) {
    this.#clock = clock
  }

  /** What was read last moved nothing since the look before, and nothing is open. */
  get isQuiet(): boolean {
    return this.#isQuiet
  }

  /** Takes in what the node says now; true once it is proven empty. */
  see(facts: Facts): boolean {
    const remaining = remainingOn(facts)
    const moved = movedBy(facts)
    const at = this.#clock.monotonic()
    const { epoch } = facts
    const quiet = remaining !== null && openIn(remaining) === 0
    const since = this.#since
    if (!quiet || since === null || since.moved !== moved || since.epoch !== epoch) {
      this.#isQuiet = false
      // What was open at this look ended at some moment after it.
      this.#since = quiet ? { at, moved, epoch } : null
      return false
    }
    this.#isQuiet = true
    return at - since.at >= PROVING_SECONDS * 1_000
  }
}
