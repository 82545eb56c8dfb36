import type { LookupFunction } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import type { Log } from '../../../observe/log.ts'
import type { StreamPosition } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import type { ControlTarget } from './control.ts'
import { type Frame, FrameQueue } from './frame-queue.ts'

const HANDSHAKE_MS = 5_000
/** A node pings every 25 s; two misses and a little, and the connection is given up. */
const SILENCE_MS = 60_000
export const MAX_FRAME_BYTES = 1_048_576
const TOO_LARGE_CODE = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'

export interface ConnectionOptions {
  rules: AddressRules
  log: Log
  /** Something waits to be taken. */
  onFrame: () => void
  /** It ended by itself; what had come before may still wait. Not called once it was dropped, nor is `onSilence`. */
  onEnd: (connection: StreamConnection) => void
  /** Nothing was heard for so long that nobody is there any more. */
  onSilence: () => void
}

/** One WebSocket to a node's events, with what came over it and waits. Not read while too much waits. */
export class StreamConnection {
  readonly #frames = new FrameQueue()
  readonly #options: ConnectionOptions
  readonly #socket: WebSocket
  readonly #timers = new Set<NodeJS.Timeout>()
  #silence: NodeJS.Timeout | undefined
  #ended = false
  #dropped = false
  /** The hello frame has come: events may follow. */
  greeted = false

  constructor(target: ControlTarget, after: StreamPosition | null, options: ConnectionOptions) {
    this.#options = options
    const socket = open(target, after, options.rules)
    this.#socket = socket
    this.#heard()
    socket.on('error', (error: Error & { code?: string }) => {
      options.log.debug({ err: error, node: target.id }, 'event stream failed')
      if (error.code === TOO_LARGE_CODE) this.push({ tooLarge: true })
    })
    socket.on('close', () => this.#end())
    socket.on('ping', () => this.#heard())
    socket.on('message', (data, isBinary) => {
      this.#heard()
      if (!isBinary) this.push({ text: String(data) })
    })
  }

  /** It was given up: nothing of it may be taken any more. */
  get isDropped(): boolean {
    return this.#dropped
  }

  /** Nothing more comes; what had come before is still taken. */
  get hasEnded(): boolean {
    return this.#ended
  }

  get isIdle(): boolean {
    return this.#frames.isEmpty
  }

  /** Frames that wait or are in hand. */
  get waiting(): number {
    return this.#frames.length
  }

  /** Puts something behind what waits. */
  push(frame: Frame): void {
    if (this.#dropped) return
    this.#frames.push(frame)
    if (!this.#socket.isPaused && this.#frames.isFull) {
      this.#socket.pause()
      // Its pings are not read either.
      clearTimeout(this.#silence)
    }
    this.#options.onFrame()
  }

  take(): Frame | null {
    return this.#frames.take()
  }

  /** The work on this one has ended, so that there may be room for others. */
  done(frame: Frame): void {
    this.#frames.done(frame)
    if (!this.#socket.isPaused || !this.#frames.hasRoom) return
    this.#socket.resume()
    this.#heard()
  }

  /** Runs `act` in `ms` milliseconds, unless the connection is dropped by then. */
  later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    this.#timers.add(timer)
  }

  /** Gives it up at once, with all that waits. Calling it twice is harmless. */
  drop(): void {
    this.#dropped = true
    clearTimeout(this.#silence)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#frames.clear()
    this.#socket.terminate()
  }

  #heard(): void {
    clearTimeout(this.#silence)
    if (!this.#dropped) this.#silence = setTimeout(this.#options.onSilence, SILENCE_MS)
  }

  #end(): void {
    if (this.#dropped) return
    this.#ended = true
    this.#options.onEnd(this)
  }
}

const open = (target: ControlTarget, after: StreamPosition | null, rules: AddressRules): WebSocket => {
  const url = new URL(target.url)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/events`
  if (after) url.searchParams.set('after', `${after.epoch}:${after.seq}`)
  const options: ClientOptions & { lookup: LookupFunction } = {
    headers: { authorization: `Bearer ${target.token}` },
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handshakeTimeout: HANDSHAKE_MS,
    followRedirects: false,
    lookup: rules.lookup(target.embedded),
    ...target.tls,
  }
  return new WebSocket(url, options)
}
