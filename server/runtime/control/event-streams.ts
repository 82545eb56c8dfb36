import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { Log } from '../../observe/log.ts'
import type { EventLog } from '../node/event-log.ts'
import type { EventCursor } from './event-cursor.ts'

const MAX_STREAMS = 64
const MAX_PAYLOAD_BYTES = 64 * 1024
const PING_EVERY_MS = 25_000
/** Unsent bytes at which a stream waits for its reader; the ring holds the rest. */
const PAUSE_AT_BYTES = 1024 * 1024
/** A reader that takes nothing for this long while bytes wait is cut off. */
const STALLED_AFTER_MS = 10_000
const BATCH = 200

export interface EventStreams {
  readonly open: number
  /** Streams closed with 1013 because their reader was too slow. */
  readonly cutOff: number
  /** Answers the upgrade and streams from `cursor`. Throws `ERR_CAPACITY` before the handshake. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, cursor: EventCursor): void
  close(): Promise<void>
}

/**
 * Live events over WebSocket. The event log's ring is the backlog: a stream is a position in it, so a slow reader costs its own
 * position and at most 1 MiB of unsent frames.
 */
export const createEventStreams = (node: string, events: EventLog, log: Log): EventStreams => {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD_BYTES,
    perMessageDeflate: false,
  })
  const ends = new Set<(code: number, reason: string) => void>()
  let cutOff = 0

  const stream = (socket: WebSocket, cursor: EventCursor): void => {
    let position = cursor.after
    let waitingSince: number | null = null
    let unanswered = 0

    const end = (code: number, reason: string): void => {
      socket.close(code, reason)
      // A reader that does not answer the close frame must not keep the socket.
      setTimeout(() => socket.terminate(), 1_000).unref()
    }
    const cut = (): void => {
      if (socket.readyState !== WebSocket.OPEN) return
      cutOff += 1
      end(CLOSE.try_again_later, 'the reader is too slow')
    }

    const pump = (): void => {
      while (socket.readyState === WebSocket.OPEN && position < events.seq) {
        if (socket.bufferedAmount > PAUSE_AT_BYTES) {
          waitingSince ??= performance.now()
          return
        }
        waitingSince = null
        if (position + 1 < events.oldest) {
          cut()
          return
        }
        const slice = events.read(position, BATCH)
        position = slice.next
        const last = slice.events.length - 1
        slice.events.forEach((event, index) => {
          // The last frame's callback continues a long backlog once it has left.
          socket.send(JSON.stringify(event), index === last ? pump : undefined)
        })
      }
    }

    const ticker = setInterval(() => {
      if (unanswered >= 2) {
        socket.terminate()
        return
      }
      unanswered += 1
      socket.ping()
    }, PING_EVERY_MS).unref()
    const watch = setInterval(() => {
      if (waitingSince !== null && performance.now() - waitingSince > STALLED_AFTER_MS) cut()
      else pump()
    }, 1_000).unref()
    const unsubscribe = events.subscribe(pump)
    ends.add(end)

    socket.on('pong', () => {
      unanswered = 0
    })
    socket.on('error', (error) => log.debug({ err: error }, 'an event stream failed'))
    socket.on('close', () => {
      clearInterval(ticker)
      clearInterval(watch)
      unsubscribe()
      ends.delete(end)
    })

    socket.send(
      JSON.stringify({ type: 'hello', node, epoch: events.epoch, seq: events.seq, oldest: events.oldest }),
    )
    if (cursor.gap !== null) socket.send(JSON.stringify({ type: 'gap', ...cursor.gap }))
    pump()
  }

  return {
    get open() {
      return ends.size
    },
    get cutOff() {
      return cutOff
    },
    accept(request, socket, head, cursor) {
      if (ends.size >= MAX_STREAMS) {
        throw new AppError('ERR_CAPACITY', `${MAX_STREAMS} event streams are open, which is the ceiling`, {
          limit: MAX_STREAMS,
        })
      }
      server.handleUpgrade(request, socket, head, (client) => stream(client, cursor))
    },
    async close() {
      for (const end of [...ends]) end(CLOSE.going_away, 'the node is ending')
      server.close()
    },
  }
}
