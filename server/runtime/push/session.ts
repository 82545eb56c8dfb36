import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { isIP } from 'node:net'
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls'
import {
  failedAnswer,
  failureOf,
  type PushAnswer,
  readReason,
  resetName,
  retryAfterMs,
} from './push-answer.ts'

/** Why a session is no longer used: the closed list of `push.session_invalidated` and of the counter by reason. */
export const INVALIDATION_REASONS = [
  'goaway',
  'frame_error',
  'error',
  'close',
  'ping_timeout',
  'ping_failed',
  'unanswered',
  'operator',
  'drain',
] as const
export type InvalidationReason = (typeof INVALIDATION_REASONS)[number]

/** Streams at once on one session, also where the peer allows more: what is in flight must have a ceiling of our own. */
export const MAX_STREAMS_PER_SESSION = 1_000
/**
 * A session on which this many streams in a row went unanswered is retired, although it answers PING: a middlebox or a sick
 * server can keep a connection alive for hours that delivers nothing.
 */
export const UNANSWERED_STREAMS = 3
/** An APNs error body is a few dozen bytes; more than this of it is not kept. */
const MAX_BODY_CHARS = 4_096
/** After its last stream a retired session gets this long for its closing handshake. */
const LINGER_MS = 500
/** That time where requests have no timeout of their own. */
const RETIRED_CEILING_MS = 60_000
/** A peer that vanished silently is also noticed by TCP, between two pings. */
const KEEP_ALIVE_MS = 30_000

export interface SessionOptions {
  /** For example `api.push.apple.com`, or an address. */
  host: string
  port: number
  secureContext: SecureContext
  connectTimeoutMs: number
  /** 0 sends no pings. */
  pingIntervalMs: number
  pingTimeoutMs: number
  /** For every timeout here 0 means off. */
  requestTimeoutMs: number
  /** How many streams in a row may go unanswered before the session is retired. */
  unansweredStreams: number
}

export interface SessionListener {
  /** The peer's SETTINGS are here; `connectMs` since dialling. */
  onReady(session: PushSession, connectMs: number): void
  /** A stream ended, or the peer changed its limit: there may be room for another request. */
  onRoom(session: PushSession): void
  /** As many streams in a row as `unansweredStreams` got no answer. Emitted once; the listener decides whether to leave the session. */
  onUnanswered(session: PushSession, streams: number): void
  onConnectFailed(session: PushSession, failure: ReturnType<typeof failureOf>): void
  /** Emitted once in a session's life, and only after `ready`. Streams in flight may still finish. */
  onInvalidated(
    session: PushSession,
    reason: InvalidationReason,
    ageSeconds: number,
    detail: string | null,
    calm: boolean,
  ): void
  /** Nothing is left of the session: no socket, no stream, no timer. */
  onGone(session: PushSession): void
}

/**
 * One HTTP/2 session and what happens to it. It is `connecting`, then `ready`, then `retired`, and never goes back. After GOAWAY Node's
 * session has `destroyed === false`: only `ready` here says whether new streams may be opened.
 */
export class PushSession {
  readonly #http2: ClientHttp2Session
  readonly #socket: TLSSocket
  readonly #options: SessionOptions
  readonly #listener: SessionListener
  readonly #dialledAt = performance.now()
  #phase: 'connecting' | 'ready' | 'retired' = 'connecting'
  #readyAt = 0
  #limit = 0
  #inFlight = 0
  #goaway = false
  /** The highest stream that the peer may have processed, from its GOAWAY. */
  #lastProcessed = Number.POSITIVE_INFINITY
  #unanswered = 0
  #dead = false
  #answered = false
  #closed = false
  #connectTimer: NodeJS.Timeout | undefined
  #pingTimer: NodeJS.Timeout | undefined
  #pongTimer: NodeJS.Timeout | undefined
  #lingerTimer: NodeJS.Timeout | undefined

