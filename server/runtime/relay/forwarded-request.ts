import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HeaderList, ResetCode, ResponseHead } from '../tunnel/frames.ts'
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-stream.ts'
import { answerError, bodyPending, hasBody, limitRestOfBody } from './public-answer.ts'
import { ResponseWriter } from './response-writer.ts'
import type { Tunnel } from './tunnel.ts'

export interface ForwardOptions {
  path: string
  headers: HeaderList
  /** Until response headers, counted while it is the host's turn; 0 waits. */
  responseTimeoutMs: number
  /** Between two parts of the request's body, counted while it is the client's turn; 0 waits. */
  bodyIdleTimeoutMs: number
  /** While the client takes nothing of the response that waits for it; 0 waits. */
  readerIdleTimeoutMs: number
}

/** One public request that goes through a tunnel, streamed both ways. */
export class ForwardedRequest {
  readonly stream: TunnelStream
  readonly #hostId: string
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #options: ForwardOptions
  readonly #beganMs = performance.now()
  #sentBytes = 0
  #takenBytes = 0
  #timer: NodeJS.Timeout | null = null
  /** The side that has to move next, for which the timer runs. */
  #turn: 'host' | 'client' | null = null
  #answered = false

  constructor(tunnel: Tunnel, req: IncomingMessage, res: ServerResponse, options: ForwardOptions) {
    this.#hostId = tunnel.hostId
    this.#req = req
    this.#res = res
    this.#options = options
    const writer = new ResponseWriter({
      tunnel,
      res,
      stream: () => this.stream,
      readerIdleTimeoutMs: options.readerIdleTimeoutMs,
      settled: () => this.#stopWaiting(),
    })
    this.stream = tunnel.streams.open(this.#handler(writer))
    const withBody = hasBody(req)
    const { path, headers } = options
    this.stream.request({ method: req.method ?? 'GET', path, headers }, withBody)
    if (withBody) this.#sendBody()
    else req.resume()
    req.on('error', () => this.stream.reset('client_gone'))
    this.#wait()
  }

  /** Bytes a second that the client sends or takes while it is its turn; null while it is the host's. */
  clientPace(): number | null {
    const seconds = Math.max(0.001, (performance.now() - this.#beganMs) / 1000)
    if (bodyPending(this.#req) && !this.#req.isPaused()) return this.#sentBytes / seconds
    const { writableLength } = this.#res
    return writableLength > 0 ? Math.max(0, this.#takenBytes - writableLength) / seconds : null
  }

  #handler(writer: ResponseWriter): StreamHandler {
    return {
      response: (head: ResponseHead) => {
        this.#stopWaiting()
        writer.response(head)
      },
      data: (chunk) => {
        this.#takenBytes += chunk.length
        writer.data(chunk)
      },
      end: () => {
        this.#stopWaiting()
        writer.end()
        if (!bodyPending(this.#req)) return
        // Answered before the upload was complete: the host needs no more of it.
        this.stream.reset('client_gone')
        limitRestOfBody(this.#req)
      },
      reset: (code: ResetCode, message) => {
        this.#stopWaiting()
        writer.reset(code, message)
      },
      closed: () => writer.closed(),
      writable: () => {
        this.#req.resume()
        this.#wait()
      },
    }
  }

  #sendBody(): void {
    this.#req.on('data', (chunk: Buffer) => {
      this.#sentBytes += chunk.length
      if (!this.stream.over && !this.stream.write(chunk)) this.#req.pause()
      this.#wait()
    })
    this.#req.on('end', () => {
      this.stream.end()
      this.#wait()
    })
  }

  /** Restarts the wait for the side that has to move next. */
  #wait(): void {
    if (this.#answered) return
    const next = bodyPending(this.#req) && !this.#req.isPaused() ? 'client' : 'host'
    if (next === this.#turn) {
      this.#timer?.refresh()
      return
    }
    this.#turn = next
    if (this.#timer) clearTimeout(this.#timer)
    const { responseTimeoutMs, bodyIdleTimeoutMs } = this.#options
    const ms = next === 'host' ? responseTimeoutMs : bodyIdleTimeoutMs
    const late = next === 'host' ? () => this.#hostIsLate() : () => this.#clientIsLate()
    this.#timer = ms > 0 ? setTimeout(late, ms) : null
  }

  #stopWaiting(): void {
    this.#answered = true
    if (this.#timer) clearTimeout(this.#timer)
  }

  #hostIsLate(): void {
    const { responseTimeoutMs } = this.#options
    const sentence = `Host ${this.#hostId} sent no response headers within ${responseTimeoutMs / 1000} s`
    this.stream.reset('timeout')
    answerError(this.#res, 'ERR_GATEWAY_TIMEOUT', sentence, { hostId: this.#hostId, responseTimeoutMs })
  }

  #clientIsLate(): void {
    const { bodyIdleTimeoutMs } = this.#options
    const sentence = `Nothing of the request body came for ${bodyIdleTimeoutMs / 1000} s`
    this.stream.reset('client_gone')
    answerError(this.#res, 'ERR_REQUEST_TIMEOUT', sentence, { bodyIdleTimeoutMs }, true)
  }
}
