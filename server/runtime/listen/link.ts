import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pendingBytes, readInto } from './reused-read.ts'

/** What a link can carry: a socket, or a stream in place of one. What only sockets have is used where it exists. */
export type LinkStream = Duplex &
  Partial<
    Pick<
      Socket,
      'connecting' | 'resetAndDestroy' | 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'
    >
  >

/** For `new Socket({ onread })`: reads land in the link's reused buffers. */
export interface OnRead {
  buffer: () => Uint8Array
  callback: (length: number) => boolean
}

/** Handles what a socket reports. It changes over a connection's life: dialling, exchange, pool, raw pipe. */
export interface LinkOwner {
  /**
   * `length` bytes are in `buffer`, which is valid only until this returns unless `owned`: then it stays untouched while this link is
   * paused. Returning false pauses the link.
   */
  onBytes(link: Link, buffer: Buffer, length: number, owned: boolean): boolean
  /** The peer has sent FIN. */
  onEnd(link: Link): void
  /** The socket failed and is destroyed. */
  onError(link: Link, error: NodeJS.ErrnoException): void
  /** A write has reached the kernel. */
  onFlushed(link: Link): void
  /** Our FIN has been sent after everything that was written. */
  onFinish(link: Link): void
}

/** Holds a link between two owners, or one that is only the way of another: nothing is done about what it reports. */
export const NOBODY: LinkOwner = {
  onBytes: () => true,
  onEnd: () => undefined,
  onError: () => undefined,
  onFlushed: () => undefined,
  onFinish: () => undefined,
}

/** Receives errors of our own that reached a socket's callbacks; the connection they belong to is ended. */
export type OnFault = (error: unknown) => void

/** Reads land here first, on every socket of this thread: an idle connection then holds no buffer of its own. */
const LANDING_BYTES = 64 * 1024
const landing = Buffer.allocUnsafeSlow(LANDING_BYTES)
/** A socket whose read filled the landing buffer is in bulk and borrows one of these until a read comes back small. */
const BULK_BYTES = 256 * 1024
const BULK_KEPT = 64
const LEAVE_BULK_BELOW = 32 * 1024
const spareBulk: Buffer[] = []
const NOTHING = Buffer.alloc(0)

/**
 * One socket, either side, with its reused read buffer and its present owner. Listeners and callbacks are created once per socket,
 * nothing per chunk.
 */
export class Link {
  readonly socket: LinkStream
  owner: LinkOwner
  paused = false
  /** FIN received. */
  ended = false
  /** Our FIN sent and everything before it flushed. */
  finished = false
  failed = false
  #buffer: Buffer = landing
  #reads = false
  readonly #flushed: (error?: Error | null) => void
  readonly #onFault: OnFault

