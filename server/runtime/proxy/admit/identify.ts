import type { Link, LinkOwner } from '../../listen/link.ts'
import { Peek } from '../../listen/peek.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { failureReason } from '../connections/failure.ts'
import type { Carrier, ConnectionRecord, Peer } from '../connections/record.ts'
import type { ConnectionBook } from './connection-book.ts'

/** What the first bytes of a connection reveal. */
export type Identity =
  /** Enough is known. `taken`: bytes that were meant for us and go no further; `client`: who is served, where the bytes say so. */
  | { verdict: 'on'; taken: number; client?: Peer }
  | { verdict: 'more' }
  /** `word`: said to the client before the end. */
  | { verdict: 'no'; reason: CloseReason; word?: Buffer }

/** Reads what stands before, or at the beginning of, a connection's own bytes. */
export interface Identifier {
  /** With this many bytes it must know: `more` is a refusal then, for `reason`. */
  readonly maxBytes: number
  readonly reason: CloseReason
  /** Whether a peer at this address sends what is looked for; absent: every peer does. */
  expects?(ip: string): boolean
  /** Called with everything so far whenever bytes came; keeps none of it. */
  look(bytes: Buffer): Identity
}

/**
 * A connection whose client is not known yet. It counts against the ceiling of all connections and no client's own limits; the bytes it
 * may send and the time it may take are limited, and it is the first to go when room is needed.
 */
export class Identifying implements Carrier, LinkOwner {
  readonly #link: Link
  readonly #record: ConnectionRecord
  readonly #book: ConnectionBook
  readonly #identifier: Identifier
  /** Milliseconds; 0: no limit. */
  readonly #limitMs: number
  /** Takes the link over, with the bytes that belong to its new owner. */
  readonly #go: (early: Buffer | null) => void
  readonly #peek: Peek
  #begun = false

  constructor(
    link: Link,
    record: ConnectionRecord,
    book: ConnectionBook,
    identifier: Identifier,
    limitMs: number,
    go: (early: Buffer | null) => void,
  ) {
    this.#link = link
    this.#record = record
    this.#book = book
    this.#identifier = identifier
    this.#limitMs = limitMs
    this.#go = go
    this.#peek = new Peek(identifier.maxBytes)
    link.owner = this
    record.carrier = this
  }

  /** `early`: bytes that were read before. */
  start(early: Buffer | null = null): void {
    this.#link.readAccepted()
    if (early && !this.onBytes(this.#link, early, early.length) && !this.#link.paused) this.#link.pause()
  }

  onBytes(link: Link, buffer: Buffer, length: number): boolean {
    if (!this.#record.open) return true
    this.#begun = true
    this.#record.active = true
    this.#peek.add(buffer, length)
    const identity = this.#identifier.look(this.#peek.bytes)
    if (identity.verdict === 'no') this.#end(identity.reason, identity.word)
    else if (identity.verdict === 'on') {
      if (identity.client) this.#record.client = identity.client
      const early = this.#peek.bytes.subarray(identity.taken)
      this.#go(early.length > 0 ? early : null)
    } else if (this.#peek.full) this.#end(this.#identifier.reason)
    // The next owner may have paused it already.
    return !link.paused
  }

  #end(reason: CloseReason, word?: Buffer): void {
    if (word) this.#link.part(word)
    else this.#link.destroy()
    this.#book.close(this.#record, reason)
  }

  onEnd(): void {
    this.#end(this.#begun ? 'client_incomplete' : 'client_gone_before_data')
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    this.#end(failureReason('client', error))
  }

  onFlushed(): void {
    // Nothing is written before the client is known.
  }

  onFinish(): void {
    // Nor is our half ended before that.
  }

  sweep(now: number): void {
    if (this.#limitMs > 0 && now - this.#record.openedAt >= this.#limitMs) this.#end('initial_data_timeout')
  }

  abort(reason: CloseReason): void {
    this.#link.reset()
    this.#book.close(this.#record, reason)
  }

  retire(): void {
    // A request may be on its way; the deadline is near enough.
  }

  idleMs(): null {
    return null
  }

  keepsWaiting(): boolean {
    return true
  }

  heldBytes(): number {
    return this.#peek.bytes.length
  }
}
