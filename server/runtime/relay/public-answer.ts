import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AppError, type ErrorCode, type ErrorFacts } from '../../contract/errors.ts'

/** Answers with a small JSON document; nothing happens when an answer has begun already. */
export const answerJson = (res: ServerResponse, status: number, body: unknown, close = false): void => {
  if (res.headersSent || res.destroyed) return
  const text = Buffer.from(JSON.stringify(body))
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': text.length,
    'Cache-Control': 'no-store',
    ...(close ? { Connection: 'close' } : {}),
  })
  res.end(text)
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

/** A response on a socket that asked for an upgrade it does not get. The connection ends with it. */
export const refusedUpgradeResponse = (req: IncomingMessage, socket: Duplex): ServerResponse => {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  res.assignSocket(socket as Socket)
  res.on('finish', () => {
    res.detachSocket(socket as Socket)
    ;(socket as Socket).destroySoon()
  })
  return res
}
