import type { ErrorCode } from '@/server/contract/errors.ts'
import { noteServerTime } from './clock.ts'
import { endSession, hasSessionEnded } from './session.ts'

/** `ERR_UNREACHABLE` is the browser's own: no answer arrived at all. */
export type ApiErrorCode = ErrorCode | 'ERR_UNREACHABLE'

/** A refusal or fault of the API. Callers branch on `code`; `message` is the server's sentence. */
export class ApiError extends Error {
  readonly code: ApiErrorCode
  /** HTTP status; 0 where no answer arrived. */
  readonly status: number
  readonly facts: Record<string, unknown>
  readonly retryAfterSeconds: number | null

  constructor(
    code: ApiErrorCode,
    message: string,
    status: number,
    facts: Record<string, unknown>,
    retryAfterSeconds: number | null = null,
  ) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.status = status
    this.facts = facts
    this.retryAfterSeconds = retryAfterSeconds
  }
}

let answeredAt: number | null = null

/** When the server answered a request last, whatever it said; epoch ms by this browser's clock, null before the first. */
export const lastAnsweredAt = (): number | null => answeredAt

const TIMEOUT_MS = 15_000
const BASE = '/api/v1'

interface ErrorBody {
  error?: { code?: string; message?: string; facts?: Record<string, unknown> }
}

const toError = async (response: Response): Promise<ApiError> => {
  const body = (await response.json().catch(() => ({}))) as ErrorBody
  const retryAfter = Number(response.headers.get('retry-after'))
  return new ApiError(
    (body.error?.code as ApiErrorCode | undefined) ??
      (response.status === 401 ? 'ERR_UNAUTHENTICATED' : 'ERR_INTERNAL'),
    body.error?.message ?? `The server answered ${response.status}`,
    response.status,
    body.error?.facts ?? {},
    Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  )
}

/** One request with a deadline. Throws `ApiError` for whatever is not a success. */
export const request = async <T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<T> => {
  // Signed out, every answer would be a refusal: a tab that is left open asks nothing until somebody signs in again.
  if (hasSessionEnded() && !path.startsWith('/api/'))
    throw new ApiError('ERR_UNAUTHENTICATED', 'This session has ended', 401, {})
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  let response: Response
  try {
    response = await fetch(path.startsWith('/api/') ? path : BASE + path, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError('ERR_UNREACHABLE', 'The server did not answer', 0, { path })
  }
  answeredAt = Date.now()
  noteServerTime(response.headers.get('date'))
  if (!response.ok) {
    const error = await toError(response)
    // A session that ends keeps the page: the dialog signs in again in place.
    if (error.status === 401 && !path.startsWith('/api/auth/')) endSession()
    throw error
  }
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  request<T>('GET', path, undefined, signal)
export const post = <T>(path: string, body: unknown = {}): Promise<T> => request<T>('POST', path, body)
export const patch = <T>(path: string, body: unknown): Promise<T> => request<T>('PATCH', path, body)
export const remove = (path: string, body?: unknown): Promise<void> => request<void>('DELETE', path, body)

/** The query string of the values that are set; arrays become comma-separated lists. */
export const query = (
  values: Record<string, string | number | readonly string[] | null | undefined>,
): string => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
      continue
    parameters.set(name, Array.isArray(value) ? value.join(',') : String(value))
  }
  const text = parameters.toString()
  return text ? `?${text}` : ''
}
