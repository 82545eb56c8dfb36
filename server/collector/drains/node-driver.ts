import type { Drain } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import { type Health, healthSchema } from '../../contract/health.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { EmptyProof } from './empty-proof.ts'

const CALL_TIMEOUT_MS = 3_000
/** Binding ports again may take a moment; asked again, a node that resumes goes on with it. */
const RESUME_TIMEOUT_MS = 4_500

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

/** What came of asking a node to drain. `unheard`: no answer, so that nobody knows whether it heard. */
export type Asked = { kind: 'accepted' } | { kind: 'refused'; why: string } | { kind: 'unheard'; why: string }

/** The verbs of one node during a drain, and what its answers, or their absence, prove. */
export class NodeDriver {
  readonly id: string
  readonly #fleet: DrainFleet
  readonly #clock: DrainClock
  readonly #proof: EmptyProof
  readonly #beat: () => void
  #silence: Silence | null = null
  #cordoned: string | null = null
  /** The last good document that was read from the node itself. */
  document: Health | null = null

  constructor(id: string, fleet: DrainFleet, clock: DrainClock, beat: () => void) {
    this.#beat = beat
    this.id = id
    this.#fleet = fleet
    this.#clock = clock
    this.#proof = new EmptyProof(clock)
  }

  /** Asks the node itself; null where it gives no usable answer. */
  async look(): Promise<Health | null> {
    try {
      const { status, body } = await this.#call('GET', '/health')
      this.#silence = null
      const parsed = healthSchema.safeParse(body)
      if (status !== 200 || !parsed.success) return null
      this.document = parsed.data
      return parsed.data
    } catch (error) {
      this.#missed(error)
      return null
    }
  }

  /** True once what was read proves that nothing is open and nothing moves. */
  isEmpty(document: Health): boolean {
    return this.#proof.see(document)
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

  /** New tunnels are refused from now on, once for each run of the node. */
  async cordon(drain: Drain, epoch: string): Promise<void> {
    if (this.#cordoned === epoch) return
    try {
      const { status } = await this.#call('POST', '/cordon', { drainId: drain.id, reason: drain.reason })
      if (status < 300 || status === 409 || status === 404) this.#cordoned = epoch
    } catch {
      // It does not answer; the next tick asks again, and the step says so on the page.
    }
  }

  async drain(drain: Drain): Promise<Asked> {
    const { strategy } = drain
    try {
      const { status, body } = await this.#call('POST', '/drain', {
        drainId: drain.id,
        reason: drain.reason,
        mode: strategy.mode,
        deadlineSeconds: strategy.deadlineSeconds,
        onDeadline: strategy.onDeadline,
        ...(strategy.tunnelsPerSecond === undefined ? {} : { tunnelsPerSecond: strategy.tunnelsPerSecond }),
        initiator: drain.createdBy,
      })
      return status < 300
        ? { kind: 'accepted' }
        : { kind: 'refused', why: `${this.id} refuses to drain: ${messageOf(body)}` }
    } catch (error) {
      return { kind: 'unheard', why: wordsOf(error, `${this.id} does not answer`) }
    }
  }

  /** Asks the node to serve again; null once it is ready, else why not yet. */
  async bringBack(): Promise<string | null> {
    const document = await this.look()
    if (document === null) return `${this.id} does not answer`
    try {
      if (document.state === 'serving' && document.relay?.cordoned !== true) {
        const { status } = await this.#call('GET', '/healthz/ready')
        return status === 200 ? null : `${this.id} is serving but not ready yet`
      }
      const answer = await this.#call('POST', '/resume', {}, RESUME_TIMEOUT_MS)
      if (answer.status === 200) return `${this.id} is coming back`
      return `${this.id} refuses to resume: ${messageOf(answer.body)}`
    } catch (error) {
      return wordsOf(error, `${this.id} does not answer`)
    }
  }

  #call(method: string, path: string, body?: unknown, timeoutMs = CALL_TIMEOUT_MS) {
    return this.#fleet.call(this.id, method, path, body, { timeoutMs }).finally(this.#beat)
  }

  #missed(error: unknown): void {
    const now = this.#clock.monotonic()
    const silence = this.#silence ?? { since: now, count: 0, refused: 0, refusedSince: now }
    const refused = isRefused(error) ? silence.refused + 1 : 0
    this.#silence = {
      since: silence.since,
      count: silence.count + 1,
      refused,
      refusedSince: refused <= 1 ? now : silence.refusedSince,
    }
  }
}

/** Nobody listens there (POSIX `ECONNREFUSED`): the machine is up and says that the process is not. */
const isRefused = (error: unknown): boolean => {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    if ((cause as { code?: unknown }).code === 'ECONNREFUSED') return true
    cause = cause.cause
  }
  return false
}

const wordsOf = (error: unknown, otherwise: string): string =>
  error instanceof AppError ? error.message : otherwise

const messageOf = (body: unknown): string => {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message).slice(0, 300)
    : 'it gave no reason'
}
