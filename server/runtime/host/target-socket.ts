import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import { endToEndHeaders, headerObject, headerValue } from '../tunnel/forwarded-headers.ts'
import { type HeaderList, MAX_MESSAGE_BYTES, type RequestHead } from '../tunnel/frames.ts'
import { bridgeSocket } from '../tunnel/socket-bridge.ts'
import { answerPings } from '../tunnel/socket-fault.ts'
import type { TunnelStream } from '../tunnel/tunnel-stream.ts'
import type { TargetServer } from './target-server.ts'

const HANDSHAKE_TIMEOUT_MS = 30_000
/** How long the target may take to answer a close frame. */
const CLOSE_TIMEOUT_MS = 2_000

/** One WebSocket from a tunnel, dialled at the target; where the target refuses the upgrade, its answer goes back instead. */
export class TargetSocket {
  readonly #stream: TunnelStream
  readonly #ws: WebSocket
  #answerHeaders: HeaderList = []
  #failed = false
  #opened = false

  constructor(server: TargetServer, stream: TunnelStream, head: RequestHead) {
    this.#stream = stream
    const ws = dial(server, head)
    this.#ws = ws
    stream.handler = { reset: () => ws.terminate(), closed: () => ws.terminate() }
    ws.on('error', (error) => {
      // Once it is open the bridge reports what went wrong, with its own close code.
      if (this.#opened || this.#failed || stream.over) return
      this.#failed = true
      server.log.debug({ err: error }, "the target's WebSocket failed")
      stream.reset('target_failed', 'The target did not complete the WebSocket handshake')
    })
    ws.on('upgrade', (answer) => {
      answerPings(ws, answer.socket as Socket)
      this.#answerHeaders = endToEndHeaders(answer.rawHeaders)
    })
    ws.on('open', () => this.#open())
    ws.on('unexpected-response', (_request, answer) => this.#refused(answer))
  }

  /** The host is stopping: 1001 on both sides, or a reset where the handshake is still under way. */
  goAway(): void {
    const sentence = 'The host is stopping'
    if (this.#ws.readyState === WebSocket.OPEN) {
      this.#stream.close(CLOSE.going_away, sentence)
      this.#ws.close(CLOSE.going_away)
    } else {
      this.#stream.reset('draining', sentence)
      this.#ws.terminate()
    }
  }

  #open(): void {
    if (this.#stream.over) {
      this.#ws.terminate()
      return
    }
    this.#opened = true
    this.#stream.open({ protocol: this.#ws.protocol, headers: this.#answerHeaders })
    bridgeSocket(this.#ws, this.#stream)
  }

  #refused(answer: IncomingMessage): void {
    const stream = this.#stream
    this.#failed = true
    const { statusCode: status = 502, statusMessage: message = '' } = answer
    const drop = (): void => {
      answer.destroy()
      this.#ws.terminate()
    }
    stream.handler = { reset: drop, closed: drop, writable: () => answer.resume() }
    stream.respond({ status, message, headers: endToEndHeaders(answer.rawHeaders) }, true)
    answer.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) answer.pause()
    })
    answer.on('end', () => {
      stream.end()
      this.#ws.terminate()
    })
    answer.on('error', () => stream.reset('target_failed'))
  }
}

const dial = ({ authority, base }: TargetServer, head: RequestHead): WebSocket => {
  const offered = (headerValue(head.headers, 'sec-websocket-protocol') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const headers = endToEndHeaders(
    head.headers,
    (name) => name.startsWith('sec-websocket-') || name === 'content-length',
  )
  const options = {
    headers: headerObject(headers),
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: MAX_MESSAGE_BYTES,
    maxFragments: 1_024,
    followRedirects: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    // Known to ws 8.19 and later, not yet to its types.
    closeTimeout: CLOSE_TIMEOUT_MS,
  }
  const address = `ws://${authority}${base}${head.path}`
  return offered.length > 0 ? new WebSocket(address, offered, options) : new WebSocket(address, options)
}
