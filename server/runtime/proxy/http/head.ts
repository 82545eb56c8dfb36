import { STATUS_CODES } from 'node:http'

/** Ceilings of a head: one that exceeds them is refused, never cut. */
export const MAX_HEADERS = 100
export const MAX_HEAD_BYTES = 64 * 1024
/** A DNS name has 253 characters at most (RFC 1035 §2.3.4); with its port, and a root's dot, it stays below this. */
const MAX_HOST_CHARACTERS = 255

export type HeadFault =
  | 'nul'
  | 'bare_cr'
  | 'bare_lf'
  | 'head_too_large'
  | 'too_many_headers'
  | 'start_line'
  | 'version'
  | 'target_form'
  | 'folded_line'
  | 'header_name'
  | 'header_value'
  | 'host_missing'
  | 'host_duplicate'
  | 'host_malformed'
  | 'host_differs'
  | 'length_malformed'
  | 'length_and_chunked'
  | 'transfer_coding'
  | 'chunked_on_http_1_0'
  | 'connect'
  | 'trace'

export class HeadError extends Error {
  readonly fault: HeadFault

  constructor(fault: HeadFault) {
    super(`head refused: ${fault}`)
    this.name = 'HeadError'
    this.fault = fault
  }

  get status(): 400 | 405 | 431 {
    if (this.fault === 'head_too_large' || this.fault === 'too_many_headers') return 431
    return this.fault === 'trace' || this.fault === 'connect' ? 405 : 400
  }
}

const CR = 13
const LF = 10

/**
 * Collects one head, however it is split, and refuses bytes that cannot be part of one as soon as they come (RFC 9112 §2.2: bare CR; we
 * take bare LF and NUL as hostile too). One empty line before the start line is skipped, as RFC 9112 asks.
 */
export class HeadReader {
  #kept: Buffer | null = null
  #keptLength = 0
  #lineLength = 0
  #afterCr = false
  #seen = 0
  #leadingSkipped = false
  /** The whole head without its last empty line, lines separated by CRLF; latin1, so that every byte survives. */
  text = ''

  /** Bytes kept of a head that is not complete. */
  get keptBytes(): number {
    return this.#kept?.length ?? 0
  }

  /** True while a head has begun and is not complete. */
  get begun(): boolean {
    return this.#seen > 0
  }

  /**
   * Takes bytes up to the end of the head. Returns the index after it, or -1 when more is needed. Throws HeadError.
   */
  push(buffer: Buffer, start: number, end: number): number {
    let lineLength = this.#lineLength
    let afterCr = this.#afterCr
    let seen = this.#seen
    let from = start
    for (let at = start; at < end; at += 1) {
      if (seen >= MAX_HEAD_BYTES) throw new HeadError('head_too_large')
      seen += 1
      const byte = buffer[at]!
      if (afterCr) {
        if (byte !== LF) throw new HeadError('bare_cr')
        afterCr = false
        if (lineLength > 0) {
          lineLength = 0
          continue
        }
        if (this.#keptLength + (at - from) <= 1 && !this.#leadingSkipped) {
          // The head so far is the CR of an empty first line.
          this.#leadingSkipped = true
          this.#keptLength = 0
          seen = 0
          from = at + 1
          continue
        }
        this.#finish(buffer, from, at + 1)
        return at + 1
      }
      if (byte === CR) afterCr = true
      else if (byte === LF) throw new HeadError('bare_lf')
      else if (byte === 0) throw new HeadError('nul')
      else lineLength += 1
    }
    this.#lineLength = lineLength
    this.#afterCr = afterCr
    this.#seen = seen
    this.#keep(buffer, from, end)
    return -1
  }

