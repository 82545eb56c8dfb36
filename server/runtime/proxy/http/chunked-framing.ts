/** A chunked body that is not plainly valid (RFC 9112 §7.1). */
export class FramingError extends Error {
  readonly fault: 'chunk_size' | 'chunk_extension' | 'chunk_end' | 'trailer'

  constructor(fault: FramingError['fault']) {
    super(`body refused: ${fault}`)
    this.name = 'FramingError'
    this.fault = fault
  }
}

const MAX_SIZE_DIGITS = 12
/** Extensions of one answer, all together. */
const MAX_EXTENSION_BYTES = 16 * 1024
const MAX_TRAILER_BYTES = 16 * 1024
const MAX_TRAILERS = 100
/** Trailers that would change framing or routing if a careless target merged them into the head (RFC 9110 §6.5.1). */
const FORBIDDEN_TRAILERS = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'trailer',
  'te',
  'upgrade',
  'authorization',
  'cookie',
  'set-cookie',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const TRAILER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[^\x00-\x08\x0a-\x1f\x7f]*$/

const isBlank = (byte: number): boolean => byte === 32 || byte === 9

type State =
  | 'size'
  | 'extension'
  | 'size_lf'
  | 'data'
  | 'data_cr'
  | 'data_lf'
  | 'trailer'
  | 'trailer_lf'
  | 'done'

/**
 * Follows the framing of a chunked body without copying it: the bytes are forwarded as they are, this says where they end and
 * refuses what is not plainly valid. A client's chunk extensions are refused, a target's are ignored (RFC 9112 §7.1.1): `cuts` says
 * which bytes are to be left out.
 */
export class ChunkedFraming {
  #state: State = 'size'
  #size = 0
  #digits = 0
  #line = ''
  #trailerBytes = 0
  #trailers = 0
  #extensionBytes = 0
  #extensionNamed = false
  readonly #ofTarget: boolean
  /** Of the last `push`: where bytes to leave out begin and end, in turn. */
  readonly cuts: number[] = []
  /** True once one whole chunk-size line was seen. */
  sawSize = false

  constructor(of: 'client' | 'target' = 'client') {
    this.#ofTarget = of === 'target'
  }

  /** Between two chunks: what comes next is a size. */
  get betweenChunks(): boolean {
    return this.#state === 'size' && this.#digits === 0
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  /** Follows bytes; returns the index after the body's last byte, or `end`. Throws FramingError. */
  push(buffer: Buffer, start: number, end: number): number {
    let at = start
    if (this.cuts.length > 0) this.cuts.length = 0
    while (at < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const take = Math.min(this.#size, end - at)
        this.#size -= take
        at += take
        if (this.#size === 0) this.#state = 'data_cr'
        continue
      }
      if (this.#state === 'extension') {
        at = this.#skipExtension(buffer, at, end)
        continue
      }
      const byte = buffer[at]!
      // `;`, or blanks before it.
      if (this.#ofTarget && this.#state === 'size' && this.#digits > 0 && (byte === 59 || isBlank(byte))) {
        this.#state = 'extension'
        this.#extensionNamed = false
        continue
      }
      this.#step(byte)
      at += 1
    }
    return at
  }

  /** Returns the index after the extension's part in this push. Its end is the CR, which stays. */
  #skipExtension(buffer: Buffer, start: number, end: number): number {
    let at = start
    for (; at < end && buffer[at] !== 13; at += 1) {
      const byte = buffer[at]!
      if (byte === 59) this.#extensionNamed = true
      const valid = this.#extensionNamed ? byte === 9 || (byte >= 32 && byte !== 127) : isBlank(byte)
      if (!valid) throw new FramingError('chunk_extension')
    }
    this.#extensionBytes += at - start
    if (this.#extensionBytes > MAX_EXTENSION_BYTES) throw new FramingError('chunk_extension')
    this.cuts.push(start, at)
    if (at === end) return end
    this.#state = 'size_lf'
    return at + 1
  }

  #step(byte: number): void {
    switch (this.#state) {
      case 'size':
        this.#sizeByte(byte)
        return
      case 'size_lf':
        if (byte !== 10) throw new FramingError('chunk_size')
        this.sawSize = true
        this.#state = this.#size === 0 ? 'trailer' : 'data'
        this.#digits = 0
        return
      case 'data_cr':
        if (byte !== 13) throw new FramingError('chunk_end')
        this.#state = 'data_lf'
        return
      case 'data_lf':
        if (byte !== 10) throw new FramingError('chunk_end')
        this.#state = 'size'
        return
      case 'trailer':
        this.#trailerByte(byte)
        return
      case 'trailer_lf':
        if (byte !== 10) throw new FramingError('trailer')
        this.#endTrailer()
        return
    }
  }

  #sizeByte(byte: number): void {
    if (byte === 13 && this.#digits > 0) {
      this.#state = 'size_lf'
      return
    }
    const lower = byte | 32
    let digit = -1
    if (byte >= 48 && byte <= 57) digit = byte - 48
    else if (lower >= 97 && lower <= 102) digit = lower - 87
    if (digit < 0) throw new FramingError(byte === 59 && this.#digits > 0 ? 'chunk_extension' : 'chunk_size')
    this.#digits += 1
    if (this.#digits > MAX_SIZE_DIGITS) throw new FramingError('chunk_size')
    this.#size = this.#size * 16 + digit
  }

  #trailerByte(byte: number): void {
    this.#trailerBytes += 1
    if (byte === 10 || byte === 0 || this.#trailerBytes > MAX_TRAILER_BYTES) throw new FramingError('trailer')
    if (byte === 13) this.#state = 'trailer_lf'
    else this.#line += String.fromCharCode(byte)
  }

  #endTrailer(): void {
    if (this.#line === '') {
      this.#state = 'done'
      return
    }
    const match = TRAILER.exec(this.#line)
    this.#trailers += 1
    if (!match || this.#trailers > MAX_TRAILERS || FORBIDDEN_TRAILERS.has(match[1]!.toLowerCase())) {
      throw new FramingError('trailer')
    }
    this.#line = ''
    this.#state = 'trailer'
  }
}
