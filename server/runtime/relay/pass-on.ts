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

/** How long dialling a fellow relay may take: it is near, so a longer wait only means that it is gone. */
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

/** One request on its way to the relay that owns its host, until that relay has answered. */
class OwnerCall {
  readonly out: ClientRequest
  readonly #options: PassOnOptions
  readonly #timer: NodeJS.Timeout | null
  #late = false
  #settled = false

  constructor(req: IncomingMessage, options: PassOnOptions, upgrade: boolean) {
    this.#options = options
    this.out = dial(req, options, upgrade)
    const { responseTimeoutMs } = options
    this.#timer = responseTimeoutMs > 0 ? setTimeout(() => this.#giveUp(), responseTimeoutMs) : null
  }

  get settled(): boolean {
    return this.#settled
  }

  /** The owner has answered, or cannot. */
  stopWaiting(): void {
    if (this.#timer) clearTimeout(this.#timer)
  }

  /** The client is still sending: the owner's time starts again. */
  waitAnew(): void {
    this.#timer?.refresh()
  }

  /** Only the first status counts: that is what the client got. */
  settle(status: number): void {
    if (this.#settled) return
    this.#settled = true
    this.stopWaiting()
    this.#options.settled(status)
  }

  /** The owner's head as it came. Where it cannot be sent on, the client gets a 502 instead, and null is returned. */
  writeHead(res: ServerResponse, answer: IncomingMessage): number | null {
    try {
      res.sendDate = false
      res.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEndHeaders(answer.rawHeaders))
      res.flushHeaders()
      return res.statusCode
    } catch {
      answer.destroy()
      return null
    }
  }

  /** Answers the client where the owner could not be asked, or gave no answer in time. Returns the status. */
  fail(res: ServerResponse): number {
    const { hostId, node } = this.#options
    // The client is gone: there is nobody for whom it failed.
    if (!res.destroyed) this.#options.failed()
    return this.#late
      ? answerError(
          res,
          'ERR_GATEWAY_TIMEOUT',
          `Relay ${node}, which owns the host, sent no response headers in time`,
          { hostId, node },
        )
      : answerError(res, 'ERR_BAD_GATEWAY', `Relay ${node}, which owns the host, could not be reached`, {
          hostId,
          node,
        })
  }

  #giveUp(): void {
    this.#late = true
    this.out.destroy(new Error('No response headers in time'))
  }
}

/** Passes a request to the relay that owns the host. Returns a function that cuts it. */
export const passRequestOn = (
  req: IncomingMessage,
  res: ServerResponse,
  options: PassOnOptions,
): (() => void) => {
  const call = new OwnerCall(req, options, false)
  const { out } = call
  let answered = false
  out.on('response', (answer) => {
    call.stopWaiting()
    answered = true
    if (call.writeHead(res, answer) === null) {
      call.fail(res)
      return
    }
    answer.pipe(res)
    answer.on('end', () => {
      req.unpipe(out)
      limitRestOfBody(req)
    })
    answer.on('error', () => res.destroy())
    // Cut short upstream: the client must not take it for a complete response.
    answer.on('close', () => {
      if (!answer.complete) res.destroy()
    })
  })
  out.on('error', () => {
    call.stopWaiting()
    // The owner has answered and takes no more of the body: its answer is still on its way.
    if (answered) return
    if (res.headersSent) res.destroy()
    else call.fail(res)
  })
  res.on('close', () => {
    out.destroy()
    call.settle(res.headersSent ? res.statusCode : 499)
  })
  req.on('data', () => call.waitAnew())
  req.pipe(out)
  if (hasBody(req)) flushHeadSoon(out, req)
  req.on('error', () => out.destroy())
  return () => {
    answerError(res, 'ERR_DRAINING', 'This relay is draining', {}, true)
    res.destroy()
  }
}

/** Passes a WebSocket upgrade to the relay that owns the host: from then on bytes, both ways. Returns a function that cuts it. */
export const passUpgradeOn = (
  req: IncomingMessage,
  socket: Duplex,
  early: EarlyBytes,
  options: PassOnOptions,
): (() => void) => {
  const call = new OwnerCall(req, options, true)
  const { out } = call
  out.on('upgrade', (answer, upstream: Socket, upstreamHead: Buffer) => {
    call.settle(101)
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
    call.stopWaiting()
    const res = refusedUpgradeResponse(req, socket)
    const status = call.writeHead(res, answer)
    if (status === null) {
      call.settle(call.fail(res))
      return
    }
    call.settle(status)
    answer.pipe(res)
    answer.on('error', () => socket.destroy())
  })
  out.on('error', () => {
    if (call.settled || socket.destroyed) socket.destroy()
    else call.settle(call.fail(refusedUpgradeResponse(req, socket)))
  })
  socket.on('close', () => {
    out.destroy()
    call.settle(499)
  })
  out.end()
  return () => socket.destroy()
}
