/** RFC 8446 §6: what is said before a connection is closed in the middle of a handshake. */
const DESCRIPTIONS = {
  access_denied: 49,
  decode_error: 50,
  internal_error: 80,
  unrecognized_name: 112,
} as const

/** A fatal alert in the clear, as every version reads it before keys are agreed on. */
export const alert = (description: keyof typeof DESCRIPTIONS): Buffer =>
  Buffer.from([21, 3, 3, 0, 2, 2, DESCRIPTIONS[description]])
