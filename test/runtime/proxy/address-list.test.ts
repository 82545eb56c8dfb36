import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddressList, entryFault } from '../../../server/runtime/proxy/security/address-list.ts'

describe('a list of addresses', () => {
  it.each([
    ['10.0.0.7', '10.0.0.7', true],
    ['10.0.0.7', '10.0.0.8', false],
    ['10.0.0.7', '::ffff:10.0.0.7', true],
    ['10.0.0.7', '::ffff:a00:7', true],
    ['::ffff:10.0.0.7', '10.0.0.7', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.128/25', '192.0.2.128', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '10.0.0.1', false],
    ['2001:db8::/32', '2001:DB8:0:0:0:0:0:1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:db8::1', '2001:0db8:0000::0001', true],
    ['fe80::1', 'fe80::1%eth0', true],
    ['10.0.*.7', '10.0.99.7', true],
    ['10.0.*.7', '10.0.99.8', false],
    ['10.*', '10.9.8.7', true],
    ['10.*', '100.9.8.7', false],
    ['10.0.0.7', 'no address', false],
    ['10.0.0.7', '', false],
    // RFC 4291 §2.5.5.1: not the mapped one.
    ['10.0.0.7', '::10.0.0.7', false],
    ['::10.0.0.7', '10.0.0.7', false],
    ['::10.0.0.7', '::a00:7', true],
  ])('%s for %s is %s', (entry, ip, wanted) => {
    expect(entryFault(entry)).toBeNull()
    expect(new AddressList([entry]).has(ip)).toBe(wanted)
  })

  it.each([
    '10.0.0',
    '10.0.0.1/33',
    '10.0.0.1/8',
    '::1/129',
    '10.0.0.0/8/8',
    '256.*',
    '10.*.',
    '*',
    '10.*.3',
    'a*',
    '0x7f.1',
    'host',
    'fe80::1%eth0',
    '10.0.0.0/-1',
    '2001:db8:*',
  ])('refuses %s', (entry) => {
    expect(entryFault(entry)).not.toBeNull()
  })

  it('agrees with arithmetic', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 32 }),
        (a, b, bits) => {
          const text = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.')
          const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
          const list = new AddressList([`${text((a & mask) >>> 0)}/${bits}`])
          expect(list.has(text(b))).toBe((a & mask) >>> 0 === (b & mask) >>> 0)
          expect(list.has(`::ffff:${text(b)}`)).toBe(list.has(text(b)))
        },
      ),
    )
  })
})
