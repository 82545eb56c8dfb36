import type { Link } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import type { Delivery } from '../connections/delivery.ts'
import { quietVerdict } from '../connections/quiet-rules.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { HttpServices } from './services.ts'

/**
 * The end of a connection after its last answer: our half ends when everything is written, and the connection waits until the client
 * has it, that is, until it ends its own half or the kernel says so. The end is never a reset then: that would throw away what the
 * kernel still holds for a slow reader.
 */
export class Farewell {
  readonly reason: CloseReason
  /** Ends with RST once everything is written, so that a cut answer does not look whole. */
  readonly reset: boolean
  readonly #client: Link
  readonly #delivery: Delivery
  readonly #services: HttpServices
  readonly #since = performance.now()
  /** The client's FIN came before our answer was written: it does not say that the client has it. */
  #endedEarly: boolean
  /** When the client was found to have everything, after our FIN. */
  #takenAt: number | null = null

  constructor(client: Link, delivery: Delivery, services: HttpServices, reason: CloseReason, reset: boolean) {
    this.#client = client
    this.#delivery = delivery
    this.#services = services
    this.reason = reason
    this.reset = reset
    this.#endedEarly = client.ended
  }

  /** How long the client has had everything; null while it has not. */
  takenForMs(now: number): number | null {
    return this.#takenAt === null ? null : now - this.#takenAt
  }

  begin(): void {
    this.#delivery.remember()
    if (!this.reset) this.#client.end()
    // What still comes is read and dropped: closing with unread bytes would turn our answer into a reset (RFC 9112 §9.6).
    this.#client.resume()
  }

  /** The client has sent FIN meanwhile. */
  clientEnded(): void {
    if (!this.#client.finished) this.#endedEarly = true
  }

  /** Whether the client's own FIN says that it has everything. `owes`: it may not have the whole last answer yet. */
  isHeard(owes: boolean): boolean {
    if (!this.#client.ended || !this.#client.finished) return false
    // Where the kernel's table cannot be read, nothing more can be learned from a client that had ended before.
    return !this.#endedEarly || !owes || !this.#services.kernel.supported
  }

  /** The reason to end now, if there is one. `taken` is called once the kernel says that the client has everything. */
  sweep(now: number, record: ConnectionRecord, owes: boolean, taken: () => void): CloseReason | null {
    const { config, kernel } = this.#services
    if (this.#takenAt === null) {
      const stillMs = this.#delivery.standstillMs(now, true)
      if (this.#client.finished && this.#delivery.taken(this.#since) === true) {
        this.#takenAt = now
        taken()
      } else if (config.readerIdleTimeoutMs > 0 && stillMs >= config.readerIdleTimeoutMs) {
        return owes || !this.#client.finished ? 'stalled_reader' : this.reason
      } else if (this.#client.finished && (!kernel.supported || this.#delivery.unknowable))
        this.#takenAt = now
      if (this.#takenAt === null) return null
    }
    // It has everything. What it still sends is dropped for a while, and answered with the kernel's RST after that.
    const graceMs = config.socketCleanupGracePeriodMs
    const graceOver = graceMs > 0 && now - this.#takenAt >= graceMs
    return this.#endedEarly || graceOver || quietVerdict(config, record, null, now) ? this.reason : null
  }
}
