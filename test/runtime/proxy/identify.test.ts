import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Identifier } from '../../../server/runtime/proxy/admit/identify.ts'
import {
  expectLaw,
  httpRoute,
  httpTarget,
  RawClient,
  startProxy,
  tcpRoute,
  tcpTarget,
  until,
} from './harness.ts'

/** A small protocol that stands before a connection's own bytes: `FROM <ip> <port>` and LF. */
const from: Identifier = {
  maxBytes: 64,
  reason: 'bad_request',
  look(bytes) {
    const end = bytes.indexOf(10)
    const line = bytes.toString('latin1', 0, end < 0 ? bytes.length : end)
    if (line.startsWith('FAULT')) throw new Error('a fault')
    if (!'FROM '.startsWith(line.slice(0, 5))) return { verdict: 'no', reason: 'bad_request' }
    if (end < 0) return { verdict: 'more' }
    const [, ip = '', port] = line.split(' ')
    return { verdict: 'on', taken: end + 1, client: { ip, port: Number(port) } }
  },
}
const identifierFor = (): Identifier => from
const GET = 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'

const web = () =>
  httpTarget((request, response) => response.end(`for ${String(request.headers['x-forwarded-for'])}`))

describe('a connection that says whose it is', () => {
  it('is served as the client that it names, whatever the pieces in which it comes', async () => {
    const [target, echo] = [await web(), await tcpTarget((socket) => socket.pipe(socket))]
    const { proxy, port, events } = await startProxy(
      { routes: [httpRoute(target.port), tcpRoute(echo.port)] },
      { identifierFor },
    )
    for (const pieces of [1, 2, 7, 1_000]) {
      const [http, tcp] = [new RawClient(port('web')), new RawClient(port('tcp'))]
      const says = `FROM 192.0.2.${pieces % 250} 4242\n`
      for (const [client, text] of [
        [http, says + GET],
        [tcp, `${says}hello`],
      ] as const) {
        const size = Math.ceil(text.length / pieces)
        for (let at = 0; at < text.length; at += size) {
          client.socket.write(text.slice(at, at + size))
          await sleep(randomInt(2))
        }
      }
      await until(() => http.text.includes(`for 192.0.2.${pieces % 250}`) && tcp.text === 'hello')
      expect(
        proxy.connections({ limit: 9, ip: `192.0.2.${pieces % 250}` }).items.map((item) => item.client),
      ).toEqual([`192.0.2.${pieces % 250}:4242`, `192.0.2.${pieces % 250}:4242`])
      http.socket.destroy()
      tcp.socket.destroy()
    }
    await until(() => proxy.stats().connections.active === 0)
    expect(
      events.filter(({ type }) => type === 'connection.closed').map(({ data }) => data.client),
    ).not.toContainEqual(expect.stringContaining('127.0.0.1'))
    expectLaw(proxy)
  })

  it('counts against the limits of that client, not of the balancer before it', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port, events } = await startProxy(
      { routes: [tcpRoute(target.port)], maxConnectionsPerIp: 2, connectionRatePerMinute: 3 },
      { identifierFor },
    )
    const open = async (ip: string): Promise<RawClient> => {
      const client = new RawClient(port())
      client.socket.write(`FROM ${ip} 1\nhello`)
      await until(() => client.text === 'hello' || client.ended || client.closed)
      expectLaw(proxy)
      return client
    }
    // One balancer, many clients: more than any of them may have.
    const served = [
      await open('192.0.2.1'),
      await open('192.0.2.1'),
      await open('192.0.2.2'),
      await open('192.0.2.3'),
    ]
    expect(served.map((client) => client.text)).toEqual(['hello', 'hello', 'hello', 'hello'])
    expect((await open('192.0.2.1')).text).toBe('')
    expect(proxy.stats().connections.rejected).toEqual({ limit_per_ip: 1 })
    expect(events.find(({ type }) => type === 'connection.refused')?.data).toEqual({
      reason: 'limit_per_ip',
      client: '192.0.2.1',
      port: port(),
      route: null,
    })
    served[0]!.socket.end()
    await until(() => proxy.stats().connections.active === 3)
    expect((await open('192.0.2.1')).text).toBe('hello')
    expect((await open('192.0.2.2')).text).toBe('hello')
    served[1]!.socket.end()
    await until(() => proxy.stats().connections.active === 4)
    expect((await open('192.0.2.1')).text).toBe('')
    expect(proxy.stats().connections.rejected).toEqual({ limit_per_ip: 1, limit_rate: 1 })
    expectLaw(proxy)
  })

  it('counts against the ceiling of all from its first moment, and makes room when others come', async () => {
    const target = await tcpTarget((socket) => socket.pipe(socket))
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute(target.port)], maxConnections: 3 },
      { identifierFor },
    )
    const silent = Array.from({ length: 3 }, () => new RawClient(port()))
    await until(() => proxy.stats().connections.active === 3)
    const refused = new RawClient(port())
    await refused.over()
    expect(proxy.stats().closedBy).toEqual({ limit_connections: 1 })
    expectLaw(proxy)
    // Silent for longer than a connection may be young: they give way.
    await sleep(2_100)
    const client = new RawClient(port())
    client.socket.write('FROM 192.0.2.1 1\nhello')
    await until(() => client.text === 'hello')
    expect(proxy.stats().closedBy).toEqual({ limit_connections: 1, evicted: 1 })
    expect(silent.filter((one) => one.ended || one.closed)).toHaveLength(1)
    expectLaw(proxy)
  })

  it.each([
    ['meets a fault of ours', 'FAULT', 'internal_error'],
    ['says something else', 'HELLO', 'bad_request'],
    ['says more than it may and is not done', `FROM ${'1'.repeat(60)}`, 'bad_request'],
    ['says nothing in time', '', 'initial_data_timeout'],
    ['does not finish in time', 'FROM 192', 'initial_data_timeout'],
  ] as const)('is ended without a dial when it %s', async (_what, text, reason) => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy(
      { routes: [tcpRoute(target.port)], initialDataTimeoutMs: 200 },
      { identifierFor },
    )
    const client = new RawClient(port())
    if (text !== '') client.socket.write(text)
    await client.over()
    expect(proxy.stats().closedBy).toEqual({ [reason]: 1 })
    expect(target.sockets).toHaveLength(0)
    expect(proxy.stats().connections.rejected).toEqual({})
    expectLaw(proxy)
  })

  it.each([
    ['before a byte', '', 'client_gone_before_data'],
    ['in the middle', 'FROM 19', 'client_incomplete'],
  ] as const)('is closed with its reason when it ends %s', async (_what, text, reason) => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] }, { identifierFor })
    const client = new RawClient(port())
    client.socket.end(text)
    await client.over()
    expect(proxy.stats().closedBy).toEqual({ [reason]: 1 })
    expectLaw(proxy)
  })

  it('loses none of the bytes that come with its line, however many they are', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] }, { identifierFor })
    const client = new RawClient(port())
    const body = Buffer.alloc(4 * 1024 * 1024, 'abc')
    client.socket.write(Buffer.concat([Buffer.from('FROM 192.0.2.1 1\n'), body]))
    client.socket.end()
    await until(() => target.received().length === body.length)
    expect(target.received().equals(body)).toBe(true)
    target.sockets[0]!.end()
    await until(() => proxy.stats().closedBy.finished === 1)
    expect(proxy.stats().bytes.upstream).toBe(body.length)
  })

  it('is ended by a drain at its deadline, and an operator can close it', async () => {
    const target = await tcpTarget()
    const { proxy, port } = await startProxy({ routes: [tcpRoute(target.port)] }, { identifierFor })
    const clients = [new RawClient(port()), new RawClient(port())]
    await until(() => proxy.stats().connections.active === 2)
    expect(proxy.closeConnection(proxy.connections({ limit: 1 }).items[0]!.id)).toBe(true)
    await proxy.stopAccepting()
    await proxy.abortRest()
    await Promise.all(clients.map((client) => client.over()))
    expect(proxy.stats().closedBy).toEqual({ closed_by_operator: 1, drain_deadline: 1 })
    expectLaw(proxy)
  })
})
