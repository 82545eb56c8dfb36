import { randomUUID } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { EventData, EventType } from '../../contract/events.ts'
import type { PushHealth } from '../../contract/health.ts'
import type { PushOutcome, PushRequest } from '../../contract/node-api.ts'
import type { PushConfig } from '../../contract/node-config.ts'
import { Backoff } from '../../time/backoff.ts'
import { within } from '../../time/deadline.ts'
import { Rate } from '../../time/rate.ts'
import type { PartContext } from '../part/part.ts'
import { type ConnectionListener, PushConnection } from './connection.ts'
import { ProviderToken } from './provider-token.ts'
import type { failureOf, PushAnswer } from './push-answer.ts'
import { PushCounters } from './push-counters.ts'
import { type Job, PushQueue } from './push-queue.ts'
import { composeMessage, type PushMessage } from './push-request.ts'
import type { InvalidationReason, PushSession } from './session.ts'
import { openTokenStore, type TokenStore, tokenFingerprint } from './token-store.ts'
import { trustedContext } from './trust.ts'

/** A longer `Retry-After` is not waited for: the push counts as rejected, and its sender decides. */
export const MAX_RETRY_AFTER_MS = 10_000
/** Events of one type above this rate are left out of the event log; the counters stay exact. */
const MAX_EVENTS_PER_SECOND = 100
/** A push that the peer proved not to have processed is sent again at most this often, at these distances (the first at once). */
const MAX_RESENDS = 5
const RESEND_BASE_MS = 100
const RESEND_CEILING_MS = 5_000
/** An APNs expiration further away than this does not keep a caller waiting for longer. */
const MAX_DEADLINE_MS = 60 * 60_000
/** `close` waits this long for what is in flight. */
const CLOSE_GRACE_MS = 5_000

export interface Push {
  /** Reads key, certificate authority and tokens. Throws `ERR_CONFIG` or `ERR_STORE_UNAVAILABLE`. Dials nothing: the first push does. */
  start(): Promise<void>
  /**
   * Sends to one token, several, or all tokens of a key; resolves when all are settled and never rejects for what APNs or the
   * network did. Throws `ERR_DRAINING`, `ERR_STARTING` or `ERR_TOO_LARGE` before anything is counted.
   */
  send(request: PushRequest): Promise<PushOutcome[]>
  stats(): PushHealth
  /** Pushes accepted and not yet settled: waiting, in flight, or waiting for a retry. */
  pending(): number
  /** Waits until nothing is pending or `signal` aborts; takes nothing away. */
  flush(signal: AbortSignal): Promise<{ flushed: number; left: number }>
  /** While on, `send` throws `ERR_DRAINING`; what is pending goes on. */
  refuse(on: boolean): void
  /** Drops the session for new pushes; what is in flight on it finishes. `reason` is an operator's text, or `drain`. */
  invalidate(reason: string): void
  /** Which part of the token file could not be read, in a sentence; null where all could. */
  readonly tokenProblem: string | null
  /** Throws `ERR_STARTING` before `start`. */
  readonly tokens: TokenStore
  /** Fails what is waiting, lets what is in flight finish for a few seconds, closes session and store. */
  close(): Promise<void>
  destroy(): Promise<void>
}

class PushClient implements Push, ConnectionListener {
  readonly #config: PushConfig
  readonly #context: PartContext
  readonly #tokenFile: string | undefined
  readonly #counters = new PushCounters()
  readonly #eventRates = new Map<EventType, Rate>()
  readonly #queue = new PushQueue()
  #refusing = false
  #state: 'new' | 'started' | 'closed' = 'new'
  #provider: ProviderToken | null = null
  #renewing = false
  #connection: PushConnection | null = null
  /** Why the last dial failed; null while a session can be had. */
  #dialFailure: string | null = null
  #tokens: TokenStore | null = null

