import type { ErrorCode } from '../../../contract/errors.ts'
import type { Link } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { type ConnectionRecord, originOf } from '../connections/record.ts'
import { NO_CAPTURES } from '../patterns/captures.ts'
import type { Origin } from '../proxy-protocol/send.ts'
import type { RequestRefusal } from '../security/route-gate.ts'
import { ChunkedFraming, FramingError } from './chunked-framing.ts'
import type { ClientSide, Exchange } from './exchange.ts'
import { CHUNKED, type RequestHead, type ResponseHead, UNTIL_CLOSE } from './head.ts'
import type { HttpRoute, HttpServices } from './services.ts'
import { CONTINUE, writeResponse } from './write.ts'

/** The connection by which a request came, as the client's side of that request uses it. */
export interface ClientConnection {
  readonly client: Link
  readonly record: ConnectionRecord
  readonly services: HttpServices
  /** Whether the connection may stay after the answer to this request. */
  keepsAlive(head: RequestHead): boolean
  /** The body may be read further, unless the connection holds it back for reasons of its own. */
  readOn(): void
  /** Sends an answer of our own; then the connection ends for `reason`. */
  answer(
    status: number,
    code: ErrorCode,
    message: string,
    facts: Record<string, string | number>,
    reason: CloseReason,
    options?: { keep: boolean; bodiless: boolean; fields?: readonly string[] },
  ): void
  /** Answers a request that is not plainly valid. */
  refuse(status: 400, fault: string): void
  /** The answer is complete. `keep`: the connection may carry another request. */
  answered(keep: boolean): void
  /** Ends our half once everything is written; `reset`: with RST, so that the answer does not look whole. */
  leave(reason: CloseReason, reset: boolean): void
  /** Bytes both ways from now on. */
  becomePipe(peer: Link, early: Buffer | null, released: () => void): void
}

/**
 * One request of an HTTP/1.x client and its answer: follows the framing of the request's body, writes the answer's head as HTTP/1.1,
 * decides whether the connection may stay, and finds out whether a client that has sent FIN still listens.
 */
export class Http1ClientSide implements ClientSide {
  captures = NO_CAPTURES
  readonly #connection: ClientConnection
  readonly #client: Link
  readonly #head: RequestHead
  readonly #requestFraming: ChunkedFraming | null
  #requestDone: boolean
  #bodyLeft: number
  #bodyBegun = false
  #bodyPaused = false
  #exchange: Exchange | null = null
  #over = false

  #informed = false
  #responded = false
  #keep = false
  #untilClose = false
  /** Follows the chunks of an answer that is passed on. */
  #framing: ChunkedFraming | null = null
  /** An answer of the handler's own: what it still owes, and whether its content is framed here. */
  #owed = 0
  #framesOwn = false
  #bodiless = false
  #zeroWritten = false

  /** Something of the request moved since the last sweep; `movedAt` is when, as the sweeps see it. */
  #moved = true
  #movedAt = 0

  constructor(connection: ClientConnection, head: RequestHead) {
    this.#connection = connection
    this.#client = connection.client
    this.#head = head
    this.#requestFraming = head.bodyLength === CHUNKED ? new ChunkedFraming() : null
    this.#bodyLeft = head.bodyLength === CHUNKED ? 0 : head.bodyLength
    this.#requestDone = head.bodyLength === 0
  }

  // Called by the connection.

