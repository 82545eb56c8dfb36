import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'

/** What is wrong with a range of addresses, in words that follow "is …;"; null where it is one. */
const fault = (text: string): string | null => {
  const [address = '', prefix, ...rest] = text.split('/')
  // `isIP` is strict: the library would also read 10.1 and 0x7f.1, which people write by mistake only.
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return 'must be an IP address or a CIDR range, for example 10.0.0.0/8'
  if (prefix === undefined) return null
  const bits = family === 4 ? 32 : 128
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    return `must end with a prefix from 0 to ${bits}, for example ${family === 4 ? '10.0.0.0/8' : 'fd00::/8'}`
  const network = (family === 4 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(text)
  if (network.toString() === ipaddr.parse(address).toString()) return null
  return `has bits behind its prefix; for example ${network.toString()}/${prefix} is that network, ${address} alone is that address`
}

/** A single address or an exact CIDR range (RFC 4632, RFC 4291 §2.3): bits behind the prefix are a mistake, not ignored. */
export const addressRange = z
  .string()
  .max(64)
  .superRefine((text, issues) => {
    const message = fault(text)
    if (message !== null) issues.addIssue({ code: 'custom', message })
  })

/** A range of proxies. One that holds every address would let every client choose its own. */
export const proxyRange = addressRange.refine((text) => !/\/0+$/.test(text), {
  message:
    'must not be everybody, or every client could choose its own address; name the proxies, for example 10.0.0.5',
})
