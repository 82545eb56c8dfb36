import type { ErrorCode } from '../../../contract/errors.ts'
import type { Link } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import type { ConnectionRecord } from '../connections/record.ts'
import type { Captures } from '../patterns/captures.ts'
import type { Origin } from '../proxy-protocol/send.ts'
import type { ChunkedFraming } from './chunked-framing.ts'
import type { RequestHead, ResponseHead } from './head.ts'

/**
 * The interface between a handler and a client. A handler knows nothing of the client's connection or its version of HTTP; the client's
 * side knows nothing of what the handler does. Each calls the other only through these two interfaces.
 *
 * An exchange ends once: by the handler (`end`, `reset`, `fail`, `upgrade`) or by the client's side (`abandon`). After that neither
 * calls the other; a late call of the handler does nothing.
 *
 * Bodies of a length that is not known travel between the two as HTTP/1.1 frames them (RFC 9112 §7.1), so that what comes from an
 * HTTP/1.1 peer and goes to one is never taken apart: a client's side of another version adds and removes the frames itself.
 */

/** Answers the requests of one route. One for each route; holds nothing of a single request. */
export interface RouteHandler {
  /** May answer in the same tick. Throwing ends the connection with `internal_error`. */
  handle(request: RequestHead, client: ClientSide, context: RouteContext): Exchange
}

/** Where a handler reports its target and its bytes: what lists and counts of connections show. */
export type RouteContext = Pick<ConnectionRecord, 'target' | 'targetHalf' | 'bytesDownstream' | 'active'>

/** One request in the hands of a handler, as the client's side sees it. */
export interface Exchange {
  /** It has not yet reached what it needs: a client that leaves now is `client_gone_while_dialling`. */
  readonly dialling: boolean
  /** Bytes of the request that are held until somebody takes them. */
  readonly heldBytes: number
  /**
   * Bytes `start` to `end` of the request's body. The buffer is valid only until this returns unless `owned`: then it stays untouched
   * while the body is paused. Never called for a request without a body; with the last bytes `client.requestDone` is true.
   */
  requestBytes(buffer: Buffer, start: number, end: number, owned: boolean): void
  /** The client has taken everything that was given: what was paused for it may go on. */
  clientFlushed(): void
  /** Applies the handler's own timeouts; `now` is the clock of the sweeps, in milliseconds. */
  sweep(now: number): void
  /** The client is gone, or is let go: everything that was held for it is released in this tick. */
  abandon(): void
}

/** The client of one request, as its handler sees it. HTTP/1.1 today; HTTP/2 is another class with these verbs. */
export interface ClientSide {
  readonly scheme: 'http' | 'https'
  /** The address of who is served. */
  readonly ip: string
  /** Whose connection it is, and where it came in; null once that cannot be said. */
  origin(): Origin | null
  /** What the route's path has captured of the request. */
  readonly captures: Captures
  /** The whole request has been received. */
  readonly requestDone: boolean
  /** The body has begun and is plainly valid so far; where it comes in chunks, the first size was seen. */
  readonly bodyPlain: boolean
  /** It is the client's turn to send the rest of its body. */
  readonly awaitsBody: boolean
  /** No more of the body, please, until `resumeBody`. */
  pauseBody(): void
  /** True when the body had been paused. */
  resumeBody(): boolean

  /** An interim response (RFC 9110 §15.2): any number before the final one. */
  inform(head: ResponseHead): void

  /** Begins an answer of the handler's own; `body` follows. Without a known length the client's side frames what follows. */
  respond(head: ResponseHead): void
  /** Content of such an answer; the buffer is not touched again by the handler. False: wait for `clientFlushed`. */
  body(content: Buffer): boolean

  /**
   * Passes on the head of an answer that somebody else gives, together with the first bytes of its body (`start` to `end` may be
   * empty). `framing` follows its chunks, null where it has none; it has been pushed the bytes before they are given. False: wait for
   * `clientFlushed`.
   */
  passHead(
    head: ResponseHead,
    framing: ChunkedFraming | null,
    buffer: Buffer,
    start: number,
    end: number,
  ): boolean
  /** More bytes of that body, with its frames. `owned` as in `Exchange.requestBytes`. False: wait for `clientFlushed`. */
  passBody(buffer: Buffer, start: number, end: number, owned: boolean): boolean

  /** The answer is complete. */
  end(): void
  /** The answer cannot be completed: the client must see that it is cut. Before an answer: the connection is cut. */
  reset(reason: CloseReason): void
  /** Instead of an answer: our JSON error, and the end of the connection for `reason`. */
  fail(
    status: number,
    code: ErrorCode,
    message: string,
    facts: Record<string, string | number>,
    reason: CloseReason,
  ): void
  /**
   * Passes on a 101, and from then on bytes both ways between the client and `peer`, which belongs to the client's side from now on.
   * `early` came behind the head. `released` is called once, when it is over.
   */
  upgrade(head: ResponseHead, peer: Link, early: Buffer | null, released: () => void): void
}
