import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { type AnswerFields, AnswerReader } from './http-answer.ts'

/** Who waits for one answer. */
export interface LineTaker {
  /** The request leaves now. */
  onStart(): void
  onHead(status: number, fields: AnswerFields): void
  /** `bytes` may be overwritten once the call has returned. */
  onBody(bytes: Buffer): void
  onEnd(): void
  /** Nothing of it was told to have ended before; nothing comes after it. */
  onError(error: Error): void
}

/** We closed the connection ourselves. */
export class GivenUpError extends Error {
  override readonly name = 'GivenUpError'
}

interface Asked {
  readonly request: string
  readonly taker: LineTaker
  /** It asks the peer to close the connection after the answer. */
  readonly isLast: boolean
}

export type Dial = buildConnector.connector

/** An idle connection is given up after this, where the peer does not say that it keeps it for less. */
const IDLE_MS = 30_000
/** So long before the peer would close an idle connection it is not used any more: its end may be under way already. */
const IDLE_SLACK_MS = 2_000

/** What is read from a plain socket lands here, for all of them: it is taken in before anything else is read. */
const LANDING = Buffer.allocUnsafeSlow(65_536)

/**
 * Requests over one kept-alive connection to one origin, one after the other. It is opened when it is wanted; what fails ends the line, and whoever
 * wants to ask again takes a new one.
 */
export class HttpLine {
  readonly #origin: URL
  readonly #dial: Dial
  readonly #waiting: Asked[] = []
  #current: Asked | null = null
  #reader: AnswerReader | null = null
  #socket: Socket | null = null
  #isDialling = false
  #isDestroyed = false
  /** Monotonic ms. */
  #usableUntil = 0
  #idleTimer: NodeJS.Timeout | null = null

  /** @param dial is given how plain sockets are to be read, for `net.connect` */
  constructor(origin: URL, dial: (landing: object) => Dial) {
    this.#origin = origin
    // A socket that is read past its stream costs half as much; TLS has to be read by it.
    const landing = {
      onread: {
        buffer: LANDING,
        callback: (count: number, buffer: Uint8Array): boolean => {
          this.#take(count === buffer.length ? LANDING : LANDING.subarray(0, count))
          return true
        },
      },
    }
    this.#dial = dial(origin.protocol === 'http:' ? landing : {})
  }

  get isDestroyed(): boolean {
    return this.#isDestroyed
  }

  /** The connection that is open; null where none is. */
  get socket(): Socket | null {
    return this.#socket
  }

  /** Sends a request (its head, in Latin-1) when its turn has come. */
  ask(request: string, taker: LineTaker, isLast: boolean): void {
    this.#waiting.push({ request, taker, isLast })
    if (this.#current === null) this.#next()
  }

  /** Gives up whatever is under way: those who wait are told so. */
  destroy(): void {
    this.#fail(new GivenUpError('the connection was given up'))
  }

  #next(): void {
    if (this.#isDestroyed || this.#isDialling) return
    const asked = this.#waiting[0]
    if (asked === undefined) return
    if (this.#socket !== null && performance.now() >= this.#usableUntil) this.#hangUp()
    if (this.#socket === null) {
      this.#open()
      return
    }
    this.#waiting.shift()
    this.#current = asked
    this.#reader = new AnswerReader(asked.taker)
    asked.taker.onStart()
    this.#socket.write(asked.request, 'latin1')
  }

  #open(): void {
    this.#isDialling = true
    const { protocol, hostname, host, port } = this.#origin
    const options = { protocol, host, port, hostname: hostname.replace(/^\[|\]$/g, '') }
    this.#dial(options, (...[error, socket]) => {
      this.#isDialling = false
      if (error !== null) this.#fail(error)
      else if (this.#isDestroyed) socket.on('error', () => undefined).destroy()
      else {
        this.#hold(socket)
        this.#next()
      }
    })
  }

  #hold(socket: Socket): void {
    this.#socket = socket
    this.#usableUntil = Number.POSITIVE_INFINITY
    socket.setNoDelay(true)
    if (this.#origin.protocol !== 'http:') socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.#lost(socket, error))
    socket.on('end', () => this.#lost(socket, null))
    socket.on('close', () => this.#lost(socket, null))
  }

  #take(bytes: Buffer): void {
    const reader = this.#reader
    // Nobody asked for it.
    if (reader === null) {
      this.#hangUp()
      return
    }
    try {
      const used = reader.push(bytes)
      if (this.#reader !== reader || !reader.isDone) return
      this.#answered(reader, used === bytes.length)
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** @param isAll nothing came behind the answer */
  #answered(reader: AnswerReader, isAll: boolean): void {
    const isLast = this.#current?.isLast ?? true
    this.#current = null
    this.#reader = null
    if (reader.isKept && isAll && !isLast) {
      const keptMs = Math.min(IDLE_MS, (reader.keptMs ?? Number.POSITIVE_INFINITY) - IDLE_SLACK_MS)
      this.#usableUntil = performance.now() + keptMs
      this.#idleTimer ??= this.#watchIdle(keptMs)
    } else this.#hangUp()
    this.#next()
  }

  /** One timer for many exchanges: it looks whether the connection is idle for long enough, and else when it may be. */
  #watchIdle(ms: number): NodeJS.Timeout {
    const timer = setTimeout(
      () => {
        this.#idleTimer = null
        const leftMs = this.#usableUntil - performance.now()
        if (this.#current !== null || this.#socket === null) return
        if (leftMs > 0) this.#idleTimer = this.#watchIdle(leftMs)
        else this.#hangUp()
      },
      Math.max(1, ms),
    )
    return timer.unref()
  }

  /** The connection is gone, or `error` says why it cannot be used any more. */
  #lost(socket: Socket, error: Error | null): void {
    if (socket !== this.#socket) return
    const reader = this.#reader
    if (reader === null) this.#hangUp()
    else if (error === null && reader.end()) this.#answered(reader, false)
    else this.#fail(error ?? new Error('other side closed'))
  }

  /** Ends the connection, and nothing else. */
  #hangUp(): void {
    const socket = this.#socket
    this.#socket = null
    socket?.destroy()
  }

  #fail(error: Error): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer)
    this.#reader?.drop()
    this.#reader = null
    const asked = this.#current === null ? this.#waiting : [this.#current, ...this.#waiting]
    this.#current = null
    for (const { taker } of asked.splice(0)) taker.onError(error)
    this.#waiting.length = 0
    // After those who wait have looked at it.
    this.#hangUp()
  }
}
