import type { Duplex } from 'node:stream'
import type { AppError } from '../contract/errors.ts'
import { answerOnSocket } from '../wire/raw-answer.ts'

/** Answers an upgrade with a plain HTTP error and ends the connection, also where the peer leaves its half open. */
export const refuse = (socket: Duplex, error: AppError): void => {
  const { status, retryAfterSeconds } = error
  answerOnSocket(socket, {
    status,
    headers: {
      'Cache-Control': 'no-store',
      ...(retryAfterSeconds === null ? {} : { 'Retry-After': String(retryAfterSeconds) }),
    },
    body: error.toBody(),
  })
}
