import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { endToEndHeaders, flushHeadSoon, headerValue } from '../tunnel/forwarded-headers.ts'
import type { HeaderList, RequestHead } from '../tunnel/frames.ts'
import type { TunnelStream } from '../tunnel/tunnel-stream.ts'
import type { TargetServer } from './target-server.ts'

/** How long dialling the target may take: it is on this machine or near it. */
const CONNECT_TIMEOUT_MS = 10_000
/** Methods that may be sent again when a kept connection turns out to be closed (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

interface Upload {
  body: Readable
  push(chunk: Buffer): void
  end(): void
}

/** Body bytes from a stream as a readable: credit goes back to the relay as they are read. */
const uploadOf = (stream: TunnelStream): Upload => {
  let unconfirmed = 0
  const body = new Readable({
    read() {
      const bytes = unconfirmed
      unconfirmed = 0
      if (bytes > 0) stream.consumed(bytes)
    },
  })
  return {
    body,
    push(chunk) {
      if (body.push(chunk)) stream.consumed(chunk.length)
      else unconfirmed += chunk.length
    },
    end: () => body.push(null),
  }
}

/** Request headers as the target gets them: framing is written again, because it is another connection. */
const targetHeaders = (head: RequestHead, host: string, hasBody: boolean): HeaderList => {
  const headers = endToEndHeaders(head.headers)
  if (headerValue(headers, 'host') === undefined) headers.push('Host', host)
  if (headerValue(headers, 'content-length') === undefined) {
    if (hasBody) headers.push('Transfer-Encoding', 'chunked')
    else if (!['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE'].includes(head.method))
      headers.push('Content-Length', '0')
  }
  return headers
}

/** One request from a tunnel, and the target's answer to it, streamed both ways. */
export class TargetRequest {
  readonly #server: TargetServer
  readonly #stream: TunnelStream
  readonly #head: RequestHead
  readonly #hasBody: boolean
  #retried = false
  #answered = false
  #complete = false

  constructor(server: TargetServer, stream: TunnelStream, head: RequestHead, hasBody: boolean) {
    this.#server = server
    this.#stream = stream
    this.#head = head
    this.#hasBody = hasBody
  }

  /** Throws for what Node would not send as a request. */
  send(): void {
    const { agent, host, port, base, authority } = this.#server
    const out = request({
      agent,
      host,
      port,
      method: this.#head.method,
      path: `${base}${this.#head.path}`,
      headers: targetHeaders(this.#head, authority, this.#hasBody),
    })
    this.#limitConnecting(out)
    const upload = this.#hasBody ? uploadOf(this.#stream) : null
    this.#stream.handler = {
      data: (chunk) => upload?.push(chunk),
      end: () => upload?.end(),
      reset: () => out.destroy(),
    }
    out.on('response', (answer) => this.#respond(answer))
    // An interim answer (1xx) belongs to the connection between this host and its target.
    out.on('upgrade', (_answer, socket) => {
      socket.destroy()
      this.#stream.reset('target_failed', 'The target switched protocols without being asked')
    })
    out.on('error', (error: NodeJS.ErrnoException) => this.#failed(out, error))
    if (upload) {
      upload.body.pipe(out)
      flushHeadSoon(out, upload.body)
    } else out.end()
  }

  #limitConnecting(out: ClientRequest): void {
    const seconds = CONNECT_TIMEOUT_MS / 1000
    const late = (): void => {
      out.destroy(new Error(`${this.#server.authority} did not accept a connection within ${seconds} s`))
    }
    const timer = setTimeout(late, CONNECT_TIMEOUT_MS)
    out.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => clearTimeout(timer))
      else clearTimeout(timer)
    })
    out.once('close', () => clearTimeout(timer))
  }

  #respond(answer: IncomingMessage): void {
    const stream = this.#stream
    this.#answered = true
    const noBody = this.#head.method === 'HEAD' || answer.statusCode === 204 || answer.statusCode === 304
    const { statusCode: status = 502, statusMessage: message = '' } = answer
    stream.respond({ status, message, headers: endToEndHeaders(answer.rawHeaders) }, !noBody)
    stream.handler.writable = () => answer.resume()
    answer.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) answer.pause()
    })
    answer.on('end', () => {
      this.#complete = true
      if (!noBody) stream.end()
    })
    answer.on('close', () => {
      // Cut short: the relay must not pass it off as a complete response.
      if (!answer.complete) stream.reset('target_failed', 'The target broke off its response')
    })
    answer.on('error', (error) => this.#server.log.debug({ err: error }, "the target's response failed"))
  }

  #failed(out: ClientRequest, error: NodeJS.ErrnoException): void {
    const stream = this.#stream
    if (this.#answered || stream.over) {
      if (!this.#complete) stream.reset('target_failed', 'The target broke off its response')
      return
    }
    // A kept connection that the target closed at this moment; nothing was answered, so asking again is safe.
    if (!this.#retried && out.reusedSocket && !this.#hasBody && IDEMPOTENT.has(this.#head.method)) {
      this.#retried = true
      this.send()
      return
    }
    const unreachable =
      error.syscall === 'connect' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
    const code = error.code ? ` (${error.code})` : ''
    this.#server.log.debug({ err: error }, 'the target failed')
    if (unreachable) stream.reset('target_unreachable', `The host cannot reach its target${code}`)
    else stream.reset('target_failed', `The target broke off before it answered${code}`)
  }
}
