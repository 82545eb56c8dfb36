import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type ClientHello,
  ClientHelloReader,
  type HelloVerdict,
  MAX_HELLO_BYTES,
} from '../../../server/runtime/proxy/tls/client-hello.ts'

const u8 = (value: number): Buffer => Buffer.from([value])
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 0xff, value & 0xff])
const vec8 = (body: Buffer): Buffer => Buffer.concat([u8(body.length), body])
const vec16 = (body: Buffer): Buffer => Buffer.concat([u16(body.length), body])

const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vec16(body)])
const hostName = (name: string): Buffer => Buffer.concat([u8(0), vec16(Buffer.from(name, 'latin1'))])
const sni = (...names: string[]): Buffer => extension(0, vec16(Buffer.concat(names.map(hostName))))
const alpn = (...protocols: (string | Buffer)[]): Buffer =>
  extension(16, vec16(Buffer.concat(protocols.map((it) => vec8(Buffer.from(it as string, 'latin1'))))))
const versions = (...list: number[]): Buffer => extension(43, vec8(Buffer.concat(list.map(u16))))

interface Parts {
  legacy?: number
  session?: number
  ciphers?: Buffer
  extensions?: Buffer[] | null
}
const message = ({
  legacy = 0x0303,
  session = 32,
  ciphers = u16(0x1301),
  extensions = [],
}: Parts): Buffer => {
  const body = Buffer.concat([
    u16(legacy),
    Buffer.alloc(32, 7),
    vec8(Buffer.alloc(session, 9)),
    vec16(ciphers),
    vec8(u8(0)),
    ...(extensions === null ? [] : [vec16(Buffer.concat(extensions))]),
  ])
  return Buffer.concat([u8(1), u24(body.length), body])
}
const record = (fragment: Buffer, type = 22): Buffer =>
  Buffer.concat([u8(type), u16(0x0301), vec16(fragment)])
const helloOf = (...extensions: Buffer[]): Buffer => record(message({ extensions }))

const look = (bytes: Buffer): HelloVerdict => new ClientHelloReader().look(bytes)
const read = (bytes: Buffer): ClientHello => {
  const seen = look(bytes)
  if (seen.verdict !== 'on') throw new Error(JSON.stringify(seen))
  return seen.hello
}
const faultOf = (bytes: Buffer): string | null => {
  const seen = look(bytes)
  return seen.verdict === 'no' ? seen.fault : null
}

/** As a connection sees it: everything so far, whenever a piece comes. */
const lookInPieces = (bytes: Buffer, sizes: readonly number[]): HelloVerdict[] => {
  const reader = new ClientHelloReader()
  const seen: HelloVerdict[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    at = Math.min(bytes.length, at + (sizes[turn % sizes.length] ?? 1))
    seen.push(reader.look(Buffer.from(bytes.subarray(0, at))))
    if (seen.at(-1)!.verdict !== 'more') break
  }
  return seen
}

