import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorCode } from '../../contract/errors.ts'
import type { HeaderList, ResetCode } from '../tunnel/frames.ts'
import type { StreamHandler, TunnelStream } from '../tunnel/tunnel-streams.ts'
import { answerError, bodyPending, hasBody, limitRestOfBody } from './public-answer.ts'
import { watchReader } from './reader-watch.ts'
import { failureOfReset } from './request-failures.ts'
import { ResponseFraming } from './response-framing.ts'
import type { Tunnel } from './tunnel.ts'

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
  readerIdleTimeoutMs: number,
  settled: (status: number) => void,
): Required<Pick<StreamHandler, 'response' | 'data' | 'end' | 'reset' | 'closed'>> => {
  let unconfirmed = 0
  let framing: ResponseFraming | null = null
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
  // Heard by the response, so that Node does not take a quiet stream of events for an idle connection.
  res.on('timeout', () => undefined)
  const endWatch = res.socket
    ? watchReader(res.socket, readerIdleTimeoutMs, () => res.destroy())
    : () => undefined
  res.on('close', () => {
    endWatch()
    // The client went away, or was told something else than the host's answer: the host may stop.
    stream().reset('client_gone')
    settle(res.headersSent ? res.statusCode : 499)
  })
  const reset = (given: ResetCode, message: string): void => {
    // The tunnel was closed by this relay's own drain: the client may take that for what it is, and ask elsewhere.
    const code = failureOfReset(given, tunnel) === 'draining' ? 'draining' : given
    // A response that has begun cannot become an error any more: cutting it is the only honest end.
    if (res.headersSent) {
      res.destroy()
      return
    }
    const facts = { hostId: tunnel.hostId, reason: code }
    answerError(
      res,
      errorOfReset(code),
      sentenceOfReset(tunnel.hostId, code, message),
      facts,
      code === 'draining',
    )
  }
  /** What the host sent cannot be a response: it costs this exchange, and nothing of it reaches the client. */
  const refuse = (what: string): void => {
    stream().reset('protocol_error', what)
    reset('protocol_error', `Host ${tunnel.hostId} sent ${what}`)
  }
  return {
    response(head) {
      if (res.destroyed) return
      if (framing !== null) {
        refuse('a second response')
        return
      }
      const checked = ResponseFraming.of(head, res.req.method ?? 'GET')
      if (typeof checked === 'string') {
        refuse(checked)
        return
      }
      framing = checked
      // The head is the host's as it is; Node adds only what belongs to this connection.
      res.sendDate = false
      try {
        res.writeHead(head.status, head.message, checked.headers)
      } catch {
        refuse('a response head that cannot be sent on')
        return
      }
      // A head whose body comes later must not wait for it (server-sent events); one with a body in hand shares its segment.
      setImmediate(() => {
        if (!bodyBegun && !res.writableEnded && !res.destroyed) res.flushHeaders()
      })
    },
    data(chunk) {
      if (res.destroyed) return
      const fault = framing === null ? 'a body before its head' : framing.take(chunk.length)
      if (fault !== null) {
        refuse(fault)
        return
      }
      bodyBegun = true
      if (res.write(chunk)) stream().consumed(chunk.length)
      else unconfirmed += chunk.length
    },
    end() {
      if (res.destroyed) return
      const fault = framing === null ? 'an end without a response' : framing.finish()
      if (fault === null) res.end()
      else refuse(fault)
    },
    reset,
    closed: () => refuse('a close where no WebSocket is'),
  }
}

export interface ForwardOptions {
  path: string
  headers: HeaderList
  /** Until response headers, counted while it is the host's turn; 0 waits. */
  responseTimeoutMs: number
  /** Between two parts of the request's body, counted while it is the client's turn; 0 waits. */
  bodyIdleTimeoutMs: number
  /** While the client takes nothing of the response that waits for it; 0 waits. */
  readerIdleTimeoutMs: number
  settled(status: number): void
}

/** A public request that is forwarded: its stream, so that it can be cut, and how fast its client is. */
export interface ForwardedRequest {
  stream: TunnelStream
  /** Bytes a second that the client sends or takes while it is its turn; null while it is the host's. */
  clientPace(): number | null
}

/** Forwards one public request through a tunnel, streamed both ways. */
export const forwardRequest = (
  tunnel: Tunnel,
  req: IncomingMessage,
  res: ServerResponse,
  options: ForwardOptions,
): ForwardedRequest => {
  const { hostId } = tunnel
  const withBody = hasBody(req)
  const beganMs = performance.now()
  let sentBytes = 0
  let takenBytes = 0
  const hostIsLate = (): void => {
    const { responseTimeoutMs } = options
    const sentence = `Host ${hostId} sent no response headers within ${responseTimeoutMs / 1000} s`
    stream.reset('timeout')
    answerError(res, 'ERR_GATEWAY_TIMEOUT', sentence, { hostId, responseTimeoutMs })
  }
  const clientIsLate = (): void => {
    const { bodyIdleTimeoutMs } = options
    const sentence = `Nothing of the request body came for ${bodyIdleTimeoutMs / 1000} s`
    stream.reset('client_gone')
    answerError(res, 'ERR_REQUEST_TIMEOUT', sentence, { bodyIdleTimeoutMs }, true)
  }
  let timer: NodeJS.Timeout | null = null
  let turn: 'host' | 'client' | null = null
  let answered = false
  /** Starts the wait anew, for whoever has to move next. */
  const wait = (): void => {
    if (answered) return
    const next = bodyPending(req) && !req.isPaused() ? 'client' : 'host'
    if (next === turn) {
      timer?.refresh()
      return
    }
    turn = next
    if (timer) clearTimeout(timer)
    const ms = next === 'host' ? options.responseTimeoutMs : options.bodyIdleTimeoutMs
    timer = ms > 0 ? setTimeout(next === 'host' ? hostIsLate : clientIsLate, ms) : null
  }
  const stopWaiting = (): void => {
    answered = true
    if (timer) clearTimeout(timer)
  }
  const writer = responseWriter(
    tunnel,
    res,
    () => stream,
    options.readerIdleTimeoutMs,
    (status) => {
      stopWaiting()
      options.settled(status)
    },
  )
  const stream: TunnelStream = tunnel.streams.open({
    ...writer,
    response(head) {
      stopWaiting()
      writer.response(head)
    },
    data(chunk) {
      takenBytes += chunk.length
      writer.data(chunk)
    },
    end() {
      stopWaiting()
      writer.end()
      if (!bodyPending(req)) return
      // Answered before the upload was complete: the host needs no more of it.
      stream.reset('client_gone')
      limitRestOfBody(req)
    },
    reset(code, message) {
      stopWaiting()
      writer.reset(code, message)
    },
    writable() {
      req.resume()
      wait()
    },
  })
  stream.request({ method: req.method ?? 'GET', path: options.path, headers: options.headers }, withBody)
  if (withBody) {
    req.on('data', (chunk: Buffer) => {
      sentBytes += chunk.length
      if (!stream.over && !stream.write(chunk)) req.pause()
      wait()
    })
    req.on('end', () => {
      stream.end()
      wait()
    })
  } else {
    req.resume()
  }
  req.on('error', () => stream.reset('client_gone'))
  wait()
  return {
    stream,
    clientPace() {
      const seconds = Math.max(0.001, (performance.now() - beganMs) / 1000)
      if (bodyPending(req) && !req.isPaused()) return sentBytes / seconds
      return res.writableLength > 0 ? Math.max(0, takenBytes - res.writableLength) / seconds : null
    },
  }
}
