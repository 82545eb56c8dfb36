import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

const COMPATIBLE = /^::(\d{1,3}(?:\.\d{1,3}){3})$/

/**
 * An address, without its zone. The library takes `::1.2.3.4` for `::ffff:1.2.3.4`, which is another address (RFC 4291 §2.5.5.1): nobody
 * comes into an IPv4 range by it. Throws where the text is none.
 */
export const parseAddress = (text: string): Address => {
  const bare = text.split('%', 1)[0]!
  const four = COMPATIBLE.exec(bare)?.[1]
  if (four === undefined) return ipaddr.parse(bare)
  return ipaddr.fromByteArray([...Array<number>(12).fill(0), ...ipaddr.IPv4.parse(four).octets])
}

/** `::ffff:a.b.c.d`, in whatever way it is written, is the IPv4 address a.b.c.d (RFC 4291 §2.5.5.2): one client has one name. */
export const plain = (address: Address): Address =>
  address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address
