import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * At most `ceiling` connections. Silent ones never keep others out: beyond the ceiling the connection that has been without a request for
 * longest is ended. One that is being answered, or has become a WebSocket, stays; where all are, the new one goes.
 */
export const boundConnections = (server: Server, ceiling: number): void => {
  /** Connections without a request, the longest first. */
  const waiting = new Set<Duplex>()
  const answering = new Map<Duplex, number>()
  let open = 0
  server.on('connection', (socket: Socket) => {
    open += 1
    waiting.add(socket)
    socket.once('close', () => {
      open -= 1
      waiting.delete(socket)
      answering.delete(socket)
    })
    if (open <= ceiling) return
    const [longest] = waiting
    longest?.destroy()
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    waiting.delete(socket)
    answering.set(socket, (answering.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (answering.get(socket) ?? 1) - 1
      if (left > 0) answering.set(socket, left)
      else {
        answering.delete(socket)
        if (!socket.destroyed) waiting.add(socket)
      }
    })
  })
  server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => waiting.delete(socket))
}
