import net from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Identity } from '../../../server/runtime/proxy/admit/identify.ts'
import { ProxyHeader } from '../../../server/runtime/proxy/proxy-protocol/accept.ts'
import { proxyHeader } from '../../../server/runtime/proxy/proxy-protocol/send.ts'
import { freePort, hasHaproxy, preamble, startHaproxy } from '../../collector/adapters/haproxy/haproxy.ts'
import {
  expectLaw,
  forward,
  httpRoute,
  httpTarget,
  RawClient,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'
import { authority, certificateFor, TlsClient, tlsTarget } from './tls-peers.ts'

const reader = new ProxyHeader(['127.0.0.0/8'])
const look = (bytes: Buffer | string): Identity => reader.look(Buffer.from(bytes as string, 'latin1'))
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const v2 = (command: number, family: number, body: Buffer, length = body.length): Buffer =>
  Buffer.concat([SIGNATURE, Buffer.from([command, family, length >> 8, length & 255]), body])
const four = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0x10, 0x92, 1, 0xbb])

describe('the header of a balancer', () => {
  it.each([
    ['PROXY TCP4 192.0.2.7 10.0.0.1 4242 443\r\nGET', { ip: '192.0.2.7', port: 4242 }, 40],
    ['PROXY TCP6 2001:DB8::7 ::1 4242 443\r\n', { ip: '2001:db8::7', port: 4242 }, 37],
    ['PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n', { ip: '192.0.2.7', port: 0 }, 41],
    ['PROXY UNKNOWN\r\n', undefined, 15],
    ['PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\n', undefined, 37],
    [v2(0x21, 0x11, four), { ip: '192.0.2.7', port: 4242 }, 28],
    [v2(0x21, 0x11, Buffer.concat([four, Buffer.from([4, 0, 1, 0])])), { ip: '192.0.2.7', port: 4242 }, 32],
    [v2(0x20, 0, Buffer.alloc(0)), undefined, 16],
    [v2(0x20, 0x11, four), undefined, 28],
    [v2(0x20, 0x99, four), undefined, 28],
    [v2(0x21, 0x31, Buffer.alloc(216)), undefined, 232],
    [v2(0x21, 0x00, Buffer.alloc(5)), undefined, 21],
  ] as const)('%j is read, at once and byte by byte', (bytes, client, taken) => {
    const header = Buffer.from(bytes as string, 'latin1')
    expect(look(header)).toEqual({ verdict: 'on', taken, ...(client ? { client } : {}) })
    for (let length = 0; length < taken; length += 1)
      expect(look(header.subarray(0, length)), `${length} bytes`).toEqual({ verdict: 'more' })
  })

  it.each([
    'GET / HTTP/1.1\r\n\r\n',
    'PROXX',
    'PROXY TCP4 192.0.2.7 10.0.0.1 4242 443\n',
    'PROXY  TCP4 192.0.2.7 10.0.0.1 4242 443\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 04242 443\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 4242 65536\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 4242\r\n',
    'PROXY TCP4 192.0.2.07 10.0.0.1 4242 443\r\n',
    'PROXY TCP4 ::1 ::1 4242 443\r\n',
    'PROXY TCP6 192.0.2.7 10.0.0.1 4242 443\r\n',
    'PROXY UDP4 192.0.2.7 10.0.0.1 4242 443\r\n',
    'PROXY TCP4 192.0.2.7 10.0.0.1 4242 443 \r\n',
    'proxy TCP4 192.0.2.7 10.0.0.1 4242 443\r\n',
    `PROXY UNKNOWN ${'x'.repeat(120)}`,
    '\r\n\r\n\0\r\nQUIX',
    v2(0x22, 0x11, four),
    v2(0x11, 0x11, four),
    v2(0x21, 0x11, four.subarray(0, 11)),
    v2(0x21, 0x21, four),
    v2(0x21, 0x11, four, 5_000),
    // Whom these name, no list of ours would see.
    ...[0x01, 0x10, 0x12, 0x22, 0x32, 0x99].map((family) => v2(0x21, family, Buffer.alloc(216))),
    Buffer.from([22, 3, 1]),
  ])('%j is refused', (bytes) => {
    expect(look(bytes)).toEqual({ verdict: 'no', reason: 'bad_proxy_header' })
  })

  it('of exactly 107 bytes is read, of 108 refused', () => {
    const line = (length: number): string => `PROXY UNKNOWN ${'x'.repeat(length - 16)}\r\n`
    expect(look(line(107))).toEqual({ verdict: 'on', taken: 107 })
    expect(look(line(108))).toMatchObject({ verdict: 'no' })
  })

  it('is what is sent, whatever the addresses, and any bytes at all are read, asked for or refused', () => {
    const ip = fc.oneof(fc.ipV4(), fc.ipV6())
    const port = fc.integer({ min: 0, max: 65_535 })
    fc.assert(
      fc.property(
        ip,
        ip,
        port,
        port,
        fc.constantFrom('v1' as const, 'v2' as const),
        (from, to, a, b, version) => {
          const header = proxyHeader(version, { client: { ip: from, port: a }, local: { ip: to, port: b } })
          expect(version === 'v2' || header.length <= 107).toBe(true)
          const seen = look(Buffer.concat([header, Buffer.from('rest')]))
          if (seen.verdict !== 'on') throw new Error(`${header} was refused`)
          expect(seen.taken).toBe(header.length)
          expect(
            new net.SocketAddress({
              address: seen.client!.ip,
              family: net.isIPv6(seen.client!.ip) ? 'ipv6' : 'ipv4',
            }).address,
          ).toBe(
            new net.SocketAddress({ address: plain(from), family: net.isIPv6(plain(from)) ? 'ipv6' : 'ipv4' })
              .address,
          )
          expect(seen.client!.port).toBe(a)
        },
      ),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void look(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(27), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const header = v2(0x21, 0x11, four)
        header[at] = value
        look(header)
      }),
    )
  })
})

