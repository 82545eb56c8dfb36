import { cleanText } from '../untrusted-json.ts'
import { readSample, type Sample } from './sample-line.ts'

/** Bytes of one line; a longer one is skipped, and counted as one that cannot be read. */
const MAX_LINE_BYTES = 65_536
/** Series of one name that are kept; of more, none is believed, because a sum of some would be wrong. */
const MAX_SERIES_PER_NAME = 2_000
/** Names that are kept to tell near ones from, where that is asked for. */
const MAX_NAMES = 1_000
/** Bad lines that are told one by one. */
const MAX_TOLD = 3

const NEWLINE = 0x0a
const RETURN = 0x0d
const SPACE = 0x20
const TAB = 0x09
const HASH = 0x23
const BRACE = 0x7b

export interface BadLine {
  readonly line: number
  /** In words that follow "line 12". */
  readonly why: string
}

/** What a page says by the names that were asked for. */
export interface Page {
  readonly series: ReadonlyMap<string, readonly Sample[]>
  /** By the whole name of the series: what its `# TYPE` says. */
  readonly types: ReadonlyMap<string, string>
  /** Names with more series than are kept. */
  readonly crowded: ReadonlySet<string>
  /** Lines that are series, mapped or not. */
  readonly samples: number
  readonly badLines: number
  /** The first of them. */
  readonly told: readonly BadLine[]
  /** Names of series on the page; empty where they were not asked for. */
  readonly names: ReadonlySet<string>
  /** The first bytes, to say what else it is where it is no such page. */
  readonly head: Buffer
}

/** One name that is wanted, found by its length and its bytes. */
interface Wanted {
  readonly name: string
  readonly bytes: Buffer
  /** By their labels: the same series twice would be counted twice. */
  readonly seen: Map<string, Sample>
}

/**
 * Reads a page for Prometheus as its bytes come: of each line the name is compared, and only those of wanted series become text.
 * What it keeps is bounded by one line and the wanted series, however long the page is. Any split of the bytes reads the same.
 */
export class PageReader {
  readonly #byLength: Wanted[][] = []
  readonly #byFamily = new Map<string, string[]>()
  readonly #wantsNames: boolean
  readonly #names = new Set<string>()
  readonly #types = new Map<string, string>()
  readonly #crowded = new Set<string>()
  readonly #told: BadLine[] = []
  #head: Buffer = Buffer.alloc(0)
  /** The beginning of a line whose end has not come yet. */
  #rest: Buffer | null = null
  /** Within a line that is too long. */
  #skips = false
  #line = 0
  #samples = 0
  #badLines = 0
  #ended = false

  /** @param wantsNames keeps the names of all series, to tell near ones from; costs a text each line. */
  constructor(names: Iterable<string>, wantsNames = false) {
    this.#wantsNames = wantsNames
    for (const name of new Set(names)) {
      const bytes = Buffer.from(name)
      const same = this.#byLength[bytes.length] ?? []
      same.push({ name, bytes, seen: new Map() })
      this.#byLength[bytes.length] = same
      // OpenMetrics names the family in its # TYPE, text 0.0.4 that of a counter whole.
      for (const family of [name, name.replace(/_(?:total|count|sum|bucket|created|info)$/, '')])
        this.#byFamily.set(family, [...(this.#byFamily.get(family) ?? []), name])
    }
  }

