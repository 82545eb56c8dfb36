import { describe, expect, it } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { captureNames, capturing } from '../../../server/runtime/proxy/patterns/captures.ts'
import { valueMatcher } from '../../../server/runtime/proxy/patterns/glob.ts'
import { HostTemplate, templateFault } from '../../../server/runtime/proxy/patterns/host-template.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { Names } from '../../../server/runtime/proxy/targets/names.ts'
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
import { authority, certificateFor, TlsClient } from './tls-peers.ts'

const ask = async (port: number, path: string, extra = ''): Promise<string> => {
  const client = new RawClient(port)
  client.socket.write(`GET ${path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n${extra}\r\n`)
  await client.over()
  return client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
}
const named = (name: string) => httpTarget((request, response) => response.end(`${name} ${request.url}`))

describe('a route', () => {
  it('is chosen by header fields, exactly or by a pattern', async () => {
    const [all, canary, beta] = [await named('all'), await named('canary'), await named('beta')]
    const { port } = await startProxy({
      routes: [
        httpRoute(all.port),
        httpRoute(canary.port, { headers: { 'X-Canary': '1' } }, 'canary'),
        httpRoute(beta.port, { headers: { cookie: '*beta=on*', 'x-a': '' } }, 'beta'),
      ],
    })
    expect(await ask(port(), '/')).toBe('all /')
    expect(await ask(port(), '/', 'x-cANARY: 1\r\n')).toBe('canary /')
    expect(await ask(port(), '/', 'X-Canary: 11\r\n')).toBe('all /')
    expect(await ask(port(), '/', 'X-Canary: 0\r\nX-Canary: 1\r\n')).toBe('canary /')
    expect(await ask(port(), '/', 'Cookie: a=b; beta=on; c\r\nX-A:\r\n')).toBe('beta /')
    expect(await ask(port(), '/', 'Cookie: a=b; beta=on; c\r\n')).toBe('all /')
  })

  it('is chosen by the address of the client, for requests and for bytes', async () => {
    const [all, inner] = [await named('all'), await named('inner')]
    const bytes = await tcpTarget((socket) => socket.end('bytes'))
    const { port, proxy } = await startProxy({
      routes: [
        httpRoute(all.port),
        httpRoute(inner.port, { clientIp: ['127.0.0.0/8', '10.*'] }, 'inner'),
        httpRoute(all.port, { clientIp: '192.0.2.1', path: '/never' }, 'never'),
        { ...tcpRoute(bytes.port), match: { ports: 0, clientIp: '192.0.2.1' } },
      ],
    })
    expect(await ask(port('web'), '/')).toBe('inner /')
    expect(await ask(port('web'), '/never')).toBe('inner /never')
    const client = new RawClient(port('tcp'))
    await client.over()
    expect(client.text).toBe('')
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().connections.rejected).toEqual({ no_route: 1 })
    expect(bytes.sockets).toHaveLength(0)
    expectLaw(proxy)
  })

  it('is chosen by the version of TLS that is offered', async () => {
    const [old, now] = [await named('old'), await named('now')]
    const tls = { mode: 'terminate' as const, certificate: await certificateFor('a.test') }
    const versioned = (name: string, targetPort: number, tlsVersion?: '1.3'[]): RouteConfig => ({
      name,
      match: { ports: 0, domains: 'a.test', ...(tlsVersion ? { tlsVersion } : {}) },
      action: { type: 'forward', tls, targets: [{ host: '127.0.0.1', port: targetPort }] },
    })
    const { port } = await startProxy({
      routes: [versioned('old', old.port), versioned('now', now.port, ['1.3'])],
    })
    for (const [maxVersion, wanted] of [
      ['TLSv1.2', 'old /'],
      ['TLSv1.3', 'now /'],
    ] as const) {
      const client = new TlsClient(port(), { servername: 'a.test', ca: (await authority()).cert, maxVersion })
      client.socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
      await until(() => client.text.endsWith(wanted))
    }
  })

  it('gives what its path captures to its target and to its redirect, and takes no path of which no host can be made', async () => {
    const user = await named('user')
    const other = await named('other')
    const { port, proxy } = await startProxy({
      routes: [
        httpRoute(other.port),
        {
          name: 'users',
          match: { ports: 0, path: '/users/:id/*' },
          // Every name below localhost is this machine (RFC 6761 §6.3).
          action: { type: 'forward', targets: [{ host: 'u-{id}.localhost', port: user.port }] },
        },
        {
          name: 'moved',
          match: { ports: 0, path: '/old/:what/:id' },
          action: { type: 'redirect', to: 'https://www.example.com/{what}?id={id}' },
        },
      ],
    })
    const looked = await new Promise<boolean>((resolve) =>
      new Names().lookup('u-7.localhost', { all: true }, (error) => resolve(!error)),
    )
    if (looked) {
      expect(await ask(port(), '/users/7/x')).toBe('user /users/7/x')
      expect(await ask(port(), '/users/a-b/')).toBe('user /users/a-b/')
    } else expect(await ask(port(), '/users/7/x')).toContain('target_unreachable')
    expect(proxy.stats().targets.some(({ target }) => target === `u-7.localhost:${user.port}`)).toBe(true)
    for (const id of [
      'A',
      'a.b',
      'a%2eb',
      'a%2fb',
      'a_b',
      '127.0.0.1',
      'a:b',
      'x'.repeat(64),
      '..%2f',
      '%00',
    ])
      expect(await ask(port(), `/users/${id}/`), id).toMatch(/^other/)
    const client = new RawClient(port())
    client.socket.write('GET /old/a%5Cb/c%20d\\e HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => client.text.includes('\r\n\r\n'))
    expect(client.text).toContain('Location: https://www.example.com/a%5Cb?id=c%20d%5Ce\r\n')
  })

  it('forgets computed targets beyond its ceiling', async () => {
    const { port, proxy } = await startProxy({
      routes: [
        {
          name: 'users',
          match: { ports: 0, path: '/:id' },
          action: { type: 'forward', targets: [{ host: '{id}.invalid', port: 1 }] },
        },
      ],
    })
    for (let batch = 0; batch < 11; batch += 1) {
      const clients = Array.from({ length: 100 }, (_, at) => {
        const each = new RawClient(port())
        each.socket.write(`GET /${batch * 100 + at} HTTP/1.1\r\nHost: x\r\n\r\n`)
        return each
      })
      const wanted = (batch + 1) * 100
      await until(() => proxy.stats().requests.total >= wanted)
      for (const { socket } of clients) socket.destroy()
    }
    expect(proxy.stats().targetsTotal).toBe(1_000)
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })
})

