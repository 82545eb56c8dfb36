import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { ChunkedFraming, FramingError } from '../http/chunked-framing.ts'
import type { HttpConnection } from '../http/connection.ts'
import {
  CHUNKED,
  HeadError,
  HeadReader,
  parseResponse,
  type RequestHead,
  type ResponseHead,
  UNTIL_CLOSE,
} from '../http/head.ts'
import { writeRequest, writeResponse } from '../http/write.ts'
import type { CompiledRoute } from '../routes/compile.ts'
import { type Dial, type DialFailure, FRESH_IDLE_MS, type Target } from '../targets/dialler.ts'
import { failureReason } from '../tcp/raw-pipe.ts'

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
/** Body bytes kept while the target is dialled; then the client is paused. */
const MAX_HELD_BYTES = 64 * 1024
/** A chunked request is sent on once its first chunk-size line was seen and is valid, or after this long without one. */
const FIRST_CHUNK_WAIT_MS = 1_000
/** Interim responses (100, 103) that a target may send before its answer. */
const MAX_INTERIM = 16

/** One request and its response. Owns the target's link from dispatch until the response is complete. */
export class HttpExchange implements LinkOwner {
  private readonly connection: HttpConnection
  private readonly head: RequestHead
  private readonly upgrading: boolean
  /** The whole request has been received. */
  requestDone: boolean
  /** The client must pause: its body is not flushed, or not wanted yet. */
  holdsClient = false

  private route: CompiledRoute | null = null
  private dial: Dial | null = null
  private link: Link | null = null
  private target: Target | null = null
  private pooled = false
  private retried = false
  private dispatched = false
  private over = false

  private bodyLeft: number
  private readonly requestFraming: ChunkedFraming | null
  private held: Buffer[] = []
  private heldBytes = 0
  private readonly startedAt: number
  private bodyBegun = false
  /** Something of the request moved since the last sweep; `movedAt` is when, as the sweeps see it. */
  private moved = true
  private movedAt = 0
  private unsentFigure = 0

  private readonly reader = new HeadReader()
  private response: ResponseHead | null = null
  private responseLeft = 0
  private responseFraming: ChunkedFraming | null = null
  private keepClient = false
  private interim = 0
  private zeroWritten = false

  constructor(connection: HttpConnection, head: RequestHead) {
    this.connection = connection
    this.head = head
    this.requestFraming = head.bodyLength === CHUNKED ? new ChunkedFraming() : null
    this.bodyLeft = head.bodyLength === CHUNKED ? 0 : head.bodyLength
    this.requestDone = head.bodyLength === 0
    this.upgrading =
      head.upgrade === 'websocket' &&
      head.connection.includes('upgrade') &&
      head.method === 'GET' &&
      head.version === '1.1' &&
      head.bodyLength === 0
    this.startedAt = this.requestFraming ? performance.now() : 0
  }

  get dialling(): boolean {
    return this.dial !== null
  }

  start(route: CompiledRoute): void {
    this.route = route
    if (!this.requestFraming || this.head.expectsContinue) this.dispatch()
  }

  /** Body bytes from the client; answers the index after the last that belongs to this request. */
  requestBytes(buffer: Buffer, start: number, end: number, owned: boolean): number {
    if (this.requestDone || this.over) return start
    let stop: number
    if (this.requestFraming) {
      try {
        stop = this.requestFraming.push(buffer, start, end)
      } catch (error) {
        if (!(error instanceof FramingError)) throw error
        this.refuseBody(error.fault)
        return end
      }
      this.requestDone = this.requestFraming.done
    } else {
      stop = Math.min(end, start + this.bodyLeft)
      this.bodyLeft -= stop - start
      this.requestDone = this.bodyLeft === 0
    }
    this.bodyBegun = true
    this.moved = true
    if (this.link) {
      // The last piece is copied, so that nothing of the client's buffer is in use once the exchange is over.
      if (this.link.writable && !this.link.forward(buffer, start, stop, owned && !this.requestDone))
        this.holdsClient = true
    } else {
      this.held.push(Buffer.from(buffer.subarray(start, stop)))
      this.heldBytes += stop - start
      this.holdsClient = this.heldBytes >= MAX_HELD_BYTES
    }
    if (!this.dispatched && this.requestFraming?.sawSize) this.dispatch()
    return stop
  }

