import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  BETWEEN_RELAYS,
  endToEndHeaders,
  FENCE_HEADER,
  flushHeadSoon,
  HOP_HEADER,
  PASS_HEADER,
} from '../tunnel/forwarded-headers.ts'
import type { HeaderList } from '../tunnel/frames.ts'
import type { EarlyBytes } from './early-bytes.ts'
import { answerError, hasBody, limitRestOfBody, refusedUpgradeResponse } from './public-answer.ts'

/** Dialling a fellow relay: it is near, so a long wait only means that it is gone. */
const CONNECT_TIMEOUT_MS = 5_000

export interface PassOnOptions {
  /** The owner's internal address. */
  url: string
  node: string
  hostId: string
  passKey: string
  /** How often the request will have been passed on, this time included. */
  hop: number
  /** The fence of the owner's entry. */
  fence: number
  /** Called once where the owner could not be reached, or sent no response headers in time. */
  failed(): void
  /** The client as this relay saw it; the owner believes it because of the pass key. */
  forwarded: HeaderList
  responseTimeoutMs: number
  /** Called once with the status that the client got. */
  settled(status: number): void
}

const dial = (req: IncomingMessage, options: PassOnOptions, upgrade: boolean): ClientRequest => {
  const url = new URL(options.url)
  const given = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'expect'])
  const headers = endToEndHeaders(req.rawHeaders, (name) => given.has(name) || BETWEEN_RELAYS.has(name))
  headers.push(HOP_HEADER, String(options.hop), ...options.forwarded)
  if (options.passKey !== '') {
    headers.push(PASS_HEADER, options.passKey, FENCE_HEADER, String(options.fence))
  }
  if (upgrade) headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  else {
    headers.push('Connection', 'close')
    if (req.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked')
    else if (req.headers['content-length'] === undefined && req.method !== 'GET' && req.method !== 'HEAD') {
      headers.push('Content-Length', '0')
    }
  }
  const out = request({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    method: req.method ?? 'GET',
    path: req.url ?? '/',
    headers,
    agent: false,
  })
  const connecting = setTimeout(
    () => out.destroy(new Error('The relay could not be reached in time')),
    CONNECT_TIMEOUT_MS,
  )
  out.once('socket', (socket: Socket) => {
    if (!socket.connecting) clearTimeout(connecting)
    else socket.once('connect', () => clearTimeout(connecting))
  })
  out.once('close', () => clearTimeout(connecting))
  return out
}

/** Answers the client when the owner could not be asked, or gave no answer in time. Answers the status. */
const answerFailure = (res: ServerResponse, options: PassOnOptions, late: boolean): number => {
  const facts = { hostId: options.hostId, node: options.node }
  // Nobody is there any more to whom it failed.
  if (!res.destroyed) options.failed()
  return late
    ? answerError(
        res,
        'ERR_GATEWAY_TIMEOUT',
        `Relay ${options.node}, which owns the host, sent no response headers in time`,
        facts,
      )
    : answerError(
        res,
        'ERR_BAD_GATEWAY',
        `Relay ${options.node}, which owns the host, could not be reached`,
        facts,
      )
}

/** The owner's head as it came; false where it cannot be sent on. */
const writeHeadOf = (res: ServerResponse, answer: IncomingMessage): boolean => {
  try {
    res.sendDate = false
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEndHeaders(answer.rawHeaders))
    res.flushHeaders()
    return true
  } catch {
    return false
  }
}

/** Calls `late` after `ms`, unless it is stopped; 0 waits for ever. */
const limitWait = (ms: number, late: () => void): { stop(): void; refresh(): void } => {
  const timer = ms > 0 ? setTimeout(late, ms) : null
  return {
    stop: () => {
      if (timer) clearTimeout(timer)
    },
    refresh: () => {
      timer?.refresh()
    },
  }
}

/** Passes a request to the relay that owns the host. Answers a function that cuts it. */
export const passRequestOn = (
  req: IncomingMessage,
  res: ServerResponse,
  options: PassOnOptions,
): (() => void) => {
  const out = dial(req, options, false)
  let late = false
  let done = false
  const { stop, refresh } = limitWait(options.responseTimeoutMs, () => {
    late = true
    out.destroy(new Error('No response headers in time'))
  })
  const settle = (status: number): void => {
    if (done) return
    done = true
    stop()
    options.settled(status)
  }
  let answered = false
  out.on('response', (answer) => {
    stop()
    answered = true
    if (!writeHeadOf(res, answer)) {
      answer.destroy()
      answerFailure(res, options, false)
      return
    }
    answer.pipe(res)
    answer.on('end', () => {
      req.unpipe(out)
      limitRestOfBody(req)
    })
    answer.on('error', () => res.destroy())
    // Cut short upstream: the client must not take it for a whole response.
    answer.on('close', () => {
      if (!answer.complete) res.destroy()
    })
  })
  out.on('error', () => {
    stop()
    // The owner has answered and takes no more of the body: what it said is still on its way.
    if (answered) return
    if (res.headersSent) res.destroy()
    else answerFailure(res, options, late)
  })
  res.on('close', () => {
    out.destroy()
    settle(res.headersSent ? res.statusCode : 499)
  })
  req.on('data', refresh)
  req.pipe(out)
  if (hasBody(req)) flushHeadSoon(out, req)
  req.on('error', () => out.destroy())
  return () => {
    answerError(res, 'ERR_DRAINING', 'This relay is draining', {}, true)
    res.destroy()
  }
}

/** Passes a WebSocket upgrade to the relay that owns the host: from then on bytes, both ways. Answers a function that cuts it. */
export const passUpgradeOn = (
  req: IncomingMessage,
  socket: Duplex,
  early: EarlyBytes,
  options: PassOnOptions,
): (() => void) => {
  const out = dial(req, options, true)
  let late = false
  let done = false
  const { stop } = limitWait(options.responseTimeoutMs, () => {
    late = true
    out.destroy(new Error('No response headers in time'))
  })
  const settle = (status: number): void => {
    if (done) return
    done = true
    stop()
    options.settled(status)
  }
  out.on('upgrade', (answer, upstream: Socket, upstreamHead: Buffer) => {
    settle(101)
    const lines = ['HTTP/1.1 101 Switching Protocols']
    for (let index = 0; index < answer.rawHeaders.length; index += 2) {
      lines.push(`${answer.rawHeaders[index]}: ${answer.rawHeaders[index + 1]}`)
    }
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (upstreamHead.length > 0) socket.write(upstreamHead)
    const head = early.take()
    if (head.length > 0) upstream.write(head)
    upstream.on('error', () => socket.destroy())
    upstream.on('close', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
    socket.pipe(upstream)
    upstream.pipe(socket)
  })
  out.on('response', (answer) => {
    stop()
    const res = refusedUpgradeResponse(req, socket)
    if (!writeHeadOf(res, answer)) {
      answer.destroy()
      settle(answerFailure(res, options, false))
      return
    }
    settle(res.statusCode)
    answer.pipe(res)
    answer.on('error', () => socket.destroy())
  })
  out.on('error', () => {
    if (done || socket.destroyed) socket.destroy()
    else settle(answerFailure(refusedUpgradeResponse(req, socket), options, late))
  })
  socket.on('close', () => {
    out.destroy()
    settle(499)
  })
  out.end()
  return () => socket.destroy()
}
