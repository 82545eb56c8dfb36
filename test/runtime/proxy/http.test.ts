import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import {
  deadPort,
  expectLaw,
  httpRoute,
  httpTarget,
  RawClient,
  silentPort,
  startProxy,
  tcpTarget,
  until,
} from './harness.ts'

const HOST = 'Host: example.com\r\n'
const get = (path: string, extra = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${extra}\r\n`
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)

/** Answers each request head that arrives on a raw target; `answer` is called once a head is complete. */
const scripted = (
  answer: (head: string, count: number, socket: import('node:net').Socket) => string | null,
) => {
  let count = 0
  return tcpTarget((socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4)
        text = text.slice(end + 4)
        count += 1
        const said = answer(head, count, socket)
        if (said !== null) socket.write(said, 'latin1')
      }
    })
  })
}

const ok = (body = 'ok', extra = ''): string =>
  `HTTP/1.1 200 OK\r\n${extra}Content-Length: ${body.length}\r\n\r\n${body}`

describe('routing requests', () => {
  it('chooses a route per request by host and path on one kept-alive connection', async () => {
    const targets = await Promise.all(
      ['exact', 'wild', 'api', 'user', 'any'].map((name) => scripted(() => ok(name))),
    )
    const ports = targets.map((target) => target.port)
    const { proxy, port } = await startProxy({
      routes: [
        httpRoute(ports[4]!, { path: '/any/*' }, 'any'),
        httpRoute(ports[1]!, { domains: '*.example.com' }, 'wild'),
        httpRoute(ports[0]!, { domains: ['EXACT.example.com'] }, 'exact'),
        httpRoute(ports[2]!, { domains: '*.example.com', path: '/api/*' }, 'api'),
        httpRoute(ports[3]!, { domains: '*.example.com', path: '/users/:id' }, 'user'),
      ],
    })
    const client = new RawClient(port())
    const ask = async (host: string, path: string): Promise<string> => {
      const from = client.text.length
      client.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await until(() => /\r\n\r\n./s.test(client.text.slice(from)))
      const text = client.text.slice(from)
      return text.startsWith('HTTP/1.1 404') ? JSON.parse(bodyOf(text)).error.code : bodyOf(text)
    }
    expect(await ask('exact.example.com', '/')).toBe('exact')
    expect(await ask('Exact.Example.com:8080', '/api/x')).toBe('exact')
    expect(await ask('a.example.com', '/')).toBe('wild')
    expect(await ask('a.example.com.', '/api/x?y=/users/1')).toBe('api')
    expect(await ask('a.example.com', '/users/7')).toBe('user')
    expect(await ask('a.example.com', '/users/7/x')).toBe('wild')
    expect(await ask('other.test', '/any/thing')).toBe('any')
    expect(await ask('example.com', '/')).toBe('ERR_NOT_FOUND')
    expect(proxy.stats().connections.accepted).toBe(1)
    expect(proxy.stats().requests).toEqual({ total: 8, byStatus: { '2xx': 7, '4xx': 1 } })
  })

  it.each([
    ['/api/x', 'api'],
    ['/api/../root', 'any'],
    ['/api/%2e%2E/root', 'any'],
    ['/x/../api/y', 'api'],
    ['/%61pi/y', 'api'],
    ['/api%2Fy', 'any'],
    ['/api/..%2fx', 'api'],
    ['//api/x', 'api'],
    ['/x/..///api//y', 'api'],
    ['/%2e//api/y', 'api'],
    ['/x//../api/y', 'api'],
    ['/api//../root', 'any'],
    ['/x/..%2fapi/y', 'any'],
    ['/x/..;/api/y', 'any'],
    ['/x/..\\api/y', 'any'],
    ['/%2Fapi/y', 'any'],
  ])(
    'does not let dots, slashes or escapes choose another route than the target would: %s',
    async (path, name) => {
      const [api, any] = await Promise.all(['api', 'any'].map((who) => scripted(() => ok(who))))
      const { port } = await startProxy({
        routes: [
          httpRoute(api!.port, { path: '/api/*' }, 'api'),
          httpRoute(any!.port, { path: '/*' }, 'any'),
        ],
      })
      const client = new RawClient(port())
      client.socket.write(get(path))
      await until(() => /\r\n\r\n.../s.test(client.text))
      expect(bodyOf(client.text)).toBe(name)
      // What is forwarded stays as it was written.
      expect((name === 'api' ? api : any)!.received().toString()).toContain(`GET ${path} HTTP/1.1\r\n`)
    },
  )

  it('prefers an exact domain to the glob of a route that also names another exact one', async () => {
    const [both, exact] = await Promise.all(['both', 'exact'].map((name) => scripted(() => ok(name))))
    const { proxy, port } = await startProxy({
      routes: [
        httpRoute(both!.port, { domains: ['example.com', '*.example.com'] }, 'both'),
        httpRoute(exact!.port, { domains: 'api.example.com' }, 'exact'),
      ],
    })
    expect(proxy.listeners()[0]?.routes).toEqual(['both', 'exact'])
    for (const [host, answer] of [
      ['api.example.com', 'exact'],
      ['example.com', 'both'],
      ['b.example.com', 'both'],
    ] as const) {
      const client = new RawClient(port())
      client.socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await until(() => client.text.includes('\r\n\r\n'))
      expect(bodyOf(client.text)).toBe(answer)
    }
  })

  it('lets priority win over specificity', async () => {
    const [low, high] = await Promise.all(['low', 'high'].map((name) => scripted(() => ok(name))))
    const { port } = await startProxy({
      routes: [
        httpRoute(low!.port, { domains: 'a.test', path: '/x' }, 'low'),
        { ...httpRoute(high!.port, { path: '/*' }, 'high'), priority: 10 },
      ],
    })
    const client = new RawClient(port())
    client.socket.write('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await until(() => client.text.endsWith('high'))
  })

  it('never parses bytes on a port of TCP routes', async () => {
    const target = await tcpTarget((socket) => socket.on('data', () => socket.end('raw')))
    const { port } = await startProxy({
      routes: [
        {
          name: 'raw',
          match: { ports: 0 },
          action: { type: 'forward', targets: [{ host: '127.0.0.1', port: target.port }] },
        },
      ],
    })
    const client = new RawClient(port())
    client.socket.write('GET / HTTP/1.1\n\n\0')
    await client.over()
    expect(client.text).toBe('raw')
    expect(target.received().toString()).toBe('GET / HTTP/1.1\n\n\0')
  })
})

describe('heads', () => {
  it('re-serialises requests: hop-by-hop fields go, what the client says of itself is overwritten', async () => {
    const target = await scripted(() => ok())
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(
      get(
        '/a?b=c',
        'X-Keep: 1\r\nConnection: keep-alive, X-Drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\n' +
          'Proxy-Authorization: x\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\n',
      ),
    )
    await until(() => client.text.endsWith('ok'))
    expect(target.received().toString()).toBe(
      `GET /a?b=c HTTP/1.1\r\n${HOST}X-Keep: 1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: example.com\r\n\r\n`,
    )
  })

  it('keeps every end-to-end field of a response, repeated ones too', async () => {
    const target = await scripted(() =>
      ok(
        'x',
        'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: br\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n',
      ),
    )
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await until(() => client.text.endsWith('x'))
    expect(client.text).toBe(
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx',
    )
  })
})

describe('bodies', () => {
  it.each([0, 1, 65_536, 5_000_000])(
    'carries %d bytes there and back, with length and in chunks',
    async (size) => {
      const target = await httpTarget((request, response) => {
        if (request.headers['content-length'])
          response.setHeader('Content-Length', request.headers['content-length'])
        request.pipe(response)
      })
      const { port } = await startProxy({ routes: [httpRoute(target.port)] })
      const bytes = randomBytes(size)
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      onTestFinished(() => agent.destroy())
      for (const chunked of [false, true, false]) {
        const echoed = await new Promise<Buffer>((resolve, reject) => {
          const request = http.request(
            {
              port: port(),
              host: '127.0.0.1',
              method: 'POST',
              agent,
              headers: chunked ? {} : { 'Content-Length': size },
            },
            (response) => {
              const chunks: Buffer[] = []
              response.on('data', (chunk: Buffer) => chunks.push(chunk))
              response.on('end', () => resolve(Buffer.concat(chunks)))
              response.on('error', reject)
            },
          )
          request.on('error', reject)
          if (chunked)
            for (let at = 0; at < size; at += 100_003) request.write(bytes.subarray(at, at + 100_003))
          request.end(chunked ? undefined : bytes)
        })
        expect(createHash('sha256').update(echoed).digest('hex')).toBe(
          createHash('sha256').update(bytes).digest('hex'),
        )
      }
    },
  )

  it('delivers server-sent events one by one while the response goes on', async () => {
    let send: (text: string) => void = () => undefined
    const target = await httpTarget((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.flushHeaders()
      send = (text) => response.write(`data: ${text}\n\n`)
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/events'))
    await until(() => client.text.includes('\r\n\r\n'))
    for (const text of ['one', 'two', 'three']) {
      send(text)
      await until(() => client.text.includes(`data: ${text}`))
    }
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 1 })
    client.socket.resetAndDestroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expect(proxy.stats().closedBy).toEqual({ client_reset: 1 })
    expectLaw(proxy)
  })

  it('answers HEAD, 204 and 304 without waiting for a body, and goes on with the connection', async () => {
    const target = await scripted((head) => {
      if (head.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n'
      if (head.includes('/204')) return 'HTTP/1.1 204 No Content\r\n\r\n'
      if (head.includes('/304')) return 'HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n'
      return ok('end')
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`HEAD / HTTP/1.1\r\n${HOST}\r\n${get('/204')}${get('/304')}${get('/end')}`)
    await until(() => client.text.endsWith('end'))
    expect([...client.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual([
      '200',
      '204',
      '304',
      '200',
    ])
    expect(target.sockets).toHaveLength(1)
    expect(proxy.stats().connections.accepted).toBe(1)
  })

  it('passes on a response that ends with the connection, and ends ours after it', async () => {
    const target = await scripted((_head, _count, socket) => {
      socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end')
      return null
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await client.over()
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end')
    client.socket.end()
    await until(() => proxy.stats().closedBy.finished === 1)
  })

  it('ignores chunk extensions of a target, wherever its packets are split, and does not pass them on', async () => {
    const body = '5;a=b;c="d;e"\r\nhello\r\n6  \r\n world\r\n0;last\r\n\r\n'
    const target = await scripted((head, _count, socket) => {
      const start = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
      if (head.includes('/whole')) return start + body
      socket.setNoDelay(true)
      socket.write(start)
      void (async () => {
        for (const byte of body) {
          await new Promise((resolve) => setImmediate(resolve))
          socket.write(byte)
        }
      })()
      return null
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    for (const path of ['/whole', '/bytes']) {
      const from = client.text.length
      client.socket.write(get(path))
      await until(() => client.text.endsWith('0\r\n\r\n') && client.text.length > from)
      expect(bodyOf(client.text.slice(from))).toBe('5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n')
    }
  })

  it('passes a length on once that a target says twice', async () => {
    const target = await scripted(() => ok('twice', 'Content-Length: 5\r\n'))
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await until(() => client.text.endsWith('twice'))
    expect(client.text.match(/Content-Length/g)).toHaveLength(1)
  })

  it('cuts a response that the target cuts, so that it never looks complete', async () => {
    const target = await scripted((_head, _count, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\npart')
      setTimeout(() => socket.resetAndDestroy(), 20)
      return null
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await until(() => client.closed)
    expect(client.error?.code).toBe('ECONNRESET')
    expect(proxy.stats().closedBy).toEqual({ target_reset: 1 })
    expectLaw(proxy)
  })

  it('passes 100 Continue and 103 on, and the body only after it was asked for', async () => {
    let asked = false
    const target = await httpTarget(() => undefined)
    target.server.on('checkContinue', (request, response) => {
      asked = true
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.writeContinue()
      request.pipe(response)
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
    await until(() => client.text.includes('HTTP/1.1 100 Continue\r\n\r\n'))
    expect(asked).toBe(true)
    expect(client.text).toContain('HTTP/1.1 103 Early Hints\r\n')
    client.socket.write('hello')
    await until(() => client.text.includes('hello'))
  })

  it('pauses a target whose reader does not read', async () => {
    const target = await httpTarget((_request, response) => {
      for (let at = 0; at < 64; at += 1) response.write(Buffer.alloc(1024 * 1024))
      response.end()
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.pause()
    client.socket.write(get('/'))
    let before = -1
    let still = 0
    await until(() => {
      const now = proxy.stats().bytes.downstream
      still = now === before && now > 0 ? still + 1 : 0
      before = now
      return still > 30
    })
    expect(before).toBeLessThan(16 * 1024 * 1024)
    client.socket.resume()
    await until(() => proxy.stats().bytes.downstream > 64 * 1024 * 1024)
    await until(() => client.text.endsWith('0\r\n\r\n'))
  })
})

describe('keep-alive', () => {
  it('answers pipelined requests in order', async () => {
    const target = await httpTarget((request, response) => {
      setTimeout(() => response.end(request.url), request.url === '/0' ? 50 : 0)
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(Array.from({ length: 30 }, (_, at) => get(`/${at}`)).join(''))
    await until(() => client.text.endsWith('/29'))
    const order = [...client.text.matchAll(/\r\n\r\n\/(\d+)/g)].map((match) => Number(match[1]))
    expect(order).toEqual(Array.from({ length: 30 }, (_, at) => at))
  })

  it('answers every pipelined request of a client that ends its half behind them, and cuts an upload that it left', async () => {
    const target = await httpTarget((request, response) => {
      setTimeout(() => response.end(request.url), 20)
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const whole = new RawClient(port())
    whole.socket.end(get('/1') + get('/2') + get('/3'))
    await whole.over()
    expect([...whole.text.matchAll(/\r\n\r\n(\/\d)/g)].map((match) => match[1])).toEqual(['/1', '/2', '/3'])
    expect(whole.text.match(/Connection: close/g)).toHaveLength(1)
    const left = new RawClient(port())
    left.socket.end(`${get('/1')}POST /2 HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nab`)
    await left.over()
    expect(left.text.match(/HTTP\/1.1/g)).toHaveLength(1)
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1, client_incomplete: 1 })
    expectLaw(proxy)
  })

  it('serves many clients over few target connections', async () => {
    const target = await scripted(() => ok())
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    for (let at = 0; at < 10; at += 1) {
      const client = new RawClient(port())
      client.socket.write(get('/', 'Connection: close\r\n'))
      await client.over()
      expect(client.text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    }
    expect(target.sockets).toHaveLength(1)
  })

  it('repeats an idempotent request once on a fresh connection when the pooled one had just closed', async () => {
    const target = await scripted((_head, count, socket) => {
      if (count !== 2) return ok(String(count))
      socket.resetAndDestroy()
      return null
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await until(() => client.text.endsWith('\r\n\r\n1'))
    client.socket.write(get('/'))
    await until(() => client.text.endsWith('\r\n\r\n3'))
    expect(target.sockets).toHaveLength(2)
    expect(proxy.stats().requests).toEqual({ total: 2, byStatus: { '2xx': 2 } })
  })

  it('never repeats a POST: it answers 502', async () => {
    const target = await scripted((_head, count, socket) => {
      if (count !== 2) return ok(String(count))
      socket.resetAndDestroy()
      return null
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await until(() => client.text.endsWith('\r\n\r\n1'))
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`)
    await until(() => client.text.includes('ERR_BAD_GATEWAY') || client.text.endsWith('\r\n\r\n3'))
    expect(client.text).toContain('HTTP/1.1 502 ')
    expect(target.received().toString().match(/POST/g)).toHaveLength(1)
  })

  it('keeps the connection of an HTTP/1.0 client that asks for it and can see where the answer ends', async () => {
    const target = await scripted(() => ok('whole'))
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    for (const times of [1, 2]) {
      client.socket.write(`GET / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`)
      await until(() => client.text.split('Connection: keep-alive\r\n\r\nwhole').length === times + 1)
    }
    client.socket.write(`GET / HTTP/1.0\r\n${HOST}\r\n`)
    await client.over()
    expect(proxy.stats().connections.accepted).toBe(1)
  })

  it('answers an HTTP/1.0 client in full and closes', async () => {
    const target = await httpTarget((request, response) => {
      response.write(`for ${request.httpVersion}`)
      response.end()
    })
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`GET / HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`)
    await client.over()
    expect(bodyOf(client.text)).toBe('for 1.0')
  })

  it('lets a client that has sent FIN hear its answer', async () => {
    const target = await httpTarget((_request, response) => setTimeout(() => response.end('late'), 50))
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.end(get('/'))
    await client.over()
    expect(client.text).toContain('late')
    await until(() => proxy.stats().closedBy.finished === 1)
    expectLaw(proxy)
  })
})

