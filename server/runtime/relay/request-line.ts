import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Requests of one connection that wait for their turn, by count and by bytes of their heads; a client that sends more is cut. */
const MAX_WAITING_PER_CONNECTION = 1_024
const MAX_WAITING_BYTES_PER_CONNECTION = 256 * 1024
/** The limits for all connections together. */
const MAX_WAITING = 20_000
const MAX_WAITING_BYTES = 32 * 1024 * 1024

/** A body that Node keeps whole while its request waits. With a larger one it would stop reading the connection. */
const MAX_WAITING_BODY_BYTES = 16 * 1024

interface Line {
  current: ServerResponse | null
  /** The answer to the newest request that was taken. */
  newest: ServerResponse | null
  /** Nothing more is taken: the newest answer is the last one. */
  ending: boolean
  waiting: number
  waitingBytes: number
}

const waitsUnread = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined ||
  Number(req.headers['content-length'] ?? 0) > MAX_WAITING_BODY_BYTES

const headBytes = ({ url = '', rawHeaders }: IncomingMessage): number =>
  rawHeaders.reduce((bytes, part) => bytes + part.length, url.length)

/**
 * One request at a time on each connection. Node hands out pipelined requests all at once (RFC 9112 §9.3.2): one connection with a
 * thousand of them would otherwise fill a tunnel for everybody else, and a client that reads nothing would have all its answers made. The
 * connection is read meanwhile, because only reading shows that its client has left. So a large body is not taken behind an answer that
 * is still to come; the connection ends with that answer instead.
 */
export class RequestLine {
  readonly #handle: (req: IncomingMessage, res: ServerResponse) => void
  readonly #lines = new WeakMap<Socket, Line>()
  #waiting = 0
  #waitingBytes = 0

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
    if (line.ending) {
      req.resume()
      return
    }
    // Node gives the socket to one answer after the other: also behind one of its own (400 without Host, 417). An answer that never gets
    // it would never report its end, so nothing is begun for it.
    if (res.socket !== null) {
      line.newest = res
      this.#begin(line, req, res)
      return
    }
    // Before it comes an answer of ours that is not written yet, or one of Node's own, which ends by itself.
    const last = line.newest?.writableFinished || line.newest?.destroyed ? null : line.newest
    if (waitsUnread(req) && last !== null) {
      this.#endAfter(line, last, socket)
      req.resume()
      return
    }
    const bytes = headBytes(req)
    if (
      line.waiting >= MAX_WAITING_PER_CONNECTION ||
      line.waitingBytes + bytes > MAX_WAITING_BYTES_PER_CONNECTION ||
      this.#waiting >= MAX_WAITING ||
      this.#waitingBytes + bytes > MAX_WAITING_BYTES
    ) {
      socket.destroy()
      return
    }
    line.newest = res
    this.#count(line, 1, bytes)
    res.once('socket', () => {
      this.#count(line, -1, -bytes)
      this.#begin(line, req, res)
    })
  }

  /**
   * What follows `last` is not taken, and the client learns so: it may ask again (RFC 9112 §9.6). What it still sends is read and
   * dropped, so that its leaving is noticed.
   */
  #endAfter(line: Line, last: ServerResponse, socket: Socket): void {
    line.ending = true
    last.shouldKeepAlive = false
    last.once('finish', () => socket.destroySoon())
  }

  #count(line: Line, requests: number, bytes: number): void {
    line.waiting += requests
    line.waitingBytes += bytes
    this.#waiting += requests
    this.#waitingBytes += bytes
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket)
    if (known) return known
    const line: Line = { current: null, newest: null, ending: false, waiting: 0, waitingBytes: 0 }
    this.#lines.set(socket, line)
    socket.once('close', () => this.#count(line, -line.waiting, -line.waitingBytes))
    return line
  }

  #begin(line: Line, req: IncomingMessage, res: ServerResponse): void {
    line.current = res
    res.once('close', () => {
      if (line.current === res) line.current = null
    })
    this.#handle(req, res)
  }
}
