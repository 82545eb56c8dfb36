import type { ErrorCode } from '../../../contract/errors.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { Carrier, ConnectionRecord } from '../admit/connection-book.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { Delivery } from '../connections/delivery.ts'
import { quietVerdict } from '../connections/quiet-rules.ts'
import { HttpExchange } from '../handlers/forward.ts'
import { pickRoute } from '../routes/compile.ts'
import type { Target } from '../targets/dialler.ts'
import { failureReason, RawPipe } from '../tcp/raw-pipe.ts'
import { HeadError, HeadReader, parseRequest, type RequestHead } from './head.ts'
import type { HttpRoutes, HttpServices } from './services.ts'
import { writeError } from './write.ts'

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
export class HttpConnection implements Carrier, LinkOwner {
  readonly client: Link
  readonly record: ConnectionRecord
  readonly services: HttpServices
  private readonly routes: HttpRoutes
  private readonly reader = new HeadReader()
  private state: 'reading' | 'exchange' | 'answered' | 'raw' | 'closing' | 'closed' = 'reading'
  private exchange: HttpExchange | null = null
  private pipe: RawPipe | null = null
  private rawTarget: Target | null = null
  private leftover: Buffer | null = null
  private feeding = false
  private served = 0
  private headStartedAt = 0
  private retiredAt: number | null = null
  private clientEndedAt: number | null = null
  /** After its FIN it was sent something: had it gone, it would have said so. */
  private clientAsked = false
  private requestOpen = false
  private readonly delivery: Delivery
  private closeReason: CloseReason = 'finished'
  private resetAtEnd = false
  private closingSince = 0
  /** When the client was found to have everything, after our FIN. */
  private takenAt: number | null = null
  /** The client's FIN came before our answer was written: it does not say that the client has it. */
  private endedEarly = false

  constructor(client: Link, record: ConnectionRecord, services: HttpServices, routes: HttpRoutes) {
    this.client = client
    this.record = record
    this.services = services
    this.routes = routes
    this.delivery = new Delivery(client, services.kernel, services.config.readerIdleTimeoutMs)
    client.owner = this
    record.carrier = this
  }

  start(): void {
    this.client.readAccepted()
  }

  onBytes(_link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    this.record.bytesUpstream += length
    this.record.active = true
    return this.feed(buffer, length, owned)
  }

  /** Gives bytes to whoever is due: the head parser, then the request's body, then the next head. False pauses the client. */
  private feed(buffer: Buffer, end: number, owned: boolean): boolean {
    let at = 0
    this.feeding = true
    while (at < end) {
      if (this.state === 'reading') {
        const next = this.readHead(buffer, at, end)
        if (next < 0) break
        at = next
      } else if (this.state === 'exchange' && this.exchange) {
        const exchange = this.exchange
        at = exchange.requestBytes(buffer, at, end, owned)
        if (at < end && this.exchange === exchange) {
          this.keepLeftover(buffer, at, end)
          break
        }
      } else {
        if (this.state === 'answered') this.keepLeftover(buffer, at, end)
        break
      }
    }
    this.feeding = false
    return !this.holdsClient()
  }

  /** True while the client must not send more: its body is not flushed, or it is too far ahead. */
  private holdsClient(): boolean {
    if (this.state !== 'exchange' && this.state !== 'answered') return false
    return this.exchange?.holdsClient === true || (this.leftover?.length ?? 0) >= MAX_LEFTOVER_BYTES
  }

  private keepLeftover(buffer: Buffer, start: number, end: number): void {
    const rest = buffer.subarray(start, end)
    this.leftover = this.leftover ? Buffer.concat([this.leftover, rest]) : Buffer.from(rest)
  }

  /** Answers the index after the head, or -1 when more is needed or the request was refused. */
  private readHead(buffer: Buffer, start: number, end: number): number {
    try {
      const next = this.reader.push(buffer, start, end)
      if (next < 0) return -1
      this.headStartedAt = 0
      this.begin(parseRequest(this.reader.text))
      return next
    } catch (error) {
      if (!(error instanceof HeadError)) throw error
      this.services.requests.total += 1
      this.refuse(error.status, error.fault)
      return -1
    }
  }

  /** A request that is not plainly valid: answered and closed; nothing reaches a target. */
  refuse(status: 400 | 405 | 431, fault: string): void {
    const sentences = {
      400: 'The request is not plainly valid HTTP/1.1; it was refused and nothing was forwarded',
      405: 'This method is not forwarded',
      431: 'The request head is too large: at most 100 fields and 65536 bytes are taken',
    }
    const codes = { 400: 'ERR_INVALID', 405: 'ERR_METHOD', 431: 'ERR_TOO_LARGE' } as const
    this.answer(status, codes[status], sentences[status], { fault }, 'bad_request')
  }

