import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Where requests come from, as this server may believe it. */
export interface ClientAddresses {
  /** The client's address in canonical form: guesses, the audit and limits use it. Null where the socket is gone. */
  addressOf(request: IncomingMessage): string | null
  /** True where the browser's connection is encrypted, according to a trusted proxy. */
  isEncrypted(request: IncomingMessage): boolean
  /** True for the address of a trusted proxy, behind which there are many clients. */
  isProxy(address: string | undefined): boolean
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

const rangeOf = (text: string): Range => {
  if (!text.includes('/')) {
    const address = ipaddr.process(text)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  }
  const [address, bits] = ipaddr.parseCIDR(text)
  if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96)
    return [(address as ipaddr.IPv6).toIPv4Address(), bits - 96]
  return [address, bits]
}

/**
 * One hop of `X-Forwarded-For`: an address, with a port where the proxy adds one. Null for anything else. An IPv4-mapped IPv6 address
 * becomes the IPv4 address, or one client would have two.
 */
const hopOf = (text: string): ipaddr.IPv4 | ipaddr.IPv6 | null => {
  const bracketed = /^\[([0-9a-f:.]{2,45})\](?::\d{1,5})?$/i.exec(text)?.[1]
  const withPort = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/.exec(text)?.[1]
  const bare = (bracketed ?? withPort ?? text).replace(/%[\w.-]{1,32}$/, '')
  return isIP(bare) === 0 ? null : ipaddr.process(bare)
}

/** Hops looked at, from the right. A chain of proxies is short; anything further to the left was written by a client. */
const MAX_HOPS = 32

/**
 * Believes `X-Forwarded-For` and `X-Forwarded-Proto` of these proxies alone. Each proxy appends the peer that it saw, so the list is read
 * from the right: the first hop that is no proxy of ours is the client, and anything to the left of it is only that client's claim. A hop
 * that is no address ends the reading at the last hop that was one.
 *
 * @param trustedProxies exact CIDR ranges or single addresses, checked by the configuration
 */
export const createClientAddresses = (trustedProxies: readonly string[]): ClientAddresses => {
  const ranges = trustedProxies.map(rangeOf)
  const isTrusted = (address: ipaddr.IPv4 | ipaddr.IPv6): boolean =>
    ranges.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits))
  const peerOf = (request: IncomingMessage) => hopOf(request.socket?.remoteAddress ?? '')

  return {
    addressOf(request) {
      const peer = peerOf(request)
      if (peer === null) return null
      let client = peer
      if (ranges.length === 0 || !isTrusted(peer)) return client.toString()
      const hops = forwardedFor(request).split(',').slice(-MAX_HOPS)
      for (let text = hops.pop(); text !== undefined; text = hops.pop()) {
        const hop = hopOf(text.trim())
        if (hop === null) break
        client = hop
        if (!isTrusted(hop)) break
      }
      return client.toString()
    },
    isEncrypted(request) {
      const peer = peerOf(request)
      if (peer === null || !isTrusted(peer)) return false
      const header = request.headers['x-forwarded-proto']
      const said = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').at(-1)
      return said?.trim().toLowerCase() === 'https'
    },
    isProxy(address) {
      const peer = hopOf(address ?? '')
      return peer !== null && isTrusted(peer)
    },
  }
}

const forwardedFor = (request: IncomingMessage): string => {
  const header = request.headers['x-forwarded-for']
  return Array.isArray(header) ? header.join(',') : (header ?? '')
}

/** True for an address of this machine. */
export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && isIP(address) !== 0 && ipaddr.process(address).range() === 'loopback'

/**
 * Who counts as one source of guesses: an IPv4 address, and of IPv6 the /64, which is the smallest network that one subscriber is
 * given (RFC 6177) and holds more addresses than any limit could count.
 */
export const sourceOf = (address: string | null): string => {
  if (address === null || isIP(address) === 0) return ''
  const parsed = ipaddr.process(address.replace(/%.*$/, ''))
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return `${(parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
