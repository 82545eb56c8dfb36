import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { type Address, parseAddress, plain } from './address.ts'

type Range = [Address, number]

const OCTETS = /^(?:(?:\d{1,3}|\*)\.){1,3}(?:\d{1,3}|\*)$/

const addressOf = (text: string): Address | null =>
  isIP(text.split('%', 1)[0]!) === 0 ? null : plain(parseAddress(text))

/** What is wrong with an entry, in words that follow its name; null where nothing is. */
export const entryFault = (entry: string): string | null => {
  if (entry.includes('*')) {
    const right =
      OCTETS.test(entry) && entry.split('.').every((octet) => octet === '*' || Number(octet) <= 255)
    const whole = entry.split('.').length === 4 || entry.endsWith('*')
    return right && whole
      ? null
      : `has ${entry}, which is no pattern of an IPv4 address, such as 10.0.*.7 or 10.*`
  }
  const [address = '', prefix, ...rest] = entry.split('/')
  // `isIP` is strict: the library would also read 10.1 and 0x7f.1, which people write by mistake only.
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0)
    return `has ${entry}, which is no address, range or pattern, such as 10.0.0.7, 10.0.0.0/8 or 10.0.*.7`
  if (prefix === undefined) return null
  const bits = family === 4 ? 32 : 128
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    return `has ${entry}, whose prefix is not from 0 to ${bits}`
  const network = (family === 4 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(entry)
  if (network.toString() === ipaddr.parse(address).toString()) return null
  return `has ${entry}, which has bits behind its prefix; ${network.toString()}/${prefix} is that network, ${address} alone is that address`
}

const rangeOf = (entry: string): Range => {
  const [address, bits] = ipaddr.parseCIDR(entry)
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96)
    return [address.toIPv4Address(), bits - 96]
  return [address, bits]
}

/** `10.*` stands for all that begins with 10; a star within, for one part. */
const patternOf = (entry: string): ((octets: readonly number[]) => boolean) => {
  const wanted = entry.split('.').map((octet) => (octet === '*' ? null : Number(octet)))
  return (octets) => wanted.every((octet, at) => octet === null || octet === octets[at])
}

/** Addresses: each exactly, by range or by pattern. Entries must be without fault. */
export class AddressList {
  readonly #exact = new Set<string>()
  readonly #ranges: Range[] = []
  readonly #patterns: ((octets: readonly number[]) => boolean)[] = []

  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      if (entry.includes('*')) this.#patterns.push(patternOf(entry))
      else if (entry.includes('/')) this.#ranges.push(rangeOf(entry))
      else this.#exact.add(addressOf(entry)?.toString() ?? entry)
    }
  }

  /** Whether an address is one of them; what is no address is none of them. */
  has(ip: string): boolean {
    const address = addressOf(ip)
    if (!address) return false
    if (this.#exact.has(address.toString())) return true
    for (const [network, bits] of this.#ranges)
      if (network.kind() === address.kind() && address.match([network, bits] as never)) return true
    if (!(address instanceof ipaddr.IPv4)) return false
    return this.#patterns.some((fits) => fits(address.octets))
  }
}
