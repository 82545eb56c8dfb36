import type { ErrorCode } from '../../../contract/errors.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { Delivery } from '../connections/delivery.ts'
import { failureReason } from '../connections/failure.ts'
import { quietVerdict } from '../connections/quiet-rules.ts'
import type { Carrier, ConnectionRecord } from '../connections/record.ts'
import { RawPipe } from '../tcp/raw-pipe.ts'
import { type ClientConnection, Http1ClientSide } from './client-side.ts'
import { Farewell } from './farewell.ts'
import { HeadError, HeadReader, parseRequest, type RequestHead } from './head.ts'
import type { HttpPort, HttpServices } from './services.ts'
import { REFUSED_HEADS, writeError } from './write.ts'

/** Bytes kept of a client while its present request is served: pipelined requests, or a WebSocket's early frames. */
const MAX_LEFTOVER_BYTES = 64 * 1024
/** A connection without a request when a drain begins may have one on the wire: it is given this long. */
const FRESH_GRACE_MS = 1_000
/**
 * A client that has sent FIN while it waits may have closed, or may listen. It is asked after the first of these, and whether it
 * answered with RST is looked up after the others: all of it within a second.
 */
const ASK_AFTER_MS = 500
const HEAR_AFTER_MS = [650, 850] as const

/**
 * One client connection that speaks HTTP/1.x: heads are parsed strictly, one request is served at a time in order, the next one
 * begins when the client has taken the answer before, and after an upgrade the connection is a raw pipe.
 */
export class HttpConnection implements Carrier, LinkOwner, ClientConnection {
  readonly client: Link
  readonly record: ConnectionRecord
  readonly services: HttpServices
  readonly #port: HttpPort
  readonly #reader = new HeadReader()
  #state: 'reading' | 'exchange' | 'answered' | 'raw' | 'closing' | 'closed' = 'reading'
  /** The request that is served. */
  #side: Http1ClientSide | null = null
  #pipe: RawPipe | null = null
  /** Called when the raw pipe has ended. */
  #released: (() => void) | null = null
  #leftover: Buffer | null = null
  #feeding = false
  /** There may be another request in the bytes that are being read. */
  #moreBehind = false
  #served = 0
  #headStartedAt = 0
  #retiredAt: number | null = null
  #clientEndedAt: number | null = null
  /** After its FIN it was sent something: if it were gone, it would have answered with a reset. */
  #clientAsked = false
  #requestOpen = false
  readonly #delivery: Delivery
  #farewell: Farewell | null = null

  constructor(client: Link, record: ConnectionRecord, services: HttpServices, port: HttpPort) {
    this.client = client
    this.record = record
    this.services = services
    this.#port = port
    this.#delivery = new Delivery(client, services.kernel, services.config.readerIdleTimeoutMs)
    client.owner = this
    record.carrier = this
  }

  /** `early`: bytes that were read before the connection was this one's. */
  start(early: Buffer | null): void {
    this.client.readAccepted()
    if (early && !this.onBytes(this.client, early, early.length, true)) this.client.pause()
  }

  onBytes(_link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    this.record.bytesUpstream += length
    this.record.active = true
    return this.#feed(buffer, length, owned)
  }

  /** Gives bytes to the reader whose turn it is: the head parser, then the request's body, then the next head. False pauses the client. */
  #feed(buffer: Buffer, end: number, owned: boolean): boolean {
    let at = 0
    this.#feeding = true
    while (at < end) {
      if (this.#state === 'reading') {
        const next = this.#readHead(buffer, at, end)
        if (next < 0) break
        at = next
      } else if (this.#state === 'exchange' && this.#side) {
        const side = this.#side
        this.#moreBehind = true
        at = side.takeBody(buffer, at, end, owned)
        if (at < end && this.#side === side) {
          this.#keepLeftover(buffer, at, end)
          break
        }
      } else {
        if (this.#state === 'answered') this.#keepLeftover(buffer, at, end)
        break
      }
    }
    this.#feeding = false
    return !this.#holdsClient()
  }

  /** True while the client must not send more: its body is not flushed, or it is too far ahead. */
  #holdsClient(): boolean {
    if (this.#state !== 'exchange' && this.#state !== 'answered') return false
    return this.#side?.bodyPaused === true || (this.#leftover?.length ?? 0) >= MAX_LEFTOVER_BYTES
  }