  constructor(socket: LinkStream, owner: LinkOwner, onFault: OnFault) {
    this.socket = socket
    this.owner = owner
    this.#onFault = onFault
    this.#flushed = (error) => {
      if (error) return
      try {
        this.owner.onFlushed(this)
      } catch (fault) {
        this.#faulted(fault)
      }
    }
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.failed) return
      this.failed = true
      this.#guard(() => this.owner.onError(this, error))
    })
    socket.on('end', () => {
      this.ended = true
      this.#guard(() => this.owner.onEnd(this))
    })
    socket.on('finish', () => {
      this.finished = true
      this.#guard(() => this.owner.onFinish(this))
    })
  }

  /** What an outsider can reach must not be able to end the node: a fault of ours costs this one connection. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#faulted(error)
    }
  }

  #faulted(error: unknown): void {
    this.#onFault(error)
    this.reset()
    try {
      this.owner.onError(this, Object.assign(new Error('a fault of ours'), { code: 'ERR_INTERNAL' }))
    } catch (again) {
      this.#onFault(again)
    }
  }

  /** Buffers for a socket that is yet to be created; `bind` assigns them to it. */
  static reader(): { onread: OnRead; bind(link: Link): void } {
    let bound: Link | null = null
    return {
      onread: {
        buffer: () => (bound ? bound.#buffer : landing),
        callback: (length) => (bound ? bound.#received(length) : true),
      },
      bind(link) {
        bound = link
      },
    }
  }

  /** Starts reading an accepted socket. A second call changes nothing. */
  readAccepted(): void {
    if (this.#reads) return
    this.#reads = true
    if (this.socket.readableLength > 0) {
      // What TLS has decrypted already stands in the stream, in front of what a buffer of ours would get.
      this.readChunks()
      return
    }
    const intoBuffers = readInto(
      this.socket,
      () => this.#buffer,
      (length) => this.#received(length),
    )
    if (!intoBuffers) this.readChunks()
  }

  /** Starts reading a stream that cannot read into the link's buffers: slower, equally correct. */
  readChunks(): void {
    this.#reads = true
    this.socket.on('data', (chunk: Buffer) => {
      if (!this.#take(chunk, chunk.length, true)) this.pause()
    })
  }

  #take(buffer: Buffer, length: number, owned: boolean): boolean {
    try {
      return this.owner.onBytes(this, buffer, length, owned)
    } catch (error) {
      this.#faulted(error)
      return true
    }
  }

  #received(length: number): boolean {
    const buffer = this.#buffer
    const owned = buffer !== landing
    const more = this.#take(buffer, length, owned)
    if (!more) this.paused = true
    if (!owned) {
      if (length === LANDING_BYTES) this.#buffer = spareBulk.pop() ?? Buffer.allocUnsafeSlow(BULK_BYTES)
    } else if (more && length < LEAVE_BULK_BELOW) {
      // Only a buffer that nobody reads any more may serve another socket: `more` says that the write was flushed or copied.
      if (spareBulk.length < BULK_KEPT) spareBulk.push(buffer)
      this.#buffer = landing
    }
    return more
  }

  /**
   * Writes bytes that another link has received. True when the kernel took all of them; otherwise the source must pause until
   * `onFlushed`, which keeps its owned buffer untouched. A buffer that is not owned is copied first.
   */
  forward(buffer: Buffer, start: number, end: number, owned: boolean): boolean {
    let chunk: Buffer
    if (owned) {
      chunk = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end)
    } else {
      chunk = Buffer.allocUnsafe(end - start)
      buffer.copy(chunk, 0, start, end)
    }
    this.socket.write(chunk, this.#flushed)
    return this.socket.writableLength === 0
  }

  /** Writes bytes that belong to the caller. True when the kernel took all of them. */
  write(chunk: Buffer | string): boolean {
    if (typeof chunk === 'string') this.socket.write(chunk, 'latin1', this.#flushed)
    else this.socket.write(chunk, this.#flushed)
    return this.socket.writableLength === 0
  }

  /**
   * A paused socket is not polled, so a reset by its peer would stay unnoticed while it is paused. Writing nothing asks the kernel: a
   * socket that was reset answers with its error (then `onError` follows), a healthy one sends nothing.
   */
  probe(): void {
    if (this.paused) this.poke()
  }

  /** Asks in the same way about a peer that has sent FIN: nothing more is read from it, so only a write can find out about its reset. */
  poke(): void {
    if (this.writable && this.socket.writableLength === 0) this.socket.write(NOTHING)
  }

  get writable(): boolean {
    return !this.failed && this.socket.writable
  }

  /** Bytes accepted for this socket that the kernel has not taken yet. */
  pending(): number {
    return pendingBytes(this.socket)
  }

  pause(): void {
    this.paused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (!this.socket.destroyed) this.socket.resume()
  }

  end(): void {
    if (!this.socket.writableEnded && !this.socket.destroyed) this.socket.end()
  }

  /** A last word, and the end once it is sent: the owner has let go already, and hears no more. */
  part(word: Buffer): void {
    this.failed = true
    if (this.socket.destroyed) return
    const { socket } = this
    socket.once('finish', () => socket.destroy())
    socket.end(word)
  }

  destroy(): void {
    this.failed = true
    this.socket.destroy()
  }

  /** Ends with RST, so that the peer can tell a cut stream from a finished one. */
  reset(): void {
    this.failed = true
    if (this.socket.destroyed) return
    if (this.socket.connecting || !this.socket.resetAndDestroy) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }
}
