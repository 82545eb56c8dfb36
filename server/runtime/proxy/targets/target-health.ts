import { Backoff } from '../../../time/backoff.ts'

/** How a target is watched. */
export interface HealthRules {
  /** Asked by ourselves all the time; null: only what clients meet counts. `path` null: connecting is the whole check. */
  readonly check: { readonly path: string | null; readonly intervalMs: number; readonly rise: number } | null
  /** So many failures to connect, or of checks, in a row take it out. */
  readonly fall: number
  /** So many requests in a row without the head of an answer take it out. */
  readonly fallUnanswered: number
}

/** The first wait before a target that is down is asked again, and the longest: doubled each time. */
const RETRY_MS = 2_000
const MAX_RETRY_MS = 30_000
/** Who was up for so long begins with the shortest wait again. */
const STEADY_MS = 60_000
/** A target that came back gets its full share only after this long; from the beginning no less than a tenth. */
const SLOW_START_MS = 10_000
const LEAST_SHARE = 0.1

/** Whether a target is in service, by what clients meet and what checks find. Each verb answers whether that has changed. */
export class TargetHealth {
  rules: HealthRules
  /** On the clock of `performance.now()`; null while it is up. */
  downSince: number | null = null
  /** Why it was taken out. */
  reason: string | null = null
  /** While down: when it is asked again. */
  #retryAt = 0
  /** When it came back, while that is recent. */
  #backSince: number | null = null
  #upSince = Number.NEGATIVE_INFINITY
  #refused = 0
  #unanswered = 0
  #failed = 0
  #passed = 0
  readonly #backoff = new Backoff({ baseMs: RETRY_MS, maxMs: MAX_RETRY_MS })

  constructor(rules: HealthRules) {
    this.rules = rules
  }

  get up(): boolean {
    return this.downSince === null
  }

  /** What brings it back: a target that accepts connections and answers nothing proves nothing by one more connection. */
  get #provedBy(): 'request' | 'check' | 'connection' {
    const { check } = this.rules
    if (this.reason === 'response_timeout' && (check?.path ?? null) === null) return 'request'
    return check ? 'check' : 'connection'
  }

  connectFailed(reason: string, now: number): boolean {
    this.#refused += 1
    // It was silent, and now is not even there: whoever comes back from that can be connected again.
    if (this.reason === 'response_timeout') this.reason = reason
    return this.#refused >= this.rules.fall && this.#takeOut(reason, now)
  }

  /** A connection of a client, or a probe, stands. */
  connected(now: number): boolean {
    this.#refused = 0
    return this.downSince !== null && this.#provedBy === 'connection' && this.#bringBack(now)
  }

  unanswered(now: number): boolean {
    this.#unanswered += 1
    return this.#unanswered >= this.rules.fallUnanswered && this.#takeOut('response_timeout', now)
  }

  /** A request has its answer, whatever that says. */
  answered(now: number): boolean {
    this.#unanswered = 0
    return this.downSince !== null && this.#provedBy !== 'check' && this.#bringBack(now)
  }

  checkFailed(reason: string, now: number): boolean {
    this.#passed = 0
    this.#failed += 1
    return this.#failed >= this.rules.fall && this.#takeOut(reason, now)
  }

  checkPassed(now: number): boolean {
    this.#failed = 0
    this.#passed += 1
    const { check } = this.rules
    if (this.downSince === null || this.#provedBy !== 'check' || this.#passed < (check?.rise ?? 1))
      return false
    return this.#bringBack(now)
  }

  /** It is down, nobody checks it, and its wait is over: one connection of our own shall ask. */
  probeDue(now: number): boolean {
    return this.downSince !== null && this.#provedBy === 'connection' && now >= this.#retryAt
  }

  probeFailed(now: number): void {
    this.#retryAt = now + this.#backoff.next()
  }

  /** It is down for its silence and its wait is over: this one request shall ask, and no other for `holdMs` and a wait more. */
  takeTrial(now: number, holdMs: number): boolean {
    if (this.downSince === null || this.#provedBy !== 'request' || now < this.#retryAt) return false
    this.#retryAt = now + holdMs + this.#backoff.next()
    return true
  }

  /** Its share of what it would get otherwise: less for a while after it came back. */
  share(now: number): number {
    if (this.#backSince === null) return 1
    const share = (now - this.#backSince) / SLOW_START_MS
    if (share < 1) return Math.max(LEAST_SHARE, share)
    this.#backSince = null
    return 1
  }

  #takeOut(reason: string, now: number): boolean {
    this.#passed = 0
    if (this.downSince !== null) return false
    if (now - this.#upSince >= STEADY_MS) this.#backoff.reset()
    this.downSince = now
    this.reason = reason
    this.#retryAt = now + this.#backoff.next()
    return true
  }

  #bringBack(now: number): boolean {
    this.downSince = null
    this.reason = null
    this.#upSince = now
    this.#backSince = now
    this.#refused = 0
    this.#unanswered = 0
    this.#failed = 0
    return true
  }
}
