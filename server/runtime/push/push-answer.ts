import { constants } from 'node:http2'

/** What became of one request on one session. `status` is null when no response headers came. */
export interface PushAnswer {
  status: number | null
  /** The body's `reason`, where there is one. */
  reason: string | null
  retryAfterMs: number | null
  /** Why there is no status: a short word or an error code. Null when there is one. */
  failure: string | null
  /** True when the failure is one of those after which a fresh session may do better. */
  sessionFatal: boolean
  /** True when the peer asked for calm (RFC 9113 §7, ENHANCE_YOUR_CALM). */
  calm: boolean
  /**
   * True where it is proved that the peer did not process the request: REFUSED_STREAM, a stream above GOAWAY's last (RFC 9113
   * §6.8, §8.7), or a request that never left. Only then may it be sent again without the risk of a second delivery.
   */
  unprocessed: boolean
  /** True where it timed out on a session that answers nothing any more: another one may do better. */
  unanswered: boolean
}

/** Errors after which the session is not to be used again, whatever `session.destroyed` says. */
const SESSION_FATAL = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_STREAM_CANCEL',
  'NGHTTP2_REFUSED_STREAM',
  'NGHTTP2_ENHANCE_YOUR_CALM',
  'NGHTTP2_INTERNAL_ERROR',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
])

const RESET_NAMES = new Map<number, string>(
  Object.entries(constants)
    .filter(
      ([name, value]) =>
        typeof value === 'number' &&
        /^NGHTTP2_(NO_ERROR|PROTOCOL_ERROR|INTERNAL_ERROR|FLOW_CONTROL_ERROR|SETTINGS_TIMEOUT|STREAM_CLOSED|FRAME_SIZE_ERROR|REFUSED_STREAM|CANCEL|COMPRESSION_ERROR|CONNECT_ERROR|ENHANCE_YOUR_CALM|INADEQUATE_SECURITY|HTTP_1_1_REQUIRED)$/.test(
          name,
        ),
    )
    .map(([name, value]) => [value as number, name]),
)

/** Name of an HTTP/2 error code (RFC 9113 §7), as `NGHTTP2_…`. */
export const resetName = (code: number): string => RESET_NAMES.get(code) ?? `NGHTTP2_ERROR_${code}`

const EMPTY = { status: null, reason: null, retryAfterMs: null } as const

/** The failure behind an error: the most telling name among its code, its message and its stream's reset code. */
export const failureOf = (
  error: unknown,
  resetCode?: number,
): { failure: string; sessionFatal: boolean; calm: boolean } => {
  const reset =
    resetCode === undefined || resetCode === constants.NGHTTP2_NO_ERROR ? null : resetName(resetCode)
  const message = error instanceof Error ? error.message : ''
  const named = /NGHTTP2_[A-Z_0-9]+/.exec(message)?.[0] ?? null
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : null
  const calm =
    reset === 'NGHTTP2_ENHANCE_YOUR_CALM' ||
    named === 'NGHTTP2_ENHANCE_YOUR_CALM' ||
    /error code 11\b/.test(message)
  const names = [code, named, reset, calm ? 'NGHTTP2_ENHANCE_YOUR_CALM' : null].filter(
    (name) => name !== null,
  )
  const fatal = names.find((name) => SESSION_FATAL.has(name))
  if (fatal !== undefined) return { failure: fatal, sessionFatal: true, calm }
  if (/GOAWAY/i.test(message)) return { failure: 'ERR_HTTP2_GOAWAY_SESSION', sessionFatal: true, calm }
  return { failure: named ?? reset ?? code ?? 'error', sessionFatal: false, calm }
}

/** What is known of a request that got no status; what is not given is false. */
export const failedAnswer = (
  failure: string,
  known: Partial<Pick<PushAnswer, 'sessionFatal' | 'calm' | 'unprocessed' | 'unanswered'>> = {},
): PushAnswer => ({
  ...EMPTY,
  failure,
  sessionFatal: false,
  calm: false,
  unprocessed: false,
  unanswered: false,
  ...known,
})

/** `Retry-After` (RFC 9110 §10.2.3) in milliseconds from now: seconds or a date; null where it is absent or neither. */
export const retryAfterMs = (value: string | string[] | undefined, nowMs: number): number | null => {
  const text = (Array.isArray(value) ? value[0] : value)?.trim()
  if (text === undefined || text === '') return null
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs)
}

/** The `reason` of an APNs error body, `{"reason": "…"}`; null for what is not one: the body is a stranger's. */
export const readReason = (body: string): string | null => {
  if (body === '') return null
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null) return null
    const { reason } = value as Record<string, unknown>
    return typeof reason === 'string' && /^[A-Za-z0-9_]{1,64}$/.test(reason) ? reason : null
  } catch {
    return null // an HTML page from something in between, for example
  }
}
