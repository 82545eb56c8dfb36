import type { Drain } from '../../contract/drains.ts'
import type { Asked, DrainVerbs, Observation, ResumeOrder } from '../adapters/adapter.ts'
import { type Facts, totalOf } from '../adapters/facts.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import type { AskedNode } from './drain-progress.ts'
import { EmptyProof } from './empty-proof.ts'
import { Traffic } from './traffic.ts'

/** A process that ended refuses connections: so many in a row, over so long. */
const REFUSED = { answers: 5, ms: 5_000 }
/** A machine that is gone says nothing at all, and neither does a broken path to it: only a long silence is taken for an end. */
const SILENT = { answers: 10, ms: 60_000 }

/**
 * Programs of other kinds are made for fewer looks than ours, and some answer with megabytes: one look a second is fine enough for a
 * proof of five.
 */
const FOREIGN_LOOK_MS = 1_000
/** A node that says nothing of states and counts no traffic is taken for back after so many good answers. */
const GOOD_LOOKS = 3

/** A node that is being given back, and what was seen of it since. */
interface Returning {
  /** Of the drain, when it was asked. */
  version: number
  good: number
  /** The first answer after it was asked. */
  first: Facts | null
  lookedAt: number
}

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
  readonly #traffic: Traffic
  /** What the newest look brought, and when, monotonic ms. */
  #looked: { at: number; facts: Facts | null } | null = null
  #returning: Returning | null = null

  /** @param beat called whenever the node has answered, or has not */
  constructor(id: string, fleet: Pick<DrainFleet, 'drainVerbs'>, clock: DrainClock, beat: () => void) {
    this.#beat = beat
    this.id = id
    this.#fleet = fleet
    this.#clock = clock
    this.#proof = new EmptyProof(clock)
    this.#traffic = new Traffic(clock)
  }

  /** What the node itself said last. */
  get facts(): Facts | null {
    return this.#facts
  }

  /** Asks the node itself; null where it gives no usable answer. One of another kind is asked once a second at most. */
  async look(): Promise<Facts | null> {
    const now = this.#clock.monotonic()
    const isForeign = this.#facts !== null && this.#facts.drain === null
    if (isForeign && this.#looked !== null && now - this.#looked.at < FOREIGN_LOOK_MS)
      return this.#looked.facts
    const facts = await this.#lookAnew()
    this.#looked = { at: now, facts }
    return facts
  }

  /** `takes 2.5 connections/s`; null where nothing new comes in, as far as it counts that. */
  takes(facts: Facts): string | null {
    this.#traffic.see(facts)
    return this.#traffic.words()
  }

  async #lookAnew(): Promise<Facts | null> {
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

  /** Nothing is open, and nothing has moved since the look before. */
  get isQuiet(): boolean {
    return this.#proof.isQuiet
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

  /**
   * Asks the node to serve again; null once it is ready, else why not yet.
   *
   * @param asked how it was asked to go; undefined where it never was
   * @param isEnding whether the run that gives this answer was told to end
   */
  async bringBack(
    drain: Drain,
    asked: AskedNode | undefined,
    isEnding: (facts: Facts | null) => boolean,
  ): Promise<string | null> {
    const facts = await this.look()
    const order = this.#orderOf(drain, asked?.kept, isEnding(facts))
    const isStateless =
      facts === null ? asked?.led === true : facts.drain === null && facts.state === undefined
    if (isStateless && this.#fleet.drainVerbs(this.id) !== null)
      return asked === undefined ? null : this.#bringBackUnseen(order, facts)
    if (facts === null)
      return whyOf(this.#fleet.drainVerbs(this.id) === null ? this.#noVerbs() : this.#noAnswer())
    if (isServing(facts) && facts.drain?.cordoned !== true) {
      const ready = await this.#asked(async (verbs) => verbs.ready?.(order) ?? ACCEPTED)
      return whyOf(ready ?? this.#noVerbs())
    }
    return (await this.#resume(order)) ?? `${this.id} is coming back`
  }

  /** One that does not say whether it serves is back when it takes traffic again, or has answered well a few times in a row. */
  async #bringBackUnseen(order: ResumeOrder, facts: Facts | null): Promise<string | null> {
    const { version } = order
    if (this.#returning?.version !== version) {
      const why = await this.#resume(order)
      if (why !== null) return why
      this.#returning = { version, good: 0, first: null, lookedAt: this.#looked?.at ?? 0 }
    }
    const returning = this.#returning
    const lookedAt = this.#looked?.at ?? 0
    if (lookedAt === returning.lookedAt) return `${this.id} was asked to come back; not seen to serve yet`
    returning.lookedAt = lookedAt
    if (facts === null || !facts.ok) {
      returning.good = 0
      const what = facts === null ? 'does not answer' : `says that it is not well${because(facts)}`
      return `${this.id} was asked to come back and ${what}`
    }
    returning.first ??= facts
    returning.good += 1
    if (returning.good >= GOOD_LOOKS || hasTaken(returning.first, facts)) return null
    return `${this.id} was asked to come back; not seen to serve yet`
  }

  #orderOf(drain: Drain, kept: string | undefined, isEnding: boolean): ResumeOrder {
    const { id: drainId, version, reason, updatedBy: initiator } = drain
    const about = { ...(kept === undefined ? {} : { kept }), ...(isEnding ? { isEnding } : {}) }
    return { drainId, version, reason, initiator, ...about }
  }

  async #resume(order: ResumeOrder): Promise<string | null> {
    return whyOf((await this.#asked((verbs) => verbs.resume(order))) ?? this.#noVerbs())
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

const because = ({ problems: [first] }: Facts): string => (first === undefined ? '' : `: ${first}`)

/** It took something in between two looks at one run of it. */
const hasTaken = (then: Facts, now: Facts): boolean =>
  then.epoch === now.epoch &&
  (['connections_accepted', 'requests'] as const).some(
    (name) => (totalOf(now, name) ?? 0) > (totalOf(then, name) ?? Number.POSITIVE_INFINITY),
  )

/** A program that knows no states of its own serves for as long as it answers. */
export const isServing = (facts: Facts): boolean => (facts.state ?? 'serving') === 'serving'
