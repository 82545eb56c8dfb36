const MAX_DEPTH = 8
const MAX_STRING = 256
/** Control characters, the bidi controls that make text read other than it is (Unicode UAX #9), and spaces that nobody sees. */
const HIDDEN = /[\p{Cc}\p{Bidi_Control}\u200b\u2028\u2029\u2060-\u2065\ufeff]/gu

export type JsonReading = { ok: true; value: unknown } | { ok: false; reason: string }

/** Depth of nesting in JSON text, found without building anything, so that hostile depth costs one scan. */
export const depthOf = (text: string): number => {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === 0x5c) i += 1
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return deepest
}

/** Text from a node as it may be shown: hidden characters gone, cut to 256 characters. */
export const cleanText = (text: string): string => {
  const cut = text.length > MAX_STRING ? text.slice(0, MAX_STRING) : text
  HIDDEN.lastIndex = 0
  return HIDDEN.test(cut) ? cut.replace(HIDDEN, '') : cut
}

/** The same for every string and key of a parsed value. */
export const cleanValue = (value: unknown): unknown => {
  if (typeof value === 'string') return cleanText(value)
  if (Array.isArray(value)) return value.map(cleanValue)
  if (typeof value === 'object' && value !== null) {
    const clean: Record<string, unknown> = {}
    for (const [key, entry] of Object.entries(value)) {
      // JSON.parse makes an own property of it; copying it would set a prototype.
      if (key !== '__proto__') clean[cleanText(key)] = cleanValue(entry)
    }
    return clean
  }
  return value
}

/** Parses what a node sent, bounded in depth and cleaned. Never throws. */
export const readJson = (text: string): JsonReading => {
  const depth = depthOf(text)
  if (depth > MAX_DEPTH)
    return { ok: false, reason: `the document is ${depth} levels deep; at most ${MAX_DEPTH} are read` }
  try {
    return { ok: true, value: cleanValue(JSON.parse(text)) }
  } catch {
    return {
      ok: false,
      reason: `the body is not JSON; it begins with ${JSON.stringify(cleanText(text.slice(0, 40)))}`,
    }
  }
}