/** What a real client of this version of OpenSSL sends first. */
const realHello = async (options: tls.ConnectionOptions): Promise<Buffer> => {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = tls.connect({ host: '127.0.0.1', port, ...options })
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [net.Socket]
  onTestFinished(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return bytes
}

describe('a ClientHello', () => {
  it('of a real client is read: name, protocols and version', async () => {
    const bytes = await realHello({ servername: 'Shop.Example.com', ALPNProtocols: ['h2', 'http/1.1'] })
    expect(read(bytes)).toEqual({
      serverName: 'shop.example.com',
      alpn: ['h2', 'http/1.1'],
      version: '1.3',
      ech: false,
    })
    const old = await realHello({ servername: 'a.test', maxVersion: 'TLSv1.2' })
    expect(read(old)).toEqual({ serverName: 'a.test', alpn: [], version: '1.2', ech: false })
    expect(read(await realHello({ servername: '' })).serverName).toBeNull()
  })

  it('is read whatever the pieces, and not before it is whole', async () => {
    const real = await realHello({ servername: 'a.example.com', ALPNProtocols: ['http/1.1'] })
    const wanted = read(real)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        const seen = lookInPieces(real, sizes)
        expect(seen.pop()).toEqual({ verdict: 'on', hello: wanted })
        expect(seen.every(({ verdict }) => verdict === 'more')).toBe(true)
      }),
    )
    const single = lookInPieces(real, [1])
    expect(single).toHaveLength(real.length)
    expect(single.at(-1)).toEqual({ verdict: 'on', hello: wanted })
  })

  it('is read over as many records as it comes in, one byte each among them', () => {
    const whole = message({ extensions: [sni('a.example.com'), extension(21, Buffer.alloc(300))] })
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        const records: Buffer[] = []
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const size = sizes[turn % sizes.length]!
          records.push(record(whole.subarray(at, at + size)))
          at += size
        }
        const bytes = Buffer.concat(records)
        expect(read(bytes).serverName).toBe('a.example.com')
        expect(lookInPieces(bytes, [1]).at(-1)?.verdict).toBe('on')
      }),
      { numRuns: 30 },
    )
    const tiny = Buffer.concat([...whole].map((byte) => record(u8(byte))))
    expect(read(tiny).serverName).toBe('a.example.com')
  })

  it('leaves sessions and tickets, GREASE and what it does not know alone', () => {
    const grease = Buffer.from([0x0a, 0x0a])
    const hello = helloOf(
      extension(0x1a1a, Buffer.alloc(0)),
      sni('a.example.com'),
      extension(35, Buffer.alloc(180, 3)),
      extension(41, Buffer.alloc(200, 5)),
      versions(0x2a2a, 0x0304, 0x0303, 0x7f1c),
      alpn(grease, 'h2', Buffer.from([0x3a, 0x3a]), 'http/1.1'),
      extension(0xfafa, u8(0)),
    )
    expect(read(hello)).toEqual({
      serverName: 'a.example.com',
      alpn: ['h2', 'http/1.1'],
      version: '1.3',
      ech: false,
    })
    expect(read(record(message({ session: 0, extensions: [sni('b.test')] }))).serverName).toBe('b.test')
  })

  it('with an encrypted one inside is taken by its outer name', () => {
    const outer = read(helloOf(sni('public.example.net'), extension(0xfe0d, Buffer.alloc(250, 1))))
    expect(outer).toMatchObject({ serverName: 'public.example.net', ech: true })
  })

  it('says its highest version, also without the list of TLS 1.3', () => {
    const of = (parts: Parts): string | null => read(record(message(parts))).version
    expect(of({ legacy: 0x0301, extensions: null })).toBe('1.0')
    expect(of({ legacy: 0x0302 })).toBe('1.1')
    // RFC 8446 §4.2.1: 1.3 is never negotiated by this field.
    expect(of({ legacy: 0x0304 })).toBe('1.2')
    expect(of({ legacy: 0x0303, extensions: [versions(0x0303, 0x0302)] })).toBe('1.2')
    expect(of({ extensions: [versions(0x6a6a, 0x7f1c)] })).toBeNull()
  })

  it.each([
    ['A.Example.COM', 'a.example.com'],
    ['a.example.com.', 'a.example.com'],
    ['_acme.example.com', '_acme.example.com'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('names %s as %s', (name, wanted) => {
    expect(read(helloOf(sni(name))).serverName).toBe(wanted)
  })

  it.each([
    'a..b',
    '.a',
    'a b',
    'a\0.example.com',
    'ex\u00e4mple.com',
    '-',
    'a/b',
    'a*.com',
    'x'.repeat(256),
    '.',
  ])('with the name %j is refused', (name) => {
    expect(faultOf(helloOf(sni(name)))).toBe('name_malformed')
  })

  it('of two names, or of the same extension twice, is refused: two readers may take either', () => {
    expect(faultOf(helloOf(sni('a.test', 'b.test')))).toBe('name_malformed')
    expect(faultOf(helloOf(sni('a.test'), sni('b.test')))).toBe('hello_malformed')
    expect(faultOf(helloOf(alpn('h2'), alpn('h2')))).toBe('hello_malformed')
  })

  it.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'not_tls'],
    ['its first letter', Buffer.from('G'), 'not_tls'],
    ['an SSH banner', Buffer.from('SSH-2.0-x\r\n'), 'not_tls'],
    ['a hello of SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1]), 'not_tls'],
    ['a record of version 2', Buffer.from([22, 2]), 'not_tls'],
    ['an alert', record(Buffer.from([2, 40]), 21), 'not_tls'],
    ['a record without content', Buffer.from([22, 3, 1, 0, 0]), 'record_malformed'],
    ['a record that is too long', Buffer.from([22, 3, 1, 0x40, 1]), 'record_malformed'],
    ['a server hello', record(Buffer.from([2, 0, 0, 1, 0])), 'not_a_hello'],
    ['its first byte', Buffer.from([22, 3, 1, 1, 0, 2]), 'not_a_hello'],
    [
      'another record between',
      Buffer.concat([record(message({}).subarray(0, 20)), u8(23)]),
      'record_malformed',
    ],
    ['a hello that is longer than it says', record(Buffer.concat([message({}), u8(0)])), 'hello_malformed'],
    ['a hello that announces 16 MiB', record(Buffer.from([1, 0xff, 0xff, 0xff])), 'too_large'],
    ['an odd list of ciphers', record(message({ ciphers: Buffer.alloc(3) })), 'hello_malformed'],
    ['no cipher', record(message({ ciphers: Buffer.alloc(0) })), 'hello_malformed'],
    ['a session id of 33 bytes', record(message({ session: 33 })), 'hello_malformed'],
    [
      'an extension over the end',
      record(message({ extensions: [Buffer.from([0, 16, 0, 9, 1])] })),
      'hello_malformed',
    ],
    ['an empty list of names', helloOf(extension(0, u16(0))), 'hello_malformed'],
  ] as const)('%s is refused', (_what, bytes, fault) => {
    expect(faultOf(bytes)).toBe(fault)
    expect(lookInPieces(bytes, [1]).at(-1)).toMatchObject({ verdict: 'no', fault })
  })

  it('beyond 64 KiB is refused, and just below it is read', () => {
    const filled = (size: number): Buffer => {
      const whole = message({
        extensions: [
          sni('a.test'),
          extension(21, Buffer.alloc(size / 2)),
          extension(22, Buffer.alloc(size / 2)),
        ],
      })
      const records: Buffer[] = []
      for (let at = 0; at < whole.length; at += 16_384) records.push(record(whole.subarray(at, at + 16_384)))
      return Buffer.concat(records)
    }
    const large = filled(65_400)
    expect(large.length).toBeLessThan(MAX_HELLO_BYTES)
    expect(read(large).serverName).toBe('a.test')
    const reader = new ClientHelloReader()
    const tiny = Buffer.concat(Array.from({ length: 12_000 }, () => record(u8(1))))
    expect(reader.look(tiny).verdict).toBe('no')
  })

  it('of any bytes at all is read, asked for or refused, and never the cause of a fault', () => {
    const base = helloOf(sni('a.example.com'), alpn('h2'), versions(0x0304))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(base.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        fc.integer({ min: 1, max: 90 }),
        (changes, size) => {
          const bytes = Buffer.from(base)
          for (const [at, value] of changes) bytes[at] = value
          const whole = look(bytes)
          const last = lookInPieces(bytes, [size]).at(-1)!
          // Whatever the pieces: the same verdict, except that a fault may be seen before the end.
          if (whole.verdict === 'on') expect(last).toEqual(whole)
          else expect(last.verdict).toBe(whole.verdict)
        },
      ),
      { numRuns: 2_000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void look(Buffer.from(bytes))))
  })
})
