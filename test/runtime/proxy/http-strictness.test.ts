import { describe, expect, it } from 'vitest'
import { expectLaw, httpRoute, RawClient, startProxy, tcpTarget, until } from './harness.ts'

const HOST = 'Host: example.com\r\n'
const chunked = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`

/** What is not plainly valid, and what it is answered with. */
const REFUSED: [what: string, bytes: string, status: number][] = [
  [
    'both length and chunked',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'chunked and then length',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['chunked on HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'a coding other than chunked',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['the coding identity', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: identity\r\n\r\n`, 400],
  ['a coding in quotes', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 400],
  [
    'a coding behind a vertical tab',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'chunked twice',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
  ['a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nhello`, 400],
  ['a negative length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, 400],
  ['a signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhello`, 400],
  ['a hexadecimal length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nhello`, 400],
  ['an empty length', `POST / HTTP/1.1\r\n${HOST}Content-Length: \r\n\r\n`, 400],
  ['an enormous length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\n`, 400],
  ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', 400],
  ['no field at all', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost: \r\n\r\n', 400],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 400],
  ['a Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a Host with an empty label', 'GET / HTTP/1.1\r\nHost: a..b\r\n\r\n', 400],
  ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['a Host longer than any name', `GET / HTTP/1.1\r\nHost: ${'a.'.repeat(128)}b\r\n\r\n`, 400],
  ['a Host with an impossible port', 'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', 400],
  ['an absolute form that differs from Host', `GET http://evil.example/ HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['an absolute form of another scheme', `GET ftp://example.com/ HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a target without a slash', `GET x HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a fragment', `GET /#x HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['an asterisk for GET', `GET * HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a bare CR in a value', `GET / HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`, 400],
  ['a bare LF after a field', `GET / HTTP/1.1\r\n${HOST}X: a\nY: b\r\n\r\n`, 400],
  ['bare LFs alone', 'GET / HTTP/1.1\nHost: example.com\n\n', 400],
  ['a folded line', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`, 400],
  ['a first field that is folded', `GET / HTTP/1.1\r\n X: a\r\n${HOST}\r\n`, 400],
  ['NUL in a value', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, 400],
  ['NUL in the target', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['DEL in a value', `GET / HTTP/1.1\r\n${HOST}X: a\x7f\r\n\r\n`, 400],
  ['a space before the colon', `GET / HTTP/1.1\r\n${HOST}X : a\r\n\r\n`, 400],
  [
    'a chunked that hides behind a space',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['a field without a name', `GET / HTTP/1.1\r\n${HOST}: a\r\n\r\n`, 400],
  ['a field without a colon', `GET / HTTP/1.1\r\n${HOST}X\r\n\r\n`, 400],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a tab in the request line', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a request line without a version', `GET /\r\n${HOST}\r\n`, 400],
  ['HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`, 400],
  ['HTTP/2.0 in words', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['http/1.1 in lower case', `GET / http/1.1\r\n${HOST}\r\n`, 400],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['a chunk extension', `${chunked}5;a=b\r\nhello\r\n0\r\n\r\n`, 400],
  ['a chunk extension on the last chunk', `${chunked}0;a\r\n\r\n`, 400],
  ['a chunk size with a sign', `${chunked}+5\r\nhello\r\n0\r\n\r\n`, 400],
  ['a chunk size with 0x', `${chunked}0x5\r\nhello\r\n0\r\n\r\n`, 400],
  ['a chunk size ended by LF', `${chunked}5\nhello\r\n0\r\n\r\n`, 400],
  ['a chunk longer than its size', `${chunked}5\r\nhello!\r\n0\r\n\r\n`, 400],
  ['no chunk size', `${chunked}\r\nhello\r\n0\r\n\r\n`, 400],
  ['a length among the trailers', `${chunked}0\r\nContent-Length: 5\r\n\r\n`, 400],
  ['101 fields', `GET / HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(100)}\r\n`, 431],
  ['a head above 64 KiB', `GET / HTTP/1.1\r\n${HOST}X: ${'y'.repeat(65_536)}\r\n\r\n`, 431],
  ['a head above 64 KiB that never ends', `GET /${'x'.repeat(70_000)}`, 431],
  ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}\r\n`, 405],
  ['CONNECT', `CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n`, 405],
]

describe('what is not plainly valid HTTP/1.1', () => {
  it.each(REFUSED)(
    'is refused and closed, and nothing reaches the target: %s',
    async (_what, bytes, status) => {
      const target = await tcpTarget()
      const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
      const client = new RawClient(port())
      // A second, valid request rides behind: it must not be served either.
      client.socket.write(Buffer.from(bytes, 'latin1'))
      client.socket.write(`GET /smuggled HTTP/1.1\r\n${HOST}\r\n`)
      await client.over()
      expect(client.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
      expect(client.text.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      const body = JSON.parse(client.text.slice(client.text.indexOf('\r\n\r\n') + 4)) as {
        error: { code: string }
      }
      expect(body.error.code).toMatch(/^ERR_/)
      client.socket.end()
      await until(() => proxy.stats().connections.active === 0)
      expect(target.received().toString('latin1')).toBe('')
      expect(target.sockets).toHaveLength(0)
      expect(proxy.stats().closedBy).toEqual({ bad_request: 1 })
      expectLaw(proxy)
    },
  )

  it('is refused the same when it comes one byte at a time', async () => {
    const target = await tcpTarget()
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.setNoDelay(true)
    for (const byte of Buffer.from(`${chunked}5;a=b\r\nhello\r\n`, 'latin1')) {
      client.socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /)
    expect(target.received()).toHaveLength(0)
  })

  it('ends the request at the target when a later chunk is malformed, so that it never looks complete', async () => {
    const target = await tcpTarget()
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`${chunked}5\r\nhello\r\n`)
    await until(() => target.received().toString().endsWith('hello\r\n'))
    client.socket.write('5;a\r\nhello\r\n0\r\n\r\n')
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /)
    await until(() => target.sockets[0]!.destroyed)
    expect(target.received().toString()).not.toContain('0\r\n\r\n')
  })
})

describe('what is plainly valid', () => {
  it.each([
    ['one empty line before the request', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
    ['a GET with a body', `GET / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`],
    ['an IPv6 Host', 'GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n'],
    ['exactly 100 fields', `GET / HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(99)}\r\n`],
    ['an asterisk for OPTIONS', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
    ['a method of its own', `PURGE / HTTP/1.1\r\n${HOST}\r\n`],
    ['an absolute form that equals Host', `GET http://example.com/ HTTP/1.1\r\n${HOST}\r\n`],
    ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n'],
    ['chunks with a trailer', `${chunked}5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`],
  ])('is forwarded: %s', async (_what, bytes) => {
    const target = await tcpTarget((socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')),
    )
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(bytes)
    await until(() => client.text.endsWith('\r\n\r\nok'))
    expect(target.sockets).toHaveLength(1)
  })
})