describe('failures', () => {
  it('answers 502 when the target refuses, and counts it', async () => {
    const { proxy, port } = await startProxy({ routes: [httpRoute(await deadPort())] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 502 /)
    expect(JSON.parse(bodyOf(client.text))).toMatchObject({
      error: { code: 'ERR_BAD_GATEWAY', facts: { reason: 'backend_refused' } },
    })
    client.socket.end()
    await until(() => proxy.stats().closedBy.backend_refused === 1)
    expect(proxy.stats().requests).toEqual({ total: 1, byStatus: { '5xx': 1 } })
    expect(proxy.inFlight()).toEqual({ connections: 0, requests: 0 })
    expectLaw(proxy)
  })

  it.each([
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n\r\n'],
    [
      'a switch of protocols nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    ],
    ['nothing', ''],
    [
      'a first chunk that is no chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\nhello\r\n0\r\n\r\n',
    ],
    ['two different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
  ])('answers 502 when the target sends %s', async (_what, bytes) => {
    const target = await scripted((_head, _count, socket) => {
      socket.end(bytes)
      return null
    })
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 502 /)
    expect(client.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    client.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('answers 408 to a head that does not come to its end', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], headersTimeoutMs: 150 })
    const client = new RawClient(port())
    client.socket.write('GET / HTTP/1.1\r\nHost')
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /)
    client.socket.end()
    await until(() => proxy.stats().closedBy.initial_data_timeout === 1)
    expect(target.sockets).toHaveLength(0)
  })

  it('answers 408 to a body that stands still, and ends the request at the target', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)], bodyIdleTimeoutMs: 200 })
    const client = new RawClient(port())
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10000\r\n\r\nx`)
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /)
    await until(() => target.sockets[0]!.destroyed)
    client.socket.end()
    await until(() => proxy.stats().closedBy.slow_body === 1)
    expectLaw(proxy)
  })

  it('answers 504 when no target answers the dial in time', async () => {
    const { proxy, port } = await startProxy({
      routes: [httpRoute(await silentPort())],
      connectTimeoutMs: 200,
    })
    const client = new RawClient(port())
    client.socket.write(get('/'))
    await client.over()
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /)
    expect(JSON.parse(bodyOf(client.text)).error.code).toBe('ERR_GATEWAY_TIMEOUT')
    client.socket.end()
    await until(() => proxy.stats().closedBy.connect_timeout === 1)
    expectLaw(proxy)
  })

  it('closes a connection that never sends its first byte, and says so', async () => {
    const { proxy, port } = await startProxy({ routes: [httpRoute(1)], initialDataTimeoutMs: 150 })
    const client = new RawClient(port())
    await client.over()
    expect(client.text).toBe('')
    client.socket.end()
    await until(() => proxy.stats().closedBy.initial_data_timeout === 1)
  })

  it('removes the record of a client that goes before its first byte', async () => {
    const { proxy, port } = await startProxy({ routes: [httpRoute(1)] })
    const client = new RawClient(port())
    await until(() => proxy.stats().connections.active === 1)
    client.socket.destroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ client_gone_before_data: 1 })
    expectLaw(proxy)
  })

  it('gives up the target when the client goes in the middle of its body', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nhalf`)
    await until(() => target.received().toString().endsWith('half'))
    client.socket.destroy()
    await until(() => target.sockets[0]!.destroyed)
    expect(proxy.stats().closedBy).toEqual({ client_incomplete: 1 })
    expect(proxy.inFlight().requests).toBe(0)
    expectLaw(proxy)
  })
})

