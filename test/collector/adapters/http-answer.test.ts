import { describe, expect, it } from 'vitest'
import {
  AnswerError,
  type AnswerFields,
  AnswerReader,
} from '../../../server/collector/adapters/http-answer.ts'

interface Read {
  status: number
  fields: AnswerFields
  body: string
  ended: boolean
  kept: boolean
  keptMs: number | null
  /** Bytes that were left behind the answer. */
  rest: number
}

/** Reads `text` in pieces of at most `size` bytes, and its end where `closes`. */
const read = (text: string, size = text.length, closes = false): Read => {
  const bytes = Buffer.from(text, 'latin1')
  const seen: Read = { status: 0, fields: {}, body: '', ended: false, kept: false, keptMs: null, rest: 0 }
  const reader = new AnswerReader({
    onHead: (status, fields) => Object.assign(seen, { status, fields }),
    onBody: (part) => {
      seen.body += part.toString('latin1')
    },
    onEnd: () => {
      seen.ended = true
    },
  })
  for (let at = 0; at < bytes.length; at += size) {
    // What was handed over may be overwritten at once.
    const piece = Buffer.from(bytes.subarray(at, at + size))
    seen.rest += piece.length - reader.push(piece)
    piece.fill(0)
  }
  if (closes) reader.end()
  return { ...seen, kept: reader.isKept, keptMs: reader.keptMs }
}

const faultOf = (text: string, size?: number): string => {
  try {
    read(text, size)
    return 'none'
  } catch (error) {
    return error instanceof AnswerError ? error.code : `${error}`
  }
}

const GOOD: readonly [string, string, Partial<Read>][] = [
  [
    'a length',
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nKeep-Alive: timeout=5\r\n\r\n{ü}}',
    {
      body: '{ü}}',
      kept: true,
      keptMs: 5_000,
      fields: { 'content-length': '4', date: 'Sun, 06 Nov 1994 08:49:37 GMT' },
    },
  ],
  ['nothing in it', 'HTTP/1.1 200\r\ncontent-length:0\r\n\r\n', { body: '', kept: true }],
  [
    'chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x="y"\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
    { body: 'abc0123456789', kept: true },
  ],
  [
    'interim answers before it',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx',
    { status: 200, body: 'x' },
  ],
  ['no body by its status', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '', kept: true }],
  [
    'the wish to close',
    'HTTP/1.1 200 OK\r\nconnection: Close, x\r\ncontent-length: 1\r\n\r\nx',
    { kept: false },
  ],
  ['an old version', 'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx', { kept: false }],
  [
    'an old version that keeps',
    'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx',
    { kept: true },
  ],
]

describe('an answer', () => {
  it.each(GOOD)('is read wherever it is split: %s', (_, text, wanted) => {
    for (let size = 1; size <= text.length; size += 1)
      expect(read(text, size), `pieces of ${size}`).toMatchObject({
        status: 200,
        ended: true,
        rest: 0,
        ...wanted,
      })
  })

  it('ends with its connection where it does not say how long it is, and is not kept', () => {
    const text = 'HTTP/1.1 200 OK\r\n\r\nabc'
    expect(read(text)).toMatchObject({ body: 'abc', ended: false, kept: false })
    expect(read(text, 1, true)).toMatchObject({ body: 'abc', ended: true, kept: false })
  })

  it('that is cut short has not ended', () => {
    expect(read('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc', 3, true).ended).toBe(false)
    expect(read('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', 3, true).ended).toBe(
      false,
    )
  })

  it('leaves what comes behind it', () => {
    expect(read('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n')).toMatchObject({
      body: 'x',
      rest: 19,
    })
  })

  it.each([
    ['no HTTP', '{"ok":true}'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\ncontent-length: 1\r\n\r\nx'],
    ['nothing but bare LFs', 'HTTP/1.1 200 OK\ncontent-length: 1\n\nx'],
    ['a bare CR', 'HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n'],
    ['a zero in it', 'HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
    ['a space before a colon', 'HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\nx'],
    ['a field without a name', 'HTTP/1.1 200 OK\r\n: 1\r\n\r\nx'],
    ['a field without a colon', 'HTTP/1.1 200 OK\r\nabc\r\n\r\nx'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\nx'],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx'],
    [
      'a length beside chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['another encoding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    [
      'chunked twice',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n'],
    ['a size beyond all', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n'],
    ['a size that ends with LF', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n'],
    [
      'a chunk longer than it says',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n',
    ],
    ['a trailer that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nxy\r\n\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}`],
    [
      'a line between chunks without end',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}`,
    ],
    [
      'extensions without end',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${`1;${'x'.repeat(9_000)}\r\ny\r\n`.repeat(2)}`,
    ],
    [
      'trailers without end',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${`x: ${'y'.repeat(9_000)}\r\n`.repeat(2)}`,
    ],
  ])('is refused, at once and byte by byte: %s', (_, text) => {
    expect(faultOf(text)).toMatch(/^HPE_/)
    expect(faultOf(text, 1)).toMatch(/^HPE_/)
  })
})
