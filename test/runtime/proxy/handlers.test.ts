import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { CloseReason } from '../../../server/runtime/proxy/connections/close-reasons.ts'
import type { ClientSide, Exchange, RouteHandler } from '../../../server/runtime/proxy/http/exchange.ts'
import { answerHead, CHUNKED, type RequestHead } from '../../../server/runtime/proxy/http/head.ts'
import type { ProxyOptions } from '../../../server/runtime/proxy/proxy.ts'
import type { TcpServices } from '../../../server/runtime/proxy/tcp/connection.ts'
import type { ConnectionHandler } from '../../../server/runtime/proxy/tcp/handler.ts'
import { expectLaw, httpRoute, httpTarget, RawClient, startProxy, tcpRoute, until } from './harness.ts'

const HOST = 'Host: example.com\r\n'
const get = (path: string, extra = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${extra}\r\n`
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`

/** An exchange that needs nothing and holds nothing. */
const plain = (over: Partial<Exchange> = {}): Exchange => ({
  dialling: false,
  heldBytes: 0,
  requestBytes: () => undefined,
  clientFlushed: () => undefined,
  sweep: () => undefined,
  abandon: () => undefined,
  ...over,
})

const noContent = (client: ClientSide): void => {
  client.respond(answerHead(204, ['X-By', 'the proxy']))
  client.end()
}

/** Answers 204, at once: a body that is still on its way is refused with the connection. */
const answers204: RouteHandler = {
  handle(_request, client) {
    noContent(client)
    return plain()
  },
}

/** Answers 204 when it has read, and dropped, the whole body. */
const drains: RouteHandler = {
  handle(_request, client) {
    if (client.requestDone) noContent(client)
    return plain({
      requestBytes: () => {
        if (client.requestDone) noContent(client)
      },
    })
  },
}

const using = (handler: RouteHandler, name = 'own'): ProxyOptions => ({
  handlers: (own) => ({
    ...own,
    http: (route, targets) => (route.name === name ? handler : own.http(route, targets)),
  }),
})

/** Requests of the path /own go to the handler, all others to a target. */
const start = async (handler: RouteHandler, more: Partial<Parameters<typeof startProxy>[0]> = {}) => {
  const target = await httpTarget((request, response) => {
    request.resume().on('end', () => response.end(`target ${request.url}`))
  })
  return await startProxy(
    {
      routes: [httpRoute(target.port), httpRoute(target.port, { path: '/own/*' }, 'own')],
      // Also the interval of the sweeps, so that nobody waits for them here.
      socketCleanupGracePeriodMs: 200,
      ...more,
    },
    using(handler),
  )
}

const count = (text: string, of: string): number => text.split(of).length - 1

describe('a handler that answers 204 by itself', () => {
  it('serves beside a forward on one kept-alive connection, in order', async () => {
    const { proxy, port } = await start(answers204)
    const client = new RawClient(port())
    client.socket.write(get('/own/a'))
    await until(() => client.text.endsWith('\r\n\r\n'))
    expect(client.text).toMatch(/^HTTP\/1\.1 204 No Content\r\nX-By: the proxy\r\nDate: [^\r]+ GMT\r\n\r\n$/)
    client.socket.write(get('/b'))
    await until(() => client.text.endsWith('target /b'))
    client.socket.write(get('/own/c'))
    await until(() => count(client.text, ' 204 ') === 2)
    expect(proxy.connections({ limit: 1 }).items[0]).toMatchObject({ route: 'own' })
    expect(proxy.stats().requests).toEqual({ total: 3, byStatus: { '2xx': 3 } })
    expect(proxy.stats().connections.accepted).toBe(1)
    expect(proxy.inFlight().requests).toBe(0)
    client.socket.end()
    await until(() => proxy.stats().closedBy.finished === 1)
    expectLaw(proxy)
  })

  it('answers every request of a pipeline, mixed with forwards, also when the client ends behind them', async () => {
    const { proxy, port } = await start(answers204)
    const client = new RawClient(port())
    const paths = Array.from({ length: 200 }, (_, at) => (at % 10 === 3 ? `/t${at}` : `/own/${at}`))
    client.socket.end(paths.map((path) => get(path)).join(''))
    await client.over()
    expect(count(client.text, ' 204 ')).toBe(180)
    expect(count(client.text, ' 200 ')).toBe(20)
    expect([...client.text.matchAll(/target (\S+?)(?=HTTP|$)/g)].map(([, path]) => path)).toEqual(
      paths.filter((path) => path.startsWith('/t')),
    )
    await until(() => proxy.stats().closedBy.finished === 1)
    expect(proxy.stats().requests.total).toBe(200)
    expectLaw(proxy)
  })

  it('refuses a body by answering before it: the answer arrives whole and says that the connection ends', async () => {
    const { proxy, port } = await start(answers204)
    const client = new RawClient(port())
    client.socket.write(`POST /own/x HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n`)
    const feed = setInterval(() => client.socket.write('x'.repeat(1_000)), 5)
    await client.over()
    clearInterval(feed)
    expect(client.text).toMatch(/^HTTP\/1\.1 204 No Content\r\n(?:.+\r\n)*Connection: close\r\n\r\n$/)
    expect(client.error).toBeNull()
    client.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
    expectLaw(proxy)
  })

  it('keeps the connection when it drains the body, counted or in chunks, split anywhere', async () => {
    const { proxy, port } = await start(drains)
    const client = new RawClient(port())
    client.socket.write(post('/own/a', 'x'.repeat(200_000)) + post('/own/b', 'y'))
    await until(() => count(client.text, ' 204 ') === 2)
    const chunked = `POST /own/c HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n`
    for (const byte of chunked) {
      client.socket.write(byte)
      await sleep(1)
    }
    await until(() => count(client.text, ' 204 ') === 3)
    client.socket.write(get('/after'))
    await until(() => client.text.endsWith('target /after'))
    expect(client.text).not.toContain('Connection: close')
    expect(proxy.stats().requests).toEqual({ total: 4, byStatus: { '2xx': 4 } })
  })

  it('has a body that is no plain HTTP refused for it, and does not hear of it again', async () => {
    let abandoned = 0
    const { proxy, port } = await start({
      handle: (_request, client) =>
        plain({
          requestBytes: () => {
            if (client.requestDone) noContent(client)
          },
          abandon: () => {
            abandoned += 1
          },
        }),
    })
    const client = new RawClient(port())
    client.socket.write(`POST /own/x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX`)
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 400 /)
    expect(client.text).toContain('chunk_end')
    expect(abandoned).toBe(1)
    client.socket.end()
    await until(() => proxy.stats().closedBy.bad_request === 1)
    expectLaw(proxy)
  })

  it('is drained like a forward: its answer says close, and its port is given back', async () => {
    const { proxy, port } = await start(drains)
    const client = new RawClient(port())
    client.socket.write(`POST /own/a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nx`)
    await until(() => proxy.inFlight().requests === 1)
    await proxy.stopAccepting()
    client.socket.write('yz')
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 204 .*Connection: close\r\n\r\n$/s)
    await proxy.whenIdle(AbortSignal.timeout(5_000))
    expect(proxy.inFlight().requests).toBe(0)
  })
})

