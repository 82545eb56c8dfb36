/** An answer that is not plainly valid HTTP/1 (RFC 9112). */
export class AnswerError extends Error {
  readonly code: `HPE_${string}`

  constructor(code: `HPE_${string}`, message: string) {
    super(message)
    this.name = 'AnswerError'
    this.code = code
  }
}

/** What a head says that a poll wants to know, by names in small letters. */
export interface AnswerFields {
  date?: string
  'content-type'?: string
  'content-encoding'?: string
  'content-length'?: string
}

/** Who takes an answer in. What is given to `onBody` may be overwritten once the call has returned. */
export interface AnswerTaker {
  onHead(status: number, fields: AnswerFields): void
  onBody(bytes: Buffer): void
  onEnd(): void
}

/** Of one head, of all extensions of chunks, and of all trailers of one answer. */
const MAX_HEAD_BYTES = 16_384
/** Before an answer: who sends more keeps us reading and says nothing. */
export const MAX_INTERIM_ANSWERS = 64
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const HEAD =
  /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*)*$/
const FIELD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*$/
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})([\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?)$/

export const TOO_MANY_INTERIM = `it begins with more than ${MAX_INTERIM_ANSWERS} interim answers`

type Part = 'head' | 'length' | 'rest' | 'size' | 'chunk' | 'chunk end' | 'trailer' | 'done'

/**
 * Reads one answer to a GET or POST as its bytes come. Interim answers are passed over (RFC 9110 §15.2). What RFC 9112 leaves to the
 * recipient's taste (a bare LF, folded lines, two lengths, a length beside chunks) is refused, not repaired.
 */
export class AnswerReader {
  readonly #taker: AnswerTaker
  #part: Part = 'head'
  /** A head that has not come whole. */
  #held: Buffer | null = null
  /** A line of the framing of chunks that has not come whole. */
  #line = ''
  /** Bytes of the body, or of this chunk, that are still to come. */
  #left = 0
  #interimAnswers = 0
  #extensionBytes = 0
  #trailerBytes = 0
  #isKept = false
  #keptMs: number | null = null
  #isDropped = false

  constructor(taker: AnswerTaker) {
    this.#taker = taker
  }

  /** True once its last byte was read. */
  get isDone(): boolean {
    return this.#part === 'done'
  }

  /** Whether the peer keeps the connection for another request. */
  get isKept(): boolean {
    return this.#isKept
  }

  /** For how long it said that it keeps it, ms; null where it did not say. */
  get keptMs(): number | null {
    return this.#keptMs
  }

  /** Takes no more of it. */
  drop(): void {
    this.#isDropped = true
  }

  /** Takes the next bytes. Answers how many of them belong to the answer. Throws {@link AnswerError}. */
  push(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length && this.#part !== 'done' && !this.#isDropped) at = this.#step(bytes, at)
    return at
  }

  /** No more bytes will come. True where the answer is whole by that. */
  end(): boolean {
    if (this.#part !== 'rest') return this.#part === 'done'
    this.#finish()
    return true
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#part) {
      case 'head':
        return this.#takeHead(bytes, at)
      case 'length':
      case 'chunk':
        return this.#takeCounted(bytes, at)
      case 'rest':
        this.#taker.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
      default:
        return this.#takeLine(bytes, at)
    }
  }

  #takeHead(bytes: Buffer, start: number): number {
    const before = this.#held?.length ?? 0
    const come = start === 0 ? bytes : bytes.subarray(start)
    const whole = this.#held === null ? come : Buffer.concat([this.#held, come])
    const end = whole.indexOf(END_OF_HEAD, Math.max(0, before - END_OF_HEAD.length + 1))
    if ((end < 0 ? whole.length : end) > MAX_HEAD_BYTES)
      throw new AnswerError('HPE_HEADER_OVERFLOW', `its head is larger than ${MAX_HEAD_BYTES} bytes`)
    if (end < 0) {
      // What does not begin as an answer never becomes one.
      if (!'HTTP/1.'.startsWith(whole.toString('latin1', 0, Math.min(7, whole.length))))
        throw new AnswerError('HPE_INVALID_VERSION', 'it does not begin with HTTP/1')
      if (/[^\r]\n/.test(whole.toString('latin1', Math.max(0, before - 1))))
        throw new AnswerError('HPE_CR_EXPECTED', 'a line of its head does not end with CRLF')
      this.#held = Buffer.from(whole)
      return bytes.length
    }
    this.#held = null
    this.#readHead(whole.toString('latin1', 0, end))
    return start + end + END_OF_HEAD.length - before
  }

  #readHead(text: string): void {
    const match = HEAD.exec(text)
    if (match === null) throw new AnswerError('HPE_INVALID_HEADER_TOKEN', 'its head is malformed')
    const status = Number(match[2])
    if (status === 101) throw new AnswerError('HPE_UPGRADE', 'it answered 101, which nobody asked for')
    if (status < 200) {
      this.#interimAnswers += 1
      if (this.#interimAnswers > MAX_INTERIM_ANSWERS)
        throw new AnswerError('HPE_INTERIM_OVERFLOW', TOO_MANY_INTERIM)
      return
    }
    const fields: AnswerFields = {}
    let coding: string | null = null
    let isKept = match[1] === '1'
    for (let begin = text.indexOf('\r\n'); begin >= 0; ) {
      const end = text.indexOf('\r\n', begin + 2)
      const colon = text.indexOf(':', begin)
      const name = text.slice(begin + 2, colon).toLowerCase()
      const value = text.slice(colon + 1, end < 0 ? text.length : end).trim()
      begin = end
      if (name === 'date' || name === 'content-type' || name === 'content-encoding') fields[name] = value
      else if (name === 'content-length') {
        if (fields[name] !== undefined) throw new AnswerError('HPE_UNEXPECTED_CONTENT_LENGTH', 'two lengths')
        if (!/^\d{1,15}$/.test(value)) throw new AnswerError('HPE_INVALID_CONTENT_LENGTH', 'no valid length')
        fields[name] = value
      } else if (name === 'transfer-encoding') coding = coding === null ? value : `${coding}, ${value}`
      else if (name === 'connection') isKept = keepsBy(value, isKept)
      else if (name === 'keep-alive') this.#keptMs = keptMsBy(value)
    }
    this.#isKept = isKept
    this.#frame(status, coding, fields['content-length'])
    this.#taker.onHead(status, fields)
    if ((this.#part as Part) === 'length' && this.#left === 0) this.#finish()
  }

  /** How the end of the body is known (RFC 9112 §6.3). */
  #frame(status: number, coding: string | null, length: string | undefined): void {
    if (coding !== null) {
      if (length !== undefined)
        throw new AnswerError('HPE_UNEXPECTED_CONTENT_LENGTH', 'a length beside a transfer encoding')
      if (coding.toLowerCase() !== 'chunked')
        throw new AnswerError('HPE_INVALID_TRANSFER_ENCODING', 'a transfer encoding that is not chunked')
    }
    this.#left = 0
    if (status === 204 || status === 304) this.#part = 'length'
    else if (coding !== null) this.#part = 'size'
    else if (length !== undefined) {
      this.#part = 'length'
      this.#left = Number(length)
    } else {
      this.#part = 'rest'
      this.#isKept = false
    }
  }

  #takeCounted(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    this.#taker.onBody(bytes.subarray(at, end))
    if (this.#left > 0) return end
    if (this.#part === 'chunk') this.#part = 'chunk end'
    else this.#finish()
    return end
  }

  #takeLine(bytes: Buffer, at: number): number {
    const found = bytes.indexOf(0x0a, at)
    const end = found < 0 ? bytes.length : found + 1
    if (this.#line.length + end - at > MAX_HEAD_BYTES)
      throw new AnswerError('HPE_CHUNK_EXTENSIONS_OVERFLOW', 'a line between chunks is too long')
    this.#line += bytes.toString('latin1', at, end)
    if (found < 0) return end
    if (!this.#line.endsWith('\r\n'))
      throw new AnswerError('HPE_STRICT', 'a line between chunks without CRLF')
    const line = this.#line.slice(0, -2)
    this.#line = ''
    if (this.#part === 'size') this.#readSize(line)
    else if (this.#part === 'trailer') this.#readTrailer(line)
    else if (line === '') this.#part = 'size'
    else throw new AnswerError('HPE_STRICT', 'a chunk is longer than it says')
    return end
  }

  #readSize(line: string): void {
    const [, size, extension] = CHUNK_SIZE.exec(line) ?? []
    this.#extensionBytes += extension?.length ?? 0
    if (size === undefined) throw new AnswerError('HPE_INVALID_CHUNK_SIZE', 'no valid size of a chunk')
    if (this.#extensionBytes > MAX_HEAD_BYTES)
      throw new AnswerError('HPE_CHUNK_EXTENSIONS_OVERFLOW', 'extensions of chunks are too long')
    this.#left = Number.parseInt(size, 16)
    this.#part = this.#left === 0 ? 'trailer' : 'chunk'
  }

  #readTrailer(line: string): void {
    this.#trailerBytes += line.length + 2
    if (line === '') {
      this.#finish()
      return
    }
    if (!FIELD.test(line)) throw new AnswerError('HPE_INVALID_HEADER_TOKEN', 'a trailer is malformed')
    if (this.#trailerBytes > MAX_HEAD_BYTES)
      throw new AnswerError('HPE_HEADER_OVERFLOW', 'its trailers are too long')
  }

  #finish(): void {
    this.#part = 'done'
    if (!this.#isDropped) this.#taker.onEnd()
  }
}

/** Whether the connection outlives an answer with this `Connection` (RFC 9112 §9.3). */
const keepsBy = (value: string, isKept: boolean): boolean => {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive') return true
  const options = lower.split(',').map((option) => option.trim())
  if (options.includes('close')) return false
  return isKept || options.includes('keep-alive')
}

const keptMsBy = (value: string): number | null => {
  const seconds = /(?:^|[\s,])timeout=(\d{1,6})(?:$|[\s,])/i.exec(value)?.[1]
  return seconds === undefined ? null : Number(seconds) * 1_000
}
