import { connect } from 'node:tls'
import { Link, type LinkOwner, NOBODY, type OnFault } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { type Origin, proxyHeader } from '../proxy-protocol/send.ts'
import { resettable } from '../tls/resettable.ts'
import type { Connector } from './connector.ts'
import type { Target, TargetTls } from './target.ts'

export type DialFailure = Extract<
  CloseReason,
  'backend_refused' | 'connect_timeout' | 'target_unreachable' | 'target_tls_failed' | 'local_resources'
>

/** A link to a target that is connected, or why none of them is; then `target` is the one that was asked last. */
export type DialDone = (link: Link | null, target: Target | null, failure: DialFailure | null) => void

/** What a dial needs from its caller. */
export interface DialOwner {
  readonly connector: Connector
  /** Milliseconds; 0: no limit. */
  readonly connectTimeoutMs: number
  readonly onFault: OnFault
  /** After so many milliseconds. */
  connected(target: Target, ms: number): void
  connectFailed(target: Target, reason: DialFailure): void
  /** This dial is over. */
  settle(dial: Dial): void
}

const failureOf = (error: NodeJS.ErrnoException, secure: boolean): DialFailure => {
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
      return 'backend_refused'
    case 'ETIMEDOUT':
      return 'connect_timeout'
    case 'EMFILE':
    case 'ENFILE':
    case 'EADDRNOTAVAIL':
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'local_resources'
    default:
      // What the system says has a number; the others are said by TLS.
      return secure && error.errno === undefined ? 'target_tls_failed' : 'target_unreachable'
  }
}

/** One attempt to connect to one of the candidates, in order. */
export class Dial implements LinkOwner {
  readonly #owner: DialOwner
  readonly #candidates: Target[]
  readonly #done: DialDone
  readonly #origin: (() => Origin | null) | null
  #at = 0
  #link: Link | null = null
  #startedAt = 0
  #settled = false

  /** `origin`: asked where a target wants to know whose connection it is; null: nobody's. */
  constructor(owner: DialOwner, candidates: Target[], done: DialDone, origin: (() => Origin | null) | null) {
    this.#owner = owner
    this.#origin = origin
    this.#candidates = candidates
    this.#done = done
  }

  /** Connects to the candidate whose turn it is. A connector that throws is a fault of ours, and that candidate's failure. */
  next(): void {
    const target = this.#candidates[this.#at]!
    this.#startedAt = performance.now()
    target.dialling += 1
    try {
      this.#connect(target)
    } catch (error) {
      this.#owner.onFault(error)
      this.#failed('target_unreachable')
    }
  }

  #connect(target: Target): void {
    const { connector, onFault } = this.#owner
    const reader = Link.reader()
    let link: Link | null = null
    const { stream, intoBuffers } = connector(target, target.tls ? null : reader.onread, () => {
      if (!link || link.failed) return
      if (target.header) link.write(proxyHeader(target.header, this.#origin?.() ?? null))
      if (target.tls) {
        this.#secure(link, target, target.tls)
        return
      }
      if (!intoBuffers) link.readChunks()
      this.#handOver(link, target)
    })
    link = new Link(stream, this, onFault)
    reader.bind(link)
    this.#link = link
  }

  /** TLS over a connection that stands. From here on only what is above is ended: what is below ends with it. */
  #secure(below: Link, target: Target, { context }: TargetTls): void {
    if (this.#link !== below || below.failed) return
    below.owner = NOBODY
    const socket = connect({
      socket: below.socket,
      host: target.host,
      secureContext: context,
      ...(target.servername === undefined ? {} : { servername: target.servername }),
      ...(target.session ? { session: target.session } : {}),
    })
    const link = new Link(resettable(socket, below), this, this.#owner.onFault)
    this.#link = link
    socket.on('session', (session) => {
      target.session = session
    })
    socket.once('secureConnect', () => {
      link.readAccepted()
      this.#handOver(link, target)
    })
  }

  #handOver(link: Link, target: Target): void {
    try {
      this.#connected(link, target)
    } catch (error) {
      this.#owner.onFault(error)
      link.owner.onError(link, Object.assign(new Error('a fault of ours'), { code: 'ERR_INTERNAL' }))
    }
  }

  /** The target was just found dead by another dial: waiting for it to the end would help nobody while there are others. */
  leave(target: Target): void {
    if (this.#candidates[this.#at] === target && this.#at + 1 < this.#candidates.length) this.#failed(null)
  }

  #connected(link: Link, target: Target): void {
    if (this.#settled || this.#link !== link) return
    this.#settled = true
    target.dialling -= 1
    this.#owner.settle(this)
    this.#owner.connected(target, performance.now() - this.#startedAt)
    this.#done(link, target, null)
  }

  /** `failure` null: found by another dial. */
  #failed(failure: DialFailure | null): void {
    if (this.#settled) return
    const link = this.#link
    this.#link = null
    link?.destroy()
    const target = this.#candidates[this.#at]!
    target.dialling -= 1
    this.#at += 1
    if (failure !== null && failure !== 'local_resources') this.#owner.connectFailed(target, failure)
    if (this.#at < this.#candidates.length && failure !== 'local_resources') {
      this.next()
      return
    }
    this.#settled = true
    this.#owner.settle(this)
    this.#done(null, target, failure)
  }

  sweep(now: number): void {
    const limitMs = this.#owner.connectTimeoutMs
    if (limitMs > 0 && now - this.#startedAt >= limitMs) this.#failed('connect_timeout')
  }

  /** The client is gone: nobody waits for this dial any more. */
  cancel(): void {
    if (this.#settled) return
    this.#settled = true
    this.#candidates[this.#at]!.dialling -= 1
    this.#owner.settle(this)
    this.#link?.destroy()
  }

  onBytes(): boolean {
    // Nothing is read before 'connect' has handed the link over.
    return true
  }
  onEnd(link: Link): void {
    if (link === this.#link) this.#failed('backend_refused')
  }
  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (link === this.#link) this.#failed(failureOf(error, this.#candidates[this.#at]!.tls !== null))
  }
  onFlushed(): void {
    // Nothing is written while dialling.
  }
  onFinish(): void {
    // Nor is our half ended while dialling.
  }
}
