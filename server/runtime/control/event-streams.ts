import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import { AppError } from '../../contract/errors.ts'
import type { Log } from '../../observe/log.ts'
import type { EventLog } from '../events/event-log.ts'
import type { EventCursor } from './event-cursor.ts'
import { EventStream } from './event-stream.ts'

const MAX_STREAMS = 64
const MAX_PAYLOAD_BYTES = 64 * 1024

/** All readers of a node's live events, over WebSocket. */
export class EventStreams {
  readonly #node: string
  readonly #events: EventLog
  readonly #log: Log
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_PAYLOAD_BYTES,
    perMessageDeflate: false,
  })
  readonly #streams = new Set<EventStream>()
  #cutOff = 0

  constructor(node: string, events: EventLog, log: Log) {
    this.#node = node
    this.#events = events
    this.#log = log
  }

  get open(): number {
    return this.#streams.size
  }

  /** Streams closed with 1013 because their reader was too slow. */
  get cutOff(): number {
    return this.#cutOff
  }

  /** Answers the upgrade and streams from `cursor`. Throws `ERR_CAPACITY` before the handshake. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, cursor: EventCursor): void {
    if (this.#streams.size >= MAX_STREAMS) {
      throw new AppError('ERR_CAPACITY', `${MAX_STREAMS} event streams are open, which is the ceiling`, {
        limit: MAX_STREAMS,
      })
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#begin(client, cursor))
  }

  async close(): Promise<void> {
    for (const stream of [...this.#streams]) stream.end(CLOSE.going_away, 'the node is ending')
    this.#server.close()
  }

  #begin(socket: WebSocket, cursor: EventCursor): void {
    const stream = new EventStream({
      socket,
      events: this.#events,
      cursor,
      onCutOff: () => {
        this.#cutOff += 1
      },
    })
    this.#streams.add(stream)
    socket.on('error', (error) => this.#log.debug({ err: error }, 'an event stream failed'))
    socket.on('close', () => this.#streams.delete(stream))
    stream.start(this.#node)
  }
}