/** `::ffff:1.2.3.4`, in whatever way it is written, is 1.2.3.4. */
const plain = (ip: string): string => {
  const [, high, low] = /^(?:::|(?:0+:){5})ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(ip) ?? []
  if (high === undefined || low === undefined) return ip.replace(/^(?:::|(?:0+:){5})ffff:(?=\d+\.)/i, '')
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
}

const HEADER = 'PROXY TCP4 192.0.2.7 10.0.0.1 4242 443\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'

describe('behind a balancer', () => {
  const trusting = { proxyProtocol: { ports: [0], from: ['127.0.0.0/8'] } }

  it('a client is the one that the header names: for records, limits, routes and targets', async () => {
    const web = await httpTarget((request, response) =>
      response.end(`for ${String(request.headers['x-forwarded-for'])}`),
    )
    const { port, proxy } = await startProxy({
      ...trusting,
      maxConnectionsPerIp: 1,
      routes: [{ ...httpRoute(web.port), security: { ipBlockList: ['192.0.2.66'] } }],
    })
    const held: RawClient[] = []
    const say = async (header: string): Promise<string> => {
      const client = new RawClient(port())
      held.push(client)
      for (const byte of header) client.socket.write(byte, 'latin1')
      client.socket.write(GET)
      await until(() => client.text.includes('\r\n\r\n') || client.ended || client.closed)
      return client.text
    }
    expect(await say(HEADER)).toContain('for 192.0.2.7')
    expect(await say(HEADER.replace('.7', '.8'))).toContain('for 192.0.2.8')
    expect(await say(HEADER)).toBe('')
    expect(await say(HEADER.replace('.7', '.66'))).toContain('403')
    expect(proxy.connections({ limit: 9, ip: '192.0.2.7' }).items[0]?.client).toBe('192.0.2.7:4242')
    expect(proxy.stats().connections.rejected).toMatchObject({ limit_per_ip: 1 })
    expectLaw(proxy)
  })

  it('what is no header is closed with a reason, and nobody is dialled', async () => {
    const target = await tcpTarget()
    const { port, proxy } = await startProxy({
      ...trusting,
      routes: [tcpRoute(target.port)],
      initialDataTimeoutMs: 300,
    })
    for (const bytes of [GET, 'PROXY TCP4 x y 1 2\r\n', '\r\n\r\n\0\r\nQUIT\nxxxx']) {
      const client = new RawClient(port())
      client.socket.write(bytes, 'latin1')
      await client.over()
    }
    const [silent, slow] = [new RawClient(port()), new RawClient(port())]
    slow.socket.write('PROXY TCP4')
    await Promise.all([silent.over(), slow.over()])
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ bad_proxy_header: 3, initial_data_timeout: 2 })
    expect(target.sockets).toHaveLength(0)
    expectLaw(proxy)
  })

  it('who is not trusted is a client itself, whatever it begins with', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { port, proxy } = await startProxy({
      routes: [tcpRoute(target.port)],
      proxyProtocol: { ports: [0], from: ['10.0.0.0/8'] },
    })
    const client = new RawClient(port())
    client.socket.write(HEADER)
    await until(() => client.text === HEADER)
    expect(proxy.connections({ limit: 1 }).items[0]?.client).toMatch(/^127\.0\.0\.1:/)
  })

  it('TLS begins behind the header, in the same packet too', async () => {
    const web = await httpTarget((request, response) =>
      response.end(`for ${String(request.headers['x-forwarded-for'])}`),
    )
    const { port } = await startProxy({
      ...trusting,
      routes: [
        {
          name: 'web',
          match: { ports: 0, domains: 'a.test' },
          action: {
            type: 'forward',
            tls: { mode: 'terminate', certificate: await certificateFor('a.test') },
            targets: [{ host: '127.0.0.1', port: web.port }],
          },
        },
      ],
    })
    // A balancer of our own: one header, then bytes both ways.
    const balancer = net.createServer((socket) => {
      socket.once('data', (hello: Buffer) => {
        const up = net.connect(port(), '127.0.0.1')
        up.write(Buffer.concat([Buffer.from(HEADER), hello]))
        socket.pipe(up).pipe(socket)
        up.on('error', () => undefined)
        socket.on('error', () => up.destroy())
      })
    })
    await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void balancer.close())
    const client = new TlsClient((balancer.address() as net.AddressInfo).port, {
      servername: 'a.test',
      ca: (await authority()).cert,
    })
    client.socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await until(() => client.text.includes('for 192.0.2.7'))
    client.socket.destroy()
  })

  it('a range of everybody, or one that is none, is refused', async () => {
    const failed = await startProxy({
      routes: [],
      proxyProtocol: { ports: [1], from: ['0.0.0.0/0', '10.0.0.1/8'] },
    }).catch((error: { facts: { problems: { path: string; message: string }[] } }) => error.facts.problems)
    expect(failed).toEqual([
      { path: 'proxyProtocol.from', message: 'has 0.0.0.0/0, which is everybody; name the balancers' },
      { path: 'proxyProtocol.from', message: expect.stringContaining('bits behind its prefix') },
    ])
  })
})

