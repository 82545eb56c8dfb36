import type { RelayFailure } from '../../contract/health.ts'
import { Latch } from '../../time/latch.ts'
import type { TunnelStream } from '../tunnel/tunnel-stream.ts'
import { failureOfReset } from './request-failures.ts'
import type { Tunnel } from './tunnel.ts'

/** A request that goes on for longer over a tunnel of this relay is one to wait for, whenever it began. */
const LASTING_MS = 5_000

/** One public request or WebSocket that is in flight, as a drain sees it. */
export class Exchange {
  readonly kind: 'request' | 'connection'
  readonly #beganMs = performance.now()
  /** It began after visitors had been told to go elsewhere. */
  readonly #beganLate: boolean
  readonly #ended: (exchange: Exchange) => void
  #over = false
  #tunnel: Tunnel | null = null
  #stream: TunnelStream | null = null
  #failure: RelayFailure | null = null
  /** The node that owned the host last, where that is known and not this one. */
  formerOwner: string | null = null
  /** Ends it now. */
  cut: () => void = () => undefined

  constructor(kind: Exchange['kind'], beganLate: boolean, ended: (exchange: Exchange) => void) {
    this.kind = kind
    this.#beganLate = beganLate
    this.#ended = ended
  }

  /** It goes over a tunnel of this relay. */
  over(tunnel: Tunnel, stream: TunnelStream): void {
    this.#tunnel = tunnel
    this.#stream = stream
  }

  /** The first reason is the one that counts. */
  fail(reason: RelayFailure | null): void {
    this.#failure ??= reason
  }

  /** Why it got no answer from its host; null where it did, or the visitor left. */
  get failure(): RelayFailure | null {
    if (this.#failure !== null) return this.#failure
    const code = this.#stream?.endedBy ?? null
    return code === null || this.#tunnel === null ? null : failureOfReset(code, this.#tunnel)
  }

  finish(): void {
    if (this.#over) return
    this.#over = true
    this.#ended(this)
  }

  /**
   * True where phase 2 of a drain waits for it: it was there before visitors were told to go elsewhere, or it runs on a tunnel whose host
   * has moved, or it lasts on a tunnel of this relay. Short requests of visitors who still come are served but hold nothing up; otherwise
   * a drain would last as long as they come.
   */
  get holdsDrain(): boolean {
    if (!this.#beganLate) return true
    if (this.#tunnel === null) return false
    if (this.#tunnel.movedTo !== null || this.kind === 'connection') return true
    return performance.now() - this.#beganMs > LASTING_MS
  }
}

/** Everything public that is in flight on one relay: counted, awaited, cut. */
export class Exchanges {
  readonly #open = new Set<Exchange>()
  readonly #latch = new Latch()
  readonly #whenOver: (exchange: Exchange) => void
  /** From phase 2 of a drain on. */
  retiring = false

  /** `whenOver` is called once for each, when it is gone. */
  constructor(whenOver: (exchange: Exchange) => void) {
    this.#whenOver = whenOver
  }

  get size(): number {
    return this.#open.size
  }

  begin(kind: Exchange['kind']): Exchange {
    const exchange = new Exchange(kind, this.retiring, (over) => {
      this.#open.delete(over)
      this.#whenOver(over)
      this.#latch.look()
    })
    this.#open.add(exchange)
    return exchange
  }

  inFlight(which: (exchange: Exchange) => boolean = () => true): { connections: number; requests: number } {
    const counts = { connections: 0, requests: 0 }
    for (const exchange of this.#open) {
      if (!which(exchange)) continue
      if (exchange.kind === 'connection') counts.connections += 1
      else counts.requests += 1
    }
    return counts
  }

  /** Resolves when none of `which` is in flight, or when `signal` ends the wait. */
  async whenNone(which: (exchange: Exchange) => boolean, signal: AbortSignal): Promise<void> {
    await this.#latch.wait(() => ![...this.#open].some(which), signal)
  }

  /** Cuts those of `which`; returns how many they were. They are gone a little later. */
  cut(
    which: (exchange: Exchange) => boolean,
    failed: (error: unknown) => void,
  ): { connections: number; requests: number } {
    const counts = this.inFlight(which)
    for (const exchange of [...this.#open].filter(which)) {
      exchange.fail('draining')
      try {
        exchange.cut()
      } catch (error) {
        // One that cannot be cut must not keep the others.
        failed(error)
      }
    }
    return counts
  }
}
