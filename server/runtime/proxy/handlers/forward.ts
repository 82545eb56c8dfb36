import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { failureReason } from '../connections/failure.ts'
import { ChunkedFraming, FramingError } from '../http/chunked-framing.ts'
import type { ClientSide, Exchange, RouteContext, RouteHandler } from '../http/exchange.ts'
import {
  CHUNKED,
  HeadError,
  HeadReader,
  parseResponse,
  type RequestHead,
  type ResponseHead,
  UNTIL_CLOSE,
} from '../http/head.ts'
import { writeRequest } from '../http/write.ts'
import type { Dial, DialDone, DialFailure } from '../targets/dial.ts'
import type { Dialler } from '../targets/dialler.ts'
import { FRESH_IDLE_MS } from '../targets/pool.ts'
import type { Target } from '../targets/target.ts'
import type { TargetChoice } from '../targets/target-group.ts'

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
/** Body bytes kept while the target is dialled; then the client is paused. */
const MAX_HELD_BYTES = 64 * 1024
/** A chunked request is sent on once its first chunk-size line was seen and is valid, or after this long without one. */
const FIRST_CHUNK_WAIT_MS = 1_000
/** Interim responses (100, 103) that a target may send before its answer. */
const MAX_INTERIM = 16

/** What the forwarding handlers of all routes share. */
export interface ForwardServices {
  readonly config: Pick<ProxyConfig, 'responseTimeoutMs'>
  readonly dialler: Dialler
}

/** Passes requests on to one of the route's targets, over HTTP/1.x and connections that are kept alive. */
export class Forward implements RouteHandler {
  readonly #route: string
  readonly #group: TargetChoice
  readonly #services: ForwardServices

  constructor(route: string, group: TargetChoice, services: ForwardServices) {
    this.#route = route
    this.#group = group
    this.#services = services
  }

  handle(request: RequestHead, client: ClientSide, context: RouteContext): Exchange {
    const exchange = new ForwardExchange(this.#route, this.#group, this.#services, request, client, context)
    try {
      exchange.start()
    } catch (error) {
      exchange.abandon()
      throw error
    }
    return exchange
  }
}

/** One request and its response. Owns the target's link from dispatch until the response is complete. */
class ForwardExchange implements Exchange, LinkOwner {
  readonly #route: string
  readonly #group: TargetChoice
  readonly #services: ForwardServices
  readonly #head: RequestHead
  readonly #client: ClientSide
  readonly #context: RouteContext
  readonly #upgrading: boolean

  #dial: Dial | null = null
  #link: Link | null = null
  #target: Target | null = null
  #pooled = false
  #retried = false
  #dispatched = false
  #over = false

  #held: Buffer[] = []
  #heldBytes = 0
  readonly #startedAt: number
  /** Something of the request moved since the last sweep; `movedAt` is when, as the sweeps see it. */
  #moved = true
  #movedAt = 0
  #unsentFigure = 0

  readonly #reader = new HeadReader()
  #response: ResponseHead | null = null
  #responseLeft = 0
  #responseFraming: ChunkedFraming | null = null
  #interim = 0
  /** When the request was passed to the target; null where nobody asks how long it takes. */
  #sentAt: number | null = null

  constructor(
    route: string,
    group: TargetChoice,
    services: ForwardServices,
    head: RequestHead,
    client: ClientSide,
    context: RouteContext,
  ) {
    this.#route = route
    this.#group = group
    this.#services = services
    this.#head = head
    this.#client = client
    this.#context = context
    this.#upgrading =
      head.upgrade === 'websocket' &&
      head.connection.includes('upgrade') &&
      head.method === 'GET' &&
      head.version === '1.1' &&
      head.bodyLength === 0
    this.#startedAt = head.bodyLength === CHUNKED ? performance.now() : 0
  }

  get dialling(): boolean {
    return this.#dial !== null
  }

  get heldBytes(): number {
    return this.#heldBytes + (this.#link?.socket.writableLength ?? 0)
  }

