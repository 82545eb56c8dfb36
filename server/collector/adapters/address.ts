import { lookup as dnsLookup, type LookupAddress, type Resolver } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { type Lookup, Names, type NamesFigures } from './names.ts'

/** Cloud metadata services outside the link-local ranges: AWS over IPv6, Alibaba, Azure's wire server. */
const METADATA = new Set(['fd00:ec2::254', '100.100.100.200', '168.63.129.16'])
/** Ranges that are never asked, by their name in ipaddr.js, in words. */
const NEVER = new Map([
  ['linkLocal', 'a link-local'],
  ['unspecified', 'an unspecified'],
  ['broadcast', 'a broadcast'],
  ['multicast', 'a multicast'],
])
/** URLs of which it is remembered whether they may be asked. */
const MAX_ASKED = 10_000
/** Names that mean this machine by what they are (RFC 6761 §6.3); any other that leads here may be somebody's trick. */
const LOCAL_NAME = /^(?:.+\.)?localhost\.?$/i

export class BlockedAddressError extends Error {
  readonly code = 'ERR_BLOCKED_ADDRESS'
}

export interface AddressRules {
  /** Why this IP address may not be dialled, or null where it may. */
  refuses(address: string, embedded: boolean): string | null
  /** The same for a URL before anything is resolved: scheme, credentials, literal addresses. */
  refusesUrl(url: string, embedded: boolean): string | null
  /** A resolver for sockets: one resolution per connect, every resolved address checked before one is dialled. */
  lookup(embedded: boolean): LookupFunction
}

/** Rules of which the ranges may change while they are in use. */
export interface AdjustableRules extends AddressRules {
  /** Throws on an entry that is neither a CIDR range nor an address. */
  setAllow(allow: readonly string[]): void
  /** How looking names up goes. */
  readonly names: NamesFigures
}

/**
 * Where outgoing polls may go. Without `allow` that is whatever the configuration names literally; link-local and metadata
 * addresses never, in none of their forms, because a node's name in DNS is not under our control; and a name that leads to this
 * machine only where it is allowed.
 */
class PollRules implements AdjustableRules {
  readonly #names: Names
  #ranges: readonly AddressRange[]
  /** What is asked with every poll, and changes with the ranges alone: by URL, of those that somebody wrote and of those made here. */
  readonly #asked = [new Map<string, string | null>(), new Map<string, string | null>()] as const

  constructor(allow: readonly string[], names: Names) {
    this.#names = names
    this.#ranges = allow.map(parseRange)
  }

  setAllow(allow: readonly string[]): void {
    this.#ranges = allow.map(parseRange)
    for (const asked of this.#asked) asked.clear()
  }

  get names(): NamesFigures {
    return this.#names.figures
  }

  refuses(address: string, embedded: boolean): string | null {
    const bare = address.replace(/%.*$/, '')
    if (!ipaddr.isValid(bare)) return `${address} is not an IP address`
    const parsed = ipaddr.process(bare)
    const kind = parsed.range()
    const inner = wrappedIn(parsed)
    const wrapped =
      inner?.range() === 'loopback'
        ? 'leads to a loopback address'
        : inner && this.refuses(inner.toString(), true)
    if (wrapped) return `${parsed.toString()} is ${inner?.toString()} in another form, and ${wrapped}`
    const never = METADATA.has(parsed.toString()) ? 'a metadata' : NEVER.get(kind)
    if (never !== undefined) return `${parsed.toString()} is ${never} address, which is never polled`
    if (embedded || this.#ranges.length === 0) return null
    const inside = this.#ranges.some(
      ([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits),
    )
    return inside ? null : `${parsed.toString()} is outside polling.allow`
  }

  refusesUrl(url: string, embedded: boolean): string | null {
    const asked = this.#asked[embedded ? 1 : 0]
    const known = asked.get(url)
    if (known !== undefined) return known
    const refusal = this.#judgeUrl(url, embedded)
    if (asked.size >= MAX_ASKED) asked.clear()
    asked.set(url, refusal)
    return refusal
  }

  #judgeUrl(url: string, embedded: boolean): string | null {
    if (!URL.canParse(url)) return 'the address is not a URL'
    const parsed = new URL(url)
    if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
      return `the scheme ${parsed.protocol} is not http: or https:`
    }
    if (parsed.username !== '' || parsed.password !== '') return 'the address carries credentials'
    const host = parsed.hostname.replace(/^\[|\]$/g, '')
    return isIP(host) === 0 ? null : this.refuses(host, embedded)
  }

  lookup(embedded: boolean): LookupFunction {
    return (hostname, options, callback) => {
      this.#names.find(hostname, (error, addresses) => {
        if (error) return callback(error, '')
        const refusal = this.#refusesAnswer(hostname, addresses, embedded)
        if (refusal !== null) return callback(new BlockedAddressError(refusal), '')
        if (options.all) return callback(null, addresses)
        const first = addresses[0]
        return first
          ? callback(null, first.address, first.family)
          : callback(Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), '')
      })
    }
  }

  /** Why what a name resolves to may not be dialled, or null where all of it may. */
  #refusesAnswer(hostname: string, addresses: readonly LookupAddress[], embedded: boolean): string | null {
    for (const { address } of addresses) {
      const refusal = this.refuses(address, embedded)
      if (refusal !== null) return `${hostname}: ${refusal}`
      // Whoever runs that name would have our token sent to whatever listens here.
      if (!embedded && this.#ranges.length === 0 && isLoopback(address) && !LOCAL_NAME.test(hostname)) {
        return `${hostname} resolves to ${address}, this machine; name the address itself, or allow it in polling.allow`
      }
    }
    return null
  }
}

/**
 * @param allow CIDR ranges or single addresses; throws on one that is neither.
 * @param lookup how the system looks names up
 * @param resolver asks its name servers directly where that hangs
 */
export const createAddressRules = (
  allow: readonly string[],
  lookup: Lookup = dnsLookup,
  resolver?: Resolver,
): AdjustableRules => new PollRules(allow, new Names(lookup, resolver))

const isLoopback = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'

/**
 * The IPv4 address that an IPv6 one leads to: NAT64 (RFC 6052 §2.2, RFC 8215), 6to4 (RFC 3056 §2), Teredo (RFC 4380 §4) and the
 * old compatible form (RFC 4291 §2.5.5.1). Null where it leads to none.
 */
const wrappedIn = (address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | null => {
  if (address.kind() === 'ipv4') return null
  const bytes = address.toByteArray()
  const prefix = bytes.slice(0, 6).join(',')
  const of = (from: number, flip = 0) =>
    new ipaddr.IPv4(bytes.slice(from, from + 4).map((byte) => byte ^ flip))
  const isNat64 = prefix === '0,100,255,155,0,0' || prefix === '0,100,255,155,0,1'
  if (isNat64 || (bytes.slice(0, 12).every((byte) => byte === 0) && (bytes[12] ?? 0) > 0)) return of(12)
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return of(2)
  return prefix.startsWith('32,1,0,0') ? of(12, 0xff) : null
}

type AddressRange = [ipaddr.IPv4 | ipaddr.IPv6, number]

const parseRange = (entry: string): AddressRange => {
  if (entry.includes('/')) return ipaddr.parseCIDR(entry)
  const address = ipaddr.process(entry)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}
