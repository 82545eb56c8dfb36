import { isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Peer } from '../connections/record.ts'
import { parseAddress } from '../security/address.ts'

/** Which version is sent. */
export type HeaderVersion = 'v1' | 'v2'

/** Whose connection it is, and where it came in. */
export interface Origin {
  readonly client: Peer
  readonly local: Peer
}

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])

/** IPv4 beside IPv6 is written as IPv6: both addresses are of one family. */
const mapped = (ip: string): ipaddr.IPv6 => {
  const address = parseAddress(ip)
  return address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address
}

/** The header for a target. `origin` null: a connection of our own, which is nobody's. */
export const proxyHeader = (version: HeaderVersion, origin: Origin | null): Buffer => {
  if (!origin)
    return version === 'v1' ? Buffer.from('PROXY UNKNOWN\r\n') : Buffer.from([...SIGNATURE, 0x20, 0, 0, 0])
  const { client, local } = origin
  const four = isIPv4(client.ip) && isIPv4(local.ip)
  if (version === 'v1') {
    const [from, to] = four ? [client.ip, local.ip] : [mapped(client.ip), mapped(local.ip)]
    return Buffer.from(`PROXY ${four ? 'TCP4' : 'TCP6'} ${from} ${to} ${client.port} ${local.port}\r\n`)
  }
  const bytesOf = (ip: string): number[] => (four ? parseAddress(ip) : mapped(ip)).toByteArray()
  const header = Buffer.from([
    ...SIGNATURE,
    0x21,
    four ? 0x11 : 0x21,
    0,
    four ? 12 : 36,
    ...bytesOf(client.ip),
    ...bytesOf(local.ip),
    0,
    0,
    0,
    0,
  ])
  header.writeUInt16BE(client.port, header.length - 4)
  header.writeUInt16BE(local.port, header.length - 2)
  return header
}
