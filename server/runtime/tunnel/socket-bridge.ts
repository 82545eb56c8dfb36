import type { WebSocket } from 'ws'
import { CLOSE, sendableCloseCode } from '../../contract/close-codes.ts'
import { clipReason } from './close-reason.ts'
import { faultCode } from './socket-fault.ts'
import type { TunnelStream } from './tunnel-stream.ts'

/**
 * Bridges a `ws` socket and a tunnel stream: messages with their type, close codes and backpressure in both directions. The same
 * on the relay (public side) and on the host (target side).
 */
export const bridgeSocket = (ws: WebSocket, stream: TunnelStream): void => {
  let failure: number | null = null
  ws.on('message', (data, isBinary) => {
    const message = Buffer.isBuffer(data)
      ? data
      : Array.isArray(data)
        ? Buffer.concat(data)
        : Buffer.from(data)
    if (!stream.message(message, { text: !isBinary, last: true })) ws.pause()
  })
  ws.on('error', (error: Error & { code?: string }) => {
    // `ws` answers the peer by itself; the far end learns the same code.
    failure ??= faultCode(error)
  })
  ws.on('close', (code, reason) => {
    stream.close(failure ?? sendableCloseCode(code), clipReason(reason.toString('utf8')))
  })
  stream.handler = {
    message(chunk, part) {
      // The callback comes when the bytes have left for the kernel.
      ws.send(chunk, { binary: !part.text, fin: part.last, compress: false }, () =>
        stream.consumed(chunk.length, 1),
      )
    },
    closed(code, reason) {
      ws.close(sendableCloseCode(code), clipReason(reason))
    },
    reset(code, message) {
      ws.close(
        code === 'draining' || code === 'client_gone' ? CLOSE.going_away : CLOSE.relay_failed,
        clipReason(message === '' ? code : message),
      )
    },
    writable() {
      ws.resume()
    },
  }
}
