import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { FLAG_END, FRAME } from '../../../server/runtime/tunnel/frames.ts'
import { ask, errorCode, speak, startHost, startRawHost, startRelay, startTarget } from './fixture.ts'

const upgrade = (path: string, extra = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extra}\r\n`

/** A second host beside the one that is attacked or attacks; it must keep its tunnel and its service. */
const startBystander = async (relay: Awaited<ReturnType<typeof startRelay>>) => {
  const host = startHost({
    relays: [relay.url],
    hostId: 'b',
    to: await startTarget((_req, res) => res.end('served')),
  })
  await host.registered()
  return async (): Promise<void> => {
    expect((await ask(relay, '/hosts/b/')).body.toString()).toBe('served')
    expect(host.of('lost')).toEqual([])
  }
}

describe('an upgrade of a stranger', () => {
  it.each([
    ['a length and no body yet', 'Content-Length: 5\r\n', ''],
    ['a length and its body', 'Content-Length: 5\r\n', 'hello'],
    ['a length of zero', 'Content-Length: 0\r\n', ''],
    ['chunks to come', 'Transfer-Encoding: chunked\r\n', ''],
    ['chunks', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'],
  ])('with a body does not end the relay: %s', async (_what, extra, body) => {
    const relay = await startRelay({ config: { bodyIdleTimeoutMs: 200, responseTimeoutMs: 200 } })
    const stillServed = await startBystander(relay)
    for (const path of ['/anything', '/hosts/b/', '/hosts/nobody/', '/tunnel?hostId=b', '/health']) {
      const socket = connect(relay.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(upgrade(path, extra) + body)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.toString('latin1'), path).toMatch(/^HTTP\/1\.1 \d{3} /)
      socket.destroy()
    }
    await stillServed()
  })

  it('to a page that streams does not end the relay when the response timeout passes', async () => {
    const relay = await startRelay({ config: { responseTimeoutMs: 100 } })
    const stillServed = await startBystander(relay)
    let send: (text: string) => void = () => undefined
    const to = await startTarget(
      () => undefined,
      (server) =>
        server.on('upgrade', (_req, socket) => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
          send = (text) => socket.write(text)
        }),
    )
    await startHost({ relays: [relay.url], to }).registered()
    let received = ''
    const socket = connect(relay.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
    })
    socket.write(upgrade('/hosts/a/events'))
    await vi.waitFor(() => expect(received).toContain('200 OK'))
    await new Promise((resolve) => setTimeout(resolve, 250))
    send('data: after the timeout\n\n')
    await vi.waitFor(() => expect(received).toContain('after the timeout'))
    await stillServed()
    socket.destroy()
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
  })

  it('that the target never answers is 504, once', async () => {
    const relay = await startRelay({ config: { responseTimeoutMs: 50 } })
    await startRawHost(relay, 'a', () => undefined)
    const answer = await speak(relay, upgrade('/hosts/a/'))
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(answer).toContain('504 Gateway Timeout')
    expect(answer).toContain('ERR_GATEWAY_TIMEOUT')
  })
})

describe('a head that a host sends', () => {
  const fine = { status: 200, message: 'OK', headers: [] }
  it.each([
    ['a control character in its phrase', { ...fine, message: 'a\x01b' }],
    ['an escape sequence in its phrase', { ...fine, message: '\x1b[31mboom' }],
    ['NUL in its phrase', { ...fine, message: 'a\0b' }],
    ['DEL in its phrase', { ...fine, message: 'a\x7fb' }],
    ['a second line in its phrase', { ...fine, message: 'OK\r\nSet-Cookie: x=1' }],
    ['a snowman in its phrase', { ...fine, message: '☃' }],
    ['an endless phrase', { ...fine, message: 'x'.repeat(10_000) }],
    ['no phrase that is text', { ...fine, message: 7 }],
    ['a second line in a value', { ...fine, headers: ['X-A', 'b\r\nSet-Cookie: x=1'] }],
    ['a space in a name', { ...fine, headers: ['X A', 'b'] }],
    ['a name that is empty', { ...fine, headers: ['', 'b'] }],
    ['a colon in a name', { ...fine, headers: ['X:', 'b'] }],
    ['a lone surrogate in a value', { ...fine, headers: ['X', '\ud800'] }],
    ['an odd list of headers', { ...fine, headers: ['X'] }],
    ['a status of 101', { ...fine, status: 101 }],
    ['a status of 1e9', { ...fine, status: 1e9 }],
    ['a status that is text', { ...fine, status: '200' }],
    ['70 KB of headers', { ...fine, headers: ['X', 'x'.repeat(70_000)] }],
    ['two different lengths', { ...fine, headers: ['Content-Length', '5', 'content-length', '6'] }],
    ['two lengths in one field', { ...fine, headers: ['Content-Length', '5, 6'] }],
    ['a length that is none', { ...fine, headers: ['Content-Length', '+5'] }],
    ['a Transfer-Encoding', { ...fine, headers: ['Transfer-Encoding', 'chunked'] }],
    ['an array', []],
    ['null', null],
  ])('with %s costs its exchange 502 and nobody else anything', async (_what, head) => {
    const relay = await startRelay()
    const stillServed = await startBystander(relay)
    const host = await startRawHost(relay, 'a', (stream) => {
      stream.send(FRAME.response, 0, JSON.stringify(head))
      stream.send(FRAME.data, FLAG_END, 'hello')
    })
    const answer = await ask(relay, '/hosts/a/')
    expect([answer.status, errorCode(answer)]).toEqual([502, 'ERR_BAD_GATEWAY'])
    expect(answer.rawHeaders.join('\n')).not.toMatch(/set-cookie/i)
    const raw = await speak(relay, upgrade('/hosts/a/'))
    expect(raw).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(host.ws.readyState).toBe(WebSocket.OPEN)
    await stillServed()
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
    expect(relay.relay.tunnels().map(({ pending }) => pending)).toEqual([0, 0])
    await relay.relay.destroy()
  })

  it('a control character in a target’s reason phrase costs one answer, with the product’s own host too', async () => {
    const relay = await startRelay()
    const stillServed = await startBystander(relay)
    const to = await startTarget(
      () => undefined,
      (server) =>
        server.on('connection', (socket) => {
          socket.removeAllListeners('data')
          socket.once('data', () =>
            socket.end('HTTP/1.1 500 \x1b[31mboom\r\nContent-Length: 2\r\n\r\nhm', 'latin1'),
          )
        }),
    )
    await startHost({ relays: [relay.url], to }).registered()
    const answer = await ask(relay, '/hosts/a/')
    expect([answer.status, errorCode(answer)]).toEqual([502, 'ERR_BAD_GATEWAY'])
    await stillServed()
  })

  it.each([
    ['a second line in a header', { protocol: '', headers: ['Set-Cookie', 'a=1\r\nX-Injected: 1'] }],
    ['a second line in the protocol', { protocol: 'chat\r\nX-Injected: 1', headers: [] }],
    ['a protocol that was not offered', { protocol: 'other', headers: [] }],
    ['no protocol', { headers: [] }],
  ])('cannot put words into a handshake: an open with %s is 502', async (_what, head) => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', (stream) => stream.send(FRAME.open, 0, head))
    const answer = await speak(relay, upgrade('/hosts/a/', 'Sec-WebSocket-Protocol: chat\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(answer).not.toMatch(/^X-Injected/m)
    await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
  })
})

describe('a response that a host frames wrongly', () => {
  const head = (headers: string[]) => ({ status: 200, message: 'OK', headers })
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'

  it('never puts a second response on the wire: more bytes than its length are not sent', async () => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', (stream) => {
      stream.send(FRAME.response, 0, head(['Content-Length', '5']))
      stream.send(FRAME.data, 0, 'hello')
      stream.send(FRAME.data, FLAG_END, second)
    })
    const answer = await speak(relay, 'GET /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(answer).not.toContain('forged')
    expect(answer.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThanOrEqual(1)
  })

  it.each([
    ['fewer bytes than its length', 'GET', ['Content-Length', '50']],
    ['a body for HEAD', 'HEAD', ['Content-Length', '5']],
  ])(
    'is cut, so that nobody waits for the rest or takes it for the next: %s',
    async (_what, method, headers) => {
      const relay = await startRelay()
      await startRawHost(relay, 'a', (stream) => {
        stream.send(FRAME.response, 0, head(headers))
        stream.send(FRAME.data, 0, 'hello')
        stream.send(FRAME.data, FLAG_END, '')
      })
      const answer = await speak(relay, `${method} /hosts/a/ HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(answer.match(/HTTP\/1\.1/g)?.length ?? 0).toBeLessThanOrEqual(1)
      await vi.waitFor(() => expect(relay.relay.stats().requests.pending).toBe(0))
    },
  )

  it('keeps one of two lengths that agree, and the type of a 204 without its length', async () => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', (stream) => {
      if (stream.head.path === '/204') {
        stream.send(FRAME.response, FLAG_END, {
          ...head(['Content-Length', '0', 'X-Kept', '1']),
          status: 204,
        })
        return
      }
      stream.send(FRAME.response, 0, head(['Content-Length', '5', 'Content-Length', '5']))
      stream.send(FRAME.data, FLAG_END, 'hello')
    })
    const answer = await ask(relay, '/hosts/a/')
    expect([
      answer.status,
      answer.body.toString(),
      answer.rawHeaders.filter((name) => name === 'Content-Length').length,
    ]).toEqual([200, 'hello', 1])
    const empty = await ask(relay, '/hosts/a/204')
    expect([
      empty.status,
      empty.rawHeaders.includes('X-Kept'),
      empty.rawHeaders.includes('Content-Length'),
    ]).toEqual([204, true, false])
  })

  it.each([
    ['a body before its head', FRAME.data, 'hello'],
    ['an end without a response', FRAME.data, ''],
    ['a close', FRAME.close, Buffer.from([3, 232])],
    ['a WebSocket message', FRAME.message, 'hello'],
    ['an open', FRAME.open, { protocol: '', headers: [] }],
    ['a window of three bytes', FRAME.window, 'abc'],
  ])('is 502 at once, not a wait for the timeout: %s', async (_what, type, payload) => {
    const relay = await startRelay()
    await startRawHost(relay, 'a', (stream) => stream.send(type, FLAG_END, payload))
    const answer = await ask(relay, '/hosts/a/')
    expect([answer.status, errorCode(answer)]).toEqual([502, 'ERR_BAD_GATEWAY'])
  })
})

