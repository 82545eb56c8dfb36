/** RFC 9110 §10.2.3: seconds, or a date. Milliseconds from now; null where it says neither, or nothing to wait for. */
export const retryAfterMs = (value: string | undefined, now: number): number | null => {
  if (value === undefined) return null
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return waitMs > 0 ? waitMs : null
}

/** What an authority said comes from outside: one line, and not a long one. */
const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').slice(0, 240)

/** An authority refused something (RFC 8555 §6.7), or could not be asked. */
export class AcmeFault extends Error {
  /** The last part of the problem's type, such as `rateLimited`; `unreachable` and `malformedAnswer` are ours. */
  readonly type: string
  /** How long it asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | null

  constructor(type: string, detail: string, retryAfter: number | null = null) {
    super(plain(detail))
    this.type = plain(type).slice(0, 64)
    this.retryAfterMs = retryAfter
  }
}
