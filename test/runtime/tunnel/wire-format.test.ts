import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  endToEndHeaders,
  forwardedRequestHeaders,
  headerObject,
} from '../../../server/runtime/tunnel/forwarded-headers.ts'
import {
  decodeFrame,
  encodeFrame,
  FRAME,
  parseRequestHead,
  parseReset,
  parseResponseHead,
  RESET_CODES,
} from '../../../server/runtime/tunnel/frames.ts'

describe('a frame', () => {
  it('is decoded to what was encoded, whatever its bytes', () => {
    const types = Object.values(FRAME)
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.uint8Array({ maxLength: 300 }),
        (type, flags, streamId, payload) => {
          const frame = decodeFrame(encodeFrame(type, flags, streamId, payload))
          expect(frame).toMatchObject({ type, flags, streamId })
          expect(frame?.payload.equals(Buffer.from(payload))).toBe(true)
        },
      ),
    )
    expect(decodeFrame(Buffer.alloc(5))).toBeNull()
  })

  it('has heads that survive any bytes without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const payload = Buffer.from(bytes)
        parseRequestHead(payload)
        parseResponseHead(payload)
        expect(RESET_CODES).toContain(parseReset(payload).code)
      }),
    )
    const head = { method: 'GET', path: '/', headers: ['X-Byte', '\xff\xfe'] }
    expect(parseRequestHead(Buffer.from(JSON.stringify(head)))).toEqual(head)
    for (const bad of [
      { ...head, path: 'http://x/' },
      { ...head, headers: ['odd'] },
      { ...head, method: 1 },
      [],
    ]) {
      expect(parseRequestHead(Buffer.from(JSON.stringify(bad)))).toBeNull()
    }
    for (const status of [100, 199, 1000, 200.5, '200']) {
      expect(parseResponseHead(Buffer.from(JSON.stringify({ status, message: '', headers: [] })))).toBeNull()
    }
  })

  it('has types, and streams have reset codes, that docs/tunnel-protocol.md lists, no more and no fewer', async () => {
    const page = await readFile(new URL('../../../docs/tunnel-protocol.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map((match) => [match[2], Number(match[1])])
    expect(Object.fromEntries(rows)).toEqual(FRAME)
    const section = page.split('### Reset codes')[1]?.split('##')[0] ?? ''
    expect([...section.matchAll(/`(\w+)`/g)].map((match) => match[1])).toEqual([...RESET_CODES])
  })
})

describe('forwarded headers', () => {
  it('lose what belongs to one connection, what Connection names, and nothing that frames or routes the message', () => {
    const given = [
      ...[
        'Host',
        'x',
        'Connection',
        'close, X-Hop, Host, Content-Length',
        'X-Hop',
        '1',
        'Content-Length',
        '5',
      ],
      ...[
        'TE',
        'trailers',
        'Upgrade',
        'h2c',
        'Keep-Alive',
        '1',
        'Transfer-Encoding',
        'chunked',
        'Cookie',
        'a=1',
      ],
    ]
    expect(endToEndHeaders(given)).toEqual(['Host', 'x', 'Content-Length', '5', 'Cookie', 'a=1'])
  })

  it('carry what the relay saw of the client, never what the client claimed', () => {
    const headers = forwardedRequestHeaders(
      ['X-Forwarded-For', '6.6.6.6', 'Forwarded', 'for=6.6.6.6', 'X-Tidegate-Pass', 'x', 'Accept', '*/*'],
      { address: '10.0.0.1', proto: 'http', host: 'h', prefix: '/hosts/a' },
    )
    expect(headers).toEqual([
      ...['Accept', '*/*', 'X-Forwarded-For', '10.0.0.1', 'X-Forwarded-Proto', 'http'],
      ...['X-Forwarded-Host', 'h', 'X-Forwarded-Prefix', '/hosts/a'],
    ])
  })

  it('become arrays where they repeat, and names such as __proto__ do no harm', () => {
    const object = headerObject(['a', '1', '__proto__', 'x', 'a', '2', 'a', '3'])
    expect(object.a).toEqual(['1', '2', '3'])
    expect(Object.getOwnPropertyNames(object)).toEqual(['a', '__proto__'])
  })
})
