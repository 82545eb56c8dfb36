import { endToEndHeaders, headerValue } from '../tunnel/forwarded-headers.ts'
import type { HeaderList, ResponseHead } from '../tunnel/frames.ts'

/** The length that all fields agree on, null without one, or what is wrong with them (RFC 9112 §6.3). */
const lengthOf = (headers: HeaderList): number | null | string => {
  let found: string | null = null
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() !== 'content-length') continue
    for (const part of (headers[index + 1] ?? '').split(',')) {
      const value = part.trim()
      if (!/^\d{1,15}$/.test(value)) return 'a Content-Length that is not a number'
      if (found !== null && found !== value) return 'two different Content-Lengths'
      found = value
    }
  }
  return found === null ? null : Number(found)
}

/**
 * How a host's response is framed, so that it is what its head says: a host could otherwise put a second response of its making
 * behind the first, where a cache or the next request would take it for another's.
 */
export class ResponseFraming {
  /** What goes on the wire: end-to-end fields, and one length where there is one. */
  readonly headers: HeaderList
  readonly #length: number | null
  /** HEAD, 204 and 304: the head is all there is, whatever length it names (RFC 9110 §6.4.1). */
  readonly #headOnly: boolean
  #taken = 0

  private constructor(headers: HeaderList, length: number | null, headOnly: boolean) {
    this.headers = headers
    this.#length = length
    this.#headOnly = headOnly
  }

  /** The framing of `head` as the answer to `method`, or what is wrong with it in a few words. */
  static of(head: ResponseHead, method: string): ResponseFraming | string {
    const { status } = head
    const length = lengthOf(head.headers)
    if (typeof length === 'string') return length
    // That would frame a connection which the relay has no part in: bodies come in frames.
    if (headerValue(head.headers, 'transfer-encoding') !== undefined) return 'a Transfer-Encoding'
    let lengths = 0
    const headers = endToEndHeaders(head.headers, (name) => {
      if (name !== 'content-length') return false
      lengths += 1
      return lengths > 1 || status === 204
    })
    for (let index = 0; index < headers.length; index += 2) {
      if (headers[index]?.toLowerCase() === 'content-length') headers[index + 1] = String(length)
    }
    return new ResponseFraming(headers, length, method === 'HEAD' || status === 204 || status === 304)
  }

  /** That many more body bytes have come: null, or why they may not be sent. */
  take(bytes: number): string | null {
    this.#taken += bytes
    if (this.#headOnly) return 'a body where none may be'
    if (this.#length !== null && this.#taken > this.#length) return 'more bytes than its Content-Length'
    return null
  }

  /** The body is complete: null, or why it is not. */
  finish(): string | null {
    if (this.#headOnly || this.#length === null || this.#taken === this.#length) return null
    return 'fewer bytes than its Content-Length'
  }
}
