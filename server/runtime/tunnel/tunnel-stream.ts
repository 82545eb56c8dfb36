import {
  FLAG_END,
  FLAG_TEXT,
  FRAME,
  type Frame,
  type FrameType,
  INITIAL_WINDOW_BYTES,
  MAX_CHUNK_BYTES,
  type OpenHead,
  parseOpenHead,
  parseReset,
  parseResponseHead,
  type RequestHead,
  type ResetCode,
  type ResponseHead,
} from './frames.ts'

/*
 * Credit, in both directions. The sender starts with INITIAL_WINDOW_BYTES and spends one for each byte of body or message that it sends;
 * at 0 its frames wait in the queue. The receiver counts what has arrived and not left this process (`#unread`), and what has left and
 * was not granted again (`#toGrant`): together they never exceed the window, unless the peer sent more than it was granted. What has left
 * is granted in portions of GRANT_BYTES, so the sender never waits for a grant while three quarters of the window are free, and a grant
 * frame costs at most one in 64 KiB.
 */

/** Bytes that wait for credit on one stream before its source is asked to pause. */
const STREAM_QUEUE_BYTES = 64 * 1024
/** What a queued frame costs beside its payload: an empty one is not free. */
const FRAME_COST_BYTES = 64
/** Parts of messages that may wait to leave, of one stream and of all streams of a tunnel: credit counts bytes, and a part may have none. */
const MAX_UNREAD_PARTS = 16_384
const MAX_UNREAD_PARTS_PER_TUNNEL = 65_536
/** Credit is granted in portions of this size, so that grants cost little beside data. */
const GRANT_BYTES = INITIAL_WINDOW_BYTES / 4

/** What one end does with what arrives on a stream. After `reset` or `closed` nothing more arrives. */
export interface StreamHandler {
  response?(head: ResponseHead): void
  opened?(head: OpenHead): void
  /** Body bytes; call `stream.consumed(bytes)` once they have left this process. */
  data?(chunk: Buffer): void
  /** The other side's body is complete. */
  end?(): void
  /** A part of a WebSocket message; call `stream.consumed(bytes, 1)` once it has left. */
  message?(chunk: Buffer, part: { text: boolean; last: boolean }): void
  closed?(code: number, reason: string): void
  /** The stream is over before its time: the peer reset it, or the tunnel went. Called once. */
  reset(code: ResetCode, message: string): void
  /** There is room again after a `false` from `write` or `message`. */
  writable?(): void
}

interface QueuedFrame {
  type: FrameType
  flags: number
  payload: Uint8Array
  /** Only body bytes and message parts need credit. */
  credited: boolean
}

/** The tunnel of a stream, as its streams use it. */
export interface StreamOwner {
  /** Parts of messages that have come and not left yet, of all streams. */
  unreadParts: number
  /** True while the socket holds more than it should: body frames wait, control frames do not. */
  readonly congested: boolean
  send(type: FrameType, flags: number, streamId: number, payload: Uint8Array): void
  /** Calls `flush` on the stream once the socket takes more. */
  wait(stream: TunnelStream): void
  forget(stream: TunnelStream): void
}

/** One request, or one WebSocket, within a tunnel. */
export class TunnelStream {
  readonly id: number
  handler: StreamHandler
  readonly #owner: StreamOwner
  readonly #queue: QueuedFrame[] = []
  /** The cost of what waits here, the frames' own cost included. */
  #queuedBytes = 0
  /** Bytes that may still be sent. */
  #credit = INITIAL_WINDOW_BYTES
  /** Bytes that have arrived and not left this process. */
  #unread = 0
  #unreadParts = 0
  /** Bytes that have left and were not granted again. */
  #toGrant = 0
  #wantsWritable = false
  #localEnded = false
  #remoteEnded = false
  #over = false
  /** Why it ended before its time, on whichever side; null while it lives and after an end in order. */
  endedBy: ResetCode | null = null
  #whenOver: (() => void) | null = null

  constructor(owner: StreamOwner, id: number, handler: StreamHandler) {
    this.#owner = owner
    this.id = id
    this.handler = handler
  }

  /** True once nothing can be sent or received any more. */
  get over(): boolean {
    return this.#over
  }

  /** Bytes that wait here for credit or for the tunnel's socket. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Calls `listener` once, when the stream is over in whatever way. */
  onOver(listener: () => void): void {
    this.#whenOver = listener
  }

