import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../../contract/errors.ts'
import type { ResetCode, ResponseHead } from '../tunnel/frames.ts'
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-stream.ts'
import { answerError } from './public-answer.ts'
import { watchReader } from './reader-watch.ts'
import { failureOfReset } from './request-failures.ts'
import { ResponseFraming } from './response-framing.ts'
import type { Tunnel } from './tunnel.ts'

/** The error that the client gets when a stream ended before its response began. */
const errorOfReset = (code: ResetCode): ErrorCode => {
  if (code === 'host_busy') return 'ERR_TUNNEL_BUSY'
  if (code === 'timeout') return 'ERR_GATEWAY_TIMEOUT'
  if (code === 'draining') return 'ERR_DRAINING'
  return 'ERR_BAD_GATEWAY'
}

const sentenceOfReset = (hostId: string, code: ResetCode, message: string): string => {
  if (code === 'tunnel_gone') return `The tunnel of host ${hostId} went before the response: ${message}`
  return message === '' ? `Host ${hostId} ended the request: ${code}` : message
}

export interface ResponseWriterOptions {
  tunnel: Tunnel
  res: ServerResponse
  /** The stream whose answer this is; it may be opened after the writer was created. */
  stream(): TunnelStream
  /** While the client takes nothing of what waits for it, in milliseconds; 0 waits. */
  readerIdleTimeoutMs: number
  /** Called once, with the status that the client got (499 where the client left first). */
  settled(status: number): void
}

/** Writes what the host answers on a stream to a public response: for requests, and for upgrades that the target refused. */
export class ResponseWriter implements StreamHandler {
  readonly #options: ResponseWriterOptions
  /** Bytes that Node keeps for the client: the host gets no credit for them before they have left. */
  #unconfirmed = 0
  #framing: ResponseFraming | null = null
  #bodyBegun = false
  #settled = false

  constructor(options: ResponseWriterOptions) {
    this.#options = options
    const { res, readerIdleTimeoutMs } = options
    res.on('drain', () => {
      options.stream().consumed(this.#unconfirmed)
      this.#unconfirmed = 0
    })
    // A listener on the response, so that Node does not take a quiet stream of events for an idle connection.
    res.on('timeout', () => undefined)
    const endWatch = res.socket
      ? watchReader(res.socket, readerIdleTimeoutMs, () => res.destroy())
      : () => undefined
    res.on('close', () => {
      endWatch()
      // The client went away, or got something else than the host's answer: the host may stop.
      options.stream().reset('client_gone')
      this.#settle(res.headersSent ? res.statusCode : 499)
    })
  }

  response(head: ResponseHead): void {
    const { res } = this.#options
    if (res.destroyed) return
    if (this.#framing !== null) {
      this.#refuse('a second response')
      return
    }
    const framing = ResponseFraming.of(head, res.req.method ?? 'GET')
    if (typeof framing === 'string') {
      this.#refuse(framing)
      return
    }
    this.#framing = framing
    // The head is the host's as it is; Node adds only what belongs to this connection.
    res.sendDate = false
    try {
      res.writeHead(head.status, head.message, framing.headers)
    } catch {
      this.#refuse('a response head that cannot be sent on')
      return
    }
    // A head whose body comes later must not wait for it (server-sent events); one with a body in hand shares its segment.
    setImmediate(() => {
      if (!this.#bodyBegun && !res.writableEnded && !res.destroyed) res.flushHeaders()
    })
  }

  data(chunk: Buffer): void {
    const { res, stream } = this.#options
    if (res.destroyed) return
    const fault = this.#framing === null ? 'a body before its head' : this.#framing.take(chunk.length)
    if (fault !== null) {
      this.#refuse(fault)
      return
    }
    this.#bodyBegun = true
    if (res.write(chunk)) stream().consumed(chunk.length)
    else this.#unconfirmed += chunk.length
  }

  end(): void {
    const { res } = this.#options
    if (res.destroyed) return
    const fault = this.#framing === null ? 'an end without a response' : this.#framing.finish()
    if (fault === null) res.end()
    else this.#refuse(fault)
  }

  reset(given: ResetCode, message: string): void {
    const { res, tunnel } = this.#options
    // The tunnel was closed by this relay's own drain: the client is told so, and may ask elsewhere.
    const code = failureOfReset(given, tunnel) === 'draining' ? 'draining' : given
    // A response that has begun cannot become an error any more: cutting it is the only honest end.
    if (res.headersSent) {
      res.destroy()
      return
    }
    const facts = { hostId: tunnel.hostId, reason: code }
    const sentence = sentenceOfReset(tunnel.hostId, code, message)
    answerError(res, errorOfReset(code), sentence, facts, code === 'draining')
  }

  closed(): void {
    this.#refuse('a close where no WebSocket is')
  }

  #settle(status: number): void {
    if (this.#settled) return
    this.#settled = true
    this.#options.settled(status)
  }

  /** What the host sent cannot be a response: it costs this exchange, and nothing of it reaches the client. */
  #refuse(what: string): void {
    this.#options.stream().reset('protocol_error', what)
    this.reset('protocol_error', `Host ${this.#options.tunnel.hostId} sent ${what}`)
  }
}
