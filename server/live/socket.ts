import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { CLOSE } from '../contract/close-codes.ts'
import { AppError } from '../contract/errors.ts'
import { checkValue } from '../contract/issue-words.ts'
import { type LiveClientMessage, liveClientSchema } from '../contract/live.ts'
import type { Log } from '../observe/log.ts'
import { Backlog } from './backlog.ts'
import { Budget } from './budget.ts'
import type { LiveCaller } from './caller.ts'
import { type CallerAccount, Callers } from './callers.ts'
import type { Hub } from './hub.ts'
import { refuse } from './refuse.ts'
import type { Subscriber } from './subscriber.ts'
import { parseTopic, type Topic } from './topic.ts'

export interface LiveSocketOptions {
  hub: Hub
  log: Log
  authenticate(request: IncomingMessage): Promise<LiveCaller | null>
  allowedOrigins(): readonly string[]
  maxClients?: number
  /** Open sockets of one person or token. */
  maxClientsPerCaller?: number
  pingIntervalMs?: number
  heartbeatMs?: number
  /** How long a frame may be on its way, and how long a reader that was cut may take to catch up, in ms. */
  maxBacklogMs?: number
}

/** What was refused since the start. */
export interface LiveRefusals {
  /** Sockets beyond a ceiling of places. */
  places: number
  /** Sockets closed because they sent too many messages. */
  messages: number
  /** Subscriptions beyond a ceiling of topics. */
  topics: number
}

const MAX_BACKLOG_LENGTH = 1024 * 1024
const MAX_TOPICS = 64
const MAX_TOPICS_PER_CALLER = 2_048
/** Upgrades that are being authenticated at once. */
const MAX_OPENING = 256
/** Messages of one socket: at once, and per second. */
const MESSAGES = { burst: 120, perSecond: 10 }
/** A reader that is cut more often than this in a minute is too slow for what it asks for. */
const MAX_CUTS = 3
const CUTS_WITHIN_MS = 60_000
/** How long a peer may take to answer a close frame, in ms. */
const CLOSING_MS = 1_000
/** An upgrade that was authenticated just before its session was revoked is over by then, in ms. */
const REVOKED_MS = 30_000

interface Client {
  socket: WebSocket
  caller: LiveCaller
  account: CallerAccount
  subscriber: Subscriber
  topics: Set<string>
  messages: Budget
  backlog: Backlog
  missedPongs: number
  /** When frames began to be dropped because the client does not read; null while it keeps up. */
  behindSince: number | null
  /** When it was cut to snapshots, within the last minute. */
  cuts: number[]
  /** True once it has been told to go. */
  isEnding: boolean
}

/**
 * `/live`: the WebSocket in front of the hub. Refusals come before 101: 403 for a foreign Origin, 401 without credentials, 503
 * where all places are taken. What a caller asks for has budgets, so that one viewer cannot hold up the others. A client that does
 * not read is cut to a snapshot at 1 MB or 10 s of backlog, and closed 1013 when it has not caught up after another 10 s, or has to
 * be cut again and again.
 */
