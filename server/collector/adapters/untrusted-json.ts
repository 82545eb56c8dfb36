const MAX_DEPTH = 8
const MAX_STRING = 256
/** Control characters, the bidi controls that make text read other than it is (Unicode UAX #9), and spaces that nobody sees. */
const HIDDEN = /[\p{Cc}\p{Bidi_Control}\u200b\u2028\u2029\u2060-\u2065\ufeff]/gu

export type JsonReading = { ok: true; value: unknown } | { ok: false; reason: string }

interface Shape {
  /** Depth of nesting. */
  depth: number
  /** Characters of the longest string. */
  longest: number
}

/** The shape of JSON text, found without building anything, so that hostile depth costs one scan. */
const shapeOf = (text: string): Shape => {
  let depth = 0
  let deepest = 0
  let longest = 0
  /** Where the string that is open begins; -1 outside of strings. */
  let begun = -1
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (begun >= 0) {
      if (code === 0x5c) i += 1
      else if (code === 0x22) {
        if (i - begun > longest) longest = i - begun
        begun = -1
      }
    } else if (code === 0x22) begun = i + 1
    else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return { depth: deepest, longest }
}

/** What is looked at byte by byte: an answer is scanned before anything else is, so one place does for all of them. */
const SCANNED = Buffer.allocUnsafeSlow(65_536)
/** What a byte of JSON text does: 0 nothing, 1 opens, 2 closes, 3 begins or ends a string, 4 is nothing that plain text has. */
const DOES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x7b || byte === 0x5b) return 1
  if (byte === 0x7d || byte === 0x5d) return 2
  if (byte === 0x22) return 3
  const isSpace = byte === 0x09 || byte === 0x0a || byte === 0x0d
  return byte === 0x5c || byte > 0x7e || (byte < 0x20 && !isSpace) ? 4 : 0
})

/**
 * The same of text in which nothing is hidden or written by an escape: printable ASCII, and the space between values. Null where it has
 * anything else. Bytes are scanned several times as fast as characters are.
 */
const plainShapeOf = (text: string): Shape | null => {
  if (text.length > SCANNED.length) return null
  const length = SCANNED.write(text, 'utf8')
  if (length !== text.length) return null
  let depth = 0
  let deepest = 0
  let longest = 0
  for (let i = 0; i < length; i += 1) {
    const does = DOES[SCANNED[i] as number]
    if (does === 0) continue
    if (does === 4) return null
    if (does === 1) {
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (does === 2) depth -= 1
    else {
      const begun = i + 1
      for (i = begun; i < length && SCANNED[i] !== 0x22; i += 1)
        if (DOES[SCANNED[i] as number] === 4) return null
      if (i < length && i - begun > longest) longest = i - begun
    }
  }
  return { depth: deepest, longest }
}

/** Depth of nesting in JSON text. */
export const depthOf = (text: string): number => shapeOf(text).depth

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
  const plain = plainShapeOf(text)
  const { depth, longest } = plain ?? shapeOf(text)
  if (depth > MAX_DEPTH)
    return { ok: false, reason: `the document is ${depth} levels deep; at most ${MAX_DEPTH} are read` }
  try {
    const value: unknown = JSON.parse(text)
    // Nearly every answer is as clean as it comes: looking at its text costs a fraction of copying its values.
    const isClean = longest <= MAX_STRING && plain !== null && !text.includes('"__proto__"')
    return { ok: true, value: isClean ? value : cleanValue(value) }
  } catch {
    return {
      ok: false,
      reason: `the body is not JSON; it begins with ${JSON.stringify(cleanText(text.slice(0, 40)))}`,
    }
  }
}