  start(): void {
    if (this.#head.bodyLength !== CHUNKED || this.#head.expectsContinue) this.#dispatch()
  }

  requestBytes(buffer: Buffer, start: number, end: number, owned: boolean): void {
    if (this.#over) return
    this.#moved = true
    if (this.#link) {
      // The last piece is copied, so that nothing of the client's buffer is in use once the exchange is over.
      const lent = owned && !this.#client.requestDone
      if (this.#link.writable && !this.#link.forward(buffer, start, end, lent)) this.#client.pauseBody()
    } else {
      this.#held.push(Buffer.from(buffer.subarray(start, end)))
      this.#heldBytes += end - start
      if (this.#heldBytes >= MAX_HELD_BYTES) this.#client.pauseBody()
    }
    if (!this.#dispatched && this.#client.bodyPlain) this.#dispatch()
  }

  #dispatch(): void {
    this.#dispatched = true
    this.#attempt(true)
  }

  #mayRepeat(): boolean {
    return this.#head.bodyLength === 0 && IDEMPOTENT.has(this.#head.method) && !this.#upgrading
  }

  #attempt(fromPool: boolean): void {
    const candidates = this.#group.candidates(this.#client.captures, this.#client.ip)
    const first = candidates[0]!
    // What says whose a connection is, says it once.
    const poolable = fromPool && !first.header && this.#head.version === '1.1' && !this.#upgrading
    const idle = poolable
      ? first.pool.take(this.#mayRepeat() ? Number.POSITIVE_INFINITY : FRESH_IDLE_MS)
      : null
    if (idle) {
      this.#services.dialler.noteChosen(candidates)
      this.#pooled = true
      this.#send(idle, first)
      return
    }
    this.#pooled = false
    const done: DialDone = (link, target, failure) => {
      this.#dial = null
      if (link && target && !this.#over) this.#send(link, target)
      else if (link) link.destroy()
      else this.#dialFailed(failure ?? 'backend_refused', target)
    }
    this.#dial = this.#services.dialler.dial(candidates, done, () => this.#client.origin())
    // A dial that failed at once has settled before it could be stored.
    if (this.#over || this.#link) this.#dial = null
  }

  #dialFailed(failure: DialFailure, target: Target | null): void {
    if (this.#over) return
    this.#over = true
    this.#context.target = target?.name ?? null
    const timedOut = failure === 'connect_timeout'
    this.#client.fail(
      timedOut ? 504 : 502,
      timedOut ? 'ERR_GATEWAY_TIMEOUT' : 'ERR_BAD_GATEWAY',
      timedOut ? 'No target could be connected in time' : 'No target could be connected',
      { route: this.#route, reason: failure },
      failure,
    )
  }

  #send(link: Link, target: Target): void {
    this.#link = link
    this.#target = target
    target.active += 1
    // An upload takes its own time, which is not its target's.
    this.#sentAt = this.#head.bodyLength === 0 ? target.timed() : null
    link.owner = this
    this.#context.target = target.name
    this.#context.targetHalf = 'open'
    let flushed = link.write(writeRequest(this.#head, this.#client, this.#upgrading))
    for (const chunk of this.#held) flushed = link.write(chunk)
    this.#held = []
    this.#heldBytes = 0
    if (!this.#pooled) link.socket.resume()
    if (flushed || this.#client.requestDone) this.#client.resumeBody()
    else this.#client.pauseBody()
  }

  // The target's link.

  onBytes(_link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    this.#context.bytesDownstream += length
    this.#context.active = true
    let at = 0
    while (!this.#response) {
      let head: ResponseHead
      try {
        at = this.#reader.push(buffer, at, length)
        if (at < 0) return true
        head = parseResponse(this.#reader.text, this.#head.method)
      } catch (error) {
        if (!(error instanceof HeadError)) throw error
        this.#failed('target_malformed', `The target's answer was refused: ${error.fault}`)
        return true
      }
      if (head.status >= 200) return this.#begin(head, buffer, at, length)
      if (!this.#takeInterim(head, buffer, at, length)) return true
      if (at >= length) return true
    }
    return this.#continue(buffer, at, length, owned)
  }

  /** 1xx: passed on; 101 ends the exchange in a raw pipe. False when this link is no longer ours. */
  #takeInterim(head: ResponseHead, buffer: Buffer, at: number, length: number): boolean {
    this.#interim += 1
    if (head.status === 101) {
      if (!this.#upgrading || head.upgrade !== 'websocket') {
        this.#failed('target_malformed', 'The target switched protocols without having been asked to')
        return false
      }
      this.#upgrade(head, at < length ? Buffer.from(buffer.subarray(at, length)) : null)
      return false
    }
    if (this.#interim > MAX_INTERIM) {
      this.#failed('target_malformed', 'The target sent too many interim responses')
      return false
    }
    this.#moved = true
    this.#client.inform(head)
    return true
  }

  #upgrade(head: ResponseHead, early: Buffer | null): void {
    const link = this.#link
    const target = this.#target
    if (!link || !target) return
    this.#answered()
    this.#over = true
    this.#link = null
    this.#target = null
    this.#client.upgrade(head, link, early, () => {
      target.active -= 1
    })
  }

  #begin(head: ResponseHead, buffer: Buffer, at: number, length: number): boolean {
    if (this.#head.version === '1.0' && head.bodyLength === CHUNKED) {
      this.#failed('target_malformed', 'The target answered an HTTP/1.0 request in chunks')
      return true
    }
    this.#responseFraming = head.bodyLength === CHUNKED ? new ChunkedFraming('target') : null
    this.#responseLeft = head.bodyLength
    // Before anything is written: a target that does not get as far as its first chunk is answered for with 502.
    const stop = this.#bodyStop(buffer, at, length)
    if (stop < 0) return true
    this.#response = head
    this.#answered()
    const flushed = this.#client.passHead(head, this.#responseFraming, buffer, at, stop)
    return this.#advance(stop, length, flushed)
  }

  #answered(): void {
    if (this.#target) this.#services.dialler.answered(this.#target, this.#sentAt)
  }

  #continue(buffer: Buffer, at: number, length: number, owned: boolean): boolean {
    const stop = this.#bodyStop(buffer, at, length)
    if (stop < 0) return true
    // The last piece is copied: the link may serve another request before the client has read it.
    const flushed = this.#client.passBody(buffer, at, stop, owned && !this.#responseDone())
    return this.#advance(stop, length, flushed)
  }

  /** Index after the response's last byte in this read; -1 when its framing is broken, which ends the exchange. */
  #bodyStop(buffer: Buffer, at: number, length: number): number {
    if (this.#responseFraming) {
      try {
        return this.#responseFraming.push(buffer, at, length)
      } catch (error) {
        if (!(error instanceof FramingError)) throw error
        this.#failed('target_malformed', `The target's answer was refused: ${error.fault}`)
        return -1
      }
    }
    if (this.#responseLeft === UNTIL_CLOSE) return length
    const stop = Math.min(length, at + this.#responseLeft)
    this.#responseLeft -= stop - at
    return stop
  }

  #responseDone(): boolean {
    return this.#responseFraming ? this.#responseFraming.done : this.#responseLeft === 0
  }

  #advance(stop: number, length: number, flushed: boolean): boolean {
    if (!this.#responseDone()) return flushed
    this.#finish(stop < length)
    return true
  }

  /** The response is complete. `excess`: the target sent more than it announced, so its connection cannot be trusted. */
  #finish(excess: boolean): void {
    const link = this.#link
    const target = this.#target
    const response = this.#response
    if (this.#over || !link || !target || !response) return
    this.#over = true
    this.#link = null
    this.#target = null
    target.active -= 1
    const reusable =
      this.#client.requestDone &&
      !target.header &&
      !excess &&
      response.bodyLength !== UNTIL_CLOSE &&
      response.version === '1.1' &&
      this.#head.version === '1.1' &&
      !response.connection.includes('close') &&
      link.socket.writableLength === 0
    if (reusable) this.#services.dialler.giveIdle(target, link, response.keepAliveMs)
    else link.destroy()
    this.#client.end()
  }

  onEnd(link: Link): void {
    if (this.#over) return
    this.#context.targetHalf = 'fin'
    if (this.#response?.bodyLength === UNTIL_CLOSE) {
      this.#responseLeft = 0
      this.#finish(false)
    } else this.#lost(link, 'target_incomplete')
  }

  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (!this.#over) this.#lost(link, failureReason('target', error))
  }

  /** The target went away before its answer was complete. */
  #lost(link: Link, reason: CloseReason): void {
    if (this.#response) {
      this.#cut(reason)
      return
    }
    if (this.#pooled && !this.#retried && !this.#reader.begun && this.#interim === 0 && this.#mayRepeat()) {
      // The connection was closed while our request was on its way: nobody has seen the request, and repeating it would be harmless
      // anyway.
      this.#retried = true
      this.#release()
      link.destroy()
      this.#attempt(false)
      return
    }
    this.#failed(reason, 'The target ended the connection before it answered')
  }

  #failed(reason: CloseReason, message: string): void {
    if (this.#over) return
    if (this.#response) {
      this.#cut(reason)
      return
    }
    this.abandon()
    this.#client.fail(502, 'ERR_BAD_GATEWAY', message, { route: this.#route, reason }, reason)
  }

  /** A response that has begun cannot be taken back. */
  #cut(reason: CloseReason): void {
    this.abandon()
    this.#client.reset(reason)
  }

  onFlushed(link: Link): void {
    if (this.#over || link.socket.writableLength > 0) return
    if (this.#client.resumeBody()) this.#moved = true
  }

  onFinish(): void {
    // We never end our half towards a target: that would tell some of them that the client is gone.
  }

  clientFlushed(): void {
    this.#link?.resume()
  }

  #release(): void {
    if (this.#target) this.#target.active -= 1
    this.#target = null
    this.#link = null
  }

  /** Ends the target's side. */
  abandon(): void {
    if (this.#over) return
    this.#over = true
    this.#dial?.cancel()
    this.#dial = null
    this.#held = []
    this.#link?.reset()
    this.#release()
  }

  sweep(now: number): void {
    if (this.#over) return
    if (!this.#dispatched && now - this.#startedAt >= FIRST_CHUNK_WAIT_MS) this.#dispatch()
    if (this.#response || this.#over) return
    const unsentFigure = this.#link?.pending() ?? -1
    if (this.#moved || this.#dial || unsentFigure !== this.#unsentFigure || this.#client.awaitsBody) {
      this.#moved = false
      this.#movedAt = now
      this.#unsentFigure = unsentFigure
      return
    }
    const { responseTimeoutMs } = this.#services.config
    if (this.#link && responseTimeoutMs > 0 && now - this.#movedAt >= responseTimeoutMs)
      this.#unanswered(responseTimeoutMs)
  }

  #unanswered(limitMs: number): void {
    const target = this.#target
    this.abandon()
    if (target) this.#services.dialler.unanswered(target)
    this.#client.fail(
      504,
      'ERR_GATEWAY_TIMEOUT',
      'The target sent no response head in time',
      { route: this.#route, reason: 'response_timeout', limitMs },
      'response_timeout',
    )
  }
}
