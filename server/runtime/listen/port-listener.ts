import { createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../../observe/log.ts'
import { listen } from './listen.ts'

const ACCEPT_LOG_EVERY_MS = 10_000

export interface PortListenerOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /** TCP keep-alive of accepted sockets, in milliseconds; 0: none. */
  tcpKeepAliveMs: number
  log: Log
  /** Called in the tick of each accept; the callee owns the socket. */
  onSocket: (socket: Socket) => void
  /** `node:net`'s, or a replacement. */
  createServer?: typeof createServer
}

/** One public TCP port. Binding it again after it was unbound takes the same actual port. */
export class PortListener {
  readonly #options: PortListenerOptions
  #server: Server | null = null
  #port: number
  #acceptErrors = 0
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(options: PortListenerOptions) {
    this.#options = options
    this.#port = options.port
  }

  /** Actual port; the configured one until it is bound. */
  get port(): number {
    return this.#port
  }

  get bound(): boolean {
    return this.#server !== null
  }

  /** Connections that could not be accepted, since the start. */
  get acceptErrors(): number {
    return this.#acceptErrors
  }

  /** Rejects with `ERR_PORT_TAKEN` or `ERR_CONFIG`. A second call changes nothing. */
  async bind(): Promise<void> {
    if (this.#server) return
    const { host, tcpKeepAliveMs, onSocket } = this.#options
    const server = (this.#options.createServer ?? createServer)({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: tcpKeepAliveMs > 0,
      keepAliveInitialDelay: tcpKeepAliveMs,
    })
    server.on('connection', onSocket)
    this.#port = await listen(server, host, this.#port)
    // EMFILE, ECONNABORTED and the like concern one connection, never the listener.
    server.on('error', (error: NodeJS.ErrnoException) => this.#notAccepted(error))
    this.#server = server
  }

  #notAccepted(error: NodeJS.ErrnoException): void {
    this.#acceptErrors += 1
    const now = performance.now()
    if (now - this.#loggedAt < ACCEPT_LOG_EVERY_MS) return
    this.#loggedAt = now
    const { log } = this.#options
    log.warn(
      { port: this.#port, code: error.code, count: this.#acceptErrors },
      'a connection could not be accepted',
    )
  }

  /** Stops listening in this tick; accepted connections go on. */
  unbind(): void {
    this.#server?.close()
    this.#server = null
  }
}
