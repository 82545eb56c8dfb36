import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'

/** Answers to pings that may wait in a socket together with everything else; a peer that reads none of it gets no more. */
const MAX_PONG_QUEUE_BYTES = 1024 * 1024

/**
 * The close code of what a peer did wrong (RFC 6455 §7.4.1); null for an error of the network. `ws` sends this code by itself and
 * then reports 1006 to its user, because the peer has not closed.
 */
export const faultCode = (error: Error & { code?: string }): number | null => {
  switch (error.code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
      return CLOSE.too_large
    case 'WS_ERR_INVALID_UTF8':
      return 1007
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return CLOSE.bad_request
    default:
      return error.code?.startsWith('WS_ERR_') ? 1002 : null
  }
}

/** Answers pings of a socket made with `autoPong: false`, but not those of a peer that sends and never reads. */
export const answerPings = (ws: WebSocket, socket: Socket): void => {
  ws.on('ping', (data: Buffer) => {
    if (socket.writableLength <= MAX_PONG_QUEUE_BYTES && ws.readyState === ws.OPEN) ws.pong(data)
  })
}
