/** A control frame carries 125 bytes at most, two of them the code (RFC 6455 §5.5). */
export const MAX_REASON_BYTES = 123

/** Cuts a close reason to what a close frame can carry, never inside a UTF-8 character. */
export const clipReason = (reason: string): string => {
  const bytes = Buffer.from(reason, 'utf8')
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  // Continuation bytes are 10xxxxxx; step back to the start of the character that does not fit.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}