  /** Sends body bytes; false: wait for `writable` before sending more. */
  write(chunk: Uint8Array): boolean {
    return this.#enqueue(FRAME.data, 0, chunk, true)
  }

  /** The body is complete. */
  end(): void {
    if (this.#over || this.#localEnded) return
    this.#enqueue(FRAME.data, FLAG_END, new Uint8Array(0), false)
  }

  request(head: RequestHead, hasBody: boolean): void {
    this.#enqueue(FRAME.request, hasBody ? 0 : FLAG_END, Buffer.from(JSON.stringify(head)), false)
  }

  respond(head: ResponseHead, hasBody: boolean): void {
    this.#enqueue(FRAME.response, hasBody ? 0 : FLAG_END, Buffer.from(JSON.stringify(head)), false)
  }

  open(head: OpenHead): void {
    this.#enqueue(FRAME.open, 0, Buffer.from(JSON.stringify(head)), false)
  }

  /** Sends one WebSocket message (or a part of one); false: wait for `writable`. */
  message(data: Buffer, part: { text: boolean; last: boolean }): boolean {
    const flags = part.text ? FLAG_TEXT : 0
    let offset = 0
    let room = true
    do {
      const end = Math.min(data.length, offset + MAX_CHUNK_BYTES)
      const last = part.last && end === data.length
      room = this.#enqueue(FRAME.message, flags | (last ? FLAG_END : 0), data.subarray(offset, end), true)
      offset = end
    } while (offset < data.length)
    return room
  }

  /** Ends a WebSocket with a code that may be sent. What was queued before goes first. */
  close(code: number, reason: string): void {
    if (this.#over) return
    const text = Buffer.from(reason, 'utf8')
    const payload = Buffer.allocUnsafe(2 + text.length)
    payload.writeUInt16BE(code, 0)
    payload.set(text, 2)
    this.#enqueue(FRAME.close, 0, payload, false)
  }

  /** Ends the stream now and informs the peer. */
  reset(code: ResetCode, message = ''): void {
    if (this.#over) return
    this.endedBy = code
    this.#finish()
    this.#owner.send(FRAME.reset, 0, this.id, Buffer.from(JSON.stringify({ code, message })))
  }

  /** These bytes, and so many parts of messages, have left: the peer may send as many more. */
  consumed(bytes: number, parts = 0): void {
    if (this.#over) return
    this.#unread -= bytes
    this.#unreadParts -= parts
    this.#owner.unreadParts -= parts
    this.#toGrant += bytes
    // A peer whose body is complete needs no more credit.
    if (this.#toGrant < GRANT_BYTES || this.#remoteEnded) return
    const grant = Buffer.allocUnsafe(4)
    grant.writeUInt32BE(this.#toGrant, 0)
    this.#toGrant = 0
    this.#owner.send(FRAME.window, 0, this.id, grant)
  }

  /** Sends what credit and the socket allow. With `once`, one frame of body at most, so that streams take turns. */
  flush(once = false): void {
    while (this.#queue.length > 0 && !this.#over) {
      const next = this.#queue[0] as QueuedFrame
      const size = next.payload.byteLength
      if (!next.credited) {
        this.#queue.shift()
        this.#send(next.type, next.flags, next.payload)
        continue
      }
      if (this.#credit <= 0 && size > 0) return
      if (this.#owner.congested) {
        this.#owner.wait(this)
        return
      }
      const portion = Math.min(size, this.#credit, MAX_CHUNK_BYTES)
      this.#credit -= portion
      this.#queuedBytes -= portion
      if (portion === size) {
        this.#queue.shift()
        this.#queuedBytes -= FRAME_COST_BYTES
        this.#send(next.type, next.flags, next.payload)
      } else {
        // A split part is not the last one: its END flag goes with the rest.
        this.#send(next.type, next.flags & ~FLAG_END, next.payload.subarray(0, portion))
        next.payload = next.payload.subarray(portion)
      }
      if (this.#wantsWritable && this.#queuedBytes < STREAM_QUEUE_BYTES) {
        this.#wantsWritable = false
        this.handler.writable?.()
      }
      if (once && this.#queue.length > 0) {
        this.#owner.wait(this)
        return
      }
    }
  }

  receive(frame: Frame): void {
    if (this.#over) return
    switch (frame.type) {
      case FRAME.response: {
        const head = parseResponseHead(frame.payload)
        if (!head || !this.handler.response) {
          this.#violated('a response that cannot be read')
          return
        }
        this.handler.response(head)
        if (frame.flags & FLAG_END) this.#remoteEnd()
        return
      }
      case FRAME.open: {
        const head = parseOpenHead(frame.payload)
        if (!head || !this.handler.opened) {
          this.#violated('an open that cannot be read')
          return
        }
        this.handler.opened(head)
        return
      }
      case FRAME.data:
      case FRAME.message: {
        this.#unread += frame.payload.length
        // The peer has only the credit that was granted; sending more is its fault, and must not cost our memory.
        if (this.#unread + this.#toGrant > INITIAL_WINDOW_BYTES) {
          this.#violated('more bytes than were granted')
          return
        }
        if (frame.type === FRAME.message) {
          this.#unreadParts += 1
          this.#owner.unreadParts += 1
          if (this.#unreadParts > MAX_UNREAD_PARTS || this.#owner.unreadParts > MAX_UNREAD_PARTS_PER_TUNNEL) {
            this.#violated('more parts of messages than may wait')
            return
          }
          const part = { text: (frame.flags & FLAG_TEXT) !== 0, last: (frame.flags & FLAG_END) !== 0 }
          if (this.handler.message) this.handler.message(frame.payload, part)
          else this.#violated('a message outside a WebSocket')
          return
        }
        if (frame.payload.length > 0) {
          if (this.handler.data) this.handler.data(frame.payload)
          else this.consumed(frame.payload.length)
        }
        if (frame.flags & FLAG_END) this.#remoteEnd()
        return
      }
      case FRAME.window: {
        if (frame.payload.length !== 4) {
          this.#violated('a window of another size than four bytes')
          return
        }
        // Never more than a window, whatever the peer grants: its grants cannot make this side send without end.
        this.#credit = Math.min(this.#credit + frame.payload.readUInt32BE(0), INITIAL_WINDOW_BYTES)
        this.flush()
        return
      }
      case FRAME.close: {
        if (frame.payload.length < 2) {
          this.#violated('a close without a code')
          return
        }
        const { handler } = this
        this.#finish()
        handler.closed?.(frame.payload.readUInt16BE(0), frame.payload.toString('utf8', 2))
        return
      }
      case FRAME.reset: {
        const { code, message } = parseReset(frame.payload)
        this.abandon(code, message)
        return
      }
      default:
      // A later version's frame: ignored, as the protocol says.
    }
  }

  /** Ends the stream without informing the peer, which is gone or has said so itself. */
  abandon(code: ResetCode, message: string): void {
    if (this.#over) return
    const { handler } = this
    this.endedBy = code
    this.#finish()
    handler.reset(code, message)
  }

  #violated(what: string): void {
    const { handler } = this
    this.reset('protocol_error', `The peer sent ${what}`)
    handler.reset('protocol_error', `The peer sent ${what}`)
  }

  #remoteEnd(): void {
    if (this.#over || this.#remoteEnded) return
    this.#remoteEnded = true
    const { handler } = this
    if (this.#localEnded) this.#finish()
    handler.end?.()
  }

  #enqueue(type: FrameType, flags: number, payload: Uint8Array, credited: boolean): boolean {
    if (this.#over || this.#localEnded) return true
    this.#queue.push({ type, flags, payload, credited })
    if (credited) this.#queuedBytes += payload.byteLength + FRAME_COST_BYTES
    if (this.#queue.length === 1) this.flush()
    if (this.#queuedBytes < STREAM_QUEUE_BYTES) return true
    this.#wantsWritable = true
    return false
  }

  #send(type: FrameType, flags: number, payload: Uint8Array): void {
    this.#owner.send(type, flags, this.id, payload)
    if (type === FRAME.close) {
      this.#finish()
      return
    }
    const endsBody = type === FRAME.data || type === FRAME.request || type === FRAME.response
    if (endsBody && flags & FLAG_END) {
      this.#localEnded = true
      if (this.#remoteEnded) this.#finish()
    }
  }

  #finish(): void {
    this.#over = true
    this.#owner.unreadParts -= this.#unreadParts
    this.#unreadParts = 0
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#owner.forget(this)
    this.#whenOver?.()
  }
}
