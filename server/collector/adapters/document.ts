import { type Health, healthSchema } from '../../contract/index.ts'

const MAX_DEPTH = 8
const MAX_STRING = 256
/** Control characters, and the bidi controls that make text read other than it is (Unicode TR #9). */
const HIDDEN = /[\p{Cc}\p{Bidi_Control}]/gu
/** Parts that a node may lack; one that is malformed is dropped and the rest is kept. */
const OPTIONAL_PARTS = new Set(['problems', 'listeners', 'proxy', 'relay', 'push'])

export type DocumentReading =
  | { ok: true; document: Health; partial: string[] }
  | { ok: false; reason: string }

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

/** Reads a `/health` document field by field. What a node sends is hostile input. */
export const readDocument = (text: string): DocumentReading => {
  const depth = depthOf(text)
  if (depth > MAX_DEPTH)
    return { ok: false, reason: `the document is ${depth} levels deep; at most ${MAX_DEPTH} are read` }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return {
      ok: false,
      reason: `the body is not JSON; it begins with ${JSON.stringify(cleanText(text.slice(0, 40)))}`,
    }
  }
  const value = cleanValue(parsed)
  const whole = healthSchema.safeParse(value)
  if (whole.success) return { ok: true, document: whole.data, partial: [] }

  const badParts = new Set(whole.error.issues.map((issue) => String(issue.path[0] ?? '')))
  const partial = [...badParts].filter((part) => OPTIONAL_PARTS.has(part))
  if (partial.length > 0 && partial.length === badParts.size) {
    const rest = { ...(value as Record<string, unknown>) }
    for (const part of partial) delete rest[part]
    const reduced = healthSchema.safeParse(rest)
    if (reduced.success) return { ok: true, document: reduced.data, partial }
  }
  const issue = whole.error.issues[0]
  const path = issue?.path.join('.') ?? ''
  return {
    ok: false,
    reason: `the document is not a health document: ${path === '' ? 'body' : path}: ${issue?.message ?? 'invalid'}`,
  }
}
