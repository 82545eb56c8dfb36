import { isAscii, isUtf8 } from 'node:buffer'

const NOTHING = Buffer.alloc(0)
/** Ways to name what is read: UTF-8, and what is the same bytes. */
const SAME_AS_UTF8 = /^(?:utf-?8|us-ascii|ascii|ansi_x3\.4-1968)$/i
const WIDE = /^(?:utf-?(?:16|32)|ucs-?[24]|iso-10646)/i

/**
 * Looks at the bytes of a text while they come, and says what is wrong with them: text of another charset is refused in a sentence instead
 * of being shown as something else. A charset that agrees with ASCII is accepted as long as nothing but ASCII comes.
 */
export class Charset {
  readonly #declared: string
  /** The beginning of a character of which the rest has not come yet. */
  #rest: Buffer = NOTHING
  #bytes = 0

  /** @param contentType the header of the answer, where it had one */
  constructor(contentType: string) {
    this.#declared = declaredIn(contentType)
  }

  /** What is wrong with the next bytes, which may change after it returns, in words that follow "the answer"; null where nothing is. */
  take(chunk: Buffer): string | null {
    const first = this.#bytes === 0
    this.#bytes += chunk.length
    if (this.#declared !== '' && WIDE.test(this.#declared)) return `is in ${this.#declared}; UTF-8 is read`
    if (first && chunk[0] === 0x1f && chunk[1] === 0x8b)
      return 'is gzip without saying so; it was asked for as plain text'
    if (first && isWide(chunk)) return 'is in UTF-16 or UTF-32; UTF-8 is read'
    // The ordinary case costs one look at the bytes.
    if (this.#rest.length === 0 && isAscii(chunk)) return null
    if (this.#declared !== '' && !SAME_AS_UTF8.test(this.#declared))
      return `is in ${this.#declared.replace(/[^\w.:-]/g, '')}, with letters beyond ASCII; UTF-8 is read`
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const whole = wholeCharacters(bytes)
    this.#rest = whole === bytes.length ? NOTHING : Buffer.from(bytes.subarray(whole))
    return isUtf8(bytes.subarray(0, whole)) ? null : NOT_UTF8
  }

  /** What is wrong now that all has come. */
  end(): string | null {
    return this.#rest.length === 0 ? null : NOT_UTF8
  }
}

/** Nearly all answers say the same as the last one. */
let lastDeclared = { contentType: '', charset: '' }
const declaredIn = (contentType: string): string => {
  if (contentType === lastDeclared.contentType) return lastDeclared.charset
  const charset = /charset\s*=\s*"?([^\s";,]{1,40})/i.exec(contentType)?.[1] ?? ''
  lastDeclared = { contentType, charset }
  return charset
}

const NOT_UTF8 = 'is not valid UTF-8; if it is in another charset, its Content-Type does not say so'

/** A mark at the beginning, or every other byte of what should be ASCII zero (RFC 4627 §3). */
const isWide = (chunk: Buffer): boolean => {
  const first = chunk[0]
  const second = chunk[1]
  if (second === undefined) return false
  return (
    first === 0 || second === 0 || (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  )
}

/** How many bytes are no beginning of a character that goes on in the next chunk (RFC 3629 §3). */
const wholeCharacters = (bytes: Buffer): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte < 0xc0) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