  private begin(head: RequestHead): void {
    const { requests } = this.services
    requests.total += 1
    requests.inFlight += 1
    this.requestOpen = true
    this.served += 1
    this.state = 'exchange'
    const route = pickRoute(this.routes.http, head.host, head.target)
    const exchange = new HttpExchange(this, head)
    this.exchange = exchange
    if (route) {
      this.record.route = route.name
      exchange.start(route)
      return
    }
    this.answer(
      404,
      'ERR_NOT_FOUND',
      'No route takes this host and path',
      { host: head.host.slice(0, 255) },
      'no_route',
      {
        keep: exchange.requestDone && head.version === '1.1' && this.keepsAlive(head),
        bodiless: head.method === 'HEAD',
      },
    )
  }

  /** Whether this side may go on after the response to `head`. */
  keepsAlive(head: RequestHead): boolean {
    return (
      // RFC 9112 §9.3: an HTTP/1.0 client says that it wants the connection kept.
      (head.version === '1.1' || head.connection.includes('keep-alive')) &&
      !head.connection.includes('close') &&
      !this.services.retiring() &&
      !this.routes.retired &&
      // Requests that came before its FIN are served: the FIN says that none follow.
      (this.clientEndedAt === null || this.leftover !== null)
    )
  }

  /** Answers by ourselves, with the JSON error; then the connection closes for `reason`, unless it may be kept. */
  answer(
    status: number,
    code: ErrorCode,
    message: string,
    facts: Record<string, string | number>,
    reason: CloseReason,
    options: { keep: boolean; bodiless: boolean } = { keep: false, bodiless: false },
  ): void {
    this.services.requests.answered(status)
    const text = writeError(status, code, message, facts, options)
    this.record.bytesDownstream += text.length
    if (this.client.writable) this.client.write(text)
    if (options.keep) this.exchangeDone(true)
    else this.closeAfterFlush(reason === 'no_route' ? 'finished' : reason)
  }

  /** The response is complete. `keep`: the connection may carry another request. */
  exchangeDone(keep: boolean): void {
    if (this.state !== 'exchange') return
    this.exchange = null
    // A drain may have begun after the head said that the connection stays; requests that came already are still served.
    const leaving = (this.services.retiring() || this.routes.retired) && !this.leftover && !this.feeding
    if (!keep || leaving) {
      this.closeAfterFlush('finished')
      return
    }
    if (this.client.socket.writableLength > 0) {
      // The next request, if it is here already, waits: what one client has not taken must not pile up.
      this.state = 'answered'
      return
    }
    this.state = 'reading'
    this.settleRequest()
    if (!this.feeding) this.nextFromLeftover()
  }

  /** The client has taken the answer that it had not taken when it was complete. */
  private answerTaken(): void {
    this.state = 'reading'
    this.settleRequest()
    const leaving = (this.services.retiring() || this.routes.retired) && !this.leftover
    if (leaving) this.closeAfterFlush('finished')
    else this.nextFromLeftover()
  }

  private nextFromLeftover(): void {
    while (this.leftover && this.state === 'reading') {
      const rest = this.leftover
      this.leftover = null
      this.feed(rest, rest.length, true)
    }
    if (this.state === 'closed' || this.state === 'raw') return
    if (this.state === 'reading' && this.client.ended) {
      this.closeAfterFlush(this.reader.begun ? 'client_incomplete' : 'finished')
      return
    }
    if (this.exchange?.requestDone === false && this.client.ended) {
      this.kill('client_incomplete')
      return
    }
    if (!this.holdsClient()) this.client.resume()
  }

  /** Called when the exchange can take more of the request's body. */
  resumeClient(): void {
    if (!this.holdsClient()) this.client.resume()
  }

  /** After 101: bytes both ways from now on. `early` came from the target behind its head. */
  upgrade(link: Link, target: Target, early: Buffer | null): void {
    const { config, kernel, upgraded } = this.services
    this.exchange = null
    this.state = 'raw'
    this.rawTarget = target
    upgraded.count += 1
    this.settleRequest()
    this.pipe = new RawPipe(this.client, link, this.record, config, kernel, (reason) => this.closed(reason))
    if (early && !this.client.write(early)) link.pause()
    const rest = this.leftover
    this.leftover = null
    if (rest && !link.write(rest)) this.client.pause()
    this.pipe.start()
  }

