import { plural } from '../../contract/words.ts'
import { Backoff } from '../../time/backoff.ts'
import type { failureOf } from './push-answer.ts'
import {
  type InvalidationReason,
  PushSession,
  type SessionListener,
  type SessionOptions,
  UNANSWERED_STREAMS,
} from './session.ts'

/** Delay before dialling again: this much after the first failure, doubled with each, never above the ceiling. */
const BACKOFF_BASE_MS = 100
const BACKOFF_CEILING_MS = 2_000
/** After ENHANCE_YOUR_CALM (RFC 9113 §7) sessions are dialled at least this far apart … */
const CALM_INTERVAL_MS = 1_000
/** … for this long. */
const CALM_FOR_MS = 60_000
/** While sessions connect and answer nothing, the next one is tried this much later, doubled with each up to the ceiling. */
const PROBE_BASE_MS = 1_000
const PROBE_CEILING_MS = 30_000
/** Share of that wait which is random. */
const PROBE_JITTER = 0.2

export interface ConnectionListener {
  connected(connectMs: number): void
  /** A request may be sent now. */
  room(): void
  connectFailed(failure: ReturnType<typeof failureOf>): void
  invalidated(reason: InvalidationReason, ageSeconds: number, detail: string | null): void
}

/**
 * Keeps at most one session for new streams and dials at most one at a time, on demand. Sessions that got GOAWAY finish their streams
 * beside it. Everything compares identity: what happens to an old session never affects its successor.
 */
export class PushConnection implements SessionListener {
  readonly #options: Omit<SessionOptions, 'unansweredStreams'>
  readonly #listener: ConnectionListener
  readonly #sessions = new Set<PushSession>()
  #current: PushSession | null = null
  #dialTimer: NodeJS.Timeout | undefined
  readonly #dials = new Backoff({ baseMs: BACKOFF_BASE_MS, maxMs: BACKOFF_CEILING_MS })
  /** Sessions in a row that were retired because they answered nothing. */
  #unanswering = 0
  readonly #probes = new Backoff({ baseMs: PROBE_BASE_MS, maxMs: PROBE_CEILING_MS, jitter: PROBE_JITTER })
  /** Until when the session in use, whose probe went unanswered, only keeps alive; null while it may be used. Monotonic, ms. */
  #restsUntil: number | null = null
  #dialledAt = Number.NEGATIVE_INFINITY
  #calmUntil = Number.NEGATIVE_INFINITY
  #closed = false
  #whenGone: (() => void)[] = []

  constructor(options: Omit<SessionOptions, 'unansweredStreams'>, listener: ConnectionListener) {
    this.#options = options
    this.#listener = listener
  }

  /** The session for new streams, or null while there is none. */
  get ready(): PushSession | null {
    return this.#current?.ready ? this.#current : null
  }

