import type { Duplex } from 'node:stream'

/** What a client may send before its handshake is answered; more is no WebSocket client. */
const MAX_EARLY_BYTES = 64 * 1024

/** What a socket sent before it could be read. */
export interface EarlyBytes {
  /** Ends the watch and returns what came; the caller reads on from here, in the same tick. */
  take(): Buffer
}

/**
 * Reads a socket whose upgrade is not answered yet. A socket that nobody reads does not show that its client has left: the far end would
 * go on serving it until a timeout.
 */
export const watchEarlyBytes = (socket: Duplex, head: Buffer): EarlyBytes => {
  let kept: Buffer[] = [head]
  let size = head.length
  const onData = (chunk: Buffer): void => {
    kept.push(chunk)
    size += chunk.length
    if (size > MAX_EARLY_BYTES) socket.destroy()
  }
  // The server allows half-open sockets; a client that has ended before its handshake will not take part in it.
  const onEnd = (): void => {
    socket.destroy()
  }
  socket.on('data', onData)
  socket.on('end', onEnd)
  return {
    take() {
      socket.off('data', onData)
      socket.off('end', onEnd)
      const bytes = Buffer.concat(kept)
      kept = []
      return bytes
    },
  }
}