describe('to a target', () => {
  const sending = (version: 'v1' | 'v2', targetPort: number) => {
    const route = tcpRoute(targetPort)
    return { ...route, action: { ...forward(route), proxyProtocol: version } }
  }

  it.each(['v1', 'v2'] as const)(
    '%s goes before the first bytes, and says whose they are',
    async (version) => {
      const target = await tcpTarget((socket) => socket.end('hello'))
      const { port } = await startProxy({ routes: [sending(version, target.port)] })
      const client = new RawClient(port())
      let own: number | undefined
      client.socket.once('connect', () => {
        own = client.socket.localPort
      })
      client.socket.end('first bytes')
      await until(() => target.received().toString('latin1').endsWith('first bytes'))
      const seen = look(target.received())
      expect(seen).toMatchObject({
        verdict: 'on',
        client: { ip: '127.0.0.1', port: own },
      })
      expect(
        target
          .received()
          .subarray((seen as { taken: number }).taken)
          .toString(),
      ).toBe('first bytes')
      if (version === 'v1') expect(target.received().toString()).toContain(` ${port()}\r\n`)
    },
  )

  it('requests of two clients never share a connection that says whose it is', async () => {
    const target = await tcpTarget((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    })
    const route = httpRoute(target.port)
    const { port } = await startProxy({
      routes: [{ ...route, action: { ...forward(route), proxyProtocol: 'v1' } }],
    })
    const clients = [new RawClient(port()), new RawClient(port())]
    for (const client of [...clients, ...clients]) {
      const before = client.text.length
      client.socket.write(GET)
      await until(() => client.text.length > before && client.text.endsWith('ok'))
    }
    const lines = target
      .received()
      .toString()
      .match(/PROXY TCP4 127.0.0.1 127.0.0.1 \d+/g)
    expect(lines?.map((line) => Number(line.split(' ').at(-1)))).toEqual(
      [...clients, ...clients].map(({ socket }) => socket.localPort),
    )
    expect(target.sockets).toHaveLength(4)
  })

  it('a header comes before TLS, and a look at a target that was down says that it is nobody', async () => {
    const certificate = await certificateFor('app.internal')
    const inner = await tlsTarget(certificate, (socket) => socket.end('secret'))
    const seen: Buffer[] = []
    const front = net.createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (first: Buffer) => {
        seen.push(first)
        const identity = look(first)
        if (identity.verdict !== 'on') return
        const up = net.connect(inner.port, '127.0.0.1')
        up.write(first.subarray(identity.taken))
        up.on('error', () => undefined)
        socket.pipe(up).pipe(socket)
      })
    })
    const frontPort = await freePort()
    onTestFinished(() => void front.close())
    const base = sending('v2', frontPort)
    const ca = (await authority()).cert
    const { port, proxy } = await startProxy({
      routes: [
        {
          ...base,
          action: {
            ...base.action,
            targets: [{ host: '127.0.0.1', port: frontPort, tls: { ca, servername: 'app.internal' } }],
          },
        },
      ],
    })
    const refused = new RawClient(port())
    await until(() => refused.closed)
    expect(proxy.stats().targets[0]?.healthy).toBe(false)
    await new Promise<void>((resolve) => front.listen(frontPort, '127.0.0.1', resolve))
    await until(() => proxy.stats().targets[0]?.healthy === true)
    expect(look(seen[0]!)).toEqual({ verdict: 'on', taken: 16 })
    const client = new RawClient(port())
    client.socket.write('x')
    await until(() => client.text === 'secret')
    expect(look(seen.at(-1)!)).toMatchObject({ client: { ip: '127.0.0.1' } })
  })
})