  /**
   * How many more requests may be sent now. While the endpoint answers nothing it is one at a time: the others wait unsent, so
   * that few spend their attempts on a dead endpoint.
   */
  get vacancies(): number {
    const session = this.ready
    if (session === null || this.#restsUntil !== null) return 0
    if (this.#unanswering === 0 || session.answered) return session.vacancies
    return session.idle ? Math.min(1, session.vacancies) : 0
  }

  /** Dials unless a session is there, dialled, or about to be; one that rests is replaced when its time has come. */
  want(): void {
    if (this.#closed || this.#dialTimer) return
    if (this.#current !== null && this.#restsUntil === null) return
    const waitMs = (this.#restsUntil ?? this.#nextDialAt()) - performance.now()
    if (waitMs <= 0) {
      this.#renew()
      return
    }
    this.#dialTimer = setTimeout(() => {
      this.#dialTimer = undefined
      this.#renew()
    }, waitMs)
  }

  /** Takes the session out of use: new streams go to a fresh one, those in flight finish. */
  invalidate(reason: InvalidationReason, detail: string | null): void {
    if (this.ready) this.#current?.retire(reason, detail)
  }

  /** The same, but only where `session` is still the one in use. */
  invalidateSession(session: PushSession, reason: InvalidationReason, detail: string): void {
    if (this.#current === session) session.retire(reason, detail)
  }

  /** The peer asked for fewer connections (or streams). */
  calm(): void {
    this.#calmUntil = performance.now() + CALM_FOR_MS
  }

  /** Ends every session in order; resolves when no socket is left. */
  async close(): Promise<void> {
    this.#stop()
    for (const session of this.#sessions) session.retire('drain', null)
    await this.#gone()
  }

  /** Ends every session now; resolves when no socket is left. */
  async destroy(): Promise<void> {
    this.#stop()
    for (const session of this.#sessions) session.kill('drain', null)
    await this.#gone()
  }

  onReady(session: PushSession, connectMs: number): void {
    if (session === this.#current) this.#listener.connected(connectMs)
  }

  onRoom(session: PushSession): void {
    if (session !== this.#current) return
    if (session.answered) {
      this.#unanswering = 0
      this.#probes.reset()
      this.#restsUntil = null
    }
    this.#listener.room()
  }

  onUnanswered(session: PushSession, streams: number): void {
    if (session !== this.#current) return
    this.#unanswering += 1
    // The first fresh session after a silent one comes at once: most often it is the cure.
    if (this.#unanswering === 1)
      session.retire('unanswered', `${plural(streams, 'stream')} in a row went unanswered`)
    // Later ones stay up in between, as PING proves; the counters show that they answer nothing.
    else this.#restsUntil = performance.now() + this.#probes.next()
  }

  onConnectFailed(session: PushSession, failure: ReturnType<typeof failureOf>): void {
    if (session !== this.#current) return
    this.#current = null
    this.#restsUntil = null
    this.#dials.next()
    if (failure.calm) this.calm()
    this.#listener.connectFailed(failure)
  }

  onInvalidated(
    session: PushSession,
    reason: InvalidationReason,
    ageSeconds: number,
    detail: string | null,
    calm: boolean,
  ): void {
    if (calm) this.calm()
    if (session !== this.#current) return
    this.#current = null
    this.#restsUntil = null
    // A session that never answered counts as a failed dial, so that a peer that hangs up at once is not dialled in a loop.
    // One that answers PING alone has a backoff of its own.
    if (reason !== 'unanswered') {
      if (session.answered) this.#dials.reset()
      else this.#dials.next()
    }
    this.#listener.invalidated(reason, ageSeconds, detail)
  }

  onGone(session: PushSession): void {
    this.#sessions.delete(session)
    if (this.#sessions.size > 0) return
    for (const resolve of this.#whenGone.splice(0)) resolve()
  }

  #renew(): void {
    if (this.#closed) return
    const resting = this.#restsUntil === null ? null : this.#current
    this.#restsUntil = null
    // Its end makes waiting pushes ask again, and that dials.
    if (resting?.ready) resting.retire('unanswered', 'the probe went unanswered')
    else if (this.#current === null) this.#dial()
  }

  #dial(): void {
    this.#dialledAt = performance.now()
    // A probe is given up after its one stream.
    const unansweredStreams = this.#unanswering === 0 ? UNANSWERED_STREAMS : 1
    const session = new PushSession({ ...this.#options, unansweredStreams }, this)
    this.#current = session
    this.#sessions.add(session)
  }

  #nextDialAt(): number {
    const calmAt = performance.now() < this.#calmUntil ? this.#dialledAt + CALM_INTERVAL_MS : 0
    if (this.#dials.failures === 0) return calmAt
    // Jitter, so that nodes that lost the same endpoint do not come back in step. A failed dial may itself have taken long.
    return Math.max(calmAt, this.#dialledAt + this.#dials.current())
  }

  #stop(): void {
    this.#closed = true
    clearTimeout(this.#dialTimer)
    this.#dialTimer = undefined
  }

  #gone(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenGone.push(resolve))
  }
}
