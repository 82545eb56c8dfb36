import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { CLOSE, sendableCloseCode } from '../../contract/close-codes.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { endToEndHeaders } from '../tunnel/forwarded-headers.ts'
import { type HeaderList, MAX_MESSAGE_BYTES } from '../tunnel/frames.ts'
import { answerPings, faultCode } from '../tunnel/socket-fault.ts'
import type { TunnelStream } from '../tunnel/tunnel-streams.ts'
import type { EarlyBytes } from './early-bytes.ts'
import { refusedUpgradeResponse } from './public-answer.ts'
import { responseWriter } from './public-requests.ts'
import { watchReader } from './reader-watch.ts'
import type { Tunnel } from './tunnel.ts'

/** A public WebSocket that is forwarded: what the relay needs to count and end it. */
export interface ForwardedSocket {
  readonly stream: TunnelStream
  /** Resolves when the public side is gone. */
  readonly ended: Promise<void>
  /** Bytes wait for the client. */
  clientIsBehind(): boolean
  /** Ends it with a close frame; `ended` follows within the grace period. */
  end(code: number, reason: string): void
}

/** How long the other side of a close handshake may take. */
const CLOSE_GRACE_MS = 2_000

interface Handshake {
  protocol: string
  headers: HeaderList
}

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

export interface ForwardUpgradeOptions {
  path: string
  headers: HeaderList
  /** Until the host's answer to the upgrade; 0 waits. */
  responseTimeoutMs: number
  /** While the client takes nothing of what waits for it; 0 waits. */
  readerIdleTimeoutMs: number
  /** Called once: 101 where the target accepted, its own status where it refused. */
  settled(status: number): void
}

const offeredProtocols = (req: IncomingMessage): string[] =>
  (req.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())

/** Completes public WebSocket handshakes once the target behind the tunnel has. */
export const createSocketForwarder = () => {
  const handshakes = new WeakMap<IncomingMessage, Handshake>()
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // A message of the largest size, in the smallest parts that browsers and common libraries make.
    maxFragments: 1_024,
    // Known to ws 8.19 and later, not yet to its types.
    closeTimeout: CLOSE_GRACE_MS,
    handleProtocols: (_offered: Set<string>, req: IncomingMessage) => handshakes.get(req)?.protocol || false,
  }
  const server = new WebSocketServer(options)
  server.on('headers', (lines, req) => {
    // What the target said beside the handshake itself, cookies above all.
    const kept = endToEndHeaders(
      handshakes.get(req)?.headers ?? [],
      (name) => name.startsWith('sec-websocket-') || name === 'content-length',
    )
    for (let index = 0; index < kept.length; index += 2) lines.push(`${kept[index]}: ${kept[index + 1]}`)
  })

  return (
    tunnel: Tunnel,
    req: IncomingMessage,
    socket: Socket,
    early: EarlyBytes,
    options: ForwardUpgradeOptions,
  ): ForwardedSocket => {
    let accepted: WebSocket | null = null
    let timer: NodeJS.Timeout | null = null
    let settledOnce = false
    const stopTimer = (): void => {
      if (timer) clearTimeout(timer)
    }
    const settle = (status: number): void => {
      if (settledOnce) return
      settledOnce = true
      stopTimer()
      options.settled(status)
    }
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.once('close', () => {
      settle(499)
      if (!accepted) stream.reset('client_gone')
    })
    // Created only when the upgrade is refused: a response takes the socket over.
    let refusal: ReturnType<typeof responseWriter> | null = null
    const refused = (): ReturnType<typeof responseWriter> => {
      stopTimer()
      const { readerIdleTimeoutMs } = options
      refusal ??= responseWriter(
        tunnel,
        refusedUpgradeResponse(req, socket),
        () => stream,
        readerIdleTimeoutMs,
        settle,
      )
      return refusal
    }
    /** The host's `open` cannot become a handshake: 502, and nothing of it reaches the client. */
    const refuseOpen = (what: string): void => {
      stream.reset('protocol_error', what)
      refused().reset('protocol_error', `Host ${tunnel.hostId} sent ${what}`)
    }
    const stream = tunnel.streams.open({
      opened(open) {
        if (accepted) return
        if (refusal !== null) {
          refuseOpen('an open after a response')
          return
        }
        if (open.protocol !== '' && !offeredProtocols(req).includes(open.protocol)) {
          refuseOpen('a subprotocol that was not offered')
          return
        }
        stopTimer()
        handshakes.set(req, open)
        server.handleUpgrade(req, socket, early.take(), (ws) => {
          accepted = ws
          settle(101)
          answerPings(ws, socket)
          watchReader(socket, options.readerIdleTimeoutMs, () => ws.terminate())
          bridgeSocket(ws, stream)
        })
        // `ws` answers a malformed handshake itself; the target's side then ends.
        if (!accepted) stream.reset('client_gone')
      },
      response: (response) => refused().response(response),
      data: (chunk) => refused().data(chunk),
      end() {
        refused().end()
        stream.end()
      },
      reset: (code, message) => refused().reset(code, message),
      closed: (_code, reason) => refused().reset('target_failed', clipReason(reason)),
    })
    if (options.responseTimeoutMs > 0) {
      timer = setTimeout(() => {
        stream.reset('timeout')
        const seconds = options.responseTimeoutMs / 1000
        refused().reset('timeout', `Host ${tunnel.hostId} did not answer the upgrade within ${seconds} s`)
      }, options.responseTimeoutMs)
    }
    stream.request(
      { method: 'GET', path: options.path, headers: options.headers, upgrade: 'websocket' },
      true,
    )
    return {
      stream,
      clientIsBehind: () => socket.writableLength > 0,
      ended,
      end(code, reason) {
        if (accepted) accepted.close(code, clipReason(reason))
        else {
          stream.reset('client_gone')
          refused().reset('draining', reason)
        }
        const cut = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS)
        socket.once('close', () => clearTimeout(cut))
      },
    }
  }
}
