import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'

export interface WebServerOptions {
  /** From the first byte of a connection to the end of a request's head, in ms. */
  headersTimeoutMs?: number
  /** From there to the end of its body, in ms. */
  requestTimeoutMs?: number
  /** How often those two are looked at, in ms: the most by which they may be late. */
  checkIntervalMs?: number
  /** Open connections; further ones are closed at once. */
  maxConnections?: number
}

/** The server of the one port. Nothing that a client does or leaves undone keeps a connection for long, or ends the process. */
export const createWebServer = (
  handlers: {
    request: RequestListener
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  },
  options: WebServerOptions = {},
): Server => {
  const server = createServer(
    {
      headersTimeout: options.headersTimeoutMs ?? 10_000,
      requestTimeout: options.requestTimeoutMs ?? 60_000,
      // Node's own default of 30 s would let a head drip for 40 s.
      connectionsCheckingInterval: options.checkIntervalMs ?? 1_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      // Without a listener an error of either would end the process.
      request.on('error', () => response.destroy())
      response.on('error', () => request.destroy())
      handlers.request(request, response)
    },
  )
  server.maxConnections = options.maxConnections ?? 5_000
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    handlers.upgrade(request, socket, head)
  })
  // There is nothing behind this server that could be connected to.
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy())
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    setTimeout(() => socket.destroy(), 1_000).unref()
  })
  return server
}
