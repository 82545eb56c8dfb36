import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import {
  decodeFrame,
  encodeFrame,
  FLAG_END,
  FRAME,
  type FrameType,
  parseRequestHead,
  type RequestHead,
  type ResetCode,
} from './frames.ts'
import { type StreamHandler, type StreamOwner, TunnelStream } from './tunnel-stream.ts'

/** Bytes in the tunnel's socket above which streams wait for its `drain`: the link is the bottleneck then. */
const SOCKET_QUEUE_BYTES = 256 * 1024
/** Bytes in the tunnel's socket, heads and resets among them, above which nothing new is begun. */
const MAX_SOCKET_QUEUE_BYTES = 4 * 1024 * 1024

export interface StreamSetOptions {
  ws: WebSocket
  /** The socket below `ws`: its fill level is the tunnel's. */
  socket: Socket
  /** Host side: a new request. Without it (relay side) requests from the peer are a violation. */
  accept?: (stream: TunnelStream, head: RequestHead, hasBody: boolean) => void
  /** The peer broke the protocol so that the tunnel cannot go on. */
  violated(what: string): void
  /** Handling one stream's frame has thrown: that stream is over, the others go on. */
  failed(error: unknown): void
}

/** All streams of one tunnel: the same on both ends, but only the relay opens streams and only the host accepts them. */
export class StreamSet implements StreamOwner {
  readonly #options: StreamSetOptions
  readonly #streams = new Map<number, TunnelStream>()
  readonly #waiting = new Set<TunnelStream>()
  readonly #onDrain: () => void
  /** Parts of messages that have come and not left yet, of all streams. */
  unreadParts = 0
  #nextId = 0
  #corked = false
  #closed = false

  constructor(options: StreamSetOptions) {
    this.#options = options
    this.#onDrain = () => this.#drained()
    options.socket.on('drain', this.#onDrain)
  }

  get size(): number {
    return this.#streams.size
  }

  /** True while the socket holds more than it should: body frames wait, control frames do not. */
  get congested(): boolean {
    return this.#options.socket.writableNeedDrain && this.#options.socket.writableLength > SOCKET_QUEUE_BYTES
  }

  /** True while so much waits that not even heads should join: the other end has stopped reading. */
  get clogged(): boolean {
    return this.#options.socket.writableLength > MAX_SOCKET_QUEUE_BYTES
  }

  /** Relay side: a new stream towards the host. */
  open(handler: StreamHandler): TunnelStream {
    do {
      this.#nextId = this.#nextId >= 0xffffffff ? 1 : this.#nextId + 1
    } while (this.#streams.has(this.#nextId))
    const stream = new TunnelStream(this, this.#nextId, handler)
    this.#streams.set(stream.id, stream)
    return stream
  }

  /** A binary message from the peer. */
  receive(data: RawData): void {
    if (this.#closed) return
    const message = Buffer.isBuffer(data)
      ? data
      : Array.isArray(data)
        ? Buffer.concat(data)
        : Buffer.from(data)
    const frame = decodeFrame(message)
    if (!frame) {
      this.#options.violated(`a frame of ${message.length} bytes`)
      return
    }
    const known = this.#streams.get(frame.streamId)
    if (frame.type !== FRAME.request) {
      // An unknown id is a stream that this side has ended while the frame was on its way.
      if (known) this.#contain(known, () => known.receive(frame))
      return
    }
    const { accept } = this.#options
    if (!accept || known || frame.streamId === 0) {
      this.#options.violated('a request that cannot be accepted')
      return
    }
    const head = parseRequestHead(frame.payload)
    if (!head) {
      // Its sender pays for it, not the host's other clients.
      const message = 'The request cannot be read'
      this.send(
        FRAME.reset,
        0,
        frame.streamId,
        Buffer.from(JSON.stringify({ code: 'protocol_error', message })),
      )
      return
    }
    const stream = new TunnelStream(this, frame.streamId, { reset: () => undefined })
    this.#streams.set(stream.id, stream)
    const hasBody = (frame.flags & FLAG_END) === 0
    this.#contain(stream, () => {
      accept(stream, head, hasBody)
      // Marks the peer's half as ended, in the same way as a last body frame would.
      if (!hasBody)
        stream.receive({ type: FRAME.data, flags: FLAG_END, streamId: stream.id, payload: Buffer.alloc(0) })
    })
  }

  /** The tunnel is gone: every stream ends with `tunnel_gone`. */
  destroy(message: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#options.socket.off('drain', this.#onDrain)
    for (const stream of [...this.#streams.values()]) {
      this.#contain(stream, () => stream.abandon('tunnel_gone', message))
    }
    this.#waiting.clear()
  }

  /** Ends every stream and informs the peer; the tunnel stays. */
  resetAll(code: ResetCode, message: string): void {
    for (const stream of [...this.#streams.values()]) {
      const { handler } = stream
      stream.reset(code, message)
      this.#contain(stream, () => handler.reset(code, message))
    }
  }

  /** Handles a frame for one stream. Whatever that throws costs this stream. */
  #contain(stream: TunnelStream, act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#options.failed(error)
      const { handler } = stream
      const message = 'This end could not handle what was sent'
      stream.reset('protocol_error', message)
      try {
        handler.reset('protocol_error', message)
      } catch (again) {
        this.#options.failed(again)
      }
    }
  }

  // What follows is only for TunnelStream.

  send(type: FrameType, flags: number, streamId: number, payload: Uint8Array): void {
    const { ws, socket } = this.#options
    if (this.#closed || ws.readyState !== ws.OPEN) return
    if (!this.#corked) {
      // Head, body and end of a small answer are written in one tick: one segment instead of three, in spite of TCP_NODELAY.
      this.#corked = true
      socket.cork()
      process.nextTick(() => {
        this.#corked = false
        socket.uncork()
      })
    }
    ws.send(encodeFrame(type, flags, streamId, payload), { binary: true, compress: false })
  }

  wait(stream: TunnelStream): void {
    this.#waiting.add(stream)
  }

  forget(stream: TunnelStream): void {
    this.#streams.delete(stream.id)
    this.#waiting.delete(stream)
  }

  #drained(): void {
    // Each waiting stream sends one chunk and goes to the end of the queue: a bulk download does not starve the others.
    while (this.#waiting.size > 0 && !this.congested) {
      const turn = [...this.#waiting]
      this.#waiting.clear()
      for (const stream of turn) this.#contain(stream, () => stream.flush(true))
    }
  }
}