  /** Takes the next bytes; they may change after it returns. */
  take(chunk: Buffer): void {
    if (this.#head.length < 256)
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, 256 - this.#head.length)])
    let from = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from)
      if (end < 0) break
      if (this.#skips) this.#skips = false
      else if (this.#rest === null) this.#take(chunk, from, end)
      else {
        const whole = Buffer.concat([this.#rest, chunk.subarray(from, end)])
        this.#take(whole, 0, whole.length)
      }
      this.#rest = null
      from = end + 1
    }
    if (from === chunk.length || this.#skips) return
    const began = this.#rest
    const rest = chunk.subarray(from)
    if ((began?.length ?? 0) + rest.length <= MAX_LINE_BYTES) {
      this.#rest = began === null ? Buffer.from(rest) : Buffer.concat([began, rest])
      return
    }
    this.#rest = null
    this.#skips = true
    this.#line += 1
    this.#tooLong()
  }

  /** All there was. */
  end(): Page {
    if (this.#rest !== null) this.#take(this.#rest, 0, this.#rest.length)
    this.#rest = null
    const series = new Map<string, readonly Sample[]>()
    for (const { name, seen } of this.#byLength.flat())
      if (seen.size > 0) series.set(name, [...seen.values()])
    return {
      series,
      types: this.#types,
      crowded: this.#crowded,
      samples: this.#samples,
      badLines: this.#badLines,
      told: this.#told,
      names: this.#names,
      head: this.#head,
    }
  }

  /** One line without its line feed. */
  #take(bytes: Buffer, from: number, end: number): void {
    this.#line += 1
    if (end - from > MAX_LINE_BYTES) {
      this.#tooLong()
      return
    }
    let start = from
    while (start < end && (bytes[start] === SPACE || bytes[start] === TAB)) start += 1
    const stop = end > start && bytes[end - 1] === RETURN ? end - 1 : end
    if (start === stop) return
    if (this.#ended) this.#bad('comes after # EOF')
    else if (bytes[start] === HASH) this.#comment(bytes, start, stop)
    else this.#series(bytes, start, stop)
  }

  /** What should be a series: its name, and then labels or a value. */
  #series(bytes: Buffer, start: number, stop: number): void {
    let after = start
    while (after < stop && IN_NAME[bytes[after] as number] === 1) after += 1
    const next = after < stop ? bytes[after] : undefined
    const isNamed = after > start && !isDigit(bytes[start])
    // UTF-8 names of Prometheus 3 are quoted within the braces; they cannot be mapped, and are no fault.
    const isQuoted = after === start && next === BRACE && QUOTED.test(bytes.toString('utf8', start, stop))
    if (
      !isQuoted &&
      !(isNamed && (next === BRACE || ((next === SPACE || next === TAB) && isValueNext(bytes, after, stop))))
    ) {
      this.#bad(`is no series; it begins with ${quote(bytes, start, stop)}`)
      return
    }
    this.#samples += 1
    if (isQuoted) return
    if (this.#wantsNames && this.#names.size < MAX_NAMES)
      this.#names.add(bytes.toString('latin1', start, after))
    const candidates = this.#byLength[after - start]
    if (candidates === undefined) return
    const wanted = candidates.find((candidate) => isEqual(bytes, start, candidate.bytes))
    if (wanted !== undefined) this.#keep(wanted, bytes, start, after, stop)
  }

  #keep(wanted: Wanted, bytes: Buffer, start: number, after: number, stop: number): void {
    const sample = readSample(bytes.toString('utf8', after, stop))
    if (sample === null) {
      this.#samples -= 1
      this.#bad(`cannot be read as a series: ${quote(bytes, start, stop)}`)
      return
    }
    const key = keyOf(sample.labels)
    if (wanted.seen.has(key)) this.#bad(`says a series again: ${quote(bytes, start, stop)}`)
    else if (wanted.seen.size < MAX_SERIES_PER_NAME) wanted.seen.set(key, sample)
    else this.#crowded.add(wanted.name)
  }

  #comment(bytes: Buffer, start: number, stop: number): void {
    // `# TYPE name type` and `# EOF` are all that is read of comments.
    if (bytes[start + 1] !== SPACE) return
    const third = bytes[start + 2]
    if (third === 0x45 && bytes.toString('latin1', start, stop).trimEnd() === '# EOF') {
      this.#ended = true
      return
    }
    if (third !== 0x54 || bytes[start + 6] !== SPACE || stop - start > 512) return
    const [, word, family = '', type = ''] = bytes.toString('utf8', start, stop).split(/[ \t]+/)
    if (word !== 'TYPE') return
    for (const name of this.#byFamily.get(family) ?? [])
      if (name === family || !this.#types.has(name)) this.#types.set(name, type.toLowerCase())
  }

  #tooLong(): void {
    this.#bad(`is longer than ${MAX_LINE_BYTES} bytes`)
  }

  #bad(why: string): void {
    this.#badLines += 1
    if (this.#told.length < MAX_TOLD) this.#told.push({ line: this.#line, why })
  }
}

/** Labels as one text, in whatever order the page has them. */
export const keyOf = (labels: ReadonlyMap<string, string>): string =>
  labels.size === 0 ? '' : JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)))

/** Bytes of which names are made: letters, digits, `_` and `:`; and all beyond ASCII, as UTF-8 has them. */
const IN_NAME = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x80 || byte === 0x5f || byte === 0x3a || /[A-Za-z0-9.]/.test(String.fromCharCode(byte)) ? 1 : 0,
)

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

/** After the name and spaces comes a value, or labels: what tells a page from any text of words. */
const isValueNext = (bytes: Buffer, from: number, stop: number): boolean => {
  let at = from
  while (at < stop && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1
  if (at === stop) return false
  const byte = bytes[at] as number
  return (
    isDigit(byte) ||
    SIGNS.includes(byte) ||
    /^(?:nan|inf)/i.test(bytes.toString('latin1', at, Math.min(stop, at + 3)))
  )
}
/** Signs and the point of a number, and the brace of labels. */
const SIGNS = [...'+-.{'].map((char) => char.charCodeAt(0))

/** `{"my.series", label="…"} 1`: nothing of JSON reads like it. */
const QUOTED = /^\{[ \t]*"(?:[^"\\]|\\.)+"[ \t]*(?:,.*)?\}[ \t]+[-+.\dNnIi][^"{}]*$/

/** From the end: names of one program begin alike. */
const isEqual = (bytes: Buffer, start: number, name: Buffer): boolean => {
  for (let at = name.length - 1; at >= 0; at -= 1) if (bytes[start + at] !== name[at]) return false
  return true
}

const quote = (bytes: Buffer, start: number, stop: number): string =>
  JSON.stringify(cleanText(bytes.toString('utf8', start, Math.min(stop, start + 80)).slice(0, 60)))
