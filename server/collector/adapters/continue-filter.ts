import type { Socket } from 'node:net'

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const CONTINUE = /^HTTP\/1\.[01] 100(?: |\r)/
/** Bytes that tell whether an answer begins with `100 Continue`. */
const TELLING_BYTES = 'HTTP/1.1 100\r'.length
/** A longer head of that sort is the parser's to refuse. */
const MAX_HEAD_BYTES = 16_384

/**
 * Takes `100 Continue` from the beginning of each answer on one HTTP/1 connection. A client must pass over interim answers, also where
 * it did not ask for them (RFC 9110 §15.2); undici passes over all but this one, at which it closes the connection.
 */
export class ContinueFilter {
  #awaitsHead = true
  #held: Buffer = Buffer.alloc(0)

  /** What reads from `socket` gets what is left by the filter. */
  constructor(socket: Socket) {
    const read = socket.read.bind(socket)
    socket.read = (size?: number): Buffer | null => {
      for (;;) {
        const chunk = read(size) as Buffer | null
        if (chunk === null) return null
        const left = this.#pass(chunk)
        if (left !== null) return left
      }
    }
  }

  /** A request was sent: what comes next begins an answer. */
  expect(): void {
    this.#awaitsHead = true
    this.#held = Buffer.alloc(0)
  }

  /** What of `chunk`, and of what was held back before, may be read; null where nothing is known yet. */
  #pass(chunk: Buffer): Buffer | null {
    if (!this.#awaitsHead) return chunk
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    for (;;) {
      const start = rest.toString('latin1', 0, TELLING_BYTES)
      if (rest.length < TELLING_BYTES && mayBecomeContinue(start)) return this.#hold(rest)
      if (!CONTINUE.test(start)) return this.#release(rest)
      const end = rest.indexOf(END_OF_HEAD)
      if (end < 0) return rest.length > MAX_HEAD_BYTES ? this.#release(rest) : this.#hold(rest)
      rest = rest.subarray(end + END_OF_HEAD.length)
    }
  }

  #hold(rest: Buffer): null {
    this.#held = rest
    return null
  }

  #release(rest: Buffer): Buffer {
    this.#awaitsHead = false
    this.#held = Buffer.alloc(0)
    return rest
  }
}

const mayBecomeContinue = (start: string): boolean =>
  ['HTTP/1.1 100 ', 'HTTP/1.0 100 ', 'HTTP/1.1 100\r', 'HTTP/1.0 100\r'].some((whole) =>
    whole.startsWith(start),
  )
