import { type Health, healthSchema } from '../../../contract/health.ts'
import { checkValue } from '../../../contract/issue-words.ts'
import { readJson } from '../untrusted-json.ts'

/** Parts that a node may lack; one that is malformed is dropped and the rest is kept. */
const OPTIONAL_PARTS = new Set(['problems', 'listeners', 'proxy', 'relay', 'push'])

export type DocumentReading =
  | { ok: true; document: Health; partial: string[] }
  | { ok: false; reason: string }

/** Reads a `/health` document field by field. What a node sends is hostile input. */
export const readDocument = (text: string): DocumentReading => {
  const read = readJson(text)
  if (!read.ok) return read
  const { value } = read
  const whole = checkValue(healthSchema, value)
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
