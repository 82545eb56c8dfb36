import type { PushOutcome } from '../../contract/node-api.ts'
import type { Backoff } from '../../time/backoff.ts'
import { Latch } from '../../time/latch.ts'
import type { PushMessage } from './push-request.ts'

/** One push to one device token, until it is settled. */
export interface Job {
  readonly token: string
  readonly fingerprint: string
  /** The registration that this push was sent for, so that a later one survives a late 410. Null where it is not in the store. */
  readonly registeredAt: number | null
  readonly apnsId: string
  readonly message: PushMessage
  readonly settle: (outcome: PushOutcome) => void
  /** Monotonic, in ms: what was not sent by then fails. A dial is not an attempt to deliver, so dials have no other limit. */
  readonly deadlineAt: number
  /** Waits between sendings after the peer proved that it had not processed it; null before the first of them. */
  resending: Backoff | null
  freshSessionTried: boolean
  freshTokenTried: boolean
  retryAfterTried: boolean
  timer: NodeJS.Timeout | undefined
}

/** Pushes that were accepted and are not settled: waiting for a stream, waiting out a delay, or in flight. */
export class PushQueue {
  readonly #open = new Set<Job>()
  /** First in first out; retries go before the rest because they have waited longest. */
  readonly #fresh = new Set<Job>()
  readonly #retries = new Set<Job>()
  readonly #delayed = new Set<Job>()
  readonly #latch = new Latch()

  /** Accepted and not settled. */
  get size(): number {
    return this.#open.size
  }

  /** Pushes that are not in flight: these have a ceiling. */
  get waiting(): number {
    return this.#fresh.size + this.#retries.size + this.#delayed.size
  }

  /** May be sent as soon as there is a stream. */
  get sendable(): number {
    return this.#fresh.size + this.#retries.size
  }

  has(job: Job): boolean {
    return this.#open.has(job)
  }

  accept(job: Job): void {
    this.#open.add(job)
  }

  enqueue(job: Job, order: 'fresh' | 'retry'): void {
    this.#delayed.delete(job)
    if (order === 'retry') this.#retries.add(job)
    else this.#fresh.add(job)
  }

  delay(job: Job): void {
    this.#delayed.add(job)
  }

  /** True while the job waits for a stream. */
  waits(job: Job): boolean {
    return this.#fresh.has(job) || this.#retries.has(job)
  }

  /** Takes the next one out, to be sent. */
  next(): Job | undefined {
    const from = this.#retries.size > 0 ? this.#retries : this.#fresh
    const job = from.values().next().value
    if (job !== undefined) {
      from.delete(job)
      clearTimeout(job.timer)
    }
    return job
  }

  /** Those that are not in flight. */
  notSent(): Job[] {
    return [...this.#retries, ...this.#fresh, ...this.#delayed]
  }

  /** False where it was settled before. */
  settle(job: Job, outcome: PushOutcome): boolean {
    clearTimeout(job.timer)
    this.#fresh.delete(job)
    this.#retries.delete(job)
    this.#delayed.delete(job)
    if (!this.#open.delete(job)) return false
    job.settle(outcome)
    this.#latch.look()
    return true
  }

  /** Waits until nothing is open or `signal` aborts; takes nothing away. */
  async flush(signal: AbortSignal): Promise<{ flushed: number; left: number }> {
    const before = new Set(this.#open)
    await this.#latch.wait(() => this.#open.size === 0, signal)
    let flushed = 0
    for (const job of before) if (!this.#open.has(job)) flushed += 1
    return { flushed, left: this.#open.size }
  }
}