  private refuseBody(fault: string): void {
    if (this.response) this.cut('bad_request')
    else {
      this.abandon()
      this.connection.refuse(400, fault)
    }
  }

  private dispatch(): void {
    this.dispatched = true
    this.attempt(true)
  }

  private mayRepeat(): boolean {
    return this.head.bodyLength === 0 && IDEMPOTENT.has(this.head.method) && !this.upgrading
  }

  private attempt(fromPool: boolean): void {
    const { dialler } = this.connection.services
    const candidates = this.route!.group.candidates()
    const first = candidates[0]!
    const poolable = fromPool && this.head.version === '1.1' && !this.upgrading
    const idle = poolable
      ? dialler.takeIdle(first, this.mayRepeat() ? Number.POSITIVE_INFINITY : FRESH_IDLE_MS)
      : null
    if (idle) {
      this.pooled = true
      this.send(idle, first)
      return
    }
    this.pooled = false
    this.dial = dialler.dial(candidates, (link, target, failure) => {
      this.dial = null
      if (link && target && !this.over) this.send(link, target)
      else if (link) link.destroy()
      else this.dialFailed(failure ?? 'backend_refused', target)
    })
    // A dial that failed at once has settled before it could be stored.
    if (this.over || this.link) this.dial = null
  }

  private dialFailed(failure: DialFailure, target: Target | null): void {
    if (this.over) return
    this.over = true
    this.connection.record.target = target?.name ?? null
    const timedOut = failure === 'connect_timeout'
    this.connection.answer(
      timedOut ? 504 : 502,
      timedOut ? 'ERR_GATEWAY_TIMEOUT' : 'ERR_BAD_GATEWAY',
      timedOut ? 'No target could be connected in time' : 'No target could be connected',
      { route: this.route?.name ?? '', reason: failure },
      failure,
      { keep: false, bodiless: this.head.method === 'HEAD' },
    )
  }

  private send(link: Link, target: Target): void {
    this.link = link
    this.target = target
    target.active += 1
    link.owner = this
    const { record } = this.connection
    record.target = target.name
    record.targetHalf = 'open'
    let flushed = link.write(writeRequest(this.head, record.clientIp, this.upgrading))
    for (const chunk of this.held) flushed = link.write(chunk)
    this.held = []
    this.heldBytes = 0
    this.holdsClient = !flushed && !this.requestDone
    if (!this.pooled) link.socket.resume()
    if (!this.holdsClient) this.connection.resumeClient()
  }

  // The target's link.

  onBytes(_link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    const { record } = this.connection
    record.bytesDownstream += length
    record.active = true
    let at = 0
    while (!this.response) {
      let head: ResponseHead
      try {
        at = this.reader.push(buffer, at, length)
        if (at < 0) return true
        head = parseResponse(this.reader.text, this.head.method)
      } catch (error) {
        if (!(error instanceof HeadError)) throw error
        this.failed('target_malformed', `The target's answer was refused: ${error.fault}`)
        return true
      }
      if (head.status >= 200) return this.begin(head, buffer, at, length)
      if (!this.takeInterim(head, buffer, at, length)) return true
      if (at >= length) return true
    }
    return this.continue(buffer, at, length, owned)
  }

  /** 1xx: passed on; 101 ends the exchange in a raw pipe. False when this link is ours no longer. */
  private takeInterim(head: ResponseHead, buffer: Buffer, at: number, length: number): boolean {
    const { client, services } = this.connection
    this.interim += 1
    if (head.status === 101) {
      if (!this.upgrading || head.upgrade !== 'websocket') {
        this.failed('target_malformed', 'The target switched protocols without having been asked to')
        return false
      }
      const { link, target } = this
      client.write(writeResponse(head, '1.1', 'upgrade'))
      services.requests.answered(101)
      this.over = true
      this.link = null
      this.target = null
      const early = at < length ? Buffer.from(buffer.subarray(at, length)) : null
      this.connection.upgrade(link!, target!, early)
      return false
    }
    if (this.interim > MAX_INTERIM) {
      this.failed('target_malformed', 'The target sent too many interim responses')
      return false
    }
    this.moved = true
    if (this.head.version === '1.1' && client.writable) client.write(writeResponse(head, '1.1', 'keep-alive'))
    return true
  }

