import { Agent, type ClientRequest, request } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { WebSocket } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import type { Log } from '../../observe/log.ts'
import { endToEndHeaders, flushHeadSoon, headerObject, headerValue } from '../tunnel/forwarded-headers.ts'
import { type HeaderList, MAX_MESSAGE_BYTES, type RequestHead } from '../tunnel/frames.ts'
import { bridgeSocket } from '../tunnel/socket-bridge.ts'
import { answerPings } from '../tunnel/socket-fault.ts'
import type { TunnelStream } from '../tunnel/tunnel-streams.ts'

/** Dialling the target: it is on this machine or near it. */
const CONNECT_TIMEOUT_MS = 10_000
/** Requests from the relay at once; the relay's own ceiling is 1 000 a tunnel. */
const MAX_STREAMS = 2_000
/** Methods that may be sent again when a kept connection turns out to be closed (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Serves what arrives on a tunnel's streams from one HTTP server. */
export interface HostTarget {
  accept(stream: TunnelStream, head: RequestHead, hasBody: boolean): void
  /** What it serves now: WebSockets, and everything else. */
  pending(): { requests: number; sockets: number }
  /** Closes every WebSocket with 1001, on both sides. */
  goAway(): void
  close(): void
}

/** Body bytes from a stream as a readable: credit goes back to the relay as they are read. */
const bodyOf = (stream: TunnelStream): { body: Readable; push(chunk: Buffer): void; end(): void } => {
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

/** Request headers as the target gets them: framing is made anew, because the connection is another one. */
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

/** As often as a path may be decoded on its way to whoever reads it. */
const MAX_DECODINGS = 3

/**
 * True where a path, put behind a base, may leave that base for some server: by `..`, also in encoded forms, with `\\` for `/`, with
 * parameters (`..;x`), or where repeated slashes count as one. What a server makes of such a path is its own affair; nobody needs one.
 */
export const leavesBase = (path: string): boolean => {
  let seen = path.split('?', 1)[0] ?? ''
  for (let round = 0; round <= MAX_DECODINGS; round += 1) {
    let depth = 0
    for (const part of seen.split(/[/\\]/)) {
      const name = part.split(';', 1)[0]?.trim()
      if (name === '..') depth -= 1
      else if (name !== '' && name !== '.') depth += 1
      if (depth < 0) return true
    }
    const decoded = seen.replace(/%(?:2e|2f|5c|3b|25)/gi, (code) =>
      String.fromCharCode(Number.parseInt(code.slice(1), 16)),
    )
    if (decoded === seen) return false
    seen = decoded
  }
  return true
}

/** `to` is the server that answers, for example `http://localhost:8080`; a path in it goes before every request's. */
export const createHostTarget = (to: URL, log: Log): HostTarget => {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64, scheduling: 'lifo' })
  const host = to.hostname.replace(/^\[|\]$/g, '')
  const port = to.port === '' ? 80 : Number(to.port)
  const base = to.pathname.replace(/\/$/, '')
  let open = 0
  const sockets = new Map<TunnelStream, WebSocket>()

  /** A path that would lead out of the base is nobody's: the target never sees it. */
  const refusePath = (stream: TunnelStream): void => {
    const text = Buffer.from('The path leads out of what this host serves\n')
    const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(text.length)]
    stream.handler = { reset: () => undefined, data: (chunk) => stream.consumed(chunk.length) }
    stream.respond({ status: 400, message: 'Bad Request', headers }, true)
    stream.write(text)
    stream.end()
  }

  const limitConnecting = (out: ClientRequest): void => {
    const timer = setTimeout(
      () =>
        out.destroy(
          new Error(`${to.host} did not accept a connection within ${CONNECT_TIMEOUT_MS / 1000} s`),
        ),
      CONNECT_TIMEOUT_MS,
    )
    out.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => clearTimeout(timer))
      else clearTimeout(timer)
    })
    out.once('close', () => clearTimeout(timer))
  }

  const serveRequest = (stream: TunnelStream, head: RequestHead, hasBody: boolean, retried = false): void => {
    const out = request({
      agent,
      host,
      port,
      method: head.method,
      path: `${base}${head.path}`,
      headers: targetHeaders(head, to.host, hasBody),
    })
    let answered = false
    let complete = false
    limitConnecting(out)
    const upload = hasBody ? bodyOf(stream) : null
    stream.handler = {
      data: (chunk) => upload?.push(chunk),
      end: () => upload?.end(),
      reset: () => out.destroy(),
    }
    out.on('response', (answer) => {
      answered = true
      const noBody = head.method === 'HEAD' || answer.statusCode === 204 || answer.statusCode === 304
      const { statusCode: status = 502, statusMessage: message = '' } = answer
      stream.respond({ status, message, headers: endToEndHeaders(answer.rawHeaders) }, !noBody)
      stream.handler.writable = () => answer.resume()
      answer.on('data', (chunk: Buffer) => {
        if (!stream.write(chunk)) answer.pause()
      })
      answer.on('end', () => {
        complete = true
        if (!noBody) stream.end()
      })
      answer.on('close', () => {
        // Cut short: the relay must not pass it off as a whole response.
        if (!answer.complete) stream.reset('target_failed', 'The target broke off its response')
      })
      answer.on('error', (error) => log.debug({ err: error }, "the target's response failed"))
    })
    // An interim answer (1xx) belongs to the connection between this host and its target.
    out.on('upgrade', (_answer, socket) => {
      socket.destroy()
      stream.reset('target_failed', 'The target switched protocols without being asked')
    })
    out.on('error', (error: NodeJS.ErrnoException) => {
      if (answered || stream.over) {
        if (!complete) stream.reset('target_failed', 'The target broke off its response')
        return
      }
      // A kept connection that the target closed at this very moment; nothing was answered, so asking again is safe.
      if (!retried && out.reusedSocket && !hasBody && IDEMPOTENT.has(head.method)) {
        serveRequest(stream, head, hasBody, true)
        return
      }
      const unreachable =
        error.syscall === 'connect' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
      const code = error.code ? ` (${error.code})` : ''
      log.debug({ err: error }, 'the target failed')
      stream.reset(
        unreachable ? 'target_unreachable' : 'target_failed',
        unreachable
          ? `The host cannot reach its target${code}`
          : `The target broke off before it answered${code}`,
      )
    })
    if (upload) {
      upload.body.pipe(out)
      flushHeadSoon(out, upload.body)
    } else out.end()
  }

  const serveSocket = (stream: TunnelStream, head: RequestHead): void => {
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
      handshakeTimeout: 30_000,
      // Known to ws 8.19 and later, not yet to its types.
      closeTimeout: 2_000,
    }
    const address = `ws://${to.host}${base}${head.path}`
    const ws = offered.length > 0 ? new WebSocket(address, offered, options) : new WebSocket(address, options)
    sockets.set(stream, ws)
    let answerHeaders: HeaderList = []
    let failed = false
    let opened = false
    ws.on('error', (error) => {
      // Once it is open the bridge says what went wrong, with its own close code.
      if (opened || failed || stream.over) return
      failed = true
      log.debug({ err: error }, "the target's WebSocket failed")
      stream.reset('target_failed', 'The target did not complete the WebSocket handshake')
    })
    stream.handler = { reset: () => ws.terminate(), closed: () => ws.terminate() }
    ws.on('upgrade', (answer) => {
      answerPings(ws, answer.socket as Socket)
      answerHeaders = endToEndHeaders(answer.rawHeaders)
    })
    ws.on('open', () => {
      if (stream.over) {
        ws.terminate()
        return
      }
      opened = true
      stream.open({ protocol: ws.protocol, headers: answerHeaders })
      bridgeSocket(ws, stream)
    })
    ws.on('unexpected-response', (_request, answer) => {
      failed = true
      const { statusCode: status = 502, statusMessage: message = '' } = answer
      const drop = (): void => {
        answer.destroy()
        ws.terminate()
      }
      stream.handler = { reset: drop, closed: drop, writable: () => answer.resume() }
      stream.respond({ status, message, headers: endToEndHeaders(answer.rawHeaders) }, true)
      answer.on('data', (chunk: Buffer) => {
        if (!stream.write(chunk)) answer.pause()
      })
      answer.on('end', () => {
        stream.end()
        ws.terminate()
      })
      answer.on('error', () => stream.reset('target_failed'))
    })
  }

  return {
    accept(stream, head, hasBody) {
      if (open >= MAX_STREAMS) {
        stream.reset('host_busy', `The host serves ${MAX_STREAMS} requests at once, which is its ceiling`)
        return
      }
      open += 1
      stream.onOver(() => {
        open -= 1
        sockets.delete(stream)
      })
      if (base !== '' && leavesBase(head.path)) {
        refusePath(stream)
        return
      }
      try {
        if (head.upgrade === 'websocket') serveSocket(stream, head)
        else serveRequest(stream, head, hasBody)
      } catch (error) {
        // Node refuses what is not a valid request (a method or path it would not send).
        log.debug({ err: error }, 'a request could not be sent to the target')
        stream.reset('protocol_error', 'The request cannot be sent to the target')
      }
    },
    pending: () => ({ requests: open - sockets.size, sockets: sockets.size }),
    goAway() {
      for (const [stream, ws] of [...sockets]) {
        if (ws.readyState === ws.OPEN) {
          stream.close(CLOSE.going_away, 'The host is stopping')
          ws.close(CLOSE.going_away)
        } else {
          stream.reset('draining', 'The host is stopping')
          ws.terminate()
        }
      }
    },
    close() {
      agent.destroy()
    },
  }
}
