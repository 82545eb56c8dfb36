import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { HttpProbe } from '../../../server/collector/adapters/http-probe.ts'
import { JsonAdapter } from '../../../server/collector/adapters/json/adapter.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A server that says whatever it likes over each connection once it is asked. */
const serve = async (onRequest: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', () => onRequest(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const TIMEOUT_MS = 600
const target = (url: string) =>
  ({ id: 'any-1', region: 'iad', kind: 'json', url, map: { ok: '/ok' }, embedded: false }) as const

/** The same answer as JSON of at most 64 KiB, and as a page of at most 4 MiB that is taken as it comes. */
const ways = [
  [
    'JSON',
    () => {
      const adapter = new JsonAdapter({ timeoutMs: TIMEOUT_MS, rules: createAddressRules([]) })
      closers.push(() => adapter.close())
      return (url: string) => adapter.probe(target(url))
    },
  ],
  [
    'a large page',
    () => {
      const probe = new HttpProbe({ timeoutMs: TIMEOUT_MS, rules: createAddressRules([]) })
      closers.push(() => probe.close())
      let taken = 0
      return async (url: string) => {
        const answer = await probe.ask(target(url), '/', {
          maxBytes: 4 * 1024 * 1024,
          begin: () => {
            taken = 0
          },
          take: (chunk) => {
            taken += chunk.length
          },
        })
        expect(taken).toBeLessThanOrEqual(4 * 1024 * 1024)
        return answer
      }
    },
  ],
] as const

const head = (headers: string, status = '200 OK') => `HTTP/1.1 ${status}\r\n${headers}\r\n\r\n`
const whole = (body: string | Buffer, headers = '') =>
  Buffer.concat([
    Buffer.from(head(`content-length: ${Buffer.byteLength(body)}${headers === '' ? '' : `\r\n${headers}`}`)),
    Buffer.from(body),
  ])
const GOOD = whole('{"ok":true}')
const utf16 = (text: string, mark: boolean) =>
  Buffer.concat([Buffer.from(mark ? [0xff, 0xfe] : []), Buffer.from(text, 'utf16le')])
/** Sends without end, as fast as it is taken. */
const endlessly = (socket: Socket, begin: string, part: Buffer | string): void => {
  socket.write(begin)
  const more = (): void => {
    let hasRoom = true
    while (hasRoom && !socket.destroyed) hasRoom = socket.write(part)
    if (!socket.destroyed) socket.once('drain', more)
  }
  more()
}
const resets = (socket: Socket, begin: string): void => {
  socket.write(begin)
  setTimeout(() => socket.resetAndDestroy(), 30)
}
const drips = (socket: Socket, begin: string, text: string): void => {
  socket.write(begin)
  let at = 0
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else socket.write(text[at++ % text.length] ?? ' ')
  }, 100)
  closers.push(() => clearInterval(timer))
}

