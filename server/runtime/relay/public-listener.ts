import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { RelayConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import { answerOnSocket } from '../../wire/raw-answer.ts'
import { answerError, hasBody } from './public-answer.ts'
import { RequestLine } from './request-line.ts'

/** Public connections, tunnels among them, that the listener holds beyond the ceiling of tunnels. */
const PUBLIC_CONNECTIONS = 50_000
const HEADERS_TIMEOUT_MS = 10_000
/** How often heads that are late are looked for. */
const HEADERS_CHECK_MS = 2_000
const KEEP_ALIVE_MS = 60_000
/** From this part of the ceiling on, kept connections without a request make room. */
const CROWDED = 0.9

/** What is done with a request that has been read. */
export interface PublicHandler {
  request(req: IncomingMessage, res: ServerResponse): void
  upgrade(req: IncomingMessage, socket: Socket, head: Buffer): void
}

export interface PublicListener {
  server: Server
  /** Pipelined requests that wait for their turn. */
  waiting(): number
}

/**
 * The HTTP server of a relay's public port; it listens nowhere yet. What one connection sends costs that connection: its requests
 * are handled one at a time, what cannot be read is answered 400, and whatever a handler throws ends with it.
 */
export const createPublicListener = (
  config: RelayConfig,
  handler: PublicHandler,
  log: Log,
): PublicListener => {
  const server = createServer({
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_CHECK_MS,
    // Uploads may last; one that stands still is ended by its own timeout.
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

  /** Whatever goes wrong with one request costs its connection, and no other's. */
  const contain = (socket: Duplex, handle: () => void): void => {
    try {
      handle()
    } catch (error) {
      log.error({ err: error }, 'a public request could not be handled')
      socket.destroy()
    }
  }
  const line = new RequestLine((req, res) => contain(req.socket, () => handler.request(req, res)))

  let open = 0
  server.on('connection', (socket: Socket) => {
    open += 1
    socket.once('close', () => {
      open -= 1
    })
    if (open > server.maxConnections * CROWDED) server.closeIdleConnections()
  })
  server.on('request', (req: IncomingMessage, res: ServerResponse) => line.enter(req, res))
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a public socket failed'))
    contain(socket, () => {
      if (!(socket instanceof Socket)) throw new Error('An upgrade without a socket')
      // Behind a request whose answer is still to come there is nothing that could be upgraded in order.
      if (line.current(socket) !== null) {
        socket.destroy()
        return
      }
      socket.setNoDelay(true)
      handler.upgrade(req, socket, head)
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const res = socket instanceof Socket ? line.current(socket) : null
    if (res === null) {
      const status =
        error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
      answerOnSocket(socket, { status })
      return
    }
    if (error.code === 'HPE_INVALID_EOF_STATE') {
      // The client left in the middle of what follows: nobody waits for the answer any more.
      socket.destroy()
    } else if (res.req.complete) {
      // What follows a whole request cannot be read: its answer is the last one.
      res.once('finish', () => socket.destroy())
      res.shouldKeepAlive = false
    } else if (res.headersSent) {
      // Words of ours would stand in the middle of the host's.
      socket.destroy()
    } else {
      answerError(res, 'ERR_INVALID', 'The request body is malformed', {}, true)
    }
  })
  return { server, waiting: () => line.waiting }
}
