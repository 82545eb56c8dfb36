import type { CloseReason } from '../connections/close-reasons.ts'
import type { TlsVersion } from '../connections/record.ts'

/** What a ClientHello says openly. With Encrypted Client Hello it is the outer one: the name of who decrypts, not of who is meant. */
export interface ClientHello {
  /** Lower case, without the root's dot; null where none is named. */
  readonly serverName: string | null
  /** Protocols in order of preference, without GREASE. */
  readonly alpn: readonly string[]
  /** The highest version that is offered; null where none is known here. */
  readonly version: TlsVersion | null
  /** It carries an encrypted hello, or GREASE in the place of one. */
  readonly ech: boolean
}

export type HelloFault =
  | 'not_tls'
  | 'record_malformed'
  | 'not_a_hello'
  | 'too_large'
  | 'hello_malformed'
  | 'name_malformed'

export type HelloVerdict =
  | { verdict: 'on'; hello: ClientHello }
  | { verdict: 'more' }
  | { verdict: 'no'; fault: HelloFault; reason: Extract<CloseReason, 'bad_client_hello'> }

/** A ClientHello with its records; browsers send 2 KiB, with post-quantum keys and padding. */
export const MAX_HELLO_BYTES = 64 * 1024

const RECORD_HEADER = 5
const HANDSHAKE_HEADER = 4
const HANDSHAKE = 22
const CLIENT_HELLO = 1
/** RFC 8446 §5.1 */
const MAX_FRAGMENT = 16_384

const SERVER_NAME = 0
const ALPN = 16
const SUPPORTED_VERSIONS = 43
const ENCRYPTED_CLIENT_HELLO = 0xfe0d
const HOST_NAME = 0

const VERSIONS = new Map<number, TlsVersion>([
  [0x0301, '1.0'],
  [0x0302, '1.1'],
  [0x0303, '1.2'],
  [0x0304, '1.3'],
])
/** What a host name may be made of; `_` stands in names that are in use. */
const NAME = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?$/i
const MAX_NAME = 255

class Malformed extends Error {
  readonly fault: HelloFault

  constructor(fault: HelloFault) {
    super(fault)
    this.fault = fault
  }
}

/** Reads numbers and vectors (RFC 8446 §3.4) one after the other; one that reaches over the end is malformed. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  number(width: 1 | 2): number {
    const at = this.#at
    this.skip(width)
    return this.#bytes.readUIntBE(at, width)
  }

  skip(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new Malformed('hello_malformed')
    this.#at += length
  }

  /** Bytes behind a length of so many bytes. */
  vector(width: 1 | 2, least = 0, most = 0xffff): Buffer {
    const length = this.number(width)
    if (length < least || length > most) throw new Malformed('hello_malformed')
    const at = this.#at
    this.skip(length)
    return this.#bytes.subarray(at, at + length)
  }
}

