import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { ActionConfig } from '../../../server/contract/route-action.ts'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import type { RequestHead } from '../../../server/runtime/proxy/http/head.ts'
import { Place, placeFault } from '../../../server/runtime/proxy/patterns/place.ts'
import { planPorts } from '../../../server/runtime/proxy/routes/plan.ts'
import { expectLaw, httpRoute, httpTarget, RawClient, startProxy, until } from './harness.ts'
import { authority, certificateFor, TlsClient } from './tls-peers.ts'

const route = (
  name: string,
  action: ActionConfig,
  match: Partial<RouteConfig['match']> = {},
): RouteConfig => ({ name, match: { ports: 0, ...match }, action })

const get = (path: string, extra = '', method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nHost: example.com:8080\r\n${extra}\r\n`

/** One request on a connection of its own. */
const ask = async (port: number, path: string, extra = '', method = 'GET'): Promise<string> => {
  const client = new RawClient(port)
  client.socket.write(get(path, `Connection: close\r\n${extra}`, method))
  await client.over()
  return client.text
}
const statusOf = (text: string): number => Number(text.slice(9, 12))
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)

const problemsOf = (...routes: RouteConfig[]): string[] => {
  try {
    planPorts(routes, null)
    return []
  } catch (error) {
    return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems.map(
      ({ path, message }) => `${path}: ${message}`,
    )
  }
}

const folder = async (files: Record<string, string | Buffer>): Promise<string> => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'tidegate-static-')))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), content)
  }
  return root
}

describe('a redirect', () => {
  it('sends requests elsewhere, beside other routes of a kept-alive connection', async () => {
    const target = await httpTarget((_request, response) => response.end('from target'))
    const { port, proxy } = await startProxy({
      routes: [
        route('to-https', { type: 'redirect', to: 'https://{host}{path}{query}' }),
        route('moved', { type: 'redirect', to: '/new{query}', status: 302 }, { path: '/old' }),
        httpRoute(target.port, { path: '/served' }),
      ],
    })
    const client = new RawClient(port())
    client.socket.write(get('/a/b?c=d&e') + get('/old?x') + get('/served') + get('/', '', 'HEAD'))
    await until(() => client.text.split('HTTP/1.1').length === 5)
    expect(client.text.match(/Location: .*/g)).toEqual([
      'Location: https://example.com/a/b?c=d&e',
      'Location: /new?x',
      'Location: https://example.com/',
    ])
    expect(client.text.match(/HTTP\/1.1 \d+/g)).toEqual(
      ['308', '302', '200', '308'].map((it) => `HTTP/1.1 ${it}`),
    )
    client.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().requests.byStatus).toEqual({ '2xx': 1, '3xx': 3 })
    expectLaw(proxy)
  })

  it('of OPTIONS * names the machine alone, which is all that such a request is about', async () => {
    const { port } = await startProxy({
      routes: [route('r', { type: 'redirect', to: 'https://www.example.com{path}{query}' })],
    })
    const client = new RawClient(port())
    client.socket.write(get('*', '', 'OPTIONS') + get('http://example.com:8080', '', 'OPTIONS'))
    await until(() => client.text.split('HTTP/1.1').length === 3)
    expect(client.text.match(/Location: .*/g)).toEqual([
      'Location: https://www.example.com',
      'Location: https://www.example.com',
    ])
  })

  it('that needs a host says so to a client that names none', async () => {
    const { port } = await startProxy({ routes: [route('r', { type: 'redirect', to: 'https://{host}/' })] })
    const client = new RawClient(port())
    client.socket.write('GET / HTTP/1.0\r\n\r\n')
    await client.over()
    expect(statusOf(client.text)).toBe(400)
  })

  it.each([
    'https://{host}{path}{query}',
    'https://www.example.com{path}',
    'http://example.com:8080/x{path}',
    'https://{host}:8443{path}',
    '/new{path}',
    '/',
    'https://[2001:db8::1]/x',
  ])('to %s is taken', (to) => {
    expect(placeFault(to, [])).toBeNull()
  })

  it.each([
    '{path}',
    '//example.com',
    '/{path}',
    '/\\evil',
    'javascript:alert(1)',
    'https://{path}',
    'https://example.com{query}',
    'https://example.com.{host}/',
    'https://{host}.example.com/',
    'https://{what}/',
    'https://example.com/a b',
    'https://example.com/\r\nSet-Cookie: x',
    'ftp://example.com/',
  ])('to %j is refused', (to) => {
    expect(placeFault(to, [])).not.toBeNull()
  })

  it('leads to no other machine and has no second line, whatever is asked for', () => {
    const places = [
      'https://{host}{path}{query}',
      'https://www.example.com{path}{query}',
      '/new{path}{query}',
    ] as const
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.string({ unit: 'binary-ascii' }).map((text) => `/${text.replace(/[\0-\x20\x7f#]/g, '')}`),
        (to, target) => {
          const place = new Place(to).of({ host: 'example.com', target } as RequestHead)!
          expect(place).not.toMatch(/[\s\\<>"]/)
          const url = new URL(place, 'https://base.test/')
          expect(['example.com', 'www.example.com', 'base.test']).toContain(url.hostname)
          if (to.startsWith('/')) expect(url.hostname).toBe('base.test')
        },
      ),
    )
  })
})

