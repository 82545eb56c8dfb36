import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkedFraming, FramingError } from '../../../server/runtime/proxy/http/chunked-framing.ts'
import { HeadError, HeadReader, parseRequest } from '../../../server/runtime/proxy/http/head.ts'

/** What a reader makes of these bytes, given in these pieces: the parsed head and where it ended, or the fault. */
const read = (bytes: Buffer, cuts: number[]): unknown => {
  const reader = new HeadReader()
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  try {
    for (let at = 1; at < edges.length; at += 1) {
      // A fresh buffer with other bytes around it, as a socket would give it.
      const piece = Buffer.concat([
        Buffer.from('\0\n'),
        bytes.subarray(edges[at - 1]!, edges[at]!),
        Buffer.from('\0'),
      ])
      const next = reader.push(piece, 2, piece.length - 1)
      piece.fill(0)
      if (next >= 0) return { head: parseRequest(reader.text), end: edges[at - 1]! + next - 2 }
    }
    return 'more'
  } catch (error) {
    if (error instanceof HeadError) return error.fault
    throw error
  }
}

const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/)
const plainLine = fc
  .tuple(token, fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,30}$/))
  .map(([name, value]) => `${name}: ${value}`)
const line = fc.oneof(
  { weight: 6, arbitrary: plainLine },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'Host: a',
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      ' folded',
      'a\rb: c',
      'a: \0',
      'x: y\nz: w',
    ),
  },
)
const head = fc
  .tuple(
    fc.constantFrom('', '\r\n', '\r\n\r\n'),
    fc.constantFrom('GET / HTTP/1.1', 'POST /x?y HTTP/1.0', 'GET  / HTTP/1.1', 'TRACE / HTTP/1.1', 'G T', ''),
    fc.array(line, { maxLength: 8 }),
    fc.constantFrom('\r\n\r\n', '\r\n\r\nrest', '\n\n', '\r\n', '\r\r\n'),
  )
  .map(([lead, start, lines, end]) =>
    Buffer.from(`${lead}${[start, 'Host: example.com', ...lines].join('\r\n')}${end}`, 'latin1'),
  )

describe('the head parser', () => {
  it('answers the same however the bytes are split', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          head,
          fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        ),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (bytes, cuts) => {
          expect(read(bytes, cuts)).toEqual(read(bytes, []))
        },
      ),
      { numRuns: 1_500 },
    )
  })

  it('answers the same for one byte at a time', () => {
    fc.assert(
      fc.property(head, (bytes) => {
        expect(
          read(
            bytes,
            Array.from({ length: bytes.length }, (_, at) => at),
          ),
        ).toEqual(read(bytes, []))
      }),
      { numRuns: 300 },
    )
  })

  it('keeps fields in order, with their case and their bytes', () => {
    const result = read(
      Buffer.from('GET /a?b HTTP/1.1\r\nHost: X\r\nB: \t one \xe9 \r\na: 2\r\nB:\r\n\r\n', 'latin1'),
      [],
    )
    expect(result).toMatchObject({
      head: { target: '/a?b', host: 'X', fields: ['Host', 'X', 'B', 'one \xe9', 'a', '2', 'B', ''] },
    })
  })

  it('turns an absolute form that equals Host into origin form', () => {
    expect(read(Buffer.from('GET http://a.b:80/x HTTP/1.1\r\nHost: A.b:80\r\n\r\n'), [])).toMatchObject({
      head: { target: '/x' },
    })
  })
})

describe('chunked framing', () => {
  const follow = (bytes: Buffer, cuts: number[]): unknown => {
    const framing = new ChunkedFraming()
    const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
      (a, b) => a - b,
    )
    try {
      for (let at = 1; at < edges.length; at += 1) {
        const stop = framing.push(bytes, edges[at - 1]!, edges[at]!)
        if (framing.done) return { end: stop }
      }
      return 'more'
    } catch (error) {
      if (error instanceof FramingError) return error.fault
      throw error
    }
  }

  it('answers the same however the bytes are split', () => {
    const piece = fc.oneof(
      fc
        .uint8Array({ minLength: 1, maxLength: 40 })
        .map((data) => `${data.length.toString(16)}\r\n${Buffer.from(data).toString('latin1')}\r\n`),
      fc.constantFrom('1;x=y\r\na\r\n', '2\r\nabc\r\n', 'g\r\n', '0\r\n', '5\n'),
    )
    const body = fc
      .tuple(
        fc.array(piece, { maxLength: 6 }),
        fc.constantFrom('0\r\n\r\n', '0\r\nX: y\r\n\r\n', '0\r\nHost: y\r\n\r\n', '0\r\n\r\nGET /', ''),
      )
      .map(([pieces, end]) => Buffer.from(pieces.join('') + end, 'latin1'))
    fc.assert(
      fc.property(body, fc.array(fc.nat(400), { maxLength: 12 }), (bytes, cuts) => {
        expect(follow(bytes, cuts)).toEqual(follow(bytes, []))
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([
    ['5;ext=1\r\nhello\r\n0\r\n\r\n', 'chunk_extension'],
    ['5 \r\nhello\r\n0\r\n\r\n', 'chunk_size'],
    ['0x5\r\nhello\r\n', 'chunk_size'],
    ['-1\r\n', 'chunk_size'],
    ['fffffffffffff\r\n', 'chunk_size'],
    ['\r\n', 'chunk_size'],
    ['5\nhello', 'chunk_size'],
    ['5\r\nhelloX\r\n', 'chunk_end'],
    ['0\r\nContent-Length: 3\r\n\r\n', 'trailer'],
    ['0\r\n folded\r\n\r\n', 'trailer'],
    ['0\r\nX: y\n\r\n', 'trailer'],
  ])('refuses %j', (text, fault) => {
    expect(follow(Buffer.from(text, 'latin1'), [])).toBe(fault)
  })
})
