import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface NameServer {
  /** Asks this server alone. */
  readonly resolver: Resolver
  /** Addresses by name; of any other name nothing is said. */
  readonly names: Map<string, string>
  readonly asked: string[]
  close(): void
}

/** A real name server on loopback, for names of IPv4 addresses (RFC 1035 §4). */
export const startNameServer = async (names: Record<string, string>): Promise<NameServer> => {
  const socket = createSocket('udp4')
  const known = new Map(Object.entries(names))
  const asked: string[] = []
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += length + 1
    }
    const question = query.subarray(12, at + 5)
    const name = labels.join('.')
    asked.push(name)
    const address = known.get(name)
    if (address === undefined) return
    const isV4 = query.readUInt16BE(at + 1) === 1
    const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, isV4 ? 1 : 0, 0, 0, 0, 0])
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)])
    socket.send(Buffer.concat([header, question, ...(isV4 ? [answer] : [])]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const resolver = new Resolver({ timeout: 300, tries: 1 })
  resolver.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`])
  return { resolver, names: known, asked, close: () => socket.close() }
}