describe('WebSocket', () => {
  it('carries frames both ways after the upgrade, with type and close code', async () => {
    const { port: targetPort, server } = await httpTarget(() => undefined)
    const target = new WebSocketServer({ server })
    onTestFinished(() => {
      target.close()
    })
    target.on('connection', (socket) => {
      socket.send('hello')
      socket.on('message', (data, binary) => socket.send(data, { binary }))
      socket.on('close', (code) => codes.push(code))
    })
    const codes: number[] = []
    const { proxy, port } = await startProxy({ routes: [httpRoute(targetPort)] })
    const client = new WebSocket(`ws://127.0.0.1:${port()}/socket`)
    const heard: [string, boolean][] = []
    client.on('message', (data: Buffer, binary) => heard.push([data.toString('latin1'), binary]))
    await new Promise((resolve) => client.once('open', resolve))
    const big = randomBytes(300_000)
    client.send('text')
    client.send(big)
    await until(() => heard.length === 3)
    expect(heard).toEqual([
      ['hello', false],
      ['text', false],
      [big.toString('latin1'), true],
    ])
    expect(proxy.inFlight()).toEqual({ connections: 1, requests: 0 })
    client.close(4001, 'bye')
    await until(() => proxy.stats().connections.active === 0)
    await until(() => codes.length > 0)
    expect(codes).toEqual([4001])
    expect(proxy.stats()).toMatchObject({
      closedBy: { finished: 1 },
      requests: { total: 1, byStatus: { '1xx': 1 } },
    })
    expect(proxy.stats().targets[0]!.active).toBe(0)
    expectLaw(proxy)
  })

  it('passes on a refused upgrade as the answer it is', async () => {
    const target = await scripted(() => ok('no sockets here'))
    const { port } = await startProxy({ routes: [httpRoute(target.port)] })
    const client = new RawClient(port())
    client.socket.write(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
    await until(() => client.text.endsWith('no sockets here'))
    expect(target.received().toString()).toContain('Connection: Upgrade\r\nUpgrade: websocket\r\n')
  })
})