  constructor(config: PushConfig, context: PartContext, tokenFile: string | undefined) {
    this.#config = config
    this.#context = context
    this.#tokenFile = tokenFile
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') return
    const config = this.#config
    const secureContext = await trustedContext(config.ca)
    this.#provider = await ProviderToken.open(config)
    this.#tokens = await openTokenStore({
      log: this.#context.log,
      ...(this.#tokenFile === undefined ? {} : { file: this.#tokenFile }),
    })
    this.#connection = new PushConnection({ ...config, secureContext }, this)
    this.#state = 'started'
  }

  async send(request: PushRequest): Promise<PushOutcome[]> {
    if (this.#refusing || this.#state === 'closed') {
      throw new AppError(
        'ERR_DRAINING',
        `Node ${this.#context.node} is draining or drained and takes no pushes; send them to another node`,
        {
          node: this.#context.node,
        },
      )
    }
    const store = this.tokens
    const message = composeMessage(request, this.#config.topic)
    const tokens =
      request.token === undefined ? (request.tokens ?? store.byKey(request.key ?? '')) : [request.token]
    this.#counters.received += Math.max(1, tokens.length)
    this.#counters.lastReceivedAt = new Date()
    if (tokens.length === 0) {
      this.#counters.noTokens += 1
      return [{ token: null, outcome: 'no_token' }]
    }
    // An id given for several tokens would name several pushes: it is used only where there is one.
    const apnsId = tokens.length === 1 ? request.apnsId : undefined
    return Promise.all(
      tokens.map((token) =>
        this.#accept(
          token,
          apnsId ?? randomUUID(),
          message,
          store.registeredAt(token),
          this.#deadlineOf(request.expiration),
        ),
      ),
    )
  }

  stats(): PushHealth {
    const session = this.#connection?.ready ?? null
    return this.#counters.toHealth(
      { alive: session !== null, ageSeconds: session === null ? null : Math.round(session.ageSeconds) },
      this.#tokens?.count() ?? 0,
    )
  }

  get tokenProblem(): string | null {
    return this.#tokens?.problem ?? null
  }

  pending(): number {
    return this.#queue.size
  }

  flush(signal: AbortSignal): Promise<{ flushed: number; left: number }> {
    return this.#queue.flush(signal)
  }

  refuse(on: boolean): void {
    this.#refusing = on
  }

  invalidate(reason: string): void {
    this.#connection?.invalidate(reason === 'drain' ? 'drain' : 'operator', reason)
  }

  get tokens(): TokenStore {
    if (!this.#tokens) throw new AppError('ERR_STARTING', 'The push part has not been started')
    return this.#tokens
  }

  async close(): Promise<void> {
    if (this.#state !== 'closed') {
      this.#state = 'closed'
      this.#failWaiting('closed')
      const connection = this.#connection
      const graceMs = Math.min(this.#config.requestTimeoutMs || CLOSE_GRACE_MS, CLOSE_GRACE_MS)
      // What is still unanswered then would hold its session, and the process with it.
      if (connection) await within(graceMs, connection.close(), { late: () => connection.destroy() })
    }
    await this.#tokens?.close()
  }

  async destroy(): Promise<void> {
    this.#state = 'closed'
    this.#failWaiting('closed')
    await this.#connection?.destroy()
    await this.#tokens?.close()
  }

  connected(connectMs: number): void {
    this.#dialFailure = null
    this.#counters.sessionConnects += 1
    this.#emit('push.session_connected', { connectMs, connects: this.#counters.sessionConnects })
    this.#pump()
  }

  room(): void {
    this.#pump()
  }

  connectFailed({ failure }: ReturnType<typeof failureOf>): void {
    // Logged when it begins and when the reason changes; the counter says how often.
    if (this.#dialFailure !== failure)
      this.#context.log.warn(
        { endpoint: this.#config.host, reason: failure, waiting: this.#queue.size },
        'push endpoint cannot be reached; pushes wait until their deadline',
      )
    this.#dialFailure = failure
    this.#counters.connectFailed(failure)
    this.#pump()
  }

  invalidated(reason: InvalidationReason, ageSeconds: number, detail: string | null): void {
    this.#counters.invalidated(reason)
    this.#emit('push.session_invalidated', { reason, ageSeconds: Math.round(ageSeconds * 10) / 10, detail })
    this.#pump()
  }

  #accept(
    token: string,
    apnsId: string,
    message: PushMessage,
    registeredAt: number | null,
    deadlineAt: number,
  ): Promise<PushOutcome> {
    return new Promise((resolve) => {
      const job: Job = {
        token,
        fingerprint: tokenFingerprint(token),
        registeredAt,
        apnsId,
        message,
        settle: resolve,
        deadlineAt,
        resending: null,
        freshSessionTried: false,
        freshTokenTried: false,
        retryAfterTried: false,
        timer: undefined,
      }
      this.#queue.accept(job)
      // The queue is empty whenever there is room, because every change of room pumps it.
      if (this.#queue.waiting >= this.#config.maxQueued) {
        this.#fail(job, 'queue_full')
        return
      }
      this.#enqueue(job, 'fresh')
    })
  }

  #enqueue(job: Job, order: 'fresh' | 'retry'): void {
    if (this.#state === 'closed') {
      this.#fail(job, 'closed')
      return
    }
    this.#queue.enqueue(job, order)
    this.#pump()
    if (this.#queue.waits(job) && job.deadlineAt !== Number.POSITIVE_INFINITY)
      job.timer = setTimeout(
        () => this.#fail(job, this.#dialFailure ?? 'queue_timeout'),
        Math.max(0, job.deadlineAt - performance.now()),
      )
  }

  /**
   * Until when a push may wait to be sent: its APNs expiration where that lies ahead, else the configured deadline. An expiration
   * of 0, or in the past, asks for one attempt, and says nothing about waiting for a session.
   */
  #deadlineOf(expiration: number | undefined): number {
    const { deadlineMs } = this.#config
    const aheadMs = (expiration ?? 0) * 1000 - Date.now()
    if (aheadMs > 0) return performance.now() + Math.min(aheadMs, MAX_DEADLINE_MS)
    return deadlineMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + deadlineMs
  }

  #pump(): void {
    if (this.#queue.sendable === 0 || this.#state !== 'started') return
    const session = this.#connection?.ready
    if (!session) {
      this.#connection?.want()
      return
    }
    const jwt = this.#provider?.current() ?? null
    if (jwt === null) {
      this.#renew()
      return
    }
    while (session.ready && (this.#connection?.vacancies ?? 0) > 0) {
      const job = this.#queue.next()
      if (!job) return
      this.#counters.lastSendAt = new Date()
      this.#guarded(job, () =>
        session.request(this.#headersOf(job, jwt), job.message.body, (answer) =>
          this.#guarded(job, () => this.#onAnswer(job, session, jwt, answer)),
        ),
      )
    }
    if (this.#queue.sendable > 0) this.#connection?.want()
  }

  #headersOf(job: Job, jwt: string): OutgoingHttpHeaders {
    return {
      ...job.message.headers,
      ':path': `/3/device/${encodeURIComponent(job.token)}`,
      authorization: `bearer ${jwt}`,
      'apns-id': job.apnsId,
    }
  }

  /** One push's failure costs that push: it runs in callbacks that would otherwise end the process. */
  #guarded(job: Job, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#context.log.error({ err: error }, 'a push could not be handled')
      this.#fail(job, 'internal')
    }
  }

  #renew(): void {
    if (this.#renewing) return
    this.#renewing = true
    this.#provider
      ?.renew()
      .catch((error: unknown) => {
        this.#context.log.error({ err: error }, 'the provider token cannot be signed')
        this.#failWaiting('provider_token')
      })
      .finally(() => {
        this.#renewing = false
        this.#pump()
      })
  }

  #onAnswer(job: Job, session: PushSession, jwt: string, answer: PushAnswer): void {
    if (!this.#queue.has(job)) return
    const { status } = answer
    if (status === null) this.#onNoAnswer(job, session, answer)
    else if (status < 300) {
      this.#counters.ok()
      this.#queue.settle(job, { token: job.fingerprint, outcome: 'delivered', status, apnsId: job.apnsId })
    } else if (status === 403 && answer.reason === 'ExpiredProviderToken' && !job.freshTokenTried) {
      job.freshTokenTried = true
      this.#provider?.renew(jwt).then(
        () => this.#retry(job, 'ExpiredProviderToken'),
        () => this.#reject(job, status, answer),
      )
    } else if (
      (status === 429 || status === 503) &&
      answer.retryAfterMs !== null &&
      answer.retryAfterMs <= MAX_RETRY_AFTER_MS &&
      !job.retryAfterTried
    ) {
      job.retryAfterTried = true
      this.#later(job, answer.retryAfterMs, answer.reason ?? `HTTP_${status}`)
    } else {
      this.#reject(job, status, answer)
    }
  }

  #onNoAnswer(job: Job, session: PushSession, answer: PushAnswer): void {
    const failure = answer.failure ?? 'error'
    if (answer.calm) this.#connection?.calm()
    if (answer.sessionFatal) this.#connection?.invalidateSession(session, 'error', failure)
    if (answer.unprocessed && this.#resend(job, failure)) return
    const elsewhere = answer.sessionFatal || answer.unanswered
    if (elsewhere && !job.freshSessionTried && this.#state === 'started') {
      job.freshSessionTried = true
      // It may have been processed: this is the one retry that can deliver twice, so it has a number of its own.
      if (!answer.unprocessed) this.#counters.sendRetriedUnproven += 1
      this.#retry(job, failure)
      return
    }
    this.#fail(job, failure)
  }

  /** A push that was provably not processed costs no attempt; false where it was sent again often enough. */
  #resend(job: Job, failure: string): boolean {
    if (this.#state !== 'started') return false
    if (job.resending === null) {
      job.resending = new Backoff({ baseMs: RESEND_BASE_MS, maxMs: RESEND_CEILING_MS })
      this.#retry(job, failure)
      return true
    }
    // The first retry did not wait.
    if (job.resending.failures >= MAX_RESENDS - 1) return false
    const delayMs = job.resending.next()
    if (performance.now() + delayMs >= job.deadlineAt) return false
    this.#later(job, delayMs, failure)
    return true
  }

  #later(job: Job, delayMs: number, reason: string): void {
    this.#queue.delay(job)
    job.timer = setTimeout(() => this.#retry(job, reason), delayMs)
  }

  #retry(job: Job, reason: string): void {
    if (!this.#queue.has(job)) return
    this.#countRetry(job, reason)
    this.#enqueue(job, 'retry')
  }

  #countRetry(job: Job, reason: string): void {
    this.#counters.sendRetried += 1
    this.#emit('push.retried', { reason, apnsId: job.apnsId })
  }

  #fail(job: Job, reason: string): void {
    if (!this.#queue.has(job)) return
    this.#counters.failed(reason)
    this.#emit('push.failed', { reason, apnsId: job.apnsId })
    this.#queue.settle(job, { token: job.fingerprint, outcome: 'failed', reason, apnsId: job.apnsId })
  }

  #reject(job: Job, status: number, answer: PushAnswer): void {
    const reason = answer.reason ?? `HTTP_${status}`
    this.#counters.rejected(reason)
    this.#emit('push.rejected', { status, reason, token: job.fingerprint, apnsId: job.apnsId })
    this.#prune(job, status, answer)
    this.#queue.settle(job, {
      token: job.fingerprint,
      outcome: 'rejected',
      status,
      reason,
      apnsId: job.apnsId,
    })
  }

  /**
   * Terminal answers only: any 410, and 400 with one of two reasons. A wrong topic or a bad payload is not the token's fault. What
   * is compared is the registration that the push was sent for; the `timestamp` of a 410 may lie before it (an application that
   * registers a token it had kept for long), and sparing the token for that would push to it for ever.
   */
  #prune(job: Job, status: number, answer: PushAnswer): void {
    const terminal =
      status === 410 ||
      (status === 400 && (answer.reason === 'BadDeviceToken' || answer.reason === 'DeviceTokenNotForTopic'))
    if (!terminal || job.registeredAt === null) return
    if (!this.tokens.pruneIf(job.token, job.registeredAt)) return
    const reason = answer.reason ?? 'Unregistered'
    this.#counters.pruned(reason)
    this.#emit('token.pruned', { reason, status, token: job.fingerprint })
  }

  #failWaiting(reason: string): void {
    for (const job of this.#queue.notSent()) this.#fail(job, reason)
  }

  #emit<T extends EventType>(type: T, data: EventData<T>): void {
    const rate = this.#eventRates.get(type) ?? new Rate({ perSecond: MAX_EVENTS_PER_SECOND })
    this.#eventRates.set(type, rate)
    if (!rate.take()) return
    this.#context.emit(type, data)
  }
}

/**
 * The push part of a node: a client of APNs' HTTP/2 interface. Paths in `config` are absolute. Without `config.tokens` the
 * tokens are kept in `<dataDir>/tokens.jsonl`, or in memory where no `dataDir` is given either.
 */
export const createPush = (
  config: PushConfig,
  context: PartContext,
  options: { dataDir?: string } = {},
): Push =>
  new PushClient(
    config,
    context,
    config.tokens?.file ??
      (options.dataDir === undefined ? undefined : join(options.dataDir, 'tokens.jsonl')),
  )