describe('what a stranger may ask of a host', () => {
  it('does not cost the host its tunnel: targets that are no path are refused, and absolute ones are read', async () => {
    const relay = await startRelay({ config: { domain: 'tunnels.example' } })
    const to = await startTarget((req, res) => res.end(req.url))
    const host = startHost({ relays: [relay.url], to })
    await host.registered()
    const send = (line: string) =>
      speak(relay, `${line} HTTP/1.1\r\nHost: a.tunnels.example\r\nConnection: close\r\n\r\n`)
    expect(await send('OPTIONS *')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('GET http://a.tunnels.example/x?y=1')).toMatch(/\/x\?y=1/)
    expect(await send('GET http://b.tunnels.example/x')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('GET ftp:x')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await send('GET /caf\xe9')).toMatch(/^HTTP\/1\.1 (200|400) /)
    expect(host.of('lost')).toEqual([])
  })

  it('waits for ever where the response timeout is 0', async () => {
    const relay = await startRelay({ config: { responseTimeoutMs: 0, bodyIdleTimeoutMs: 0 } })
    let release: () => void = () => undefined
    await startRawHost(relay, 'a', (stream) => {
      release = () => stream.send(FRAME.response, FLAG_END, { status: 204, message: '', headers: [] })
    })
    const answer = ask(relay, '/hosts/a/')
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(1))
    await new Promise((resolve) => setTimeout(resolve, 50))
    release()
    expect((await answer).status).toBe(204)
  })
})