  private begin(head: ResponseHead, buffer: Buffer, at: number, length: number): boolean {
    const { client, services } = this.connection
    if (this.head.version === '1.0' && head.bodyLength === CHUNKED) {
      this.failed('target_malformed', 'The target answered an HTTP/1.0 request in chunks')
      return true
    }
    this.responseFraming = head.bodyLength === CHUNKED ? new ChunkedFraming('target') : null
    this.responseLeft = head.bodyLength
    // Before anything is written: a target that does not get as far as its first chunk is answered for with 502.
    const stop = this.bodyStop(buffer, at, length)
    if (stop < 0) return true
    this.response = head
    services.requests.answered(head.status)
    this.keepClient =
      head.bodyLength !== UNTIL_CLOSE && this.requestDone && this.connection.keepsAlive(this.head)
    const text = writeResponse(head, this.head.version, this.keepClient ? 'keep-alive' : 'close')
    let flushed = true
    if (client.writable) {
      if (this.responseFraming && this.responseFraming.cuts.length > 0) {
        client.write(text)
        flushed = client.write(without(buffer, at, stop, this.responseFraming.cuts))
      } else if (stop > at) {
        // Head and first bytes leave in one write.
        const out = Buffer.allocUnsafe(text.length + (stop - at))
        out.write(text, 0, 'latin1')
        buffer.copy(out, text.length, at, stop)
        flushed = client.write(out)
      } else flushed = client.write(text)
    }
    return this.advance(stop, length, flushed)
  }

  private continue(buffer: Buffer, at: number, length: number, owned: boolean): boolean {
    const { client } = this.connection
    const stop = this.bodyStop(buffer, at, length)
    if (stop < 0) return true
    let flushed = true
    if (client.writable && stop > at) {
      const cuts = this.responseFraming?.cuts
      if (cuts && cuts.length > 0) flushed = client.write(without(buffer, at, stop, cuts))
      // The last piece is copied: the link may serve another request before the client has read it.
      else flushed = client.forward(buffer, at, stop, owned && !this.responseDone())
    }
    return this.advance(stop, length, flushed)
  }

  /** Index after the response's last byte in this read; -1 when its framing is broken, which ends the exchange. */
  private bodyStop(buffer: Buffer, at: number, length: number): number {
    if (this.responseFraming) {
      try {
        return this.responseFraming.push(buffer, at, length)
      } catch (error) {
        if (!(error instanceof FramingError)) throw error
        this.failed('target_malformed', `The target's answer was refused: ${error.fault}`)
        return -1
      }
    }
    if (this.responseLeft === UNTIL_CLOSE) return length
    const stop = Math.min(length, at + this.responseLeft)
    this.responseLeft -= stop - at
    return stop
  }

  private responseDone(): boolean {
    return this.responseFraming ? this.responseFraming.done : this.responseLeft === 0
  }

  private advance(stop: number, length: number, flushed: boolean): boolean {
    if (!this.responseDone()) return flushed
    this.finish(stop < length)
    return true
  }

  /** The response is complete. `excess`: the target sent more than it announced, so its connection cannot be trusted. */
  private finish(excess: boolean): void {
    const { link, target, response, connection } = this
    if (this.over || !link || !target || !response) return
    this.over = true
    this.link = null
    this.target = null
    target.active -= 1
    const reusable =
      this.requestDone &&
      !excess &&
      response.bodyLength !== UNTIL_CLOSE &&
      response.version === '1.1' &&
      this.head.version === '1.1' &&
      !response.connection.includes('close') &&
      link.socket.writableLength === 0
    if (reusable) connection.services.dialler.giveIdle(target, link, response.keepAliveMs)
    else link.destroy()
    connection.exchangeDone(this.keepClient && this.requestDone)
  }

