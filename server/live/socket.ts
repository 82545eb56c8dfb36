import type { IncomingMessage } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { AppError } from '../contract/errors.ts'
import { liveClientSchema } from '../contract/live.ts'
import type { Log } from '../observe/log.ts'
import type { Hub, Subscriber } from './hub.ts'
import { parseTopic } from './topic.ts'

/** What authentication says of an upgrade: who it is, and by which session or token, so that the socket ends with it. */
export interface LiveCaller {
  name: string
  sessionId: string | null
  /** Null for a session, and for the token of the environment. */
  tokenId: string | null
  /** Epoch ms at which the session or token ends by itself; null: never. */
  expiresAt: number | null
  /** True for a bearer token: a missing Origin is fine then. */
  bearer: boolean
}

export interface LiveSocketOptions {
  hub: Hub
  log: Log
  authenticate(request: IncomingMessage): Promise<LiveCaller | null>
  allowedOrigins(): readonly string[]
  maxClients?: number
  pingIntervalMs?: number
  heartbeatMs?: number
}

const MAX_BACKLOG_BYTES = 1024 * 1024
const MAX_BACKLOG_MS = 10_000
const MAX_TOPICS = 64
/** How long a refused peer may take to read why, in ms. */
const REFUSED_MS = 2_000

interface Client {
  socket: WebSocket
  caller: LiveCaller
  subscriber: Subscriber
  topics: Set<string>
  missedPongs: number
  /** Since when frames are dropped because the client does not read; null while it keeps up. */
  behindSince: number | null
  cuts: number
}

/**
 * `/live`: the WebSocket in front of the hub. Refusals come before 101: 403 for a foreign Origin, 401 without credentials. A
 * client that does not read is cut to a snapshot at 1 MB of backlog, and closed 1013 when it has not caught up after 10 s.
 */