describe('a block', () => {
  it('refuses requests with its status, and counts them', async () => {
    const target = await httpTarget((_request, response) => response.end('fine'))
    const { port, proxy, events } = await startProxy({
      routes: [
        httpRoute(target.port),
        route('gone', { type: 'block', status: 410 }, { path: '/old/*' }),
        route('no', { type: 'block' }, { path: '/admin' }),
      ],
    })
    expect(statusOf(await ask(port(), '/old/x'))).toBe(410)
    expect(statusOf(await ask(port(), '/admin'))).toBe(403)
    expect(statusOf(await ask(port(), '/fine'))).toBe(200)
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1, route_blocked: 2 })
    expect(proxy.stats().connections.rejected).toEqual({ route_blocked: 2 })
    expect(events.find(({ type }) => type === 'connection.refused')?.data).toMatchObject({
      reason: 'route_blocked',
      route: 'gone',
    })
    expectLaw(proxy)
  })

  it('closes connections of bytes, and tells those with TLS why', async () => {
    const plain = await startProxy({ routes: [route('no', { type: 'block' })] })
    const client = new RawClient(plain.port())
    await client.over()
    expect(client.text).toBe('')
    const { port, proxy } = await startProxy({
      routes: [
        route('no', { type: 'block', tls: { mode: 'passthrough' } }, { domains: '*.no.test' }),
        route(
          'gone',
          {
            type: 'block',
            status: 410,
            tls: { mode: 'terminate', certificate: await certificateFor('gone.test') },
          },
          { domains: 'gone.test' },
        ),
      ],
    })
    const told = new TlsClient(port(), { servername: 'a.no.test' })
    await until(() => told.closed)
    expect(told.error?.code).toBe('ERR_SSL_TLSV1_ALERT_ACCESS_DENIED')
    const gone = new TlsClient(port(), { servername: 'gone.test', ca: (await authority()).cert })
    gone.socket.write('GET / HTTP/1.1\r\nHost: gone.test\r\n\r\n')
    await until(() => gone.ended)
    expect(statusOf(gone.text)).toBe(410)
    gone.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ route_blocked: 2 })
  })
})

