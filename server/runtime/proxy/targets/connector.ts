import { Socket } from 'node:net'
import type { LinkStream, OnRead } from '../../listen/link.ts'
import { Names } from './names.ts'
import type { Endpoint } from './target.ts'

/** A connection on its way. */
export interface Connecting {
  /** Destroyed when it is given up. Its failure is its 'error' event. */
  readonly stream: LinkStream
  /** It reads into `onread`'s buffers; otherwise its 'data' events are read. */
  readonly intoBuffers: boolean
}

/**
 * How targets are reached. Returns the stream at once, while it connects, and calls `connected` later when it can carry bytes, never in
 * the same tick. `onread`: buffers for a socket that can read into them; null where nothing will be read.
 *
 * A callback and not a promise: the stream needs an owner for its errors from its first tick, giving up is destroying it, and no turn of
 * the loop may pass between the connect and the reader of its first bytes.
 */
export type Connector = (to: Endpoint, onread: OnRead | null, connected: () => void) => Connecting

/** Plain TCP. `tcpKeepAliveMs`: 0 for none. */
export const tcpConnector = (tcpKeepAliveMs: number): Connector => {
  const names = new Names()
  return ({ host, port, named }, onread, connected) => {
    const stream = new Socket({
      allowHalfOpen: true,
      ...(onread ? { onread } : {}),
      noDelay: true,
      keepAlive: tcpKeepAliveMs > 0,
      keepAliveInitialDelay: tcpKeepAliveMs,
    })
    stream.once('connect', connected)
    stream.connect(named ? { host, port, lookup: names.lookup } : { host, port })
    return { stream, intoBuffers: onread !== null }
  }
}
