import { WebSocket } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import type { EventLog } from '../events/event-log.ts'
import type { EventCursor } from './event-cursor.ts'

const PING_EVERY_MS = 25_000
/** Pings in a row without an answer, after which the reader counts as gone. */
const MAX_MISSED_PINGS = 2
/** Unsent bytes at which a stream waits for its reader; the ring holds the rest. */
const PAUSE_AT_BYTES = 1024 * 1024
/** A reader that takes nothing for this long while bytes wait is cut off. */
const STALLED_AFTER_MS = 10_000
const LOOK_EVERY_MS = 1_000
/** A reader that does not answer the close frame must not keep the socket. */
const CLOSE_GRACE_MS = 1_000
/** Events in one read of the ring. */
const BATCH = 200

export interface EventStreamOptions {
  socket: WebSocket
  events: EventLog
  cursor: EventCursor
  /** Called once, when the reader was too slow and is closed with 1013. */
  onCutOff(): void
}

/**
 * One reader of a node's events. The log's ring is the backlog and the stream is a position in it, so a slow reader costs its own
 * position and at most 1 MiB of unsent frames.
 */
export class EventStream {
  readonly #options: EventStreamOptions
  #position: number
  /** When the reader began to leave bytes waiting, on the monotonic clock; null while it takes them. */
  #waitingSinceMs: number | null = null
  #missed = 0

  constructor(options: EventStreamOptions) {
    this.#options = options
    this.#position = options.cursor.after
    const { socket, events } = options
    const pinger = setInterval(() => this.#ping(), PING_EVERY_MS).unref()
    const watch = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    const unsubscribe = events.subscribe(() => this.#pump())
    socket.on('pong', () => {
      this.#missed = 0
    })
    socket.on('close', () => {
      clearInterval(pinger)
      clearInterval(watch)
      unsubscribe()
    })
  }

  /** Sends the position of the node's log, what is missing, and then everything from the cursor on. */
  start(node: string): void {
    const { socket, events, cursor } = this.#options
    const { epoch, seq, oldest } = events
    socket.send(JSON.stringify({ type: 'hello', node, epoch, seq, oldest }))
    if (cursor.gap !== null) socket.send(JSON.stringify({ type: 'gap', ...cursor.gap }))
    this.#pump()
  }

  end(code: number, reason: string): void {
    const { socket } = this.#options
    socket.close(code, reason)
    setTimeout(() => socket.terminate(), CLOSE_GRACE_MS).unref()
  }

  #pump(): void {
    const { socket, events } = this.#options
    while (socket.readyState === WebSocket.OPEN && this.#position < events.seq) {
      if (socket.bufferedAmount > PAUSE_AT_BYTES) {
        this.#waitingSinceMs ??= performance.now()
        return
      }
      this.#waitingSinceMs = null
      if (this.#position + 1 < events.oldest) {
        this.#cutOff()
        return
      }
      const slice = events.read(this.#position, BATCH)
      this.#position = slice.next
      const last = slice.events.length - 1
      slice.events.forEach((event, index) => {
        // The last frame's callback continues a long backlog once it has left.
        socket.send(JSON.stringify(event), index === last ? () => this.#pump() : undefined)
      })
    }
  }

  #look(): void {
    const since = this.#waitingSinceMs
    if (since !== null && performance.now() - since > STALLED_AFTER_MS) this.#cutOff()
    else this.#pump()
  }

  #ping(): void {
    const { socket } = this.#options
    if (this.#missed >= MAX_MISSED_PINGS) {
      socket.terminate()
      return
    }
    this.#missed += 1
    socket.ping()
  }

  #cutOff(): void {
    if (this.#options.socket.readyState !== WebSocket.OPEN) return
    this.#options.onCutOff()
    this.end(CLOSE.try_again_later, 'the reader is too slow')
  }
}