describe.skipIf(!hasHaproxy)('beside a real HAProxy', () => {
  it.each([
    ['send-proxy', 'v1'],
    ['send-proxy-v2', 'v2'],
  ] as const)('what it sends (%s) is read, and what it reads is sent (%s)', async (keyword, version) => {
    const web = await httpTarget((request, response) =>
      response.end(
        `for ${String(request.headers['x-forwarded-for'])} seen ${String(request.headers['x-seen'])}`,
      ),
    )
    const [inPort, outPort] = [await freePort(), await freePort()]
    const base = httpRoute(0)
    const { port } = await startProxy({
      proxyProtocol: { ports: [0], from: ['127.0.0.1'] },
      routes: [
        {
          ...base,
          action: {
            ...forward(base),
            targets: [{ host: '127.0.0.1', port: outPort }],
            proxyProtocol: version,
          },
        },
      ],
    })
    const haproxy = await startHaproxy(
      (folder) => `${preamble(folder)}
listen in
  mode tcp
  bind 127.0.0.1:${inPort}
  server proxy 127.0.0.1:${port()} ${keyword} source 127.0.0.1
listen out
  bind 127.0.0.1:${outPort} accept-proxy
  http-request set-header x-seen %[src]:%[src_port]
  server web 127.0.0.1:${web.port}
`,
    )
    onTestFinished(() => haproxy.close())
    const socket = net.connect({ port: inPort, host: '127.0.0.1', localAddress: '127.0.0.5' })
    onTestFinished(() => void socket.destroy())
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => answer.includes('seen'))
    expect(answer).toContain(`for 127.0.0.5 seen 127.0.0.5:${socket.localPort}`)
  })
})
