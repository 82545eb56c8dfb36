import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../server/contract/index.ts'
import { startServer, type TestServer } from './server.ts'

/** What everybody may call; whatever else is added must refuse strangers. */
const open = [
  'POST /api/v1/setup',
  'POST /api/auth/sign-in/email',
  'POST /api/auth/sign-out',
  'GET /api/auth/get-session',
  'GET /healthz/live',
  'GET /healthz/ready',
  'GET /metrics',
]

const operatorRoutes = [
  'DELETE /tunnels/host-1',
  'DELETE /connections/fra-1/c1',
  'POST /nodes/fra-1/push/invalidate',
  'POST /nodes/fra-1/push/breaker',
  'POST /nodes/fra-1/tokens/restore',
  'POST /incidents/i1/acknowledge',
  'POST /incidents/i1/mitigate',
  'POST /incidents/i1/resolve',
  'POST /incidents/i1/notes',
  'PATCH /incidents/i1',
  'POST /annotations',
  'POST /drains/preview',
  'POST /drains',
  'POST /drains/d1/pause',
  'POST /drains/d1/continue',
  'POST /drains/d1/abort',
  'POST /drains/d1/resume',
  'POST /maintenance',
  'DELETE /maintenance/m1',
  'GET /demo',
  'GET /demo/scenarios',
  'POST /demo/scenarios/push-stuck',
  'DELETE /demo/scenarios/push-stuck',
]

const adminRoutes = [
  'GET /users',
  'POST /users',
  'PATCH /users/u1',
  'DELETE /users/u1',
  'GET /tokens',
  'POST /tokens',
  'DELETE /tokens/t1',
  'GET /config',
  'POST /config/check',
  'POST /nodes/probe',
  'GET /notifications',
  'GET /notifications/channels',
  'POST /notifications/test',
]

const viewerRoutes = [
  'GET /overview',
  'GET /heartbeats',
  'GET /regions',
  'GET /regions/fra',
  'GET /nodes',
  'GET /nodes/fra-1',
  'GET /nodes/fra-1/health',
  'GET /series?metric=tunnels',
  'GET /events',
  'GET /tunnels',
  'GET /connections?node=fra-1',
  'GET /incidents',
  'GET /incidents/i1',
  'GET /incidents/i1/timeline',
  'GET /incidents/i1/export',
  'GET /drains',
  'GET /drains/d1',
  'GET /maintenance',
  'GET /me',
  'GET /system',
  'GET /audit',
  'GET /openapi.json',
]

const split = (route: string): [string, string] => route.split(' ') as [string, string]

describe('access to the API', () => {
  let server: TestServer
  const tokens: Record<string, string> = {}
  beforeAll(async () => {
    server = await startServer()
    for (const role of ['viewer', 'operator']) {
      tokens[role] = (await server.asAdmin('POST', '/api/v1/tokens', { name: role, role })).json.token
    }
  })
  afterAll(() => server.close())

  it('refuses every route without credentials, whatever the body', async () => {
    const routes = server.api.routes.map(({ method, path }) => `${method} ${path}`)
    expect(routes.length).toBeGreaterThan(45)
    for (const route of routes.filter((each) => !open.includes(each))) {
      const [method, path] = split(route)
      const answer = await server.call(
        method,
        path.replace(/:\w+/g, 'x'),
        method === 'GET' ? {} : { body: '{ not json' },
      )
      expect([route, answer.status, answer.json?.error.code]).toEqual([route, 401, 'ERR_UNAUTHENTICATED'])
    }
    for (const route of open) expect(routes).toContain(route)
  })

  it('has a role for every route that is documented', () => {
    const listed = [...viewerRoutes, ...operatorRoutes, ...adminRoutes].length
    expect(server.api.routes.length - open.length).toBe(listed)
  })

  it('tells strangers nothing about paths that do not exist, and callers that they do not', async () => {
    expect((await server.call('GET', '/api/v1/nowhere')).status).toBe(401)
    expect((await server.call('GET', '/api/v1/nowhere', { token: tokens.viewer! })).json.error.code).toBe(
      'ERR_NOT_FOUND',
    )
    const other = await server.call('PUT', '/api/v1/overview', { token: tokens.viewer! })
    expect([other.status, other.json.error.code, other.headers.get('allow')]).toEqual([
      405,
      'ERR_METHOD',
      'GET, HEAD, OPTIONS',
    ])
    expect(
      (await server.call('POST', '/api/auth/sign-up/email', { body: { email: 'x@example.com' } })).status,
    ).toBe(404)
  })

  it.each(viewerRoutes)('lets a viewer %s', async (route) => {
    const [method, path] = split(route)
    expect((await server.call(method, `/api/v1${path}`, { token: tokens.viewer! })).status).toBe(200)
  })

  it.each(operatorRoutes)('answers a viewer 403 at %s', async (route) => {
    const [method, path] = split(route)
    const answer = await server.call(method, `/api/v1${path}`, {
      token: tokens.viewer!,
      ...(method === 'GET' ? {} : { body: {} }),
    })
    expect([answer.status, answer.json.error]).toMatchObject([
      403,
      { code: 'ERR_FORBIDDEN', facts: { needed: 'operator', role: 'viewer' } },
    ])
  })

  it.each(adminRoutes)('answers an operator 403 at %s', async (route) => {
    const [method, path] = split(route)
    const answer = await server.call(method, `/api/v1${path}`, {
      token: tokens.operator!,
      ...(method === 'GET' ? {} : { body: {} }),
    })
    expect([answer.status, answer.json.error.code]).toEqual([403, 'ERR_FORBIDDEN'])
  })

  it('lets only an administrator override blockers', async () => {
    const body = { region: 'fra', reason: 'x', confirm: 'fra', force: true }
    expect((await server.call('POST', '/api/v1/drains', { token: tokens.operator!, body })).status).toBe(403)
    expect((await server.asAdmin('POST', '/api/v1/drains', body)).status).toBe(201)
  })

  it('carries no CORS headers, is not stored, and names each request', async () => {
    const answer = await server.call('GET', '/api/v1/me', {
      token: tokens.viewer!,
      headers: { origin: 'https://evil.example' },
    })
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-request-id')).toMatch(/^\w{26}$/)
    const preflight = await server.call('OPTIONS', '/api/v1/drains', {
      headers: { origin: 'https://evil.example' },
    })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([401, null])
    expect(
      (await server.call('OPTIONS', '/api/v1/drains', { token: tokens.viewer! })).headers.get('allow'),
    ).toBe('POST, GET, HEAD, OPTIONS')
    expect((await server.call('HEAD', '/api/v1/me', { token: tokens.viewer! })).status).toBe(200)
  })

  it('documents exactly the error codes there are', () => {
    const text = readFileSync(fileURLToPath(new URL('../../docs/errors.md', import.meta.url)), 'utf8')
    const documented = [...text.matchAll(/^## (ERR_\w+)\n\nHTTP (\d+)\. (.+)$/gm)].map(
      ([, code, status, meaning]) => [code, Number(status), meaning],
    )
    expect(documented).toEqual(
      Object.entries(ERROR_CODES).map(([code, { status, meaning }]) => [code, status, meaning]),
    )
  })
})