  #keepLeftover(buffer: Buffer, start: number, end: number): void {
    const rest = buffer.subarray(start, end)
    this.#leftover = this.#leftover ? Buffer.concat([this.#leftover, rest]) : Buffer.from(rest)
  }

  /** Answers the index after the head, or -1 when more is needed or the request was refused. */
  #readHead(buffer: Buffer, start: number, end: number): number {
    let next: number
    let head: RequestHead
    try {
      next = this.#reader.push(buffer, start, end)
      if (next < 0) return -1
      head = parseRequest(this.#reader.text)
    } catch (error) {
      if (!(error instanceof HeadError)) throw error
      this.services.requests.total += 1
      this.refuse(error.status, error.fault)
      return -1
    }
    this.#headStartedAt = 0
    this.#moreBehind = next < end
    this.#begin(head)
    return next
  }

  /** A request that is not plainly valid: answered and closed; nothing reaches a target. */
  refuse(status: 400 | 405 | 431, fault: string): void {
    const { code, sentence } = REFUSED_HEADS[status]
    this.answer(status, code, sentence, { fault }, 'bad_request')
  }

  #begin(head: RequestHead): void {
    const { requests } = this.services
    requests.total += 1
    requests.inFlight += 1
    this.#requestOpen = true
    this.#served += 1
    this.#state = 'exchange'
    const route = this.#port.pick(head, this.record)
    const side = new Http1ClientSide(this, head)
    this.#side = side
    if (route === null || route === 'elsewhere') side.noRoute(route === 'elsewhere')
    else {
      this.record.route = route.name
      if (this.record.gate !== route.gate) this.#leaveGate()
      const refusal = route.gate?.ask(head.fields, this.record, performance.now())
      if (refusal) side.notLetIn(refusal)
      else side.start(route)
    }
  }

  /** It is another route's connection from now on. */
  #leaveGate(): void {
    this.record.gate?.leave(this.record)
    this.record.gate = null
  }

  keepsAlive(head: RequestHead): boolean {
    return (
      // RFC 9112 §9.3: an HTTP/1.0 client says that it wants the connection kept.
      (head.version === '1.1' || head.connection.includes('keep-alive')) &&
      !head.connection.includes('close') &&
      !this.services.retiring() &&
      !this.#port.retired &&
      // Requests that came before its FIN are served: the FIN says that none follow.
      (this.#clientEndedAt === null || this.#leftover !== null || (this.#feeding && this.#moreBehind))
    )
  }

  /** With the JSON error; the connection may still be kept. */
  answer(
    status: number,
    code: ErrorCode,
    message: string,
    facts: Record<string, string | number>,
    reason: CloseReason,
    options: { keep: boolean; bodiless: boolean; fields?: readonly string[] } = {
      keep: false,
      bodiless: false,
    },
  ): void {
    this.services.requests.answered(status)
    const text = writeError(status, code, message, facts, options)
    this.record.bytesDownstream += text.length
    if (this.client.writable) this.client.write(text)
    if (options.keep) this.answered(true)
    else this.leave(reason === 'no_route' ? 'finished' : reason)
  }

  answered(keep: boolean): void {
    if (this.#state !== 'exchange') return
    this.#side = null
    // A drain may have begun after the head said that the connection stays; requests that came already are still served.
    const leaving = (this.services.retiring() || this.#port.retired) && !this.#leftover && !this.#feeding
    if (!keep || leaving) {
      this.leave('finished')
      return
    }
    if (this.client.socket.writableLength > 0) {
      // The next request, if it is here already, waits: answers that one client has not taken must not pile up.
      this.#state = 'answered'
      return
    }
    this.#state = 'reading'
    this.#settleRequest()
    if (!this.#feeding) this.#nextFromLeftover()
  }

  /** The client has now taken the rest of a complete answer. */
  #answerTaken(): void {
    this.#state = 'reading'
    this.#settleRequest()
    const leaving = (this.services.retiring() || this.#port.retired) && !this.#leftover
    if (leaving) this.leave('finished')
    else this.#nextFromLeftover()
  }

  #nextFromLeftover(): void {
    while (this.#leftover && this.#state === 'reading') {
      const rest = this.#leftover
      this.#leftover = null
      this.#feed(rest, rest.length, true)
    }
    if (this.#state === 'closed' || this.#state === 'raw') return
    if (this.#state === 'reading' && this.client.ended) {
      this.leave(this.#reader.begun ? 'client_incomplete' : 'finished')
      return
    }
    if (this.#side?.requestDone === false && this.client.ended) {
      this.#kill('client_incomplete')
      return
    }
    if (!this.#holdsClient()) this.client.resume()
  }

  readOn(): void {
    if (!this.#holdsClient()) this.client.resume()
  }

  becomePipe(peer: Link, early: Buffer | null, released: () => void): void {
    const { config, kernel, upgraded } = this.services
    this.#side = null
    this.#state = 'raw'
    this.#released = released
    upgraded.count += 1
    this.#settleRequest()
    this.#pipe = new RawPipe(this.client, peer, this.record, config, kernel, (reason) => this.#closed(reason))
    if (early && !this.client.write(early)) peer.pause()
    const rest = this.#leftover
    this.#leftover = null
    if (rest && !peer.write(rest)) this.client.pause()
    this.#pipe.start()
  }

  leave(reason: CloseReason, reset = false): void {
    if (this.#leaving) return
    this.#side?.abandon()
    this.#side = null
    this.#leftover = null
    this.#state = 'closing'
    const farewell = new Farewell(this.client, this.#delivery, this.services, reason, reset)
    this.#farewell = farewell
    if (this.client.failed || (reset && this.client.socket.writableLength === 0)) {
      this.#kill(reason)
      return
    }
    farewell.begin()
    this.#closeIfHeard()
  }

  #closeIfHeard(): void {
    if (this.#farewell?.isHeard(this.#requestOpen)) this.#kill(this.#farewell.reason)
  }

  /** Ends now, in this tick. */
  #kill(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.#side?.abandon()
    this.#side = null
    // What is written is with the kernel then, which goes on delivering it; a reset would throw it away.
    const whole =
      (this.#state === 'closing' && this.client.finished && !this.#farewell?.reset) ||
      (this.#state === 'reading' && this.#served > 0 && this.client.socket.writableLength === 0)
    if (whole && reason !== 'stalled_reader') this.client.destroy()
    else this.client.reset()
    this.#closed(reason)
  }

  #closed(reason: CloseReason): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#leftover = null
    if (this.#released) {
      this.#released()
      this.#released = null
      this.services.upgraded.count -= 1
    }
    this.#settleRequest()
    this.services.close(this.record, reason)
  }

  #settleRequest(): void {
    if (!this.#requestOpen) return
    this.#requestOpen = false
    this.services.requests.inFlight -= 1
    this.services.settled()
  }

  onEnd(): void {
    this.#clientEndedAt = performance.now()
    this.record.clientHalf = 'fin'
    if (this.#state === 'reading') {
      if (this.#reader.begun) this.leave('client_incomplete')
      else this.leave(this.#served === 0 ? 'client_gone_before_data' : 'finished')
    } else if (this.#state === 'exchange' && this.#side) {
      if (!this.#side.requestDone) this.#kill('client_incomplete')
      else if (!this.services.config.allowHalfOpen) this.#kill('client_reset')
      else this.#askIfGone()
    } else if (this.#state === 'closing') {
      this.#farewell?.clientEnded()
      this.#closeIfHeard()
    }
  }

  /** The client will send nothing more. If it still reads it gets its answer; if it is gone the target need not work for it. */
  #askIfGone(): void {
    const wait = (ms: number, act: () => void): void => {
      setTimeout(() => {
        if (this.#state === 'exchange') act()
      }, ms).unref()
    }
    wait(ASK_AFTER_MS, () => {
      this.#clientAsked = this.#side?.askIfGone() === true
    })
    for (const ms of HEAR_AFTER_MS) wait(ms, () => this.client.poke())
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    if (this.#state === 'closing') this.abort(failureReason('client', error))
    else if (this.#side?.dialling) this.#kill('client_gone_while_dialling')
    else this.#kill(failureReason('client', error))
  }

  onFlushed(): void {
    if (this.client.socket.writableLength > 0) return
    if (this.#state === 'exchange') this.#side?.flushed()
    else if (this.#state === 'answered') this.#answerTaken()
    else if (this.#state === 'closing' && this.#farewell?.reset) this.#kill(this.#farewell.reason)
  }

  onFinish(): void {
    if (this.#state === 'closing') this.#closeIfHeard()
  }

  abort(reason: CloseReason): void {
    if (this.#pipe) this.#pipe.finish(reason)
    else this.#kill(this.#farewell && !this.#requestOpen ? this.#farewell.reason : reason)
  }

  retire(): void {
    if (this.#state !== 'reading' || this.#reader.begun) return
    if (this.#served === 0) {
      this.#retiredAt = performance.now()
      return
    }
    // Its last answer left Node long ago, but may still be in the kernel: then it is in flight as much as any other.
    if (this.#delivery.taken(Number.NEGATIVE_INFINITY) === false) {
      this.#requestOpen = true
      this.services.requests.inFlight += 1
    }
    this.leave('finished')
  }

  idleMs(now: number): number | null {
    if (this.#state === 'reading' && this.#served > 0 && !this.#reader.begun) {
      return this.record.active ? 0 : now - this.record.lastActivityAt
    }
    return this.#state === 'closing' ? (this.#farewell?.takenForMs(now) ?? null) : null
  }

  keepsWaiting(now: number): boolean {
    if (this.#state === 'reading') return this.#reader.begun || this.#served === 0
    if (this.#state === 'exchange' && this.#side?.awaitsBody) return true
    return !this.#pipe && this.#delivery.standstillMs(now, this.#state === 'closing') > 0
  }

  heldBytes(): number {
    if (this.#pipe) return this.#pipe.heldBytes()
    const waiting = (this.#leftover?.length ?? 0) + (this.#side?.heldBytes ?? 0)
    return this.client.socket.writableLength + this.#reader.keptBytes + waiting
  }

  sweep(now: number): void {
    const { config } = this.services
    if (this.#pipe) {
      this.#pipe.sweep(now)
      return
    }
    if (this.#state === 'closing') {
      const owes = this.#requestOpen
      const over = this.#farewell?.sweep(now, this.record, owes, () => this.#settleRequest())
      if (over) this.#kill(over)
      return
    }
    if (this.#state === 'reading') {
      if (this.#sweepReading(now)) return
    } else this.#side?.sweep(now)
    if (this.#leaving) return
    if (this.#state === 'exchange' || this.#state === 'answered') {
      if (this.#readerStalled(now)) {
        this.#kill('stalled_reader')
        return
      }
      if (this.#clientEndedAt !== null && this.#endedClientIsGone(now)) return
    }
    const verdict = quietVerdict(config, this.record, this.#clientEndedAt, now)
    if (verdict) this.#kill(verdict)
    else this.client.probe()
  }

  /** A client that has sent FIN and could not be asked is served while bytes move. True when the connection was ended. */
  #endedClientIsGone(now: number): boolean {
    this.client.poke()
    const limitMs = this.services.config.responseTimeoutMs
    const quietMs = now - Math.max(this.record.lastActivityAt, this.#clientEndedAt ?? 0)
    if (this.#clientAsked || limitMs === 0 || quietMs < limitMs) return false
    this.#kill('parity')
    return true
  }

  get #leaving(): boolean {
    return this.#state === 'closing' || this.#state === 'closed'
  }

  #readerStalled(now: number): boolean {
    const limitMs = this.services.config.readerIdleTimeoutMs
    return this.#delivery.standstillMs(now) >= limitMs && limitMs > 0
  }

  /** First bytes, whole heads and kept-alive connections have a deadline. True when the connection was ended. */
  #sweepReading(now: number): boolean {
    const { headersTimeoutMs, initialDataTimeoutMs, keepAliveTimeoutMs } = this.services.config
    if (this.#reader.begun) {
      // Counted from the first sweep that sees it: late by one sweep at most, never early.
      if (this.#headStartedAt === 0) this.#headStartedAt = now
      if (headersTimeoutMs === 0 || now - this.#headStartedAt < headersTimeoutMs) return false
      this.services.requests.total += 1
      this.answer(
        408,
        'ERR_INVALID',
        'The request head did not arrive in time',
        { limitMs: headersTimeoutMs, fault: 'slow_head' },
        'initial_data_timeout',
      )
      return true
    }
    const quietMs = now - this.record.lastActivityAt
    const late =
      (this.#retiredAt !== null && now - this.#retiredAt >= FRESH_GRACE_MS) ||
      (this.#served > 0 && keepAliveTimeoutMs > 0 && quietMs >= keepAliveTimeoutMs)
    if (late) this.leave('finished')
    else if (
      this.#served === 0 &&
      initialDataTimeoutMs > 0 &&
      now - this.record.openedAt >= initialDataTimeoutMs
    ) {
      this.leave('initial_data_timeout')
    } else return false
    return true
  }
}