/** RFC 8701: values that mean nothing, so that nobody relies on the known ones. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)

/** RFC 6066 §3: one list with one name of each type; the only type there is, is a host's name. */
const nameIn = (body: Buffer): string => {
  const list = new Fields(new Fields(body).vector(2, 1))
  let name: string | null = null
  while (!list.done) {
    const type = list.number(1)
    const text = list.vector(2, 1).toString('latin1')
    if (type !== HOST_NAME) continue
    if (name !== null) throw new Malformed('name_malformed')
    name = text
  }
  if (name === null || name.length > MAX_NAME || !NAME.test(name) || name.includes('..'))
    throw new Malformed('name_malformed')
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

const protocolsIn = (body: Buffer): string[] => {
  const list = new Fields(new Fields(body).vector(2, 2))
  const protocols: string[] = []
  while (!list.done) {
    const protocol = list.vector(1, 1)
    if (protocol.length === 2 && isGrease(protocol.readUInt16BE(0))) continue
    protocols.push(protocol.toString('latin1'))
  }
  return protocols
}

/** Highest last; 0 where none of them is known. */
const highestIn = (body: Buffer): number => {
  const list = new Fields(new Fields(body).vector(1, 2, 254))
  let highest = 0
  while (!list.done) {
    const version = list.number(2)
    if (VERSIONS.has(version) && version > highest) highest = version
  }
  return highest
}

/** A whole ClientHello without its handshake header (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). Throws `Malformed`. */
const parseHello = (message: Buffer): ClientHello => {
  const fields = new Fields(message)
  const legacy = fields.number(2)
  fields.skip(32)
  fields.vector(1, 0, 32)
  if (fields.vector(2, 2).length % 2 !== 0) throw new Malformed('hello_malformed')
  fields.vector(1, 1)
  let serverName: string | null = null
  let alpn: string[] = []
  // Before 1.3 there is no list: the field itself says it, and never more than 1.2.
  let highest = Math.min(legacy, 0x0303)
  let ech = false
  if (!fields.done) {
    const extensions = new Fields(fields.vector(2))
    if (!fields.done) throw new Malformed('hello_malformed')
    const seen = new Set<number>()
    while (!extensions.done) {
      const type = extensions.number(2)
      const body = extensions.vector(2)
      // RFC 8446 §4.2: each once. Two readers may take two different names out of a hello that has two.
      if (seen.has(type)) throw new Malformed('hello_malformed')
      seen.add(type)
      if (type === SERVER_NAME) serverName = nameIn(body)
      else if (type === ALPN) alpn = protocolsIn(body)
      else if (type === SUPPORTED_VERSIONS) highest = highestIn(body)
      else if (type === ENCRYPTED_CLIENT_HELLO) ech = true
    }
  }
  return { serverName, alpn, version: VERSIONS.get(highest) ?? null, ech }
}

/**
 * Reads a ClientHello however it is split: over reads, and over records (RFC 8446 §5.1). Asked with everything so far, it looks at each
 * byte once, and parses once, when all of it is there. One a connection.
 */
export class ClientHelloReader {
  /** Where the next record begins. */
  #at = 0
  /** What the records so far hold of the handshake. */
  readonly #fragments: Buffer[] = []
  #length = 0
  /** With fewer bytes than this there is nothing new to learn. */
  #needed = 1

  /** `bytes`: everything from the connection's beginning on; nothing of it is kept unless it is a record's whole fragment. */
  look(bytes: Buffer): HelloVerdict {
    if (bytes.length < this.#needed) return { verdict: 'more' }
    try {
      const message = this.#messageIn(bytes)
      if (message) return { verdict: 'on', hello: parseHello(message) }
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      return { verdict: 'no', fault: error.fault, reason: 'bad_client_hello' }
    }
    if (this.#needed > MAX_HELLO_BYTES)
      return { verdict: 'no', fault: 'too_large', reason: 'bad_client_hello' }
    return { verdict: 'more' }
  }

  /** The whole hello, or null while `#needed` says that more must come. */
  #messageIn(bytes: Buffer): Buffer | null {
    for (;;) {
      const header = bytes.subarray(this.#at, this.#at + RECORD_HEADER)
      // Said as soon as it can be: who speaks something else, or waits for us to speak, should not wait for a deadline.
      if (header.length > 0 && header[0] !== HANDSHAKE)
        throw new Malformed(this.#at === 0 ? 'not_tls' : 'record_malformed')
      if (header.length > 1 && header[1] !== 3)
        throw new Malformed(this.#at === 0 ? 'not_tls' : 'record_malformed')
      if (header.length < RECORD_HEADER) {
        this.#needed = header.length < 2 ? bytes.length + 1 : this.#at + RECORD_HEADER
        return null
      }
      const length = header.readUInt16BE(3)
      if (length === 0 || length > MAX_FRAGMENT) throw new Malformed('record_malformed')
      const start = this.#at + RECORD_HEADER
      if (this.#length === 0 && bytes.length > start && bytes[start] !== CLIENT_HELLO)
        throw new Malformed('not_a_hello')
      if (bytes.length < start + length) {
        this.#needed = bytes.length > start ? start + length : start + 1
        return null
      }
      // A copy: the caller's bytes may move when more come.
      this.#fragments.push(Buffer.from(bytes.subarray(start, start + length)))
      this.#length += length
      this.#at = start + length
      const message = this.#wholeMessage()
      if (message) return message
      this.#needed = this.#at + 1
    }
  }

  #wholeMessage(): Buffer | null {
    if (this.#length < HANDSHAKE_HEADER) return null
    if (this.#fragments.length > 1)
      this.#fragments.splice(0, this.#fragments.length, Buffer.concat(this.#fragments))
    const handshake = this.#fragments[0]!
    if (handshake[0] !== CLIENT_HELLO) throw new Malformed('not_a_hello')
    const length = handshake.readUIntBE(1, 3)
    if (HANDSHAKE_HEADER + length > MAX_HELLO_BYTES) throw new Malformed('too_large')
    if (this.#length < HANDSHAKE_HEADER + length) return null
    // Nothing may follow the first message before the server has spoken.
    if (this.#length > HANDSHAKE_HEADER + length) throw new Malformed('hello_malformed')
    return handshake.subarray(HANDSHAKE_HEADER, HANDSHAKE_HEADER + length)
  }
}
