import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Identifier, Identity } from '../admit/identify.ts'
import type { Peer } from '../connections/record.ts'
import { parseAddress, plain } from '../security/address.ts'
import { AddressList } from '../security/address-list.ts'

/** The header of the PROXY protocol, versions 1 and 2, as haproxy.org/download/3.0/doc/proxy-protocol.txt says it. */

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
const FIXED_BYTES = 16
const LOCAL = 0x20
const PROXY = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
/** §2.2: how many bytes the addresses of a family take; those that name nobody for us take what they like. */
const ADDRESS_BYTES = new Map([
  [0x00, 0],
  [TCP_OVER_IPV4, 12],
  [TCP_OVER_IPV6, 36],
  [0x31, 0],
])
/** A balancer adds names and certificates behind the addresses; 64 KiB would be possible, and nobody needs them. */
const MAX_BYTES = 4096
/** §2.1: with its CRLF. */
const MAX_LINE = 107
const LINE =
  /^PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|(TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5}))$/

const MORE: Identity = { verdict: 'more' }
const NO: Identity = { verdict: 'no', reason: 'bad_proxy_header' }

/** §2.1: no leading zeros. */
const portIn = (text: string): number | null => {
  const port = Number(text)
  return String(port) === text && port <= 65_535 ? port : null
}

/** Null where the line says nothing of the client, undefined where it is malformed. */
const clientIn = (line: string): Peer | null | undefined => {
  const said = LINE.exec(line)
  if (!said) return undefined
  const [, family, from, to, fromPort, toPort] = said
  if (family === undefined) return null
  const fits = family === 'TCP4' ? isIPv4 : isIPv6
  const port = portIn(fromPort ?? '')
  if (!fits(from ?? '') || !fits(to ?? '') || port === null || portIn(toPort ?? '') === null) return undefined
  return { ip: plain(parseAddress(from ?? '')).toString(), port }
}

const lookAtLine = (bytes: Buffer): Identity => {
  const beginning = bytes.toString('latin1', 0, Math.min(bytes.length, 6))
  if (!'PROXY '.startsWith(beginning)) return NO
  const end = bytes.subarray(0, MAX_LINE).indexOf(0x0a)
  if (end < 0) return bytes.length >= MAX_LINE ? NO : MORE
  if (bytes[end - 1] !== 0x0d) return NO
  const client = clientIn(bytes.toString('latin1', 0, end - 1))
  if (client === undefined) return NO
  return { verdict: 'on', taken: end + 1, ...(client ? { client } : {}) }
}

const lookAtBinary = (bytes: Buffer): Identity => {
  const there = Math.min(bytes.length, SIGNATURE.length)
  if (SIGNATURE.compare(bytes, 0, there, 0, there) !== 0) return NO
  const command = bytes[12]
  if (command !== undefined && command !== LOCAL && command !== PROXY) return NO
  if (bytes.length < FIXED_BYTES) return MORE
  const length = bytes.readUInt16BE(14)
  const taken = FIXED_BYTES + length
  if (taken > MAX_BYTES) return NO
  const family = bytes[13]!
  const needed = command === LOCAL ? 0 : ADDRESS_BYTES.get(family)
  // Datagrams and kinds that nobody knows name a client that no list of ours would see; the balancer must not stand for it.
  if (needed === undefined || length < needed) return NO
  if (bytes.length < taken) return MORE
  // Checks of its own health, and UNSPEC and UNIX, which name nobody: who connected is the client (§2.2).
  if (needed === 0) return { verdict: 'on', taken }
  const width = needed === 12 ? 4 : 16
  const from = [...bytes.subarray(FIXED_BYTES, FIXED_BYTES + width)]
  const port = bytes.readUInt16BE(FIXED_BYTES + 2 * width)
  return { verdict: 'on', taken, client: { ip: plain(ipaddr.fromByteArray(from)).toString(), port } }
}

/** Reads the header that balancers send; every connection of theirs must begin with one, and all others are clients themselves. */
export class ProxyHeader implements Identifier {
  readonly maxBytes = MAX_BYTES
  readonly reason = 'bad_proxy_header'
  readonly #from: AddressList

  /** @param from who is believed */
  constructor(from: readonly string[]) {
    this.#from = new AddressList(from)
  }

  expects(ip: string): boolean {
    return this.#from.has(ip)
  }

  look(bytes: Buffer): Identity {
    if (bytes.length === 0) return MORE
    return bytes[0] === SIGNATURE[0] ? lookAtBinary(bytes) : lookAtLine(bytes)
  }
}
