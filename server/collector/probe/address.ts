import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Cloud metadata services outside the link-local ranges: AWS over IPv6, Alibaba, Azure's wire server. */
const METADATA = new Set(['fd00:ec2::254', '100.100.100.200', '168.63.129.16'])
const NEVER = new Set(['linkLocal', 'unspecified', 'broadcast', 'multicast'])

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

/**
 * Where outgoing polls may go. Without `allow` that is whatever the configuration names literally; link-local and metadata
 * addresses never, because a node's name in DNS is not under our control.
 *
 * @param allow CIDR ranges or single addresses; throws on one that is neither.
 */
export const createAddressRules = (allow: readonly string[]): AddressRules => {
  const ranges = allow.map((entry) =>
    entry.includes('/') ? ipaddr.parseCIDR(entry) : wholeAddress(ipaddr.process(entry)),
  )

  const refuses = (address: string, embedded: boolean): string | null => {
    const bare = address.replace(/%.*$/, '')
    if (!ipaddr.isValid(bare)) return `${address} is not an IP address`
    const parsed = ipaddr.process(bare)
    const kind = parsed.range()
    if (METADATA.has(parsed.toString()) || NEVER.has(kind)) {
      return `${parsed.toString()} is a ${METADATA.has(parsed.toString()) ? 'metadata' : kind} address, which is never polled`
    }
    if (embedded || ranges.length === 0) return null
    const inside = ranges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits))
    return inside ? null : `${parsed.toString()} is outside polling.allow`
  }

  return {
    refuses,
    refusesUrl(url, embedded) {
      if (!URL.canParse(url)) return 'the address is not a URL'
      const parsed = new URL(url)
      if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
        return `the scheme ${parsed.protocol} is not http: or https:`
      }
      if (parsed.username !== '' || parsed.password !== '') return 'the address carries credentials'
      const host = parsed.hostname.replace(/^\[|\]$/g, '')
      return isIP(host) === 0 ? null : refuses(host, embedded)
    },
    lookup:
      (embedded): LookupFunction =>
      (hostname, options, callback) => {
        dnsLookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
          if (error) return callback(error, '')
          for (const entry of addresses) {
            const refusal = refuses(entry.address, embedded)
            if (refusal !== null) return callback(new BlockedAddressError(`${hostname}: ${refusal}`), '')
          }
          if (options.all) return callback(null, addresses)
          const first = addresses[0]
          return first
            ? callback(null, first.address, first.family)
            : callback(Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), '')
        })
      },
  }
}

const wholeAddress = (address: ipaddr.IPv4 | ipaddr.IPv6): [ipaddr.IPv4 | ipaddr.IPv6, number] => [
  address,
  address.kind() === 'ipv4' ? 32 : 128,
]
