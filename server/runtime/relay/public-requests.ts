import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '../../contract/errors.ts'
import { endToEndHeaders } from './forwarded-headers.ts'
import type { HeaderList, ResetCode } from './frames.ts'
import { answerError } from './public-answer.ts'
import type { Tunnel } from './tunnel.ts'
import type { StreamHandler, TunnelStream } from './tunnel-streams.ts'

/** What the client is told when a stream ended before its response began. */
export const errorOfReset = (code: ResetCode): ErrorCode => {
  if (code === 'host_busy') return 'ERR_TUNNEL_BUSY'
  if (code === 'timeout') return 'ERR_GATEWAY_TIMEOUT'
  if (code === 'draining') return 'ERR_DRAINING'
  return 'ERR_BAD_GATEWAY'
}

const sentenceOfReset = (hostId: string, code: ResetCode, message: string): string => {
  if (code === 'tunnel_gone') return `The tunnel of host ${hostId} went before the response: ${message}`
  return message === '' ? `Host ${hostId} ended the request: ${code}` : message
}

/**
 * Writes what the host answers on a stream to a public response: shared by requests and by upgrades that the target refused.
 * `settled` is called once, with the status that the client got (499 where the client left first).
 */
export const responseWriter = (
  tunnel: Tunnel,
  res: ServerResponse,
  stream: () => TunnelStream,
  settled: (status: number) => void,
): Required<Pick<StreamHandler, 'response' | 'data' | 'end' | 'reset'>> => {
  let unconfirmed = 0
  let bodyBegun = false
  let done = false
  const settle = (status: number): void => {
    if (done) return
    done = true
    settled(status)
  }
  res.on('drain', () => {
    stream().consumed(unconfirmed)
    unconfirmed = 0
  })
  res.on('close', () => {
    // `close` without `finish`: the client went away, so the host may stop.
    if (!res.writableFinished) stream().reset('client_gone')
    settle(res.headersSent ? res.statusCode : 499)
  })
  return {
    response(head) {
      if (res.headersSent || res.destroyed) return
      // The head is the host's as it is; Node adds only what belongs to this connection.
      res.sendDate = false
      try {
        res.writeHead(head.status, head.message, endToEndHeaders(head.headers))
        // A head whose body comes later must not wait for it (server-sent events); one with a body in hand shares its segment.
        setImmediate(() => {
          if (!bodyBegun && !res.writableEnded && !res.destroyed) res.flushHeaders()
        })
      } catch (error) {
        stream().reset('protocol_error')
        answerError(
          res,
          'ERR_BAD_GATEWAY',
          `Host ${tunnel.hostId} sent a response head that cannot be sent on`,
          {
            hostId: tunnel.hostId,
            reason: error instanceof Error ? error.message : String(error),
          },
        )
      }
    },
    data(chunk) {
      if (!res.headersSent || res.destroyed) {
        stream().reset('protocol_error', 'Body before head')
        return
      }
      bodyBegun = true
      if (res.write(chunk)) stream().consumed(chunk.length)
      else unconfirmed += chunk.length
    },
    end() {
      if (res.headersSent) res.end()
      else answerError(res, 'ERR_BAD_GATEWAY', `Host ${tunnel.hostId} ended the request without a response`)
    },
    reset(code, message) {
      // A response that has begun cannot become an error any more: cutting it is the only honest end.
      if (res.headersSent) res.destroy()
      else {
        const sentence = sentenceOfReset(tunnel.hostId, code, message)
        answerError(
          res,
          errorOfReset(code),
          sentence,
          { hostId: tunnel.hostId, reason: code },
          code === 'draining',
        )
      }
    },
  }
}

/** True where the request says that a body follows (RFC 9112 §6). */
export const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

export interface ForwardOptions {
  path: string
  headers: HeaderList
  /** Until response headers; starts again while request bytes still move. */
  responseTimeoutMs: number
  settled(status: number): void
}

/** Forwards one public request through a tunnel, streamed both ways. Answers the stream, so that it can be cut. */
export const forwardRequest = (
  tunnel: Tunnel,
  req: IncomingMessage,
  res: ServerResponse,
  options: ForwardOptions,
): TunnelStream => {
  const withBody = hasBody(req)
  const timer = setTimeout(() => {
    const seconds = options.responseTimeoutMs / 1000
    stream.reset('timeout')
    answerError(
      res,
      'ERR_GATEWAY_TIMEOUT',
      `Host ${tunnel.hostId} sent no response headers within ${seconds} s`,
      {
        hostId: tunnel.hostId,
        responseTimeoutMs: options.responseTimeoutMs,
      },
    )
  }, options.responseTimeoutMs)
  const writer = responseWriter(
    tunnel,
    res,
    () => stream,
    (status) => {
      clearTimeout(timer)
      options.settled(status)
    },
  )
  const stream: TunnelStream = tunnel.streams.open({
    ...writer,
    response(head) {
      clearTimeout(timer)
      writer.response(head)
    },
    end() {
      writer.end()
      // Answered before the upload was complete: the host needs no more of it, and Node reads the rest away.
      if (!req.complete) stream.reset('client_gone')
    },
    reset(code, message) {
      clearTimeout(timer)
      writer.reset(code, message)
    },
    writable() {
      req.resume()
    },
  })
  stream.request({ method: req.method ?? 'GET', path: options.path, headers: options.headers }, withBody)
  if (withBody) {
    req.on('data', (chunk: Buffer) => {
      if (!res.headersSent) timer.refresh()
      if (!stream.over && !stream.write(chunk)) req.pause()
    })
    req.on('end', () => stream.end())
  } else {
    req.resume()
  }
  req.on('error', () => stream.reset('client_gone'))
  return stream
}