describe('captures', () => {
  it.each([
    ['/users/:id', '/users/7?x', { id: '7' }],
    ['/:a/:b', '/x/%79', { a: 'x', b: 'y' }],
    ['/a/:b/*', '/a/x/y/z', { b: 'x' }],
    ['/*/:last', '/a/b/c', { last: 'c' }],
    ['/:first/*/:last', '/a/b/c/d', { first: 'a', last: 'd' }],
  ])('of %s in %s', (path, target, wanted) => {
    expect(capturing(path)?.(target)).toEqual(wanted)
    expect(captureNames(path)).toEqual(Object.keys(wanted))
  })

  it('are none where a path has no parameter, or one between two stars', () => {
    expect(capturing('/a/*')).toBeNull()
    expect(captureNames('/*/:x/*')).toEqual([])
  })

  it.each(['{id}', '{id}.7', 'a.{id}', '0x{id}', '{no}.internal', 'a b{id}.internal', '{id}.{id}', 'u-{id'])(
    'make no host of %s',
    (host) => {
      expect(templateFault(host, ['id'])).not.toBeNull()
    },
  )

  it.each(['u-{id}', '{id}.internal', '{id}.{id}.app', 'api.u{id}'])('make a host of %s', (host) => {
    expect(templateFault(host, ['id'])).toBeNull()
    expect(new HostTemplate(host).of({ id: '2130706433' })).toMatch(/[a-z]/)
  })
})

it('a pattern of many stars takes no time to speak of for a text of any kind', () => {
  const matches = valueMatcher(`${'*a'.repeat(200)}b`)
  expect(matches('a'.repeat(60_000))).toBe(false)
})

it('conditions that cannot hold, and hosts that cannot be computed, are refused by name and field', () => {
  const problems = ((): string[] => {
    try {
      planPorts(
        [
          {
            ...tcpRoute(1),
            name: 'a',
            match: { ports: 1, clientIp: ['10.0.0.1/8', 'x'], tlsVersion: '1.3' },
          },
          {
            ...tcpRoute(1),
            name: 'b',
            match: { ports: 2, path: '/:id' },
            action: { type: 'forward', targets: [{ host: '{id}', port: 1 }] },
          },
          { ...tcpRoute(1), name: 'c', match: { ports: 3, clientIp: '10.0.0.1' } },
          { ...tcpRoute(1), name: 'd', match: { ports: 3, clientIp: '10.0.0.2' } },
          { ...tcpRoute(1), name: 'e', match: { ports: 3, clientIp: ['10.0.0.2'] } },
          {
            ...tcpRoute(1),
            name: 'f',
            match: { ports: 4, domains: 'x.test', headers: { a: 'b' } },
            action: { type: 'forward', tls: { mode: 'passthrough' }, targets: [{ host: 'x', port: 1 }] },
          },
        ],
        null,
      )
      return []
    } catch (error) {
      return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
        ({ path, message }) => `${path}: ${message}`,
      )
    }
  })()
  expect(problems).toEqual([
    'routes[0].match.clientIp: route "a" has 10.0.0.1/8, which has bits behind its prefix; 10.0.0.0/8 is that network, 10.0.0.1 alone is that address',
    'routes[0].match.clientIp: route "a" has x, which is no address, range or pattern, such as 10.0.0.7, 10.0.0.0/8 or 10.0.*.7',
    'routes[0].match.tlsVersion: route "a" takes no TLS; leave it out, or say what becomes of TLS (action.tls)',
    'routes[1].action.targets[0].host: route "b" names the host {id}, whose last part must begin with a letter of its own, so that no client can make an address of it',
    'routes[4].match.ports: port 3 belongs to route "d" already; only HTTP routes can share a port',
    'routes[5].match.headers: route "f" carries bytes, so that requests are not read; leave it out',
  ])
})
