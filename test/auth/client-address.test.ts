import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createClientAddresses, sourceOf } from '../../server/auth/client-address.ts'

const from = (peer: string, forwardedFor?: string, proto?: string) =>
  ({
    socket: { remoteAddress: peer },
    headers: {
      ...(forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }),
      ...(proto === undefined ? {} : { 'x-forwarded-proto': proto }),
    },
  }) as unknown as IncomingMessage

const clients = createClientAddresses(['10.0.0.0/8', '127.0.0.1', 'fd00::/8', '::ffff:192.168.0.0/112'])

describe('the address of a client', () => {
  it.each([
    ['of the socket, where nobody forwards', '203.0.113.7', undefined, '203.0.113.7'],
    ['of the socket, where a stranger pretends to forward', '203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['told by a trusted proxy', '10.1.2.3', '203.0.113.7', '203.0.113.7'],
    ['told through two of them', '10.1.2.3', '203.0.113.7, 10.9.9.9', '203.0.113.7'],
    ['the right-most stranger, whatever it wrote itself', '10.1.2.3', '1.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['the left-most, where all are proxies', '10.1.2.3', '10.0.0.5, 10.0.0.6', '10.0.0.5'],
    ['of a dual-stack socket', '::ffff:10.1.2.3', '203.0.113.7', '203.0.113.7'],
    ['written as mapped IPv6', '10.1.2.3', '::ffff:203.0.113.7', '203.0.113.7'],
    ['in a range written as mapped IPv6', '192.168.0.9', '203.0.113.7', '203.0.113.7'],
    ['with a port', '10.1.2.3', '203.0.113.7:4711', '203.0.113.7'],
    ['IPv6 with a port', 'fd00::1', '[2001:DB8:0:0::7]:4711', '2001:db8::7'],
    ['the proxy itself, where it tells nothing', '10.1.2.3', undefined, '10.1.2.3'],
    ['the proxy itself, where it tells rubbish', '10.1.2.3', '203.0.113.7, unknown', '10.1.2.3'],
    ['the last hop before rubbish', '10.1.2.3', 'x"; drop, 10.0.0.6', '10.0.0.6'],
    ['the proxy, where the list is empty commas', '10.1.2.3', ' , ,, ', '10.1.2.3'],
    ['not a number that looks like an address', '10.1.2.3', '0x7f.1', '10.1.2.3'],
  ])('is that %s', (_, peer, forwardedFor, expected) => {
    expect(clients.addressOf(from(peer, forwardedFor))).toBe(expected)
  })

  it('costs little, whatever a client writes', () => {
    const long = `${'1.1.1.1,'.repeat(1_900)}203.0.113.7, 10.0.0.1`
    expect(clients.addressOf(from('10.1.2.3', long))).toBe('203.0.113.7')
    expect(clients.addressOf(from('10.1.2.3', ','.repeat(16_000)))).toBe('10.1.2.3')
  })

  it('is believed from nobody by default', () => {
    expect(createClientAddresses([]).addressOf(from('127.0.0.1', '203.0.113.7'))).toBe('127.0.0.1')
  })

  it('counts an IPv6 /64 as one source, and IPv4 by address', () => {
    expect(sourceOf('2001:db8:1:2:3:4:5:6')).toBe(sourceOf('2001:db8:1:2::9'))
    expect(sourceOf('2001:db8:1:2::9')).not.toBe(sourceOf('2001:db8:1:3::9'))
    expect(sourceOf('::ffff:203.0.113.7')).toBe('203.0.113.7')
    expect([sourceOf(null), sourceOf('rubbish')]).toEqual(['', ''])
  })
})

describe('encryption', () => {
  it('is known by the nearest trusted proxy alone', () => {
    expect(clients.isEncrypted(from('10.1.2.3', '203.0.113.7', 'https'))).toBe(true)
    expect(clients.isEncrypted(from('10.1.2.3', '203.0.113.7', 'https, http'))).toBe(false)
    expect(clients.isEncrypted(from('203.0.113.7', undefined, 'https'))).toBe(false)
  })
})
