import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { isLoopback, sourceOf } from '../auth/client-address.ts'
import { answerOnSocket } from '../wire/raw-answer.ts'

export interface WebServerOptions {
  /** From the first byte of a connection to the end of a request's head, in ms. */
  headersTimeoutMs?: number
  /** From there to the end of its body, in ms. */
  requestTimeoutMs?: number
  /** How often those two are looked at, in ms: the most by which they may be late. */
  checkIntervalMs?: number
  /** Open connections; further ones are closed at once. */
  maxConnections?: number
  /** Open connections of one source, an IPv4 address or an IPv6 /64: one that holds more would keep others out. */
  maxConnectionsPerSource?: number
  /** True for an address with many clients behind it, which has no such ceiling. Default: this machine. */
  isShared?(address: string | undefined): boolean
  /** Called for each connection that was closed at once, with the ceiling that it met. */
  onRefused?(ceiling: 'connections' | 'connections_of_source'): void
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
  server.on('drop', () => options.onRefused?.('connections'))
  limitBySource(server, options)
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    handlers.upgrade(request, socket, head)
  })
  // This server is no proxy: there is nothing to connect to.
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy())
    answerOnSocket(socket, { status: 405 })
  })
  return server
}

const limitBySource = (server: Server, options: WebServerOptions): void => {
  const { isShared = isLoopback, maxConnectionsPerSource: limit = 1_000 } = options
  const open = new Map<string, number>()
  server.on('connection', (socket) => {
    const address = socket.remoteAddress
    if (isShared(address)) return
    const source = sourceOf(address ?? null)
    const count = (open.get(source) ?? 0) + 1
    if (count > limit) {
      socket.destroy()
      options.onRefused?.('connections_of_source')
      return
    }
    open.set(source, count)
    socket.once('close', () => {
      const left = (open.get(source) ?? 1) - 1
      if (left === 0) open.delete(source)
      else open.set(source, left)
    })
  })
}
