import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

export interface RawAnswer {
  status: number
  /** Fields beside `Content-Length`, `Connection: close` and, where there is a body, `Content-Type`. */
  headers?: Readonly<Record<string, string>>
  /** Sent as JSON; absent: no body. */
  body?: unknown
}

/** How long the peer may take to close its half, in milliseconds. Cut at once, it might get a reset in the place of its answer. */
const CLOSE_GRACE_MS = 1_000

/**
 * Answers on a socket that has no response object: a request that could not be read, an upgrade that is refused. The connection ends
 * with it, also where the peer leaves its half open. A socket that cannot be written to is destroyed.
 */
export const answerOnSocket = (socket: Duplex, { status, headers = {}, body }: RawAnswer): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const content = body === undefined ? '' : JSON.stringify(body)
  const fields: Record<string, string> = {
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...headers,
    Connection: 'close',
    'Content-Length': String(Buffer.byteLength(content)),
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const cut = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS)
  socket.once('close', () => clearTimeout(cut))
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n${lines.join('')}\r\n${content}`)
}