export class LiveSocket {
  readonly #options: Required<LiveSocketOptions>
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024,
    maxFragments: 64,
    perMessageDeflate: false,
    // Answered below, within the budget: a peer that pings and does not read would fill the memory with pongs.
    autoPong: false,
  } as ConstructorParameters<typeof WebSocketServer>[0])
  readonly #clients = new Set<Client>()
  readonly #callers = new Callers()
  readonly #timers: NodeJS.Timeout[] = []
  /** Ids of sessions and tokens that ended a moment ago, with when. */
  readonly #revoked = new Map<string, number>()
  readonly #refused: LiveRefusals = { places: 0, messages: 0, topics: 0 }
  #opening = 0
  #slowCut = 0
  #slowClosed = 0
  #closing = false

  constructor(options: LiveSocketOptions) {
    this.#options = {
      maxClients: 2_000,
      maxClientsPerCaller: 128,
      pingIntervalMs: 25_000,
      heartbeatMs: 5_000,
      maxBacklogMs: 10_000,
      ...options,
    }
    this.#timers.push(
      setInterval(() => this.#heartbeat(), this.#options.heartbeatMs).unref(),
      setInterval(() => this.#ping(), this.#options.pingIntervalMs).unref(),
      setInterval(() => this.#checkBacklogs(), Math.min(500, this.#options.maxBacklogMs / 4)).unref(),
    )
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Clients closed because they did not read. */
  get slowClosed(): number {
    return this.#slowClosed
  }

  /** Times a client was cut to snapshots because it did not keep up. */
  get slowCut(): number {
    return this.#slowCut
  }

  get refused(): Readonly<LiveRefusals> {
    return this.#refused
  }

  /** Handles one upgrade request for `/live`; never throws. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const deadline = setTimeout(() => socket.destroy(), 10_000)
    this.#opening++
    try {
      const caller = await this.#admit(request)
      if (socket.destroyed) return
      this.#server.handleUpgrade(request, socket, head, (websocket) => this.#serve(websocket, caller))
    } catch (error) {
      refuse(socket, error instanceof AppError ? error : new AppError('ERR_INTERNAL', 'The upgrade failed'))
      if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'a live upgrade failed')
    } finally {
      this.#opening--
      clearTimeout(deadline)
    }
  }

  /** Closes every socket of a session that was revoked (4401). */
  closeSession(sessionId: string): void {
    this.#revoked.set(sessionId, Date.now())
    for (const client of this.#clients)
      if (client.caller.sessionId === sessionId) this.#end(client, CLOSE.not_authenticated, 'signed out')
  }

  /** Closes every socket of an API token that was removed (4401). */
  closeToken(tokenId: string): void {
    this.#revoked.set(tokenId, Date.now())
    for (const client of this.#clients)
      if (client.caller.tokenId === tokenId) this.#end(client, CLOSE.not_authenticated, 'access revoked')
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const timer of this.#timers) clearInterval(timer)
    for (const client of this.#clients) client.socket.close(CLOSE.going_away, 'the server is stopping')
    const limit = performance.now() + 1_000
    while (this.#clients.size > 0 && performance.now() < limit)
      await new Promise((resolve) => setTimeout(resolve, 20))
    for (const client of this.#clients) client.socket.terminate()
    this.#server.close()
  }

  async #admit(request: IncomingMessage): Promise<LiveCaller> {
    if (this.#closing) throw new AppError('ERR_STARTING', 'The server is stopping')
    const origin = request.headers.origin
    if (origin !== undefined && !this.#options.allowedOrigins().includes(origin)) {
      throw new AppError('ERR_ORIGIN', 'This Origin may not open the live stream')
    }
    if (this.#opening > MAX_OPENING) {
      throw this.#noPlace(`At most ${MAX_OPENING} live clients are let in at once`, MAX_OPENING)
    }
    const caller = await this.#options.authenticate(request)
    if (caller === null) throw new AppError('ERR_UNAUTHENTICATED', 'Sign in, or send an API token')
    if (!caller.bearer && origin === undefined) {
      throw new AppError('ERR_ORIGIN', 'A session cookie needs an Origin header')
    }
    // Nothing is awaited between this and taking the place: of two that come at once, one gets the last.
    const { maxClients, maxClientsPerCaller } = this.#options
    if (this.#clients.size >= maxClients)
      throw this.#noPlace(`At most ${maxClients} live clients at once`, maxClients)
    if (this.#callers.of(caller).sockets >= maxClientsPerCaller)
      throw this.#noPlace(`At most ${maxClientsPerCaller} live clients of one caller`, maxClientsPerCaller)
    if (this.#revoked.has(caller.sessionId ?? caller.tokenId ?? ''))
      throw new AppError('ERR_UNAUTHENTICATED', 'This access was revoked')
    return caller
  }

  #noPlace(message: string, limit: number): AppError {
    this.#refused.places++
    return new AppError('ERR_CAPACITY', message, { ceiling: 'liveClients', limit, retryAfterSeconds: 10 })
  }

  #serve(socket: WebSocket, caller: LiveCaller): void {
    const account = this.#callers.of(caller)
    const client: Client = {
      socket,
      caller,
      account,
      subscriber: this.#options.hub.join((text) => this.#deliver(client, text), account),
      topics: new Set(),
      messages: new Budget(MESSAGES.burst, MESSAGES.perSecond),
      backlog: new Backlog(),
      missedPongs: 0,
      behindSince: null,
      cuts: [],
      isEnding: false,
    }
    account.sockets++
    this.#clients.add(client)
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'a live client failed'))
    socket.on('pong', () => {
      client.missedPongs = 0
      this.#maySend(client)
    })
    socket.on('ping', (data) => {
      if (this.#maySend(client) && socket.bufferedAmount < MAX_BACKLOG_LENGTH) socket.pong(data)
    })
    socket.on('message', (data, isBinary) => {
      if (this.#maySend(client)) this.#receive(client, isBinary ? null : data.toString())
    })
    socket.on('close', () => {
      client.subscriber.close()
      account.topics -= client.topics.size
      client.topics.clear()
      account.sockets--
      this.#clients.delete(client)
    })
    socket.send('{"type":"ping"}')
  }

  /** Counts a message; closes a socket that sends too many. */
  #maySend(client: Client): boolean {
    if (client.isEnding) return false
    if (client.messages.tryOne() && client.account.messages.tryOne()) return true
    this.#refused.messages++
    this.#end(client, CLOSE.bad_request, 'too many messages')
    return false
  }

  #receive(client: Client, text: string | null): void {
    const parsed = checkValue(liveClientSchema, parseJson(text))
    if (!parsed.success) {
      const problem = parsed.error.issues[0]
      client.subscriber.refuse(
        'ERR_INVALID',
        `This message is not understood: ${(problem?.message ?? 'not JSON').slice(0, 200)}`,
      )
      return
    }
    const message = parsed.data
    if (message.type === 'subscribe') this.#subscribe(client, message)
    else if (message.type === 'unsubscribe') {
      for (const name of message.topics) if (client.topics.delete(name)) client.account.topics--
      client.subscriber.unsubscribe(message.topics)
    }
  }

  #subscribe(client: Client, message: Extract<LiveClientMessage, { type: 'subscribe' }>): void {
    const { account } = client
    const topics = new Map<string, Topic>()
    for (const name of message.topics) {
      const topic = client.topics.has(name) ? null : parseTopic(name)
      if (topic !== null) topics.set(topic.name, topic)
    }
    const isTooMany = client.topics.size + topics.size > MAX_TOPICS
    if (isTooMany || account.topics + topics.size > MAX_TOPICS_PER_CALLER) {
      this.#refused.topics++
      const limit = isTooMany ? `${MAX_TOPICS} topics a client` : `${MAX_TOPICS_PER_CALLER} topics a caller`
      client.subscriber.refuse('ERR_CAPACITY', `At most ${limit}`)
      return
    }
    for (const name of topics.keys()) client.topics.add(name)
    account.topics += topics.size
    if (message.samples !== undefined) client.subscriber.drawSamples(message.samples)
    client.subscriber.subscribe([...topics.values()], message.after)
  }

  #deliver(client: Client, text: string): void {
    const { socket, backlog } = client
    if (socket.readyState !== WebSocket.OPEN || client.behindSince !== null) return
    if (backlog.length > MAX_BACKLOG_LENGTH) {
      this.#fallBehind(client)
      return
    }
    backlog.sent(text.length, performance.now())
    // A failed send is followed by 'close', which cleans up.
    socket.send(text, () => backlog.left(performance.now()))
  }

  #fallBehind(client: Client): void {
    client.behindSince = performance.now()
    this.#slowCut++
  }

  #checkBacklogs(): void {
    const now = performance.now()
    const { maxBacklogMs } = this.#options
    for (const client of this.#clients) {
      if (client.isEnding) continue
      if (client.behindSince === null) {
        if (client.backlog.age(now) > maxBacklogMs) this.#fallBehind(client)
        continue
      }
      client.cuts = client.cuts.filter((at) => now - at < CUTS_WITHIN_MS)
      if (client.backlog.isEmpty && client.cuts.length < MAX_CUTS) {
        client.behindSince = null
        client.cuts.push(now)
        client.subscriber.cutToSnapshot()
      } else if (client.backlog.isEmpty || now - client.behindSince > maxBacklogMs) {
        this.#slowClosed++
        this.#end(client, CLOSE.try_again_later, 'too slow: the backlog reached its ceiling')
      }
    }
  }

  /** A client that does not read will not answer the close frame either. */
  #end(client: Client, code: number, reason: string): void {
    if (client.isEnding) return
    client.isEnding = true
    client.socket.close(code, reason)
    setTimeout(() => client.socket.terminate(), CLOSING_MS).unref()
  }

  #heartbeat(): void {
    const now = Date.now()
    for (const client of this.#clients) {
      const { expiresAt } = client.caller
      if (expiresAt !== null && expiresAt <= now) this.#end(client, CLOSE.not_authenticated, 'access expired')
      // Also sent to a client that is behind: a page must not take a slow line for a dead server.
      else if (client.socket.readyState === WebSocket.OPEN) client.socket.send('{"type":"ping"}')
    }
    for (const [id, at] of this.#revoked) if (now - at > REVOKED_MS) this.#revoked.delete(id)
    this.#callers.prune()
  }

  #ping(): void {
    for (const client of this.#clients) {
      if (client.missedPongs >= 2) client.socket.terminate()
      else {
        client.missedPongs += 1
        if (client.socket.readyState === WebSocket.OPEN) client.socket.ping()
      }
    }
  }
}

const parseJson = (text: string | null): unknown => {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null // answered as ERR_INVALID by the caller
  }
}