export class LiveSocket {
  readonly #options: Required<LiveSocketOptions>
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024,
    maxFragments: 64,
    perMessageDeflate: false,
  } as ConstructorParameters<typeof WebSocketServer>[0])
  readonly #clients = new Set<Client>()
  readonly #timers: NodeJS.Timeout[] = []
  #slowClosed = 0
  #closing = false

  constructor(options: LiveSocketOptions) {
    this.#options = { maxClients: 2_000, pingIntervalMs: 25_000, heartbeatMs: 5_000, ...options }
    this.#timers.push(
      setInterval(() => this.#heartbeat(), this.#options.heartbeatMs).unref(),
      setInterval(() => this.#ping(), this.#options.pingIntervalMs).unref(),
      setInterval(() => this.#checkBacklogs(), 500).unref(),
    )
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Clients closed because they did not read. */
  get slowClosed(): number {
    return this.#slowClosed
  }

  /** Handles one upgrade request for `/live`; never throws. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const deadline = setTimeout(() => socket.destroy(), 10_000)
    try {
      const caller = await this.#admit(request)
      if (socket.destroyed) return
      this.#server.handleUpgrade(request, socket, head, (websocket) => this.#serve(websocket, caller))
    } catch (error) {
      refuse(socket, error instanceof AppError ? error : new AppError('ERR_INTERNAL', 'The upgrade failed'))
      if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'a live upgrade failed')
    } finally {
      clearTimeout(deadline)
    }
  }

  /** Closes every socket of a session that was revoked (4401). */
  closeSession(sessionId: string): void {
    for (const client of this.#clients) {
      if (client.caller.sessionId === sessionId) client.socket.close(4401, 'signed out')
    }
  }

  /** Closes every socket of an API token that was removed (4401). */
  closeToken(tokenId: string): void {
    for (const client of this.#clients)
      if (client.caller.tokenId === tokenId) client.socket.close(4401, 'access revoked')
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const timer of this.#timers) clearInterval(timer)
    for (const client of this.#clients) client.socket.close(1001, 'the server is stopping')
    const limit = Date.now() + 1_000
    while (this.#clients.size > 0 && Date.now() < limit)
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
    const caller = await this.#options.authenticate(request)
    if (caller === null) throw new AppError('ERR_UNAUTHENTICATED', 'Sign in, or send an API token')
    if (!caller.bearer && origin === undefined) {
      throw new AppError('ERR_ORIGIN', 'A session cookie needs an Origin header')
    }
    if (this.#clients.size >= this.#options.maxClients) {
      throw new AppError('ERR_CAPACITY', `At most ${this.#options.maxClients} live clients at once`)
    }
    return caller
  }

  #serve(socket: WebSocket, caller: LiveCaller): void {
    const client: Client = {
      socket,
      caller,
      subscriber: this.#options.hub.join((text) => this.#deliver(client, text)),
      topics: new Set(),
      missedPongs: 0,
      behindSince: null,
      cuts: 0,
    }
    this.#clients.add(client)
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'a live client failed'))
    socket.on('pong', () => {
      client.missedPongs = 0
    })
    socket.on('message', (data, isBinary) => this.#receive(client, isBinary ? null : data.toString()))
    socket.on('close', () => {
      client.subscriber.close()
      this.#clients.delete(client)
    })
    socket.send('{"type":"ping"}')
  }

  #receive(client: Client, text: string | null): void {
    const parsed = liveClientSchema.safeParse(parseJson(text))
    if (!parsed.success) {
      const problem = parsed.error.issues[0]
      client.subscriber.refuse(
        'ERR_INVALID',
        `This message is not understood: ${problem?.message ?? 'not JSON'}`,
      )
      return
    }
    const message = parsed.data
    if (message.type === 'subscribe') {
      const topics = message.topics.map(parseTopic).filter((topic) => topic !== null)
      if (new Set([...client.topics, ...message.topics]).size > MAX_TOPICS) {
        client.subscriber.refuse('ERR_CAPACITY', `At most ${MAX_TOPICS} topics a client`)
        return
      }
      for (const topic of topics) client.topics.add(topic.name)
      client.subscriber.subscribe(topics, message.after)
    } else if (message.type === 'unsubscribe') {
      for (const name of message.topics) client.topics.delete(name)
      client.subscriber.unsubscribe(message.topics)
    }
  }

  #deliver(client: Client, text: string): void {
    const { socket } = client
    if (socket.readyState !== WebSocket.OPEN || client.behindSince !== null) return
    if (socket.bufferedAmount > MAX_BACKLOG_BYTES) {
      client.behindSince = Date.now()
      return
    }
    socket.send(text, () => {
      // A failed send is followed by 'close', which cleans up.
    })
  }

  #checkBacklogs(): void {
    for (const client of this.#clients) {
      if (client.behindSince === null) continue
      if (client.socket.bufferedAmount === 0 && client.cuts < 3) {
        client.behindSince = null
        client.cuts += 1
        client.subscriber.cutToSnapshot()
      } else if (Date.now() - client.behindSince > MAX_BACKLOG_MS) {
        this.#slowClosed += 1
        client.socket.close(1013, 'too slow: the backlog reached its ceiling')
        // A client that does not read will not answer the close frame either.
        setTimeout(() => client.socket.terminate(), 1_000).unref()
      }
    }
  }

  #heartbeat(): void {
    const now = Date.now()
    for (const client of this.#clients) {
      const { expiresAt } = client.caller
      if (expiresAt !== null && expiresAt <= now) client.socket.close(4401, 'access expired')
      if (client.socket.readyState === WebSocket.OPEN && client.behindSince === null)
        client.socket.send('{"type":"ping"}')
      if (client.cuts > 0) client.cuts -= 1
    }
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

/** Answers an upgrade with a plain HTTP error and ends the connection, also where the peer leaves its half open. */
export const refuse = (socket: Duplex, error: AppError): void => {
  if (socket.destroyed) return
  const body = JSON.stringify(error.toBody())
  const status = error.status
  const retry = error.retryAfterSeconds === null ? '' : `Retry-After: ${error.retryAfterSeconds}\r\n`
  const end = setTimeout(() => socket.destroy(), REFUSED_MS)
  socket.once('close', () => clearTimeout(end))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\nContent-Type: application/json\r\nConnection: close\r\nCache-Control: no-store\r\n${retry}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
