import { request as httpRequest, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FrontDoor } from '../../server/api/front-door.ts'
import { createHostRule } from '../../server/api/host-rule.ts'
import { openWithoutTls } from '../../server/api/open-without-tls.ts'
import { createWebServer } from '../../server/api/web-server.ts'
import { createClientAddresses } from '../../server/auth/client-address.ts'
import { createLog } from '../../server/observe/log.ts'

describe('the front door', () => {
  let server: Server
  let port: number
  let signedIn: boolean
  let needsSetup: boolean
  let ready: boolean
  let shared: boolean
  let refused: string[]
  let rendered: { url: string; nonce: unknown; policy: unknown; incidents: unknown }[]
  let openIncidents: number

  beforeEach(async () => {
    signedIn = false
    needsSetup = false
    openIncidents = 0
    ready = true
    rendered = []
    const door = new FrontDoor({
      api: (_request, response) => response.writeHead(200).end('api'),
      pages: () =>
        ready
          ? (request, response) => {
              const {
                'x-nonce': nonce,
                'content-security-policy': policy,
                'x-tidegate-incidents': incidents,
              } = request.headers
              rendered.push({ url: request.url ?? '', nonce, policy, incidents })
              response.end('page')
            }
          : null,
      pagesUpgrade: () => null,
      live: () => null,
      hasSession: async () => signedIn,
      needsSetup: () => needsSetup,
      openIncidents: () => openIncidents,
      hosts: createHostRule(['gate.example.com', 'gate.internal']),
      clients: createClientAddresses(['127.0.0.1']),
      tls: false,
      dev: false,
      log: createLog('test', 'silent'),
    })
    shared = true
    refused = []
    server = createWebServer(door, {
      headersTimeoutMs: 800,
      checkIntervalMs: 100,
      maxConnectionsPerSource: 5,
      isShared: () => shared,
      onRefused: (ceiling) => refused.push(ceiling),
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })

  afterEach(() => new Promise((resolve) => server.close(resolve)))

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
      const request = httpRequest(
        { port, host: '127.0.0.1', path, method, headers, agent: false },
        (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text
          })
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
          )
        },
      )
      request.on('error', reject).end()
    })

  it.each([
    '/',
    '/regions/fra',
    '/incidents?status=open',
    '/_next/data/x.json',
    '/_next/image?url=x',
    '/settings/users',
  ])('sends a stranger who asks for %s to sign in, and nothing is rendered', async (path) => {
    const answer = await get(path)
    expect(answer.status).toBe(303)
    expect(answer.headers.location).toMatch(/^\/login/)
    expect(rendered).toEqual([])
  })

  it("sends a script's fetch to sign in, because it did not ask for data", async () => {
    const answer = await get('/', { accept: '*/*', 'sec-fetch-mode': 'cors' })
    expect([answer.status, answer.headers.location]).toEqual([303, '/login'])
  })

  it.each(['/_next/static/../../regions', '/_next/static/%2e%2e/%2E./events', '/icon/..', '/./regions'])(
    'renders nothing for %s, which would lead out of an open folder',
    async (path) => {
      expect((await get(path)).status).toBe(400)
      expect(rendered).toEqual([])
    },
  )

  it('answers a request for page data without a session with 401', async () => {
    expect((await get('/', { rsc: '1' })).status).toBe(401)
    expect((await get('/regions', { 'sec-fetch-dest': 'empty' })).status).toBe(401)
    expect((await get('/regions', { accept: 'application/json' })).status).toBe(401)
  })

  it.each(['/login', '/_next/static/chunks/a.js', '/favicon.ico', '/icon.svg'])(
    'serves %s to anybody',
    async (path) => {
      expect((await get(path)).status).toBe(200)
    },
  )

  it.each(['x-middleware-subrequest', 'next-action', 'x-nonce', 'x-matched-path', 'x-tidegate-incidents'])(
    'refuses a request that carries %s, also with a session',
    async (header) => {
      signedIn = true
      expect((await get('/', { [header]: 'x' })).status).toBe(400)
      expect(rendered).toEqual([])
    },
  )

  it.each(['http://evil.example/', '//evil.example/', '/\\evil.example'])(
    'refuses the target %s',
    async (path) => {
      signedIn = true
      expect((await get(path)).status).toBe(400)
    },
  )

  it('tells a page how many incidents are open, so that their place is there before the first answer', async () => {
    signedIn = true
    await get('/nodes')
    openIncidents = 2
    await get('/nodes')
    expect(rendered.map(({ incidents }) => incidents)).toEqual([undefined, '2'])
  })

  it('gives each page a nonce of its own, in the header and to the renderer', async () => {
    signedIn = true
    const first = await get('/')
    await get('/')
    expect(rendered[0]?.nonce).not.toBe(rendered[1]?.nonce)
    expect(first.headers['content-security-policy']).toContain(`'nonce-${String(rendered[0]?.nonce)}'`)
    expect(first.headers['content-security-policy']).toContain("frame-ancestors 'none'")
  })

  it('only reads pages', async () => {
    signedIn = true
    const answer = await get('/', {}, 'POST')
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  it('shows nothing but the set-up page while there is no administrator, and leads from it to sign in afterwards', async () => {
    needsSetup = true
    expect((await get('/')).headers.location).toBe('/setup')
    expect((await get('/login')).headers.location).toBe('/setup')
    expect((await get('/setup?key=x')).status).toBe(200)
    needsSetup = false
    const late = await get('/setup?key=x')
    expect([late.status, late.headers.location]).toEqual([303, '/login'])
  })

  it('says that pages are still being prepared, and the API answers meanwhile', async () => {
    ready = false
    expect((await get('/')).status).toBe(503)
    expect((await get('/api/v1/overview')).body).toBe('api')
    expect((await get('/healthz/live')).body).toBe('api')
  })

  /** Everything that the server says to these bytes until it closes the connection. */
  const raw = (bytes: string) =>
    new Promise<string>((resolve, reject) => {
      let said = ''
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes))
      socket.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      socket.on('error', reject).on('close', () => resolve(said))
      socket.setTimeout(10_000, () => socket.destroy(new Error(`still open, having said: ${said}`)))
    })
  const statusOf = (said: string) => Number(said.split(' ', 2)[1])

  const upgrade = (path: string, more = '') =>
    raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${more}`)

  it('refuses an upgrade anywhere but on /live, and says when /live is not ready', async () => {
    expect(statusOf(await upgrade('/_next/hmr', '\r\n'))).toBe(404)
    expect(await upgrade('/live', '\r\n')).toMatch(/^HTTP\/1.1 503[\s\S]*Retry-After: \d/)
  })

  it.each([
    ['a length', 'Content-Length: 5\r\n\r\nhello'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
    ['half a body', 'Content-Length: 500\r\n\r\nhello'],
  ])('an upgrade with a body of %s does not end the control room', async (_, more) => {
    expect(statusOf(await upgrade('/live', more))).toBe(400)
    expect((await get('/login')).status).toBe(200)
  })

  it('closes the connection of a refused upgrade, also where the peer never closes its half', async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    socket.write(
      'GET /other HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    )
    await new Promise((resolve) => socket.resume().once('end', resolve))
    const open = () =>
      new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))
    await expect.poll(open, { timeout: 10_000 }).toBe(0)
    socket.destroy()
  })

  it('answers CONNECT, and closes', async () => {
    expect(statusOf(await raw('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n'))).toBe(405)
  })

  it('one stranger does not take the connections of the others', async () => {
    shared = false
    const all = await Promise.all(
      Array.from({ length: 12 }, () => raw('GET /healthz/live HTTP/1.1\r\n').catch(() => '')),
    )
    expect(all.filter((said) => said.startsWith('HTTP/1.1 408'))).toHaveLength(5)
    expect(refused).toEqual(Array.from({ length: 7 }, () => 'connections_of_source'))
    expect((await get('/login')).status, 'and has them again when they are over').toBe(200)
  })

  it('does not let a head drip for ever', async () => {
    const began = Date.now()
    expect(statusOf(await raw('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '))).toBe(408)
    expect(Date.now() - began).toBeLessThan(5_000)
  })

  describe('of the names in Host', () => {
    const asked = async (host: string, path = '/login', more = '') => {
      const lines = host === '' ? '' : `Host: ${host}\r\n`
      return statusOf(await raw(`GET ${path} HTTP/1.1\r\n${lines}${more}Connection: close\r\n\r\n`))
    }

    it.each([
      'localhost',
      'LOCALHOST:3000',
      'tidegate.localhost:3000',
      '127.0.0.1:3000',
      '[::1]:3000',
      '192.168.1.5:8443',
      'gate.example.com',
      'Gate.Example.com.:443',
      'gate.internal:3000',
    ])('takes %s', async (host) => {
      expect(await asked(host)).toBe(200)
    })

    it.each([
      'evil.example',
      'evil.example:3000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '0x7f.1',
    ])('refuses %s, which a page may have pointed here: pages, API and live stream alike', async (host) => {
      expect(await asked(host)).toBe(421)
      expect(await asked(host, '/api/v1/overview')).toBe(421)
      expect(await asked(host, '/metrics')).toBe(421)
      expect(await asked(host, '/live', 'Upgrade: websocket\r\nConnection: Upgrade\r\n')).toBe(421)
      expect(rendered).toEqual([])
    })

    it('lets load balancers ask for health by any name, and scripts with a token', async () => {
      expect(await asked('evil.example', '/healthz/ready')).toBe(200)
      expect(await asked('tidegate', '/api/v1/overview', 'Authorization: Bearer abc\r\n')).toBe(200)
      expect(await asked('tidegate', '/api/v1/overview', 'Authorization: Basic abc\r\n')).toBe(421)
    })

    it.each(['a b', 'localhost:99999', 'localhost/', '[::1', 'user@localhost', ','])(
      'refuses the malformed %j',
      async (host) => {
        expect(await asked(host)).toBe(400)
      },
    )

    it('refuses several, and none', async () => {
      expect(await asked('localhost', '/login', 'Host: localhost\r\n')).toBe(400)
      expect(await asked('localhost', '/login', 'hOST: evil.example\r\n')).toBe(400)
      expect(await asked('')).toBe(400)
      expect(statusOf(await raw('GET /login HTTP/1.0\r\n\r\n'))).toBe(200)
    })
  })

  it('tells browsers to come back encrypted, where they are', async () => {
    const name = 'strict-transport-security'
    expect((await get('/login')).headers[name]).toBeUndefined()
    expect((await get('/login', { 'x-forwarded-proto': 'https' })).headers[name]).toBe('max-age=31536000')
  })

  it.each([
    [{ host: '0.0.0.0', isTls: false, isProxied: false }, 'open_without_tls'],
    [{ host: '192.168.1.5', isTls: false, isProxied: false }, 'open_without_tls'],
    [{ host: '0.0.0.0', isTls: true, isProxied: false }, undefined],
    [{ host: '0.0.0.0', isTls: false, isProxied: true }, undefined],
    [{ host: '127.0.0.2', isTls: false, isProxied: false }, undefined],
    [{ host: '::1', isTls: false, isProxied: false }, undefined],
    [{ host: 'localhost', isTls: false, isProxied: false }, undefined],
  ])('of %o the room says %s on every page', (facts, code) => {
    expect(openWithoutTls({ ...facts, since: 'now' })?.code).toBe(code)
  })
})