  #keep(buffer: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0) return
    const needed = this.#keptLength + length
    if (!this.#kept || this.#kept.length < needed) {
      const grown = Buffer.allocUnsafe(Math.max(1024, 2 * needed))
      if (this.#kept) this.#kept.copy(grown, 0, 0, this.#keptLength)
      this.#kept = grown
    }
    buffer.copy(this.#kept, this.#keptLength, start, end)
    this.#keptLength = needed
  }

  #finish(buffer: Buffer, start: number, end: number): void {
    if (this.#keptLength + (end - start) < 4) throw new HeadError('start_line')
    if (this.#keptLength === 0) {
      this.text = buffer.toString('latin1', start, end - 4)
    } else {
      this.#keep(buffer, start, end)
      this.text = this.#kept!.toString('latin1', 0, this.#keptLength - 4)
    }
    this.#kept = null
    this.#keptLength = 0
    this.#lineLength = 0
    this.#afterCr = false
    this.#seen = 0
    this.#leadingSkipped = false
  }
}

export type Version = '1.0' | '1.1'
/** How a body is delimited. `length` −1: chunked; 0 or more: that many bytes; −2: until the connection closes. */
export const CHUNKED = -1
export const UNTIL_CLOSE = -2

/** Fields that both kinds of head share. Names and values alternate in `fields`, in order and as written. */
interface Head {
  version: Version
  fields: string[]
  bodyLength: number
  /** Lower-case tokens of all `Connection` fields. */
  connection: string[]
  upgrade: string | null
}

export interface RequestHead extends Head {
  method: string
  /** Origin form, or `*`. */
  target: string
  /** As written; empty only on HTTP/1.0. */
  host: string
  expectsContinue: boolean
}

export interface ResponseHead extends Head {
  status: number
  reason: string
  /** From `Keep-Alive: timeout=N`, in milliseconds. */
  keepAliveMs: number | null
}

/**
 * The head of an answer of our own. `fields`: names and values in turn. `bodyLength`: bytes of its body; CHUNKED where that is not
 * known yet.
 */
export const answerHead = (status: number, fields: string[] = [], bodyLength = 0): ResponseHead => ({
  version: '1.1',
  fields: [
    ...fields,
    'Date',
    new Date().toUTCString(),
    // RFC 9110 §8.6: no length beside 204.
    ...(bodyLength >= 0 && status !== 204 ? ['Content-Length', String(bodyLength)] : []),
  ],
  bodyLength,
  connection: [],
  upgrade: null,
  status,
  reason: STATUS_CODES[status] ?? '',
  keepAliveMs: null,
})

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) (HTTP\/\d\.\d)$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is excluded
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?$/
const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/
const LENGTH = /^\d{1,15}$/

interface Fields extends Head {
  host: string | null
  expectsContinue: boolean
  keepAliveMs: number | null
  hasLength: boolean
  chunked: boolean
}

const parseFields = (text: string, from: number, answer = false): Fields => {
  const fields: string[] = []
  const result: Fields = {
    version: '1.1',
    fields,
    bodyLength: 0,
    connection: [],
    upgrade: null,
    host: null,
    expectsContinue: false,
    keepAliveMs: null,
    hasLength: false,
    chunked: false,
  }
  let at = from
  while (at < text.length) {
    let end = text.indexOf('\r\n', at)
    if (end < 0) end = text.length
    if (fields.length >= 2 * MAX_HEADERS) throw new HeadError('too_many_headers')
    const first = text.charCodeAt(at)
    if (first === 32 || first === 9) throw new HeadError('folded_line')
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon >= end) throw new HeadError('header_name')
    const name = text.slice(at, colon)
    if (!TOKEN.test(name)) throw new HeadError('header_name')
    let valueStart = colon + 1
    let valueEnd = end
    while (valueStart < valueEnd && isBlank(text.charCodeAt(valueStart))) valueStart += 1
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1
    const value = text.slice(valueStart, valueEnd)
    if (FORBIDDEN_IN_VALUE.test(value)) throw new HeadError('header_value')
    if (answer && isRepeatedLength(result, name, value)) {
      at = end + 2
      continue
    }
    fields.push(name, value)
    note(result, name, value)
    at = end + 2
  }
  return result
}

/** A target may repeat its length (RFC 9110 §8.6): one is passed on. A client that does is refused. */
const isRepeatedLength = (result: Fields, name: string, value: string): boolean =>
  result.hasLength &&
  name.length === 14 &&
  name.toLowerCase() === 'content-length' &&
  LENGTH.test(value) &&
  Number(value) === result.bodyLength

const isBlank = (code: number): boolean => code === 32 || code === 9

