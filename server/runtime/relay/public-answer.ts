import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError, type ErrorCode, type ErrorFacts } from '../../contract/errors.ts'

/** True where the request says that a body follows (RFC 9112 §6). */
export const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

/** True while a part of the request's body has not come yet. */
export const bodyPending = (req: IncomingMessage): boolean => !req.complete && hasBody(req)

/** How long the rest of a body may take whose answer is complete already, before its connection is cut. */
const REST_OF_BODY_MS = 2_000

/** The answer is complete and the body is not: the client has a moment to end it, so that it reads the answer and not a reset. */
export const limitRestOfBody = (req: IncomingMessage): void => {
  if (!bodyPending(req)) return
  req.resume()
  const cut = setTimeout(() => req.destroy(), REST_OF_BODY_MS)
  req.once('close', () => clearTimeout(cut))
}

/**
 * Answers with a small JSON document; nothing happens when an answer has begun already. Never throws: failures end here, and an answer
 * that cannot be written ends its connection. Where a body is still on its way the connection closes too: the rest of it is not read on.
 */
export const answerJson = (res: ServerResponse, status: number, body: unknown, close = false): void => {
  if (res.headersSent || res.destroyed) return
  try {
    const text = Buffer.from(JSON.stringify(body))
    // The phrase is named, because a head that could not be written leaves its own behind.
    res.writeHead(status, STATUS_CODES[status] ?? 'Error', {
      'Content-Type': 'application/json',
      'Content-Length': text.length,
      'Cache-Control': 'no-store',
      ...(close || bodyPending(res.req) ? { Connection: 'close' } : {}),
    })
    res.end(text)
  } catch {
    res.destroy()
  }
}

/** Answers with an error of the contract; the status is that of its code. */
export const answerError = (
  res: ServerResponse,
  code: ErrorCode,
  message: string,
  facts: ErrorFacts = {},
  close = false,
): number => {
  const error = new AppError(code, message, facts)
  answerJson(res, error.status, error.toBody(), close)
  return error.status
}

const refusals = new WeakMap<Duplex, ServerResponse>()

/**
 * A response on a socket that asked for an upgrade it does not get. The connection ends with it. There is one for each socket: a second
 * call returns the same, and an answer that has begun is not begun again.
 */
export const refusedUpgradeResponse = (req: IncomingMessage, socket: Duplex): ServerResponse => {
  const given = refusals.get(socket)
  if (given !== undefined) return given
  const res = new ServerResponse(req)
  refusals.set(socket, res)
  res.shouldKeepAlive = false
  res.assignSocket(socket as Socket)
  res.on('finish', () => {
    res.detachSocket(socket as Socket)
    ;(socket as Socket).destroySoon()
  })
  return res
}