const BAD: readonly [string, (socket: Socket) => void, string, RegExp][] = [
  [
    'an endless body',
    (s) => endlessly(s, head('connection: close'), Buffer.alloc(65_536, 32)),
    'too_large',
    /larger than/,
  ],
  [
    'an endless chunked body',
    (s) => endlessly(s, head('transfer-encoding: chunked'), `10000\r\n${' '.repeat(65_536)}\r\n`),
    'too_large',
    /larger than/,
  ],
  [
    'a body that drips',
    (s) => drips(s, head('content-length: 1000'), ' '),
    'timeout',
    /no complete answer within 600 ms/,
  ],
  ['a head that drips', (s) => drips(s, 'HTTP/1.1 200 OK\r\n', 'x: y\r\n'), 'timeout', /no complete answer/],
  [
    'a head without end',
    (s) => endlessly(s, 'HTTP/1.1 200 OK\r\n', `x-more: ${'y'.repeat(8_000)}\r\n`),
    'bad_body',
    /not valid HTTP/,
  ],
  [
    'ten thousand headers',
    (s) => s.write(head('a: b\r\n'.repeat(10_000).trim())),
    'bad_body',
    /not valid HTTP/,
  ],
  [
    'trailers without end',
    (s) =>
      endlessly(
        s,
        `${head('transfer-encoding: chunked')}b\r\n{"ok":true}\r\n0\r\n`,
        `x-more: ${'y'.repeat(8_000)}\r\n`,
      ),
    'bad_body',
    /not valid HTTP/,
  ],
  [
    'interim answers without end',
    (s) => endlessly(s, '', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'),
    'bad_body',
    /begins with more than 64 interim answers/,
  ],
  [
    'a body that is compressed',
    (s) => s.write(whole(gzipSync('{"ok":true}'), 'content-encoding: gzip')),
    'bad_body',
    /gzip is not accepted/,
  ],
  [
    'a compressed body that does not say so',
    (s) => s.write(whole(gzipSync('{"ok":true}'))),
    'bad_body',
    /is gzip without saying so/,
  ],
  [
    'a gigabyte that is announced',
    (s) => s.write(head('content-length: 1073741824')),
    'too_large',
    /announces 1073741824 bytes/,
  ],
  [
    'UTF-16 with a mark',
    (s) => s.write(whole(utf16('{"ok":true}', true))),
    'bad_body',
    /in UTF-16 or UTF-32; UTF-8 is read/,
  ],
  [
    'UTF-16 without one',
    (s) => s.write(whole(utf16('{"ok":true}', false))),
    'bad_body',
    /in UTF-16 or UTF-32/,
  ],
  [
    'UTF-16 that is declared',
    (s) => s.write(whole(utf16('{"ok":true}', false), 'content-type: application/json; charset=UTF-16LE')),
    'bad_body',
    /is in UTF-16LE; UTF-8 is read/,
  ],
  [
    'Latin-1 that is declared',
    (s) =>
      s.write(
        whole(
          Buffer.from('{"ok":true,"n":"Zürich"}', 'latin1'),
          'content-type: application/json;charset="ISO-8859-1"',
        ),
      ),
    'bad_body',
    /is in ISO-8859-1, with letters beyond ASCII/,
  ],
  [
    'UTF-8 that is declared as Latin-1',
    (s) => s.write(whole('{"ok":true,"n":"Zürich"}', 'content-type: text/plain; charset=latin1')),
    'bad_body',
    /is in latin1, with letters beyond ASCII/,
  ],
  [
    'Latin-1 that is not declared',
    (s) => s.write(whole(Buffer.from('{"ok":true,"n":"Zürich"}', 'latin1'))),
    'bad_body',
    /not valid UTF-8/,
  ],
  [
    'half a letter at the end',
    (s) => s.write(whole(Buffer.from('{"n":"ü"}').subarray(0, 7))),
    'bad_body',
    /not valid UTF-8/,
  ],
  ['204', (s) => s.write(head('x: y', '204 No Content')), 'bad_status', /204/],
  [
    '206',
    (s) =>
      s.write(
        `${head('content-length: 11\r\ncontent-range: bytes 0-10/100', '206 Partial Content')}{"ok":true}`,
      ),
    'bad_status',
    /206/,
  ],
  ['304', (s) => s.write(head('x: y', '304 Not Modified')), 'bad_status', /304/],
  [
    'a redirect',
    (s) => s.write(head('location: http://169.254.169.254/\r\ncontent-length: 0', '302 Found')),
    'redirect',
    /not followed/,
  ],
  [
    'a body shorter than announced',
    (s) => s.end(`${head('content-length: 1000')}{"ok":true}`),
    'refused',
    /in the middle of the answer/,
  ],
  [
    'a reset half-way',
    (s) => resets(s, `${head('content-length: 1000')}{"ok"`),
    'refused',
    /in the middle of the answer/,
  ],
  [
    'a chunked body that stops',
    (s) => s.end(`${head('transfer-encoding: chunked')}b\r\n{"ok":true}\r\n`),
    'refused',
    /in the middle of the answer/,
  ],
  [
    'chunks of a wrong size',
    (s) => s.write(`${head('transfer-encoding: chunked')}zz\r\n{"ok":true}\r\n0\r\n\r\n`),
    'bad_body',
    /not valid HTTP/,
  ],
  [
    'two lengths',
    (s) => s.write(`${head('content-length: 11\r\ncontent-length: 12')}{"ok":true}`),
    'bad_body',
    /not valid HTTP/,
  ],
  [
    'a length and chunks',
    (s) =>
      s.write(`${head('content-length: 11\r\ntransfer-encoding: chunked')}b\r\n{"ok":true}\r\n0\r\n\r\n`),
    'bad_body',
    /not valid HTTP/,
  ],
  ['HTTP/0.9', (s) => s.end('{"ok":true}'), 'bad_body', /not valid HTTP/],
  ['nothing at all', (s) => s.end(), 'refused', /closed|reset/],
]

describe.each(ways)('a hostile answer as %s', (_, makeAsk) => {
  it.each(BAD)(
    '%s costs its own poll, with a sentence, and the next one is fine',
    async (_, say, outcome, reason) => {
      let asked = 0
      const url = await serve((socket) => {
        asked += 1
        if (asked === 1) say(socket)
        else socket.write(GOOD)
      })
      const ask = makeAsk()
      const before = process.memoryUsage().rss
      const answer = await ask(url)
      expect(answer).toMatchObject({ outcome, reason: expect.stringMatching(reason) })
      expect(answer.reason.length).toBeLessThan(300)
      expect((await ask(url)).outcome).toBe('ok')
      expect(process.memoryUsage().rss - before).toBeLessThan(150e6)
    },
  )

  it.each<[string, string | Buffer]>([
    ['a mark of UTF-8', whole('\ufeff{"ok":true}')],
    [
      'Latin-1 that is ASCII all the same',
      whole('{"ok":true}', 'content-type: application/json; charset=iso-8859-1'),
    ],
    [
      'chunks with trailers',
      `${head('transfer-encoding: chunked\r\ntrailer: x-sum')}b;ext=1\r\n{"ok":true}\r\n0\r\nx-sum: 9\r\n\r\n`,
    ],
    [
      'interim answers before it',
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${GOOD}`,
    ],
    ['an end by closing', `${head('connection: close')}{"ok":true}`],
  ])('%s is read all the same', async (_, answer) => {
    const url = await serve((socket) => {
      socket.write(answer)
      if (String(answer).includes('connection: close')) socket.end()
    })
    expect((await makeAsk()(url)).outcome).toBe('ok')
  })

  it('letters that come in halves are letters', async () => {
    const bytes = whole('{"ok":true,"n":"Zürich 🚀 東京"}')
    const url = await serve((socket) => {
      socket.setNoDelay(true)
      ;[...bytes].forEach((byte, index) => void setTimeout(() => socket.write(Buffer.from([byte])), index))
    })
    expect((await makeAsk()(url)).outcome).toBe('ok')
  })

  it('a second answer that nobody asked for is never taken for the next one', async () => {
    let connections = 0
    const url = await serve((socket) => {
      connections += 1
      socket.write(connections === 1 ? Buffer.concat([GOOD, whole('{"ok":false}')]) : GOOD)
    })
    const ask = makeAsk()
    expect((await ask(url)).outcome).toBe('ok')
    const next = await ask(url)
    expect(next.outcome).toBe('ok')
    if ('facts' in next) expect(next.facts?.ok).toBe(true)
    expect(connections).toBe(2)
  })
})

it('a document that would change every object changes none', async () => {
  const url = await serve((socket) =>
    socket.write(
      whole(
        '{"__proto__":{"ok":false,"polluted":1},"constructor":{"prototype":{"polluted":1}},"ok":true,"n":{"__proto__":null}}',
      ),
    ),
  )
  const [, makeAsk] = ways[0]
  const reading = await makeAsk()(url)
  expect(reading.facts?.ok).toBe(true)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
  expect(Object.hasOwn(reading.raw as object, '__proto__')).toBe(false)
})

it('gives up nobody else for a node that fills its connection', async () => {
  const [, makeAsk] = ways[1]
  const endless = await serve((socket) =>
    endlessly(socket, head('connection: close'), Buffer.alloc(65_536, 32)),
  )
  const good = await serve((socket) => socket.write(GOOD))
  const [bad, ...others] = await Promise.all([makeAsk()(endless), ...[1, 2, 3].map(() => makeAsk()(good))])
  expect(bad.outcome).toBe('too_large')
  await vi.waitFor(() => expect(others.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']))
})
