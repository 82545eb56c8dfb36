import type { TLSSocket } from 'node:tls'
import type { Link, LinkStream } from '../../listen/link.ts'

/**
 * A TLS socket that can end with RST. Node's own `resetAndDestroy` refuses one whose TCP lies below it, and what is below must never be
 * destroyed first (docs/adr/0053): it is told to reset instead of closing, and closed by what is above. A test says that it still does.
 */
export const resettable = (socket: TLSSocket, below: Link): LinkStream => {
  socket.resetAndDestroy = () => {
    Object.assign(below.socket, { resetAndClosing: true })
    socket.destroy()
    return socket
  }
  // Node looks it up when it is asked for first, and keeps it; after a reset there is nothing to be found (`Delivery` needs it then).
  void socket.remoteAddress
  return socket
}
