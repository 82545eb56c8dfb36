import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests of one connection that wait for their turn; a client that sends more without reading is cut. */
const MAX_WAITING_PER_CONNECTION = 1_024
/** The same of all connections together. */
const MAX_WAITING = 20_000
/** From so many on a connection is not read until some have had their turn. */
const PAUSE_AT = 16

interface Waiting {
  req: IncomingMessage
  res: ServerResponse
}

interface Line {
  current: ServerResponse | null
  waiting: Waiting[]
}

/**
 * One request at a time on each connection. Node hands out pipelined requests all at once (RFC 9112 §9.3.2): one connection with a
 * thousand of them would otherwise fill a tunnel for everybody else, and a client that reads nothing would have all its answers made.
 */
export class RequestLine {
  readonly #handle: (req: IncomingMessage, res: ServerResponse) => void
  readonly #lines = new WeakMap<Socket, Line>()
  #waiting = 0

  constructor(handle: (req: IncomingMessage, res: ServerResponse) => void) {
    this.#handle = handle
  }

  /** Requests that wait for their turn, on all connections. */
  get waiting(): number {
    return this.#waiting
  }

  /** The answer that a connection is at, if any. */
  current(socket: Socket): ServerResponse | null {
    return this.#lines.get(socket)?.current ?? null
  }

  enter(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req
    const line = this.#lineOf(socket)
    if (line.current === null) {
      this.#begin(socket, line, { req, res })
      return
    }
    if (line.waiting.length >= MAX_WAITING_PER_CONNECTION || this.#waiting >= MAX_WAITING) {
      socket.destroy()
      return
    }
    line.waiting.push({ req, res })
    this.#waiting += 1
    if (line.waiting.length >= PAUSE_AT) socket.pause()
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket)
    if (known) return known
    const line: Line = { current: null, waiting: [] }
    this.#lines.set(socket, line)
    socket.once('close', () => {
      this.#waiting -= line.waiting.length
      line.waiting = []
    })
    return line
  }

  #begin(socket: Socket, line: Line, { req, res }: Waiting): void {
    line.current = res
    res.once('close', () => {
      line.current = null
      const next = line.waiting.shift()
      if (next === undefined) return
      this.#waiting -= 1
      if (line.waiting.length < PAUSE_AT) socket.resume()
      if (!socket.destroyed) this.#begin(socket, line, next)
    })
    this.#handle(req, res)
  }
}