describe('a handler that streams by itself', () => {
  const streams = (pieces: string[], bodyLength: number): RouteHandler => ({
    handle(_request: RequestHead, client: ClientSide) {
      client.respond(answerHead(200, ['Content-Type', 'text/plain'], bodyLength))
      for (const piece of pieces) client.body(Buffer.from(piece))
      client.end()
      return plain()
    },
  })

  it('has its content framed in chunks for HTTP/1.1, ended by the connection for HTTP/1.0, left out for HEAD', async () => {
    const { port } = await start(streams(['hello ', '', 'world'], CHUNKED))
    const modern = new RawClient(port())
    modern.socket.write(get('/own/a') + get('/b'))
    await until(() => modern.text.endsWith('target /b'))
    expect(modern.text).toContain(
      'Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\nHTTP/1.1 200',
    )
    const old = new RawClient(port())
    old.socket.write('GET /own/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    await old.over()
    expect(old.text).toMatch(/Connection: close\r\n\r\nhello world$/)
    const head = new RawClient(port())
    head.socket.write(`HEAD /own/a HTTP/1.1\r\n${HOST}\r\n${get('/b')}`)
    await until(() => head.text.endsWith('target /b'))
    expect(head.text).not.toContain('hello')
  })

  it('waits for a slow reader and goes on when it is told', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x')
    let given = 0
    const { proxy, port } = await start({
      handle(_request, client) {
        client.respond(answerHead(200, [], 64 * piece.length))
        const pump = (): void => {
          while (given < 64) {
            given += 1
            if (!client.body(piece)) return
          }
          client.end()
        }
        pump()
        return plain({ clientFlushed: pump })
      },
    })
    const client = new RawClient(port())
    client.socket.pause()
    client.socket.write(get('/own/a'))
    await until(() => given > 0)
    await sleep(200)
    expect(given).toBeLessThan(32)
    client.socket.resume()
    await until(() => client.bytes.length > 64 * piece.length)
    await until(() => proxy.inFlight().requests === 0)
    client.socket.write(get('/b'))
    await until(() => client.text.endsWith('target /b'))
    expectLaw(proxy)
  })

  it.each([
    ['gives less than it announced', streams(['abc'], 5)],
    ['gives more than it announced', streams(['abcdef'], 5)],
    [
      'ends without an answer',
      {
        handle(_request: RequestHead, client: ClientSide) {
          client.end()
          return plain()
        },
      },
    ],
    [
      'throws',
      {
        handle() {
          throw new Error('a fault')
        },
      },
    ],
  ])('costs its own connection alone when it %s', async (_what, handler) => {
    const { proxy, port } = await start(handler)
    const [other, hit] = [new RawClient(port()), new RawClient(port())]
    other.socket.write(get('/b'))
    await until(() => other.text.endsWith('target /b'))
    hit.socket.write(get('/own/a'))
    await until(() => proxy.stats().closedBy.internal_error === 1)
    other.socket.write(get('/c'))
    await until(() => other.text.endsWith('target /c'))
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expectLaw(proxy)
  })

  it('may say what it likes after its client has gone: the next request does not hear it', async () => {
    const late: ClientSide[] = []
    const { proxy, port } = await start({
      handle(_request, client) {
        late.push(client)
        return plain()
      },
    })
    const [gone, stays] = [new RawClient(port()), new RawClient(port())]
    gone.socket.write(get('/own/a'))
    await until(() => late.length === 1)
    gone.socket.resetAndDestroy()
    await until(() => proxy.stats().closedBy.client_reset === 1)
    stays.socket.write(get('/own/b'))
    await until(() => late.length === 2)
    for (let times = 0; times < 2; times += 1) {
      for (const client of late) {
        client.fail(502, 'ERR_BAD_GATEWAY', 'late', {}, 'target_reset')
        client.respond(answerHead(200, [], 4))
        client.body(Buffer.from('late'))
        client.end()
        client.reset('target_reset')
      }
    }
    await stays.over()
    expect(count(stays.text, 'HTTP/1.1')).toBe(1)
    expect(stays.text).toMatch(/^HTTP\/1\.1 502 /)
    stays.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ client_reset: 1, target_reset: 1 })
    expectLaw(proxy)
  })
})