describe('a static answer', () => {
  it('is text with its status and fields', async () => {
    const { port } = await startProxy({
      routes: [
        route('robots', {
          type: 'static',
          headers: { 'content-type': 'text/plain', 'x-a': 'b' },
          body: 'User-agent: *\nDisallow: /\n',
        }),
        route('later', { type: 'static', status: 503, body: 'sp\u00e4ter' }, { path: '/later' }),
        route('empty', { type: 'static', status: 204 }, { path: '/empty' }),
      ],
    })
    const robots = await ask(port(), '/robots.txt')
    expect(robots).toContain('content-type: text/plain\r\n')
    expect(robots).toContain('x-a: b\r\n')
    expect(bodyOf(robots)).toBe('User-agent: *\nDisallow: /\n')
    expect(Buffer.from(bodyOf(await ask(port(), '/later')), 'latin1').toString()).toBe('sp\u00e4ter')
    expect(statusOf(await ask(port(), '/later'))).toBe(503)
    expect(await ask(port(), '/empty')).not.toContain('Content-Length')
    expect(bodyOf(await ask(port(), '/robots.txt', '', 'HEAD'))).toBe('')
    const posted = await ask(port(), '/', 'Content-Length: 0\r\n', 'POST')
    expect(statusOf(posted)).toBe(405)
    expect(posted).toContain('Allow: GET, HEAD')
  })

  it('is a file as it is now, whole, however slowly it is read', async () => {
    const large = Buffer.alloc(3_000_000, 'tidegate ')
    const root = await folder({ 'large.bin': large, 'a.html': '<p>one</p>' })
    const { port, proxy } = await startProxy({
      routes: [
        route('large', { type: 'static', file: join(root, 'large.bin') }, { path: '/large' }),
        route('page', { type: 'static', file: join(root, 'a.html') }),
      ],
    })
    const slow = new RawClient(port())
    slow.socket.pause()
    slow.socket.write(get('/large') + get('/'))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(proxy.stats().bufferedBytes).toBeLessThan(1_000_000)
    slow.socket.resume()
    await until(() => slow.text.endsWith('<p>one</p>'))
    const start = slow.text.indexOf('\r\n\r\n') + 4
    expect(slow.bytes.subarray(start, start + large.length).equals(large)).toBe(true)
    await writeFile(join(root, 'a.html'), '<p>two two</p>')
    const page = await ask(port(), '/')
    expect(page).toContain('Content-Type: text/html; charset=utf-8')
    expect(bodyOf(page)).toBe('<p>two two</p>')
    const tag = /ETag: (.*)\r/.exec(page)![1]!
    const known = await ask(port(), '/', `If-None-Match: "x", ${tag}\r\n`)
    expect(statusOf(known)).toBe(304)
    expect(bodyOf(known)).toBe('')
    expect(bodyOf(await ask(port(), '/large', '', 'HEAD'))).toBe('')
    await rm(join(root, 'a.html'))
    expect(statusOf(await ask(port(), '/'))).toBe(404)
    const gone = new RawClient(port())
    gone.socket.write(get('/large'))
    await until(() => gone.bytes.length > 0)
    gone.socket.resetAndDestroy()
    slow.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('is a folder of files, and nothing outside of it', async () => {
    const outside = await folder({ 'secret.txt': 'secret' })
    const root = await folder({
      'index.html': 'start',
      'a.css': 'css',
      'sub/index.html': 'sub',
      'sub/with space.txt': 'space',
      '.env': 'secret',
      '.git/config': 'secret',
      '.well-known/security.txt': 'contact',
      'docs/a.txt': 'text',
    })
    await symlink(join(outside, 'secret.txt'), join(root, 'link.txt'))
    await symlink(outside, join(root, 'linked'))
    await symlink(join(root, 'a.css'), join(root, 'inside.css'))
    await symlink('/dev/zero', join(root, 'zero'))
    const { port, proxy } = await startProxy({
      routes: [
        route('files', { type: 'static', root }, { path: '/files/*' }),
        route('all', { type: 'static', root }, { path: '/docs/a.txt' }),
      ],
    })
    const of = async (path: string): Promise<string | number> => {
      const text = await ask(port(), path)
      expect(text).not.toContain('secret')
      return statusOf(text) === 200 ? bodyOf(text) : statusOf(text)
    }
    expect(await of('/files/')).toBe('start')
    expect(await of('/files/a.css')).toBe('css')
    expect(await of('/files/a.css?v=1')).toBe('css')
    expect(await of('/files/sub/')).toBe('sub')
    expect(await of('/files/sub/with%20space.txt')).toBe('space')
    expect(await of('/files/inside.css')).toBe('css')
    expect(await of('/files/.well-known/security.txt')).toBe('contact')
    expect(await of('/docs/a.txt')).toBe('text')
    for (const path of [
      '/files/sub',
      '/files/none',
      '/files/link.txt',
      '/files/linked/secret.txt',
      '/files/linked/',
      '/files/zero',
      '/files/.env',
      '/files/.git/config',
      '/files/%2eenv',
      '/files/a.css/',
      '/files/a.css/x',
      `/files/..%2f..%2f..${outside}/secret.txt`,
      `/files/%2e%2e/%2e%2e${outside}/secret.txt`,
      `/files/..\\..\\secret.txt`,
      '/files/%5c..%5csecret.txt',
      '/files/a.css%00.txt',
      '/files/%',
      '/files/%ff',
      `/files/${'../'.repeat(20)}etc/passwd`,
      `/files/${'%2e%2e%2f'.repeat(20)}etc/passwd`,
      `/files/${'x'.repeat(5_000)}`,
    ])
      expect(await of(path), path).toBe(404)
    await until(() => proxy.stats().connections.active === 0)
    expectLaw(proxy)
  })

  it('never shows what is outside, whatever is asked for', async () => {
    const outside = await folder({ 'secret.txt': 'secret' })
    const root = await folder({ 'a/b/c.txt': 'fine' })
    const { port } = await startProxy({ routes: [route('files', { type: 'static', root })] })
    const part = fc.constantFrom(
      '..',
      '.',
      '%2e',
      '%2E%2e',
      '/',
      '%2f',
      '\\',
      '%5c',
      'a',
      'b',
      'c.txt',
      '%00',
      outside,
      'secret.txt',
      '//',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), async (parts) => {
        expect(await ask(port(), `/${parts.join('')}`)).not.toContain('secret')
      }),
      { numRuns: 150 },
    )
  })
})

