import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { Link, type LinkOwner, NOBODY, type OnFault } from '../../listen/link.ts'
import type { ConnectionBook } from '../admit/connection-book.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { failureReason } from '../connections/failure.ts'
import type { Carrier, ConnectionRecord } from '../connections/record.ts'
import { resettable } from '../tls/resettable.ts'

export interface HandshakeOptions {
  /** The connection as it was accepted, whose hello was read. */
  readonly below: Link
  readonly record: ConnectionRecord
  readonly book: ConnectionBook
  /** What is shown, and by which rules. */
  readonly context: SecureContext
  /** Protocols that are offered; null: none. */
  readonly alpn: readonly string[] | null
  /** Milliseconds; 0: no limit. */
  readonly limitMs: number
  readonly onFault: OnFault
  /** Takes over what is above TLS. */
  readonly go: (secure: Link) => void
}

/** A connection from its hello until TLS is agreed on. Nobody is dialled before that. */
export class Handshake implements Carrier, LinkOwner {
  readonly #options: HandshakeOptions
  readonly #startedAt = performance.now()
  #secure: Link | null = null

  constructor(options: HandshakeOptions) {
    this.#options = options
    options.below.owner = this
    options.record.carrier = this
  }

  /** `hello`: everything that was read so far. */
  start(hello: Buffer): void {
    const { below, record, book } = this.#options
    below.pause()
    // The hello is read in a callback of the socket that TLS is put upon: not before it has returned.
    process.nextTick(() => {
      if (!record.open) return
      try {
        this.#begin(hello)
      } catch (error) {
        book.faulted(record, error)
      }
    })
  }

  #begin(hello: Buffer): void {
    const { below, context, alpn, onFault, go, record, book } = this.#options
    below.owner = NOBODY
    below.socket.unshift(hello)
    const socket = new TLSSocket(below.socket as Socket, {
      isServer: true,
      secureContext: context,
      requestCert: false,
      ...(alpn ? { ALPNProtocols: [...alpn] } : {}),
    })
    const secure = new Link(resettable(socket, below), this, onFault)
    this.#secure = secure
    socket.once('secure', () => {
      if (!record.open) return
      record.active = true
      try {
        go(secure)
      } catch (error) {
        secure.destroy()
        book.faulted(record, error)
      }
    })
  }

  #end(reason: CloseReason): void {
    const { below, record, book } = this.#options
    if (this.#secure) this.#secure.destroy()
    else below.destroy()
    book.close(record, reason)
  }

  onBytes(): boolean {
    return true
  }

  onEnd(): void {
    this.#end('client_incomplete')
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    // What the system says has a number; the others are said by TLS.
    this.#end(error.errno === undefined ? 'tls_failed' : failureReason('client', error))
  }

  onFlushed(): void {
    // Nothing of ours is written before TLS is agreed on.
  }

  onFinish(): void {
    // Our half is not ended before that either.
  }

  sweep(now: number): void {
    const { limitMs } = this.#options
    if (limitMs > 0 && now - this.#startedAt >= limitMs) this.#end('tls_failed')
  }

  abort(reason: CloseReason): void {
    const { below, record, book } = this.#options
    if (this.#secure) this.#secure.reset()
    else below.reset()
    book.close(record, reason)
  }

  retire(): void {
    // Its deadline is near enough.
  }

  idleMs(): null {
    return null
  }

  keepsWaiting(): boolean {
    return true
  }

  heldBytes(): number {
    return 0
  }
}