  /**
   * Ends our half when everything is written, and waits until the client has it: until it ends its own half, or the kernel says so.
   * The end is never a reset then: that would throw away what the kernel still holds for a slow reader.
   */
  closeAfterFlush(reason: CloseReason, reset = false): void {
    if (this.state === 'closing' || this.state === 'closed') return
    this.exchange?.abandon()
    this.exchange = null
    this.leftover = null
    this.state = 'closing'
    this.closeReason = reason
    this.resetAtEnd = reset
    this.endedEarly = this.client.ended
    this.closingSince = performance.now()
    if (this.client.failed || (reset && this.client.socket.writableLength === 0)) {
      this.kill(reason)
      return
    }
    this.delivery.remember()
    if (!reset) this.client.end()
    // What still comes is read and dropped: closing with unread bytes would turn our answer into a reset (RFC 9112 §9.6).
    this.client.resume()
    this.closeIfTaken()
  }

  /** After our FIN: ends the connection where the client's own FIN says that it has everything. */
  private closeIfTaken(): void {
    if (!this.client.ended || !this.client.finished) return
    // Without a kernel that tells, nothing more can be learned from a client that had ended before.
    if (!this.endedEarly || !this.requestOpen || !this.services.kernel.supported) this.kill(this.closeReason)
  }

  /** Ends now, in this tick. */
  private kill(reason: CloseReason): void {
    if (this.state === 'closed') return
    this.exchange?.abandon()
    this.exchange = null
    // What is written is with the kernel then, which goes on delivering it; a reset would throw it away.
    const whole =
      (this.state === 'closing' && this.client.finished && !this.resetAtEnd) ||
      (this.state === 'reading' && this.served > 0 && this.client.socket.writableLength === 0)
    if (whole && reason !== 'stalled_reader') this.client.destroy()
    else this.client.reset()
    this.closed(reason)
  }

