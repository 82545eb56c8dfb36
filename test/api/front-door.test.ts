import { createServer, request as httpRequest, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFrontDoor } from '../../server/api/front-door.ts'
import { createLog } from '../../server/observe/log.ts'

describe('the front door', () => {
  let server: Server
  let port: number
  let signedIn: boolean
  let needsSetup: boolean
  let ready: boolean
  let rendered: { url: string; nonce: unknown; policy: unknown }[]

  beforeEach(async () => {
    signedIn = false
    needsSetup = false
    ready = true
    rendered = []
    const door = createFrontDoor({
      api: (_request, response) => response.writeHead(200).end('api'),
      pages: () =>
        ready
          ? (request, response) => {
              const { 'x-nonce': nonce, 'content-security-policy': policy } = request.headers
              rendered.push({ url: request.url ?? '', nonce, policy })
              response.end('page')
            }
          : null,
      pagesUpgrade: () => null,
      live: () => null,
      hasSession: async () => signedIn,
      needsSetup: () => needsSetup,
      dev: false,
      log: createLog('test', 'silent'),
    })
    server = createServer((request, response) => door.request(request, response))
    server.on('upgrade', (request, socket, head) => door.upgrade(request, socket, head))
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

  it.each(['x-middleware-subrequest', 'next-action', 'x-nonce', 'x-matched-path'])(
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

  it('shows nothing but the set-up page while there is no administrator, and 404 for it afterwards', async () => {
    needsSetup = true
    expect((await get('/')).headers.location).toBe('/setup')
    expect((await get('/login')).headers.location).toBe('/setup')
    expect((await get('/setup?key=x')).status).toBe(200)
    needsSetup = false
    expect((await get('/setup?key=x')).status).toBe(404)
  })

  it('says that pages are still being prepared, and the API answers meanwhile', async () => {
    ready = false
    expect((await get('/')).status).toBe(503)
    expect((await get('/api/v1/overview')).body).toBe('api')
    expect((await get('/healthz/live')).body).toBe('api')
  })

  it('refuses an upgrade anywhere but on /live', async () => {
    const status = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          'GET /_next/hmr HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
        )
      })
      socket.once('data', (data) => {
        resolve(String(data).split('\r\n', 1)[0] ?? '')
        socket.destroy()
      })
    })
    expect(status).toBe('HTTP/1.1 404 Not Found')
  })
})
