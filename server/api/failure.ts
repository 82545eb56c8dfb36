import { ulid } from 'ulid'
import { AppError } from '../contract/index.ts'
import type { ApiContext, ApiOptions } from './context.ts'

/** Turns whatever a handler threw into the one shape of error. Stacks and foreign messages go to the log alone. */
export const answerFailure = (
  options: Pick<ApiOptions, 'log' | 'store'>,
  context: ApiContext,
  error: unknown,
): Response => {
  const failure = error instanceof AppError ? error : unexpected(options, context, error)
  if (failure.retryAfterSeconds !== null) context.header('Retry-After', String(failure.retryAfterSeconds))
  if (failure.code === 'ERR_UNAUTHENTICATED') context.header('WWW-Authenticate', 'Bearer')
  return context.json(failure.toBody(), failure.status as 400)
}

const unexpected = (
  options: Pick<ApiOptions, 'log' | 'store'>,
  context: ApiContext,
  error: unknown,
): AppError => {
  const { ok, reason } = options.store.health()
  if (!ok)
    return new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The store is unavailable: ${reason}`,
      { reason },
      { cause: error },
    )
  const ref = ulid()
  options.log.error(
    { err: error, ref, method: context.req.method, path: context.req.path },
    'a request failed',
  )
  return new AppError(
    'ERR_INTERNAL',
    `The server failed at this request; its log has the reason under ${ref}`,
    { ref },
  )
}
