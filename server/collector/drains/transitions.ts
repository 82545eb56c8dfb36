import { DRAIN_STATE_RULES } from '../../contract/drain-rules.ts'
import type { Drain, DrainReport } from '../../contract/drains.ts'
import type { DrainState } from '../../contract/states.ts'
import { Turn } from '../../time/turn.ts'
import type { DrainContext } from './drain-context.ts'
import type { Transition } from './drain-record.ts'
import { recordTransition } from './drain-story.ts'

/** Every change of state of one drain passes here, the tick's and the operators'. */
export class Transitions {
  readonly #context: DrainContext
  readonly #report: () => DrainReport
  /** Events are recorded in the order of the changes, after each is durable; nobody waits for them. */
  readonly #story = new Turn()
  #since: number

  /** @param report made at the last moment, of what is known then */
  constructor(context: DrainContext, report: () => DrainReport) {
    this.#context = context
    this.#report = report
    this.#since = context.clock.monotonic()
  }

  /** Milliseconds in the present state, as far as this process has seen. */
  get ageMs(): number {
    return this.#context.clock.monotonic() - this.#since
  }

  /** Rejects with `ERR_VERSION_CONFLICT` where somebody else changed the drain since the expected version. */
  async to(state: DrainState, by: string, options: Omit<Transition, 'report'>): Promise<Drain> {
    const { record, fleet, log, clock } = this.#context
    const report = DRAIN_STATE_RULES[state].reports ? { report: this.#report } : {}
    const { from, drain } = await record.transition(state, by, { ...options, ...report })
    if (from === state) return drain
    this.#since = clock.monotonic()
    const { end, phases } = record.progress
    const change = { from, by, end, phases: [...phases] }
    this.#story
      .run(() => recordTransition(fleet, drain, change))
      .catch((error: unknown) =>
        log.warn({ drain: drain.id, err: error }, 'a change of a drain could not be told'),
      )
    return drain
  }

  /** The same by the drain itself. */
  itself(
    state: DrainState,
    seen: number,
    more: { note?: string; end?: 'serving' | 'held' } = {},
  ): Promise<Drain> {
    return this.to(state, 'tidegate', { expectedVersion: seen, ...more })
  }

  /** Resolves when all changes have been recorded. */
  settled(): Promise<void> {
    return this.#story.settled()
  }
}