/** Fields that decide about framing and routing. Compared by length first: most fields are none of these. */
const note = (result: Fields, name: string, value: string): void => {
  switch (name.length) {
    case 4:
      if (name.toLowerCase() === 'host') {
        if (result.host !== null) throw new HeadError('host_duplicate')
        result.host = value
      }
      return
    case 6:
      if (name.toLowerCase() === 'expect' && value.toLowerCase() === '100-continue')
        result.expectsContinue = true
      return
    case 7:
      if (name.toLowerCase() === 'upgrade') {
        result.upgrade =
          result.upgrade === null ? value.toLowerCase() : `${result.upgrade},${value.toLowerCase()}`
      }
      return
    case 10: {
      const lower = name.toLowerCase()
      if (lower === 'connection') {
        for (const part of value.split(',')) {
          const token = part.trim().toLowerCase()
          if (token !== '') result.connection.push(token)
        }
      } else if (lower === 'keep-alive') {
        const seconds = /timeout=(\d{1,6})/i.exec(value)?.[1]
        if (seconds !== undefined) result.keepAliveMs = Number(seconds) * 1000
      }
      return
    }
    case 14:
      if (name.toLowerCase() === 'content-length') {
        // RFC 9110 §8.6 lets a recipient accept equal repeats; no honest client sends them.
        if (result.hasLength || !LENGTH.test(value)) throw new HeadError('length_malformed')
        result.hasLength = true
        result.bodyLength = Number(value)
      }
      return
    case 17:
      if (name.toLowerCase() === 'transfer-encoding') {
        if (result.chunked || value.toLowerCase() !== 'chunked') throw new HeadError('transfer_coding')
        result.chunked = true
      }
  }
}

const checkFraming = (head: Fields): void => {
  if (!head.chunked) return
  if (head.hasLength) throw new HeadError('length_and_chunked')
  if (head.version === '1.0') throw new HeadError('chunked_on_http_1_0')
  head.bodyLength = CHUNKED
}

const checkHost = (host: string): void => {
  if (host.length > MAX_HOST_CHARACTERS) throw new HeadError('host_malformed')
  const match = HOST.exec(host)
  if (!match || (match[1] !== undefined && Number(match[1]) > 65_535)) throw new HeadError('host_malformed')
}

/** Parses a request head as `HeadReader.text` gives it. Throws HeadError. */
export const parseRequest = (text: string): RequestHead => {
  let lineEnd = text.indexOf('\r\n')
  if (lineEnd < 0) lineEnd = text.length
  const line = REQUEST_LINE.exec(text.slice(0, lineEnd))
  if (!line) throw new HeadError('start_line')
  const [, method, rawTarget, version] = line as unknown as [string, string, string, string]
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') throw new HeadError('version')
  const head = parseFields(text, lineEnd + 2)
  head.version = version === 'HTTP/1.1' ? '1.1' : '1.0'
  if (head.host === null && head.version === '1.1') throw new HeadError('host_missing')
  if (head.host !== null) checkHost(head.host)
  checkFraming(head)
  if (method === 'TRACE') throw new HeadError('trace')
  if (method === 'CONNECT') throw new HeadError('connect')
  const target = originForm(method, rawTarget, head.host)
  return {
    version: head.version,
    fields: head.fields,
    bodyLength: head.bodyLength,
    connection: head.connection,
    upgrade: head.upgrade,
    method,
    target,
    host: head.host ?? '',
    expectsContinue: head.expectsContinue && head.version === '1.1',
  }
}

const originForm = (method: string, target: string, host: string | null): string => {
  if (target.includes('#')) throw new HeadError('target_form')
  if (target.startsWith('/')) return target
  if (target === '*' && method === 'OPTIONS') return target
  const absolute = /^http:\/\/([^/?#]+)(.*)$/i.exec(target)
  if (!absolute) throw new HeadError('target_form')
  const [, authority, rest] = absolute as unknown as [string, string, string]
  // RFC 9112 §3.2.2 would let the absolute form win; two names for one request are refused instead.
  if (host === null || authority.toLowerCase() !== host.toLowerCase()) throw new HeadError('host_differs')
  if (rest === '') return method === 'OPTIONS' ? '*' : '/'
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Parses a response head to a request with `method`. Throws HeadError. */
export const parseResponse = (text: string, method: string): ResponseHead => {
  let lineEnd = text.indexOf('\r\n')
  if (lineEnd < 0) lineEnd = text.length
  const line = STATUS_LINE.exec(text.slice(0, lineEnd))
  if (!line) throw new HeadError('start_line')
  const head = parseFields(text, lineEnd + 2, true)
  head.version = line[1] === '1' ? '1.1' : '1.0'
  checkFraming(head)
  const status = Number(line[2])
  let bodyLength = head.bodyLength
  // RFC 9112 §6.3: these have no body, whatever their fields say.
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') bodyLength = 0
  else if (!head.hasLength && !head.chunked) bodyLength = UNTIL_CLOSE
  return {
    version: head.version,
    fields: head.fields,
    bodyLength,
    connection: head.connection,
    upgrade: head.upgrade,
    status,
    reason: line[3] ?? '',
    keepAliveMs: head.keepAliveMs,
  }
}