describe('routes that answer by themselves', () => {
  it('are refused all at once, each with its name and field', () => {
    expect(
      problemsOf(
        route('r', { type: 'redirect', to: '//evil.example' }),
        route('s', {
          type: 'static',
          body: 'x',
          file: './x',
          root: './y',
          headers: { 'Content-Length': '3' },
        }),
        route('p', { type: 'static', body: 'x', tls: { mode: 'passthrough' } }, { ports: 443 }),
        route('b', { type: 'block', status: 410, tls: { mode: 'passthrough' } }, { ports: 444 }),
        route('k', { type: 'socket', module: './x.mjs' }, { path: '/x', domains: 'a.test' }),
      ),
    ).toEqual([
      'routes[0].action.to: route "r" sends to what begins neither with http://, https:// and a host, nor with / and a path; for example https://{host}{path}{query}',
      'routes[1].action.file: route "s" has one answer: body, file or root',
      'routes[1].action.root: route "s" has one answer: body, file or root',
      'routes[1].action.headers.Content-Length: route "s" names a header field that the answer has by itself; leave it out',
      'routes[2].action.type: route "p" passes TLS through, so that requests cannot be read or answered; end TLS here (terminate)',
      'routes[3].action.status: route "b" passes TLS through, so that requests cannot be read or answered; leave it out, or end TLS here (terminate)',
      'routes[4].match.path: route "k" hands over the connection, so that requests are not read; leave it out',
      'routes[4].match.domains: route "k" carries bytes without TLS, which name nobody; leave it out, or take TLS',
    ])
  })

  it('are refused where a file, a folder or a module is missing', async () => {
    const root = await folder({
      'a.txt': 'a',
      'throws.mjs': 'throw new Error("at once")',
      'none.mjs': 'export const a = 1',
    })
    const failed = await startProxy({
      routes: [
        route('file', { type: 'static', file: join(root, 'none.txt') }, { path: '/1' }),
        route('root', { type: 'static', root: join(root, 'a.txt') }, { path: '/2' }),
        route('gone', { type: 'socket', module: join(root, 'gone.mjs') }),
        route('throws', { type: 'socket', module: join(root, 'throws.mjs') }),
        route('none', { type: 'socket', module: join(root, 'none.mjs'), export: 'a' }),
      ],
    }).catch((error: { facts: { problems: { path: string; message: string }[] } }) => error.facts.problems)
    expect(failed).toMatchObject([
      {
        path: 'routes[0].action.file',
        message: expect.stringContaining('which is no file that can be read'),
      },
      {
        path: 'routes[1].action.root',
        message: expect.stringContaining('which is no folder that can be read'),
      },
      { path: 'routes[2].action.module', message: expect.stringContaining('which does not load') },
      { path: 'routes[3].action.module', message: expect.stringContaining('at once') },
      { path: 'routes[4].action.module', message: expect.stringContaining('exports no function a') },
    ])
  })
})
