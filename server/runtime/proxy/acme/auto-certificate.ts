import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { ProxyHealth } from '../../../contract/health.ts'
import { Backoff } from '../../../time/backoff.ts'
import { AcmeFault } from './acme-fault.ts'
import type { StoredCertificate } from './acme-store.ts'

type Shown = NonNullable<ProxyHealth['certificates']>[number]

export interface AutoTimings {
  /** Waits after failures that say nothing else, in milliseconds: the first, and the longest. */
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  /** A certificate that was just had is not asked for again, whatever its dates and this clock say. */
  readonly restMs: number
  /** One order, in milliseconds. */
  readonly orderLimitMs: number
  /** Between two looks at an order where the authority names no time. */
  readonly pollMs: number
}

export const AUTO_TIMINGS: AutoTimings = {
  retryBaseMs: 60_000,
  retryMaxMs: 6 * 3_600_000,
  restMs: 3_600_000,
  orderLimitMs: 180_000,
  pollMs: 2_000,
}

/** An authority that wants to be left alone for longer is asked then. */
const MAX_RETRY_AFTER_MS = 7 * 86_400_000
const DAY_MS = 86_400_000

/** The certificate of one name: what is shown to clients, when it is due, and what its last order came to. */
export class AutoCertificate {
  readonly name: string
  readonly #timings: AutoTimings
  readonly #backoff: Backoff
  #stored: StoredCertificate | null = null
  #own: X509Certificate | null = null
  /** By oldest version of TLS. */
  readonly #contexts = new Map<string, SecureContext>()
  #failure: { at: string; reason: string } | null = null
  /** Monotonic, in milliseconds. */
  #notBefore = 0

  constructor(name: string, timings: AutoTimings) {
    this.name = name
    this.#timings = timings
    this.#backoff = new Backoff({ baseMs: timings.retryBaseMs, maxMs: timings.retryMaxMs })
  }

  /** Null until there is one. From then on each handshake takes the newest. */
  context(minVersion: '1.2' | '1.3'): SecureContext | null {
    const stored = this.#stored
    if (!stored) return null
    const known = this.#contexts.get(minVersion)
    if (known) return known
    const context = this.#contextOf(stored, minVersion)
    this.#contexts.set(minVersion, context)
    return context
  }

  #contextOf({ cert, key }: StoredCertificate, minVersion: '1.2' | '1.3'): SecureContext {
    // A session belongs to those who show this certificate by these rules.
    const sessionIdContext = createHash('sha256').update(minVersion).update(cert).digest('base64url')
    return createSecureContext({
      cert,
      key,
      minVersion: `TLSv${minVersion}`,
      sessionIdContext: sessionIdContext.slice(0, 32),
    })
  }

  /** From the store, or just had. Null where it is for another name, or cannot be used for TLS: the one before stays. */
  take(stored: StoredCertificate): X509Certificate | null {
    const own = new X509Certificate(stored.cert)
    if (!own.checkHost(this.name)) return null
    try {
      // Now, and not in somebody's handshake: OpenSSL refuses keys and signatures that are too weak.
      this.#contextOf(stored, '1.2')
    } catch {
      return null
    }
    this.#contexts.clear()
    this.#stored = stored
    this.#own = own
    return own
  }

  /** It was just had. `now` is monotonic. */
  succeeded(now: number): void {
    this.#failure = null
    this.#backoff.reset()
    this.#notBefore = now + this.#timings.restMs
  }

  /** Its order came to nothing. `now` is monotonic. */
  failed(error: unknown, now: number): string {
    const fault = error instanceof AcmeFault ? error : null
    const isLate = error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)
    const reason =
      fault?.message ??
      (isLate ? 'the order was not done within its time' : `a fault of ours: ${String(error)}`.slice(0, 240))
    this.#failure = { at: new Date().toISOString(), reason }
    const wished = Math.min(fault?.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
    const ownMs = this.#backoff.next()
    // Who names a time knows best, once; who names it again and again is not believed.
    this.#notBefore = now + (wished > 0 && this.#backoff.failures === 1 ? wished : Math.max(wished, ownMs))
    return reason
  }

  get failure(): { at: string; reason: string } | null {
    return this.#failure
  }

  /** Whether it is time for an order. */
  isDue(directoryUrl: string, renewDays: number, now: number): boolean {
    if (now < this.#notBefore) return false
    if (!this.#own || this.#stored?.directoryUrl !== directoryUrl) return true
    const from = this.#own.validFromDate.getTime()
    const to = this.#own.validToDate.getTime()
    return Date.now() >= Math.max(to - renewDays * DAY_MS, from + (to - from) / 2)
  }

  /** Clients accept it, as far as its dates go. */
  get isValid(): boolean {
    return this.#own !== null && Date.now() <= this.#own.validToDate.getTime()
  }

  shown(): Shown {
    return {
      domains: [this.name],
      notAfter: this.#own?.validToDate.toISOString() ?? null,
      state: this.#own === null ? 'missing' : this.isValid ? 'valid' : 'expired',
      ...(this.#failure === null ? {} : { lastFailure: this.#failure }),
    }
  }
}
