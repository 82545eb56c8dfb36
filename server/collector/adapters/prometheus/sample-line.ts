/** One series of a page with its value, as its line says it. */
export interface Sample {
  readonly labels: ReadonlyMap<string, string>
  /** May be NaN or infinite: what that means is for others to judge. */
  readonly value: number
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const WORD = /^([+-]?)(?:inf|infinity)$/i
const MAX_LABELS = 64

/**
 * Reads what follows the name of a series: labels, value, and then at most a timestamp and an exemplar, which say nothing that is used
 * here. Prometheus text 0.0.4 and OpenMetrics 1.0, whichever is more generous. Null where it is neither.
 */
export const readSample = (rest: string): Sample | null => {
  let at = skipSpace(rest, 0)
  let labels: ReadonlyMap<string, string> = NO_LABELS
  if (rest[at] === '{') {
    const read = readLabels(rest, at + 1)
    if (read === null) return null
    labels = read.labels
    at = skipSpace(rest, read.end)
  }
  const end = endOfWord(rest, at)
  const value = numberOf(rest.slice(at, end))
  if (value === null) return null
  return isTail(rest, end) ? { labels, value } : null
}

const NO_LABELS: ReadonlyMap<string, string> = new Map()

const isSpace = (char: string | undefined): boolean => char === ' ' || char === '\t'

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (isSpace(text[at])) at += 1
  return at
}

const endOfWord = (text: string, from: number): number => {
  let at = from
  while (at < text.length && !isSpace(text[at])) at += 1
  return at
}

const numberOf = (word: string): number | null => {
  if (NUMBER.test(word)) return Number(word)
  if (/^nan$/i.test(word)) return Number.NaN
  const infinite = WORD.exec(word)
  if (infinite === null) return null
  return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** What may follow a value: nothing, a timestamp, an exemplar after either. */
const isTail = (text: string, from: number): boolean => {
  let at = skipSpace(text, from)
  if (at === text.length) return true
  if (text[at] !== '#') {
    const end = endOfWord(text, at)
    if (!NUMBER.test(text.slice(at, end))) return false
    at = skipSpace(text, end)
  }
  if (at === text.length) return true
  // An exemplar (OpenMetrics 1.0): labels, a value, perhaps a time.
  return text.startsWith('# {', at) && readLabels(text, at + 3) !== null
}

/** From behind the opening brace; null where a label is not closed, not escaped as it should be, or there twice. */
const readLabels = (text: string, from: number): { labels: Map<string, string>; end: number } | null => {
  const labels = new Map<string, string>()
  let at = skipSpace(text, from)
  while (text[at] !== '}') {
    const equals = text.indexOf('=', at)
    if (equals < 0) return null
    const name = text.slice(at, equals).trim()
    at = skipSpace(text, equals + 1)
    if (!/^[^\s{}",#\\]+$/.test(name) || labels.has(name) || text[at] !== '"') return null
    const quoted = readQuoted(text, at + 1)
    if (quoted === null || labels.size >= MAX_LABELS) return null
    labels.set(name, quoted.value)
    at = skipSpace(text, quoted.end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
    else if (text[at] !== '}') return null
  }
  return { labels, end: at + 1 }
}

/** `\\`, `\"` and `\n` are escapes; any other backslash is one. */
const readQuoted = (text: string, from: number): { value: string; end: number } | null => {
  let value = ''
  let copied = from
  for (let at = from; at < text.length; at += 1) {
    const char = text[at]
    if (char === '"') return { value: value + text.slice(copied, at), end: at + 1 }
    if (char !== '\\') continue
    const escaped = text[at + 1]
    if (escaped === '\\' || escaped === '"' || escaped === 'n') {
      value += text.slice(copied, at) + (escaped === 'n' ? '\n' : escaped)
      copied = at + 2
    }
    at += 1
  }
  return null
}