  constructor(options: SessionOptions, listener: SessionListener) {
    this.#options = options
    this.#listener = listener
    const { host, port, secureContext } = options
    // The socket is ours: once Node's session is destroyed it waits for the peer's FIN, and nothing but the socket can end that.
    this.#socket = connectTls({
      host,
      port,
      secureContext,
      ALPNProtocols: ['h2'],
      ...(isIP(host) ? {} : { servername: host }),
    })
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const session = connect(`https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`, {
      createConnection: () => this.#socket,
      settings: { enablePush: false },
    })
    this.#http2 = session
    session.on('error', (error: Error) =>
      this.#end(
        'error',
        `${(error as NodeJS.ErrnoException).code ?? error.name}: ${error.message}`,
        failureOf(error),
      ),
    )
    session.on('remoteSettings', (settings) => this.#onSettings(settings.maxConcurrentStreams))
    session.on('goaway', (code, lastStreamId) => {
      this.#goaway = true
      this.#lastProcessed = Math.min(this.#lastProcessed, lastStreamId ?? 0)
      const calm = code === constants.NGHTTP2_ENHANCE_YOUR_CALM
      this.#end('goaway', `${resetName(code)}, last stream ${lastStreamId}`, {
        failure: 'ERR_HTTP2_GOAWAY_SESSION',
        sessionFatal: true,
        calm,
      })
    })
    session.on('frameError', (type, code, id) => {
      this.kill('frame_error', `frame type ${type}, ${resetName(code)}, stream ${id}`)
    })
    session.on('close', () => this.#onClose())
    if (options.connectTimeoutMs > 0) {
      this.#connectTimer = setTimeout(() => {
        this.#end('error', 'connect timeout', { failure: 'connect_timeout', sessionFatal: true, calm: false })
        this.#cut()
      }, options.connectTimeoutMs)
    }
  }

  get ready(): boolean {
    return this.#phase === 'ready'
  }

  /** True once any stream of it was answered: a session that never answered is no reason to dial eagerly. */
  get answered(): boolean {
    return this.#answered
  }

  /** True while no stream of it is open. */
  get idle(): boolean {
    return this.#inFlight === 0
  }

  get ageSeconds(): number {
    return this.#readyAt === 0 ? 0 : Math.max(0, (performance.now() - this.#readyAt) / 1000)
  }

  /** How many more streams may be opened now, by the peer's limit and ours. */
  get vacancies(): number {
    return this.#phase === 'ready' ? Math.max(0, this.#limit - this.#inFlight) : 0
  }

  /** Opens no more streams; those in flight finish, then the session ends. */
  retire(reason: InvalidationReason, detail: string | null): void {
    const connecting = this.#phase === 'connecting'
    this.#end(reason, detail, { failure: 'ERR_HTTP2_STREAM_CANCEL', sessionFatal: true, calm: false })
    if (connecting) this.#cut()
    else this.#http2.close()
  }

  /** Ends the session and its streams now. */
  kill(reason: InvalidationReason, detail: string | null): void {
    this.#end(reason, detail, { failure: 'ERR_HTTP2_STREAM_CANCEL', sessionFatal: true, calm: false })
    this.#cut()
  }

  /** Sends one request; `done` is called once, never before this returns. */
  request(headers: OutgoingHttpHeaders, body: Buffer, done: (answer: PushAnswer) => void): void {
    this.#inFlight += 1
    let stream: ClientHttp2Stream
    try {
      stream = this.#http2.request(headers)
    } catch (error) {
      // Some versions of Node throw here after GOAWAY, others report on the stream: both end in the same answer.
      const { failure, sessionFatal, calm } = failureOf(error)
      queueMicrotask(() => {
        this.#leave()
        // It was never sent, so an unusable session proves that nothing was processed.
        done(failedAnswer(failure, { sessionFatal, calm, unprocessed: sessionFatal }))
      })
      return
    }
    let status: number | null = null
    let retryAfter: number | null = null
    let text = ''
    let failure: Error | null = null
    let timedOut = false
    let settled = false

    const settle = (): void => {
      if (settled) return
      settled = true
      if (status !== null) {
        done({
          status,
          reason: readReason(text),
          retryAfterMs: retryAfter,
          failure: null,
          sessionFatal: false,
          calm: false,
          unprocessed: false,
          unanswered: false,
        })
        return
      }
      if (timedOut) {
        this.#countUnanswered()
        done(failedAnswer('timeout', { unanswered: this.#dead }))
        return
      }
      done(this.#brokenStream(failure, stream))
    }
    const { requestTimeoutMs } = this.#options
    const timer =
      requestTimeoutMs === 0
        ? undefined
        : setTimeout(() => {
            timedOut = true
            // Reset, or the peer would work on an answer that nobody awaits.
            stream.close(constants.NGHTTP2_CANCEL)
            settle()
          }, requestTimeoutMs)

    stream.on('response', (answer) => {
      const value = Number(answer[':status'])
      if (Number.isInteger(value) && value >= 200 && value <= 599) {
        status = value
        this.#answered = true
        this.#unanswered = 0
        this.#dead = false
      }
      if (status === 429 || status === 503) retryAfter = retryAfterMs(answer['retry-after'], Date.now())
      if (status === null || status < 300) stream.resume()
      else {
        stream.setEncoding('utf8')
        stream.on('data', (chunk: string) => {
          if (text.length < MAX_BODY_CHARS) text += chunk
        })
      }
      // Delivered is delivered: a body that never ends is a matter for the stream and its timer.
      if (status !== null && status < 300) settle()
    })
    stream.on('error', (error: Error) => {
      failure = error
    })
    stream.on('close', () => {
      clearTimeout(timer)
      settle()
      this.#leave()
    })
    stream.end(body)
  }

  #brokenStream(error: Error | null, stream: ClientHttp2Stream): PushAnswer {
    const resetCode = stream.rstCode
    const { failure, sessionFatal, calm } = failureOf(error, resetCode)
    const unprocessed =
      resetCode === constants.NGHTTP2_REFUSED_STREAM ||
      stream.id === undefined ||
      stream.id > this.#lastProcessed
    if (sessionFatal) return failedAnswer(failure, { sessionFatal, calm, unprocessed })
    // Node ends the streams of a lost session without an error of their own; what killed the session killed them.
    if (this.#http2.destroyed)
      return failedAnswer(this.#goaway ? 'ERR_HTTP2_GOAWAY_SESSION' : 'ERR_HTTP2_STREAM_CANCEL', {
        sessionFatal: true,
        calm,
        unprocessed,
      })
    return failedAnswer(error === null && (resetCode ?? 0) === 0 ? 'no_response' : failure)
  }

  /** PING proves a path, answers prove a service: a session that gives none is left, and its streams may still finish. */
  #countUnanswered(): void {
    this.#unanswered += 1
    if (this.#dead || this.#unanswered < this.#options.unansweredStreams) return
    this.#dead = true
    this.#listener.onUnanswered(this, this.#unanswered)
  }

  /** Streams end with CANCEL, and the socket at once: a path that swallows everything would never finish a handshake. */
  #cut(): void {
    this.#http2.destroy(undefined, constants.NGHTTP2_CANCEL)
    this.#socket.destroy()
  }

  #leave(): void {
    this.#inFlight -= 1
    if (this.#phase === 'retired' && this.#inFlight === 0 && !this.#closed) this.#linger(LINGER_MS)
    this.#listener.onRoom(this)
  }

  #onSettings(maxConcurrentStreams: number | undefined): void {
    this.#limit = Math.min(maxConcurrentStreams ?? MAX_STREAMS_PER_SESSION, MAX_STREAMS_PER_SESSION)
    if (this.#phase === 'ready') this.#listener.onRoom(this)
    if (this.#phase !== 'connecting') return
    clearTimeout(this.#connectTimer)
    this.#phase = 'ready'
    this.#readyAt = performance.now()
    if (this.#options.pingIntervalMs > 0)
      this.#pingTimer = setInterval(() => this.#ping(), this.#options.pingIntervalMs)
    this.#listener.onReady(this, Math.round(this.#readyAt - this.#dialledAt))
  }

  #ping(): void {
    if (this.#pongTimer) return // one at a time: its own timeout decides
    // Node itself gives up only after ten unanswered pings (`maxOutstandingPings`).
    const { pingTimeoutMs } = this.#options
    if (pingTimeoutMs > 0)
      this.#pongTimer = setTimeout(
        () => this.kill('ping_timeout', `no pong within ${pingTimeoutMs} ms`),
        pingTimeoutMs,
      )
    try {
      const sent = this.#http2.ping((error) => {
        clearTimeout(this.#pongTimer)
        this.#pongTimer = undefined
        if (error) this.kill('ping_failed', error.message)
      })
      if (sent === false) this.kill('ping_failed', 'the ping could not be sent')
    } catch (error) {
      this.kill('ping_failed', error instanceof Error ? error.message : String(error))
    }
  }

  /** The only way out of `connecting` and `ready`; whatever is reported later about this session no longer matters. */
  #end(reason: InvalidationReason, detail: string | null, failure: ReturnType<typeof failureOf>): void {
    if (this.#phase === 'retired') return
    const wasReady = this.#phase === 'ready'
    this.#phase = 'retired'
    clearTimeout(this.#connectTimer)
    clearInterval(this.#pingTimer)
    clearTimeout(this.#pongTimer)
    // Streams in flight have their own deadline. Many peers never close after their GOAWAY: that must not keep a socket.
    const { requestTimeoutMs } = this.#options
    this.#linger(this.#inFlight === 0 ? LINGER_MS : (requestTimeoutMs || RETIRED_CEILING_MS) + LINGER_MS)
    if (wasReady) this.#listener.onInvalidated(this, reason, this.ageSeconds, detail, failure.calm)
    else this.#listener.onConnectFailed(this, failure)
  }

  #linger(forMs: number): void {
    clearTimeout(this.#lingerTimer)
    this.#lingerTimer = setTimeout(() => this.#cut(), forMs)
  }

  #onClose(): void {
    this.#end('close', null, { failure: 'ECONNRESET', sessionFatal: true, calm: false })
    clearTimeout(this.#lingerTimer)
    if (this.#closed) return
    this.#closed = true
    this.#listener.onGone(this)
  }
}
