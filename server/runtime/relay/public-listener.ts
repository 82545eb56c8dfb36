import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import { answerOnSocket } from '../../wire/raw-answer.ts'
import { listen } from '../listen/listen.ts'
import { answerError, hasBody } from './public-answer.ts'
import { RequestLine } from './request-line.ts'

/** Public connections, tunnels among them, that the listener holds beyond the ceiling of tunnels. */
const PUBLIC_CONNECTIONS = 50_000
const HEADERS_TIMEOUT_MS = 10_000
/** How often to look for late heads. */
const HEADERS_CHECK_MS = 2_000
const KEEP_ALIVE_MS = 60_000
/** From this part of the ceiling on, kept connections without a request make room. */
const CROWDED = 0.9
/** After the last exchange has ended, answers that are being written have this long to leave. */
const LAST_BYTES_MS = 1_000

/** Handles a request that has been read. */
export interface PublicHandler {
  request(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void
}

/**
 * The HTTP server of a relay's public port. What one connection sends costs that connection: its requests are handled one at a time,
 * what cannot be read is answered 400, and whatever a handler throws ends with it. Listens once; a port that is bound again gets a
 * listener of its own.
 */
export class PublicListener {
  readonly #server: Server
  readonly #handler: PublicHandler
  readonly #log: Log
  readonly #line: RequestLine
  #open = 0

  constructor(config: RelayConfig, handler: PublicHandler, log: Log) {
    this.#handler = handler
    this.#log = log
    this.#line = new RequestLine((req, res) => this.#contain(req.socket, () => handler.request(req, res)))
    const server = createServer({
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_CHECK_MS,
      // Uploads may last; a stalled one is ended by its own timeout.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 32 * 1024,
      // Other upgrades (h2c) may be ignored (RFC 9110 §7.8): those are requests like any other. So is one with a body, for which
      // Node hands over a stream that is no socket, and which no WebSocket client sends.
      shouldUpgradeCallback: (req) => req.headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(req),
    })
    // Node drops headers beyond this count silently; the traffic refuses them instead.
    server.maxHeadersCount = 0
    server.maxConnections = config.maxTunnels + PUBLIC_CONNECTIONS
    server.on('connection', (socket: Socket) => this.#accepted(socket))
    server.on('request', (req: IncomingMessage, res: ServerResponse) => this.#line.enter(req, res))
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(req, socket, head),
    )
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
      this.#unreadable(error, socket),
    )
    this.#server = server
  }

  /** Pipelined requests that wait for their turn. */
  get waiting(): number {
    return this.#line.waiting
  }

  /** Returns the actual port. Rejects as `listen` does. */
  async listen(host: string, port: number): Promise<number> {
    const bound = await listen(this.#server, host, port)
    this.#server.on('error', (error) => this.#log.error({ err: error }, 'the public listener failed'))
    return bound
  }

  /** Frees the port at once. What is in flight goes on; `empty` says when the rest of the connections can be cut. */
  unbind(empty: (signal: AbortSignal) => Promise<void>): void {
    const server = this.#server
    // The port is free once `close` was called; the promise of its callback would wait for connections that may last.
    server.close()
    server.closeIdleConnections()
    const closed = new AbortController()
    server.once('close', () => closed.abort())
    void empty(closed.signal).then(() => {
      if (closed.signal.aborted) return
      const cut = setTimeout(() => server.closeAllConnections(), LAST_BYTES_MS)
      cut.unref()
      server.once('close', () => clearTimeout(cut))
    })
  }

  /** Cuts every connection now. */
  destroy(): void {
    this.#server.closeAllConnections()
  }

  #accepted(socket: Socket): void {
    this.#open += 1
    socket.once('close', () => {
      this.#open -= 1
    })
    if (this.#open > this.#server.maxConnections * CROWDED) this.#server.closeIdleConnections()
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.#log.debug({ err: error }, 'a public socket failed'))
    this.#contain(socket, () => {
      if (!(socket instanceof Socket)) throw new Error('An upgrade without a socket')
      // Behind a request whose answer is still to come there is nothing that could be upgraded in order.
      if (this.#line.current(socket) !== null) {
        socket.destroy()
        return
      }
      socket.setNoDelay(true)
      this.#handler.upgrade(req, socket, head)
    })
  }

  #unreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
    const res = socket instanceof Socket ? this.#line.current(socket) : null
    if (res === null) {
      const status =
        error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
      answerOnSocket(socket, { status })
    } else if (error.code === 'HPE_INVALID_EOF_STATE') {
      // The client left in the middle of what follows: nobody waits for the answer any more.
      socket.destroy()
    } else if (res.req.complete) {
      // What follows a whole request cannot be read: its answer is the last one.
      res.once('finish', () => socket.destroy())
      res.shouldKeepAlive = false
    } else if (res.headersSent) {
      // Our answer would be in the middle of the host's.
      socket.destroy()
    } else {
      answerError(res, 'ERR_INVALID', 'The request body is malformed', {}, true)
    }
  }

  /** Whatever goes wrong with one request costs its connection, and no other's. */
  #contain(socket: Duplex, handle: () => void): void {
    try {
      handle()
    } catch (error) {
      this.#log.error({ err: error }, 'a public request could not be handled')
      socket.destroy()
    }
  }
}