  onEnd(link: Link): void {
    if (this.over) return
    this.connection.record.targetHalf = 'fin'
    if (this.response?.bodyLength === UNTIL_CLOSE) {
      this.responseLeft = 0
      this.finish(false)
    } else this.lost(link, 'target_incomplete')
  }

  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (!this.over) this.lost(link, failureReason('target', error))
  }

  /** The target went away before its answer was complete. */
  private lost(link: Link, reason: CloseReason): void {
    if (this.response) {
      this.cut(reason)
      return
    }
    if (this.pooled && !this.retried && !this.reader.begun && this.interim === 0 && this.mayRepeat()) {
      // It had closed while our request was on its way: nobody has seen the request, and repeating it is harmless anyway.
      this.retried = true
      this.release()
      link.destroy()
      this.attempt(false)
      return
    }
    this.failed(reason, 'The target ended the connection before it answered')
  }

  private failed(reason: CloseReason, message: string): void {
    if (this.over) return
    if (this.response) {
      this.cut(reason)
      return
    }
    const facts = { route: this.route?.name ?? '', reason }
    const bodiless = this.head.method === 'HEAD'
    this.abandon()
    this.connection.answer(502, 'ERR_BAD_GATEWAY', message, facts, reason, { keep: false, bodiless })
  }

  /** A response that has begun cannot be taken back: the client must see that it is cut. */
  private cut(reason: CloseReason): void {
    // Behind a FIN it would look whole: where the end is the connection's, and where a zero was written to ask the client.
    const looksWhole = this.response?.bodyLength === UNTIL_CLOSE || this.zeroWritten
    this.abandon()
    this.connection.closeAfterFlush(reason, looksWhole)
  }

  onFlushed(link: Link): void {
    if (this.over || link.socket.writableLength > 0 || !this.holdsClient) return
    this.moved = true
    this.holdsClient = false
    this.connection.resumeClient()
  }

  onFinish(): void {
    // We never end our half towards a target: that would tell some of them that the client is gone.
  }

  /** The client has taken everything: the target may go on. */
  clientFlushed(): void {
    this.link?.resume()
  }

  private release(): void {
    if (this.target) this.target.active -= 1
    this.target = null
    this.link = null
  }

  /** Ends the target's side; the client's is the caller's. */
  abandon(): void {
    if (this.over) return
    this.over = true
    this.dial?.cancel()
    this.dial = null
    this.held = []
    this.link?.reset()
    this.release()
  }

  /** It is the client's turn: to send the rest of its body. */
  get awaitsBody(): boolean {
    if (this.requestDone || this.over || this.holdsClient || this.connection.client.paused) return false
    // A client that asked for leave to send waits for the target.
    return !this.head.expectsContinue || this.bodyBegun || this.interim > 0
  }

  get heldForTarget(): number {
    return this.heldBytes + (this.link?.socket.writableLength ?? 0)
  }

  /**
   * Bytes that no client minds, for one that has sent FIN: whoever is gone answers them with RST, whoever only listens reads on. Before
   * the answer an interim response (RFC 9110 §15.2), between two chunks a leading zero of the next size (RFC 9112 §7.1). False where
   * nothing can be said: then time decides.
   */
  askClient(): boolean {
    const { client } = this.connection
    if (client.socket.writableLength > 0) return true
    if (this.over || this.head.version !== '1.1') return false
    if (this.response && !this.responseFraming?.betweenChunks) return false
    this.zeroWritten = this.response !== null
    client.write(this.response ? '0' : 'HTTP/1.1 100 Continue\r\n\r\n')
    return true
  }

  sweep(now: number): void {
    if (this.over) return
    if (!this.dispatched && now - this.startedAt >= FIRST_CHUNK_WAIT_MS) this.dispatch()
    if (this.response || this.over) return
    const unsentFigure = this.link?.pending() ?? -1
    if (this.moved || this.dial || unsentFigure !== this.unsentFigure) {
      this.moved = false
      this.movedAt = now
      this.unsentFigure = unsentFigure
      return
    }
    const { bodyIdleTimeoutMs, responseTimeoutMs } = this.connection.services.config
    const forMs = now - this.movedAt
    if (this.awaitsBody) {
      if (bodyIdleTimeoutMs > 0 && forMs >= bodyIdleTimeoutMs) this.bodyStoodStill(bodyIdleTimeoutMs)
    } else if (this.link && responseTimeoutMs > 0 && forMs >= responseTimeoutMs)
      this.unanswered(responseTimeoutMs)
  }

  private bodyStoodStill(limitMs: number): void {
    this.abandon()
    this.connection.answer(
      408,
      'ERR_INVALID',
      'The request body stood still for too long',
      { fault: 'slow_body', limitMs },
      'slow_body',
    )
  }

  private unanswered(limitMs: number): void {
    const facts = { route: this.route?.name ?? '', reason: 'response_timeout', limitMs }
    const bodiless = this.head.method === 'HEAD'
    this.abandon()
    this.connection.answer(
      504,
      'ERR_GATEWAY_TIMEOUT',
      'The target sent no response head in time',
      facts,
      'response_timeout',
      { keep: false, bodiless },
    )
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