  private closed(reason: CloseReason): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.leftover = null
    if (this.rawTarget) {
      this.rawTarget.active -= 1
      this.rawTarget = null
      this.services.upgraded.count -= 1
    }
    this.settleRequest()
    this.services.book.close(this.record, reason)
  }

  private settleRequest(): void {
    if (!this.requestOpen) return
    this.requestOpen = false
    this.services.requests.inFlight -= 1
    this.services.settled()
  }

  onEnd(): void {
    this.clientEndedAt = performance.now()
    this.record.clientHalf = 'fin'
    if (this.state === 'reading') {
      if (this.reader.begun) this.closeAfterFlush('client_incomplete')
      else this.closeAfterFlush(this.served === 0 ? 'client_gone_before_data' : 'finished')
    } else if (this.state === 'exchange' && this.exchange) {
      if (!this.exchange.requestDone) this.kill('client_incomplete')
      else if (!this.services.config.allowHalfOpen) this.kill('client_reset')
      else this.askIfGone()
    } else if (this.state === 'closing') {
      if (!this.client.finished) this.endedEarly = true
      this.closeIfTaken()
    }
  }

  /** The client has said all it will say. If it listens it hears its answer; if it is gone the target need not work for it. */
  private askIfGone(): void {
    const wait = (ms: number, act: () => void): void => {
      setTimeout(() => {
        if (this.state === 'exchange') act()
      }, ms).unref()
    }
    wait(ASK_AFTER_MS, () => {
      this.clientAsked = this.exchange?.askClient() === true
    })
    for (const ms of HEAR_AFTER_MS) wait(ms, () => this.client.poke())
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    if (this.state === 'closing')
      this.kill(this.requestOpen ? failureReason('client', error) : this.closeReason)
    else if (this.exchange?.dialling) this.kill('client_gone_while_dialling')
    else this.kill(failureReason('client', error))
  }

  onFlushed(): void {
    if (this.client.socket.writableLength > 0) return
    if (this.state === 'exchange') this.exchange?.clientFlushed()
    else if (this.state === 'answered') this.answerTaken()
    else if (this.state === 'closing' && this.resetAtEnd) this.kill(this.closeReason)
  }

  onFinish(): void {
    if (this.state === 'closing') this.closeIfTaken()
  }

  abort(reason: CloseReason): void {
    if (this.pipe) this.pipe.finish(reason)
    else this.kill(this.state === 'closing' && !this.requestOpen ? this.closeReason : reason)
  }

  retire(): void {
    if (this.state !== 'reading' || this.reader.begun) return
    if (this.served === 0) {
      this.retiredAt = performance.now()
      return
    }
    // Its last answer left Node long ago, and may still stand in the kernel: then it is in flight as much as any other.
    if (this.delivery.taken(Number.NEGATIVE_INFINITY) === false) {
      this.requestOpen = true
      this.services.requests.inFlight += 1
    }
    this.closeAfterFlush('finished')
  }

  inFlight(): 'connection' | 'request' | 'nothing' {
    if (this.state === 'raw') return 'connection'
    return this.requestOpen ? 'request' : 'nothing'
  }

  idleMs(now: number): number | null {
    if (this.state === 'reading' && this.served > 0 && !this.reader.begun) {
      return this.record.active ? 0 : now - this.record.lastActivityAt
    }
    return this.state === 'closing' && this.takenAt !== null ? now - this.takenAt : null
  }

  keepsWaiting(now: number): boolean {
    if (this.state === 'reading') return this.reader.begun || this.served === 0
    if (this.state === 'exchange' && this.exchange?.awaitsBody) return true
    return !this.pipe && this.delivery.standstillMs(now, this.state === 'closing') > 0
  }

  heldBytes(): number {
    if (this.pipe) return this.pipe.heldBytes()
    const waiting = (this.leftover?.length ?? 0) + (this.exchange?.heldForTarget ?? 0)
    return this.client.socket.writableLength + this.reader.keptBytes + waiting
  }

  sweep(now: number): void {
    const { config } = this.services
    if (this.pipe) {
      this.pipe.sweep(now)
      return
    }
    if (this.state === 'closing') {
      this.sweepClosing(now)
      return
    }
    if (this.state === 'reading') {
      if (this.sweepReading(now)) return
    } else this.exchange?.sweep(now)
    if (this.leaving) return
    if (this.state === 'exchange' || this.state === 'answered') {
      if (this.readerStalled(now)) {
        this.kill('stalled_reader')
        return
      }
      if (this.clientEndedAt !== null && this.endedClientIsGone(now)) return
    }
    const verdict = quietVerdict(config, this.record, this.clientEndedAt, now)
    if (verdict) this.kill(verdict)
    else this.client.probe()
  }

  /** A client that has sent FIN and could not be asked hears on while something comes. True when the connection was ended. */
  private endedClientIsGone(now: number): boolean {
    this.client.poke()
    const limitMs = this.services.config.responseTimeoutMs
    const quietMs = now - Math.max(this.record.lastActivityAt, this.clientEndedAt ?? 0)
    if (this.clientAsked || limitMs === 0 || quietMs < limitMs) return false
    this.kill('parity')
    return true
  }

  private get leaving(): boolean {
    return this.state === 'closing' || this.state === 'closed'
  }

  private readerStalled(now: number): boolean {
    const limitMs = this.services.config.readerIdleTimeoutMs
    return this.delivery.standstillMs(now) >= limitMs && limitMs > 0
  }

  private sweepClosing(now: number): void {
    const { readerIdleTimeoutMs, socketCleanupGracePeriodMs } = this.services.config
    if (this.takenAt === null) {
      const stillMs = this.delivery.standstillMs(now, true)
      if (this.client.finished && this.delivery.taken(this.closingSince) === true) {
        this.takenAt = now
        this.settleRequest()
      } else if (readerIdleTimeoutMs > 0 && stillMs >= readerIdleTimeoutMs) {
        this.kill(this.requestOpen || !this.client.finished ? 'stalled_reader' : this.closeReason)
        return
      } else if (!this.services.kernel.supported && this.client.finished) this.takenAt = now
      if (this.takenAt === null) return
    }
    // It has everything; what it still says is dropped for a while, and then it is told by the kernel's RST.
    const graceOver = socketCleanupGracePeriodMs > 0 && now - this.takenAt >= socketCleanupGracePeriodMs
    if (this.endedEarly || graceOver || quietVerdict(this.services.config, this.record, null, now)) {
      this.kill(this.closeReason)
    }
  }

  /** First bytes, whole heads and kept-alive connections have a deadline. True when the connection was ended. */
  private sweepReading(now: number): boolean {
    const { headersTimeoutMs, initialDataTimeoutMs, keepAliveTimeoutMs } = this.services.config
    if (this.reader.begun) {
      // From the first sweep that sees it: late by one at most, never early.
      if (this.headStartedAt === 0) this.headStartedAt = now
      if (headersTimeoutMs === 0 || now - this.headStartedAt < headersTimeoutMs) return false
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
      (this.retiredAt !== null && now - this.retiredAt >= FRESH_GRACE_MS) ||
      (this.served > 0 && keepAliveTimeoutMs > 0 && quietMs >= keepAliveTimeoutMs)
    if (late) this.closeAfterFlush('finished')
    else if (
      this.served === 0 &&
      initialDataTimeoutMs > 0 &&
      now - this.record.openedAt >= initialDataTimeoutMs
    ) {
      this.closeAfterFlush('initial_data_timeout')
    } else return false
    return true
  }
}
