import type { Drain } from '../../contract/drains.ts'
import type { Asked, DrainVerbs, Observation } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { EmptyProof } from './empty-proof.ts'

/** A process that ended refuses connections: so many in a row, over so long. */
const REFUSED = { answers: 5, ms: 5_000 }
/** A machine that is gone says nothing at all, and neither does a broken path to it: only a long silence is taken for an end. */
const SILENT = { answers: 10, ms: 60_000 }

/** Answers that stayed away in a row. */
interface Silence {
  since: number
  count: number
  /** How many of the newest were refused connections. */
  refused: number
  refusedSince: number
}

/** One node during a drain: what it is asked, and what its answers, or their absence, prove. */
export class NodeDriver {
  readonly id: string
  readonly #fleet: Pick<DrainFleet, 'drainVerbs'>
  readonly #clock: DrainClock
  readonly #proof: EmptyProof
  readonly #beat: () => void
  #silence: Silence | null = null
  /** The run of the node that is known to refuse new tunnels. */
  #cordoned: string | null = null
  #facts: Facts | null = null

  /** @param beat called whenever the node has answered, or has not */
  constructor(id: string, fleet: Pick<DrainFleet, 'drainVerbs'>, clock: DrainClock, beat: () => void) {
    this.#beat = beat
    this.id = id
    this.#fleet = fleet
    this.#clock = clock
    this.#proof = new EmptyProof(clock)
  }

  /** What the node itself said last. */
  get facts(): Facts | null {
    return this.#facts
  }

  /** Asks the node itself; null where it gives no usable answer. */
  async look(): Promise<Facts | null> {
    // One that left the configuration, or became another kind, says nothing any more either.
    const seen = (await this.#asked((verbs) => verbs.observe())) ?? NOTHING
    if (seen.facts === null && seen.silent) {
      this.#missed(seen.refused)
      return null
    }
    this.#silence = null
    if (seen.facts !== null) this.#facts = seen.facts
    return seen.facts
  }

  /** True once what was read proves that nothing is open and nothing moves. */
  isEmpty(facts: Facts): boolean {
    return this.#proof.see(facts)
  }

  /** True once enough answers in a row stayed away to say that the process has ended; never after one. */
  isGone(): boolean {
    const silence = this.#silence
    if (silence === null) return false
    const now = this.#clock.monotonic()
    return (
      (silence.refused >= REFUSED.answers && now - silence.refusedSince >= REFUSED.ms) ||
      (silence.count >= SILENT.answers && now - silence.since >= SILENT.ms)
    )
  }

  /**
   * New tunnels are refused from now on, once for each run of the node. One that does not answer is asked again by the next tick, and
   * the step says so on the page.
   */
  async cordon({ id, reason }: Drain, epoch: string): Promise<void> {
    if (this.#cordoned === epoch) return
    const asked = await this.#asked(async (verbs) => verbs.cordon?.({ drainId: id, reason }) ?? ACCEPTED)
    if (asked?.kind === 'accepted') this.#cordoned = epoch
  }

  async drain(drain: Drain): Promise<Asked> {
    const { id: drainId, reason, createdBy: initiator } = drain
    const { mode, deadlineSeconds, onDeadline, tunnelsPerSecond } = drain.strategy
    const pace = tunnelsPerSecond === undefined ? {} : { tunnelsPerSecond }
    const order = { drainId, reason, mode, deadlineSeconds, onDeadline, ...pace, initiator }
    return (await this.#asked((verbs) => verbs.drain(order))) ?? this.#noVerbs()
  }

  /** Asks the node to serve again; null once it is ready, else why not yet. */
  async bringBack(): Promise<string | null> {
    const facts = await this.look()
    if (facts === null)
      return whyOf(this.#fleet.drainVerbs(this.id) === null ? this.#noVerbs() : this.#noAnswer())
    if (isServing(facts) && facts.drain?.cordoned !== true) {
      const ready = await this.#asked(async (verbs) => verbs.ready?.() ?? ACCEPTED)
      return whyOf(ready ?? this.#noVerbs())
    }
    const asked = (await this.#asked((verbs) => verbs.resume())) ?? this.#noVerbs()
    return whyOf(asked) ?? `${this.id} is coming back`
  }

  /** What came of asking; null where the node cannot be asked anything. */
  async #asked<T>(ask: (verbs: DrainVerbs) => Promise<T>): Promise<T | null> {
    const verbs = this.#fleet.drainVerbs(this.id)
    return verbs === null ? null : ask(verbs).finally(this.#beat)
  }

  #noVerbs(): Asked {
    return {
      kind: 'refused',
      why: `${this.id} is of a kind that cannot be taken out of service or given back`,
    }
  }

  #noAnswer(): Asked {
    return { kind: 'unheard', why: `${this.id} does not answer` }
  }

  #missed(isRefused: boolean): void {
    const now = this.#clock.monotonic()
    const silence = this.#silence ?? { since: now, count: 0, refused: 0, refusedSince: now }
    const refused = isRefused ? silence.refused + 1 : 0
    this.#silence = {
      since: silence.since,
      count: silence.count + 1,
      refused,
      refusedSince: refused <= 1 ? now : silence.refusedSince,
    }
  }
}

const ACCEPTED: Asked = { kind: 'accepted' }
const NOTHING: Observation = { facts: null, silent: true, refused: false }

const whyOf = (asked: Asked): string | null => (asked.kind === 'accepted' ? null : asked.why)

/** A program that knows no states of its own serves for as long as it answers. */
export const isServing = (facts: Facts): boolean => (facts.state ?? 'serving') === 'serving'