  /** Hands the request to its handler. */
  start({ handler, captures }: HttpRoute): void {
    if (captures) this.captures = captures(this.#head.target)
    const exchange = handler.handle(this.#head, this, this.#connection.record)
    // It may be answered already.
    if (!this.#over) this.#exchange = exchange
  }

  /** No route takes it; `elsewhere`: by this connection. */
  noRoute(elsewhere: boolean): void {
    this.#over = true
    const { method, version, host } = this.#head
    this.#connection.answer(
      elsewhere ? 421 : 404,
      elsewhere ? 'ERR_HOST' : 'ERR_NOT_FOUND',
      elsewhere ? 'This connection was made for another name' : 'No route takes this host and path',
      { host: host.slice(0, 255) },
      'no_route',
      {
        keep: this.#requestDone && version === '1.1' && this.#connection.keepsAlive(this.#head),
        bodiless: method === 'HEAD',
      },
    )
  }

  /** Its route does not let it in. */
  notLetIn({ status, code, message, kind, reason, fields }: RequestRefusal): void {
    this.#over = true
    const { refused } = this.#connection.services.requests
    refused[kind] = (refused[kind] ?? 0) + 1
    const keep = reason === null && this.#requestDone && this.#connection.keepsAlive(this.#head)
    const bodiless = this.#head.method === 'HEAD'
    this.#connection.answer(status, code, message, {}, reason ?? 'finished', { keep, bodiless, fields })
  }

  /** Body bytes from the client; answers the index after the last that belongs to this request. */
  takeBody(buffer: Buffer, start: number, end: number, owned: boolean): number {
    if (this.#requestDone || this.#over) return start
    let stop: number
    if (this.#requestFraming) {
      try {
        stop = this.#requestFraming.push(buffer, start, end)
      } catch (error) {
        if (!(error instanceof FramingError)) throw error
        this.#refuseBody(error.fault)
        return end
      }
      this.#requestDone = this.#requestFraming.done
    } else {
      stop = Math.min(end, start + this.#bodyLeft)
      this.#bodyLeft -= stop - start
      this.#requestDone = this.#bodyLeft === 0
    }
    this.#bodyBegun = true
    this.#moved = true
    this.#exchange?.requestBytes(buffer, start, stop, owned)
    return stop
  }

  #refuseBody(fault: string): void {
    if (this.#responded) {
      this.#exchange?.abandon()
      this.reset('bad_request')
      return
    }
    this.abandon()
    this.#connection.refuse(400, fault)
  }

  /** Ends the exchange; the connection decides about itself. */
  abandon(): void {
    if (this.#over) return
    this.#over = true
    this.#exchange?.abandon()
  }

  /** The client must pause: the rest of its body is not wanted yet. */
  get bodyPaused(): boolean {
    return this.#bodyPaused
  }

  get dialling(): boolean {
    return !this.#over && this.#exchange?.dialling === true
  }

  get heldBytes(): number {
    return this.#exchange?.heldBytes ?? 0
  }

  /** The client has taken everything that was written. */
  flushed(): void {
    if (!this.#over) this.#exchange?.clientFlushed()
  }

  /**
   * Bytes that no client minds, for one that has sent FIN: a client that is gone answers them with RST, one that only listens reads on.
   * Before the answer an interim response (RFC 9110 §15.2), between two chunks a leading zero of the next size (RFC 9112 §7.1). False
   * where nothing can be sent: then time decides.
   */
  askIfGone(): boolean {
    if (this.#client.socket.writableLength > 0) return true
    if (this.#over || this.#head.version !== '1.1') return false
    if (this.#responded && !this.#framesOwn && !this.#framing?.betweenChunks) return false
    this.#zeroWritten = this.#responded
    this.#client.write(this.#responded ? '0' : CONTINUE)
    return true
  }

  sweep(now: number): void {
    if (this.#over) return
    this.#exchange?.sweep(now)
    if (this.#over || this.#responded) return
    if (this.#moved || this.dialling || !this.awaitsBody) {
      this.#moved = false
      this.#movedAt = now
      return
    }
    const limitMs = this.#connection.services.config.bodyIdleTimeoutMs
    if (limitMs > 0 && now - this.#movedAt >= limitMs) this.#bodyStoodStill(limitMs)
  }

  #bodyStoodStill(limitMs: number): void {
    this.abandon()
    this.#connection.answer(
      408,
      'ERR_INVALID',
      'The request body stood still for too long',
      { fault: 'slow_body', limitMs },
      'slow_body',
    )
  }

  // Called by the handler.

  get scheme(): 'http' | 'https' {
    return this.#connection.record.tls ? 'https' : 'http'
  }

  origin(): Origin | null {
    return originOf(this.#connection.record, this.#client.socket)
  }

  get ip(): string {
    return this.#connection.record.client.ip
  }

  get requestDone(): boolean {
    return this.#requestDone
  }

  get bodyPlain(): boolean {
    return this.#requestFraming?.sawSize ?? this.#bodyBegun
  }

  get awaitsBody(): boolean {
    if (this.#requestDone || this.#over || this.#bodyPaused || this.#client.paused) return false
    // A client that asked for leave to send waits for the target.
    return !this.#head.expectsContinue || this.#bodyBegun || this.#informed
  }

  pauseBody(): void {
    this.#bodyPaused = true
  }

  resumeBody(): boolean {
    if (!this.#bodyPaused || this.#over) return false
    this.#moved = true
    this.#bodyPaused = false
    this.#connection.readOn()
    return true
  }

  inform(head: ResponseHead): void {
    if (this.#over || this.#responded) return
    this.#informed = true
    this.#moved = true
    // RFC 9110 §15.2: none to an HTTP/1.0 client.
    if (this.#head.version === '1.1' && this.#client.writable)
      this.#client.write(writeResponse(head, '1.1', 'keep-alive'))
  }

  /** The head as text. From here on the answer cannot be taken back. */
  #begin(head: ResponseHead): string {
    this.#responded = true
    this.#untilClose = head.bodyLength === UNTIL_CLOSE
    this.#keep = !this.#untilClose && this.#requestDone && this.#connection.keepsAlive(this.#head)
    this.#connection.services.requests.answered(head.status)
    return writeResponse(head, this.#head.version, this.#keep ? 'keep-alive' : 'close')
  }

  respond(head: ResponseHead): void {
    if (this.#over || this.#responded) return
    const { status } = head
    this.#bodiless = this.#head.method === 'HEAD' || status === 204 || status === 304
    const unknown = head.bodyLength === CHUNKED && !this.#bodiless
    // RFC 9112 §6.1: an HTTP/1.0 client knows no chunks; its answer ends with the connection.
    this.#framesOwn = unknown && this.#head.version === '1.1'
    this.#owed = this.#bodiless ? 0 : Math.max(0, head.bodyLength)
    const text = this.#begin(unknown && !this.#framesOwn ? { ...head, bodyLength: UNTIL_CLOSE } : head)
    this.#write(text, text.length)
  }

  body(content: Buffer): boolean {
    if (this.#over || !this.#responded || this.#bodiless || content.length === 0) return true
    if (this.#framesOwn) {
      this.#write(`${content.length.toString(16)}\r\n`, 0)
      this.#write(content, content.length)
      return this.#write('\r\n', 0)
    }
    if (!this.#untilClose) {
      if (content.length > this.#owed) {
        this.#fault('a handler gave more than it had announced')
        return true
      }
      this.#owed -= content.length
    }
    return this.#write(content, content.length)
  }

  #write(out: string | Buffer, counted: number): boolean {
    const { record } = this.#connection
    record.bytesDownstream += counted
    record.active = true
    return this.#client.writable ? this.#client.write(out) : true
  }

  passHead(
    head: ResponseHead,
    framing: ChunkedFraming | null,
    buffer: Buffer,
    start: number,
    end: number,
  ): boolean {
    if (this.#over || this.#responded) return true
    this.#framing = framing
    const text = this.#begin(head)
    if (!this.#client.writable) return true
    if (framing && framing.cuts.length > 0) {
      this.#client.write(text)
      return this.#client.write(without(buffer, start, end, framing.cuts))
    }
    if (end === start) return this.#client.write(text)
    // Head and first bytes leave in one write.
    const out = Buffer.allocUnsafe(text.length + (end - start))
    out.write(text, 0, 'latin1')
    buffer.copy(out, text.length, start, end)
    return this.#client.write(out)
  }

  passBody(buffer: Buffer, start: number, end: number, owned: boolean): boolean {
    if (this.#over || !this.#client.writable || end === start) return true
    const cuts = this.#framing?.cuts
    if (cuts && cuts.length > 0) return this.#client.write(without(buffer, start, end, cuts))
    return this.#client.forward(buffer, start, end, owned)
  }

  end(): void {
    if (this.#over) return
    if (!this.#responded || this.#owed > 0) {
      this.#fault('a handler ended an answer that is not whole')
      return
    }
    if (this.#framesOwn) this.#write('0\r\n\r\n', 0)
    this.#over = true
    this.#connection.answered(this.#keep && this.#requestDone)
  }

  /** A mistake of the handler: it costs this connection, wherever it happened. */
  #fault(what: string): void {
    this.#connection.services.noteFault(new Error(what))
    this.#exchange?.abandon()
    this.reset('internal_error')
  }

  reset(reason: CloseReason): void {
    if (this.#over) return
    this.#over = true
    // Behind a FIN it would look whole: where the end is the connection's, and where a zero was written to ask the client.
    this.#connection.leave(reason, !this.#responded || this.#untilClose || this.#zeroWritten)
  }

  fail(
    status: number,
    code: ErrorCode,
    message: string,
    facts: Record<string, string | number>,
    reason: CloseReason,
  ): void {
    if (this.#over) return
    if (this.#responded) {
      this.reset(reason)
      return
    }
    this.#over = true
    const bodiless = this.#head.method === 'HEAD'
    this.#connection.answer(status, code, message, facts, reason, { keep: false, bodiless })
  }

  upgrade(head: ResponseHead, peer: Link, early: Buffer | null, released: () => void): void {
    if (this.#over) {
      peer.reset()
      released()
      return
    }
    this.#over = true
    this.#client.write(writeResponse(head, '1.1', 'upgrade'))
    this.#connection.services.requests.answered(head.status)
    this.#connection.becomePipe(peer, early, released)
  }
}

/** A copy of the bytes from `start` to `end`, without the ranges in `cuts`. */
const without = (buffer: Buffer, start: number, end: number, cuts: readonly number[]): Buffer => {
  const pieces: Buffer[] = []
  let from = start
  for (let at = 0; at < cuts.length; at += 2) {
    pieces.push(buffer.subarray(from, cuts[at]))
    from = cuts[at + 1]!
  }
  pieces.push(buffer.subarray(from, end))
  return Buffer.concat(pieces)
}
