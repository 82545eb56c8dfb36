import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { clipReason } from '../tunnel/close-reason.ts'
import { endToEndHeaders } from '../tunnel/forwarded-headers.ts'
import { type HeaderList, MAX_MESSAGE_BYTES, type OpenHead } from '../tunnel/frames.ts'
import { bridgeSocket } from '../tunnel/socket-bridge.ts'
import { answerPings } from '../tunnel/socket-fault.ts'
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-stream.ts'
import type { EarlyBytes } from './early-bytes.ts'
import { refusedUpgradeResponse } from './public-answer.ts'
import { watchReader } from './reader-watch.ts'
import { ResponseWriter } from './response-writer.ts'
import type { Tunnel } from './tunnel.ts'

/** How long the other side of a close handshake may take. */
const CLOSE_GRACE_MS = 2_000

/** Completes public WebSocket handshakes with what the target behind the tunnel has answered to its own. */
export class PublicHandshakes {
  readonly #answers = new WeakMap<IncomingMessage, OpenHead>()
  readonly #server: WebSocketServer

  constructor() {
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
      handleProtocols: (_offered: Set<string>, req: IncomingMessage) =>
        this.#answers.get(req)?.protocol || false,
    }
    this.#server = new WebSocketServer(options)
    this.#server.on('headers', (lines, req) => {
      // What the target said beside the handshake itself, cookies above all.
      const kept = endToEndHeaders(
        this.#answers.get(req)?.headers ?? [],
        (name) => name.startsWith('sec-websocket-') || name === 'content-length',
      )
      for (let index = 0; index < kept.length; index += 2) lines.push(`${kept[index]}: ${kept[index + 1]}`)
    })
  }

  /** Null where the client's handshake was malformed: `ws` has answered it. */
  complete(req: IncomingMessage, socket: Socket, head: Buffer, answer: OpenHead): WebSocket | null {
    this.#answers.set(req, answer)
    let completed: WebSocket | null = null
    // Without a `verifyClient` the callback comes before this returns, or never.
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      completed = ws
    })
    return completed
  }
}

/** What the public side of a WebSocket has sent so far. */
export interface UpgradeRequest {
  req: IncomingMessage
  socket: Socket
  early: EarlyBytes
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

/** One public WebSocket that goes through a tunnel: its handshake is completed once the target's is. */
export class ForwardedSocket {
  readonly stream: TunnelStream
  readonly #tunnel: Tunnel
  readonly #upgrade: UpgradeRequest
  readonly #handshakes: PublicHandshakes
  readonly #options: ForwardUpgradeOptions
  #accepted: WebSocket | null = null
  /** Created only when the upgrade is refused: a response takes the socket over. */
  #refusal: ResponseWriter | null = null
  #timer: NodeJS.Timeout | null = null
  #settled = false

  constructor(
    tunnel: Tunnel,
    upgrade: UpgradeRequest,
    handshakes: PublicHandshakes,
    options: ForwardUpgradeOptions,
  ) {
    this.#tunnel = tunnel
    this.#upgrade = upgrade
    this.#handshakes = handshakes
    this.#options = options
    const { path, headers, responseTimeoutMs } = options
    upgrade.socket.once('close', () => {
      this.#settle(499)
      if (!this.#accepted) this.stream.reset('client_gone')
    })
    this.stream = tunnel.streams.open(this.#handler())
    if (responseTimeoutMs > 0) this.#timer = setTimeout(() => this.#hostIsLate(), responseTimeoutMs)
    this.stream.request({ method: 'GET', path, headers, upgrade: 'websocket' }, true)
  }

  /** True once the client has its 101. */
  get accepted(): boolean {
    return this.#accepted !== null
  }

  /** Bytes wait for the client. */
  clientIsBehind(): boolean {
    return this.#upgrade.socket.writableLength > 0
  }

  /** Ends it with a close frame, or refuses what has not begun; the socket is gone within the grace period. */
  end(code: number, reason: string): void {
    const { socket } = this.#upgrade
    if (this.#accepted) this.#accepted.close(code, clipReason(reason))
    else {
      this.stream.reset('client_gone')
      this.#refused().reset('draining', reason)
    }
    const cut = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS)
    socket.once('close', () => clearTimeout(cut))
  }

  #handler(): StreamHandler {
    return {
      opened: (answer) => this.#open(answer),
      response: (response) => this.#refused().response(response),
      data: (chunk) => this.#refused().data(chunk),
      end: () => {
        this.#refused().end()
        this.stream.end()
      },
      reset: (code, message) => this.#refused().reset(code, message),
      closed: (_code, reason) => this.#refused().reset('target_failed', clipReason(reason)),
    }
  }

  #open(answer: OpenHead): void {
    if (this.#accepted) return
    const { req, socket, early } = this.#upgrade
    if (this.#refusal !== null) {
      this.#refuseOpen('an open after a response')
      return
    }
    if (answer.protocol !== '' && !offeredProtocols(req).includes(answer.protocol)) {
      this.#refuseOpen('a subprotocol that was not offered')
      return
    }
    this.#stopTimer()
    const ws = this.#handshakes.complete(req, socket, early.take(), answer)
    if (ws === null) {
      // The target's side ends with the client's.
      this.stream.reset('client_gone')
      return
    }
    this.#accepted = ws
    this.#settle(101)
    answerPings(ws, socket)
    watchReader(socket, this.#options.readerIdleTimeoutMs, () => ws.terminate())
    bridgeSocket(ws, this.stream)
  }

  #refused(): ResponseWriter {
    this.#stopTimer()
    const { req, socket } = this.#upgrade
    this.#refusal ??= new ResponseWriter({
      tunnel: this.#tunnel,
      res: refusedUpgradeResponse(req, socket),
      stream: () => this.stream,
      readerIdleTimeoutMs: this.#options.readerIdleTimeoutMs,
      settled: (status) => this.#settle(status),
    })
    return this.#refusal
  }

  /** The host's `open` cannot become a handshake: 502, and nothing of it reaches the client. */
  #refuseOpen(what: string): void {
    this.stream.reset('protocol_error', what)
    this.#refused().reset('protocol_error', `Host ${this.#tunnel.hostId} sent ${what}`)
  }

  #hostIsLate(): void {
    this.stream.reset('timeout')
    const seconds = this.#options.responseTimeoutMs / 1000
    const sentence = `Host ${this.#tunnel.hostId} did not answer the upgrade within ${seconds} s`
    this.#refused().reset('timeout', sentence)
  }

  #settle(status: number): void {
    if (this.#settled) return
    this.#settled = true
    this.#stopTimer()
    this.#options.settled(status)
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer)
  }
}