describe('a handler that carries TCP connections by itself', () => {
  /** Answers each connection with what it sent, once it has ended. */
  const mirror = (close: TcpServices['close']): ConnectionHandler => ({
    carry(client, record, early) {
      const chunks = early ? [early] : []
      const end = (reason: CloseReason): void => {
        client.destroy()
        close(record, reason)
      }
      record.carrier = {
        sweep: () => undefined,
        abort: end,
        retire: () => undefined,
        idleMs: () => null,
        keepsWaiting: () => false,
        heldBytes: () => 0,
      }
      client.owner = {
        onBytes: (_link, buffer, length) => {
          record.bytesUpstream += length
          chunks.push(Buffer.from(buffer.subarray(0, length)))
          return true
        },
        onEnd: () => {
          client.write(Buffer.concat(chunks))
          client.end()
        },
        onError: () => end('client_reset'),
        onFlushed: () => undefined,
        onFinish: () => end('finished'),
      }
      client.readAccepted()
    },
  })

  it('serves beside a forward, is counted, aborted and closed like one, and asks for no target', async () => {
    const { proxy, port, events } = await startProxy(
      { routes: [tcpRoute(9, { name: 'own' })] },
      { handlers: (own, { close }) => ({ ...own, tcp: () => mirror(close) }) },
    )
    const [client, cut] = [new RawClient(port()), new RawClient(port())]
    client.socket.end('hello')
    await client.over()
    expect(client.text).toBe('hello')
    await until(() => proxy.stats().closedBy.finished === 1)
    expect(events.find(({ type }) => type === 'connection.closed')?.data).toMatchObject({
      route: 'own',
      target: null,
      bytesUpstream: 5,
    })
    await proxy.stopAccepting()
    expect(proxy.inFlight()).toEqual({ connections: 1, requests: 0 })
    expect(await proxy.abortRest()).toEqual({ connections: 1, requests: 0 })
    await cut.over()
    expect(proxy.stats().closedBy).toEqual({ finished: 1, drain_deadline: 1 })
    expect(proxy.stats().targets).toEqual([])
    expectLaw(proxy)
  })

  it('costs the connection alone when it throws', async () => {
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute(9)] },
      {
        handlers: (own) => ({
          ...own,
          tcp: () => ({
            carry: () => {
              throw new Error('a fault')
            },
          }),
        }),
      },
    )
    for (let times = 1; times <= 2; times += 1) {
      await new RawClient(port()).over()
      expect(proxy.stats().closedBy).toEqual({ internal_error: times })
    }
    expectLaw(proxy)
  })
})
