import { readFileSync, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { hashPassword } from 'better-auth/crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAuth, type Revocation } from '../../server/auth/auth.ts'
import { Passwords } from '../../server/auth/passwords.ts'
import { admin, apiToken, startServer, type TestServer } from '../api/server.ts'

describe('signing in', () => {
  let server: TestServer
  let now: number
  beforeEach(async () => {
    now = Date.now()
    server = await startServer({ auth: { now: () => now } })
  })
  afterEach(() => server.close())

  const me = (cookie: string) => server.call('GET', '/api/v1/me', { headers: { cookie } })
  const auditActions = async () => (await server.place.store.auditRows({})).items.map((row) => row.action)
  const withCookie = (cookie: string) => ({ cookie, origin: server.url })

  it('gives the administrator of the environment a session in a cookie that scripts cannot read', async () => {
    const answer = await server.signIn()
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({ user: { id: expect.any(String), email: admin.email, role: 'admin' } })
    const [cookie] = answer.headers.getSetCookie()
    expect(cookie).toMatch(/; HttpOnly/i)
    expect(cookie).toMatch(/; SameSite=Lax/i)
    expect(cookie).not.toMatch(/; Secure/i)
    expect((await me(answer.cookie)).json).toEqual({ email: admin.email, role: 'admin', demo: false })
    const session = await server.call('GET', '/api/auth/get-session', { headers: { cookie: answer.cookie } })
    expect(session.json).toMatchObject({ user: { email: admin.email, role: 'admin' } })
    expect(session.text).not.toContain('token')
    expect(await auditActions()).toEqual(['auth.sign_in', 'user.create'])
  })

  it('marks the cookie Secure behind TLS', async () => {
    const secure = await startServer({ auth: { serverUrl: 'https://gate.example.com' } })
    expect((await secure.signIn()).headers.getSetCookie()[0]).toMatch(/; Secure/i)
    await secure.close()
  })

  it('takes the address in any case, and answers a wrong password and a stranger alike', async () => {
    expect((await server.signIn({ ...admin, email: 'ANA@Example.com' })).status).toBe(200)
    const wrong = await server.signIn({ ...admin, password: 'wrong' })
    const stranger = await server.signIn({ email: 'nobody@example.com', password: 'wrong' })
    expect([wrong.status, wrong.json]).toEqual([401, stranger.json])
    expect(wrong.json.error.code).toBe('ERR_UNAUTHENTICATED')
    expect(await auditActions()).toEqual([
      'auth.sign_in_failed',
      'auth.sign_in_failed',
      'auth.sign_in',
      'user.create',
    ])
  })

  it('answers 429 from the eleventh wrong guess on, also to the right password, until the window is over', async () => {
    for (let n = 0; n < 10; n++)
      expect((await server.signIn({ ...admin, password: `wrong ${n}` })).status).toBe(401)
    const locked = await server.signIn()
    expect([locked.status, locked.json.error.code]).toEqual([429, 'ERR_RATE_LIMITED'])
    expect(Number(locked.headers.get('retry-after'))).toBeGreaterThan(800)
    expect(
      (await server.signIn({ email: 'other@example.com', password: 'x' })).status,
      'other accounts',
    ).toBe(401)
    now += 15 * 60_000
    expect((await server.signIn()).status).toBe(200)
  })

  it('ends the session at sign-out, at once', async () => {
    const { cookie } = await server.signIn()
    const refused = await server.call('POST', '/api/auth/sign-out', {
      body: {},
      headers: { cookie, origin: 'https://evil.example' },
    })
    expect(refused.json.error.code).toBe('ERR_ORIGIN')
    expect((await me(cookie)).status).toBe(200)
    const out = await server.call('POST', '/api/auth/sign-out', { body: {}, headers: withCookie(cookie) })
    expect(out.status).toBe(200)
    expect(out.headers.getSetCookie()[0]).toMatch(/Max-Age=0/i)
    expect((await me(cookie)).status).toBe(401)
    expect((await auditActions())[0]).toBe('auth.sign_out')
  })

  it('ends the session that the browser had when it signs in again', async () => {
    const first = await server.signIn()
    const second = await server.call('POST', '/api/auth/sign-in/email', {
      body: admin,
      headers: withCookie(first.cookie),
    })
    expect(second.status).toBe(200)
    expect((await me(first.cookie)).status).toBe(401)
  })

  it('does not accept a cookie that was tampered with', async () => {
    const { cookie } = await server.signIn()
    const [session = ''] = cookie.split('; ')
    expect((await me(session)).status).toBe(200)
    expect((await me(session.replace(/=./, '=x'))).status).toBe(401)
    expect((await me(`${session}x`)).status).toBe(401)
  })

  it('lets a page change things only from its own origin, and with JSON', async () => {
    const { cookie } = await server.signIn()
    const change = (headers: Record<string, string>) =>
      server.call('POST', '/api/v1/annotations', {
        body: { title: 'x', kind: 'note' },
        headers: { cookie, ...headers },
      })
    const code = async (headers: Record<string, string>) =>
      (await change(headers)).json.error?.code ?? 'created'
    expect(await code({})).toBe('ERR_ORIGIN')
    expect(await code({ origin: 'https://evil.example' })).toBe('ERR_ORIGIN')
    expect(await code({ origin: 'null' })).toBe('ERR_ORIGIN')
    expect(await code({ origin: `${server.url}.evil.example` })).toBe('ERR_ORIGIN')
    expect(await code({ origin: server.url, 'content-type': 'text/plain' })).toBe('ERR_MEDIA_TYPE')
    expect(await code({ origin: server.url, 'content-type': 'application/x-www-form-urlencoded' })).toBe(
      'ERR_MEDIA_TYPE',
    )
    expect(await code({ origin: server.url })).toBe('created')
    const kick = await server.call('DELETE', '/api/v1/tunnels/host-1', { headers: withCookie(cookie) })
    expect(kick.status, 'no body needs no type').toBe(204)
  })

  it('hides everything else of the library behind it', async () => {
    for (const path of [
      'sign-up/email',
      'forget-password',
      'request-password-reset',
      'list-sessions',
      'update-user',
      'change-password',
      'ok',
      'error',
    ]) {
      for (const method of ['GET', 'POST']) {
        const answer = await server.call(method, `/api/auth/${path}`, method === 'POST' ? { body: {} } : {})
        expect([path, answer.status]).toEqual([path, 404])
      }
    }
  })

  it('keeps its secret in a file of its own that only the owner can read, and sessions over a restart', async () => {
    const { cookie } = await server.signIn()
    const path = join(server.authOptions.dataDir, 'auth-secret')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const secret = readFileSync(path, 'utf8')
    const again = await createAuth(server.authOptions)
    expect(readFileSync(path, 'utf8')).toBe(secret)
    expect(await again.authenticate({ method: 'GET', headers: { cookie }, address: null })).toMatchObject({
      name: admin.email,
    })
  })

  it('knows pages and live streams by the same session or token', async () => {
    const { cookie } = await server.signIn()
    const upgrade = (headers: Record<string, string>) =>
      ({ method: 'GET', headers, socket: { remoteAddress: '::1' } }) as unknown as IncomingMessage
    expect(await server.auth.hasSession(upgrade({ cookie }))).toBe(true)
    expect(await server.auth.hasSession(upgrade({}))).toBe(false)
    expect(await server.auth.authenticateUpgrade(upgrade({ cookie }))).toMatchObject({
      name: admin.email,
      bearer: false,
      sessionId: expect.any(String),
    })
    expect(
      await server.auth.authenticateUpgrade(upgrade({ authorization: `Bearer ${apiToken}` })),
    ).toMatchObject({ bearer: true, sessionId: null })
    expect(await server.auth.authenticateUpgrade(upgrade({}))).toBeNull()
    await expect(
      server.auth.authenticateUpgrade(upgrade({ authorization: 'Bearer wrong' })),
    ).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' })
  })

  it('honours a session from memory for a quarter of an hour while the store cannot be read', async () => {
    const { cookie } = await server.signIn()
    const other = await server.signIn()
    expect((await me(cookie)).status).toBe(200)
    // The session table is gone: what a damaged database looks like to a reader.
    await server.place.store.prisma.$executeRawUnsafe('ALTER TABLE "sessions" RENAME TO "sessions_away"')
    expect((await me(cookie)).json).toMatchObject({ email: admin.email })
    expect((await me(other.cookie)).status, 'never seen before').toBe(503)
    expect((await server.asAdmin('GET', '/api/v1/me')).status, 'the token of the environment').toBe(200)
    now += 15 * 60_000 + 1
    expect((await me(cookie)).json.error.code).toBe('ERR_STORE_UNAVAILABLE')
    await server.place.store.prisma.$executeRawUnsafe('ALTER TABLE "sessions_away" RENAME TO "sessions"')
    expect((await me(cookie)).status).toBe(200)
  })

  describe('users', () => {
    const ben = { email: 'ben@example.com', password: 'a long enough password', role: 'operator' }
    const add = async () => (await server.asAdmin('POST', '/api/v1/users', ben)).json.id as string

    it('are made, listed, changed and removed, and each change is audited', async () => {
      const created = await server.asAdmin('POST', '/api/v1/users', { ...ben, email: 'Ben@Example.com' })
      expect([created.status, created.json]).toMatchObject([201, { email: ben.email, role: 'operator' }])
      expect(created.text).not.toContain('password')
      expect((await server.asAdmin('POST', '/api/v1/users', ben)).json.error.code).toBe('ERR_CONFLICT')
      expect(
        (await server.asAdmin('GET', '/api/v1/users')).json.items.map(
          (user: { email: string }) => user.email,
        ),
      ).toEqual([admin.email, ben.email])
      const path = `/api/v1/users/${created.json.id}`
      expect((await server.asAdmin('PATCH', path, { role: 'viewer' })).json).toMatchObject({ role: 'viewer' })
      expect((await server.asAdmin('DELETE', path)).status).toBe(204)
      expect((await server.asAdmin('DELETE', path)).status).toBe(404)
      expect(await auditActions()).toEqual(['user.remove', 'user.change', 'user.create', 'user.create'])
      const rows = (await server.place.store.auditRows({})).items
      expect(rows[1]).toMatchObject({
        actor: 'token:environment',
        object: ben.email,
        before: { role: 'operator' },
        after: { role: 'viewer' },
      })
    })

    it.each([
      ['role', { role: 'viewer' }],
      ['password', { password: 'another long password' }],
      ['existence', null],
    ])('lose their sessions at once when their %s changes, and live streams are told', async (_, patch) => {
      const id = await add()
      const { cookie } = await server.signIn(ben)
      expect((await me(cookie)).json.role).toBe('operator')
      const told: Revocation[] = []
      server.auth.onRevoked((revocation) => told.push(revocation))
      await server.asAdmin(patch ? 'PATCH' : 'DELETE', `/api/v1/users/${id}`, patch ?? undefined)
      expect((await me(cookie)).status).toBe(401)
      expect(told).toEqual([{ sessionId: expect.any(String), tokenId: null }])
    })

    it('may sign in with the new password only', async () => {
      const id = await add()
      await server.asAdmin('PATCH', `/api/v1/users/${id}`, { password: 'another long password' })
      expect((await server.signIn(ben)).status).toBe(401)
      expect((await server.signIn({ ...ben, password: 'another long password' })).status).toBe(200)
      await server.auth.resetPassword(ben.email, 'a third long password')
      expect((await server.signIn({ ...ben, password: 'a third long password' })).status).toBe(200)
      await expect(
        server.auth.resetPassword('nobody@example.com', 'a third long password'),
      ).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
      await expect(server.auth.resetPassword(ben.email, 'short')).rejects.toMatchObject({
        code: 'ERR_INVALID',
      })
    })

    it('always keep one administrator, also when two remove each other at once', async () => {
      const [ana] = (await server.asAdmin('GET', '/api/v1/users')).json.items
      expect((await server.asAdmin('DELETE', `/api/v1/users/${ana.id}`)).json.error.code).toBe('ERR_CONFLICT')
      expect((await server.asAdmin('PATCH', `/api/v1/users/${ana.id}`, { role: 'viewer' })).status).toBe(409)
      const id = (await server.asAdmin('POST', '/api/v1/users', { ...ben, role: 'admin' })).json.id
      const both = await Promise.all([
        server.asAdmin('DELETE', `/api/v1/users/${ana.id}`),
        server.asAdmin('DELETE', `/api/v1/users/${id}`),
      ])
      expect(both.map((answer) => answer.status).sort()).toEqual([204, 409])
    })

    it.each([
      { ...ben, password: 'short' },
      { ...ben, email: 'no address' },
      { ...ben, role: 'king' },
    ])('are refused as %o', async (body) => {
      expect((await server.asAdmin('POST', '/api/v1/users', body)).json.error.code).toBe('ERR_INVALID')
    })
  })

  describe('API tokens', () => {
    it('are shown once, kept as a hash, used with their role, and end when removed', async () => {
      const created = await server.asAdmin('POST', '/api/v1/tokens', { name: 'ci', role: 'operator' })
      expect(created.status).toBe(201)
      const { token, id } = created.json
      expect(token).toMatch(/^tg_[A-Za-z0-9_-]{43}$/)
      const use = () => server.call('GET', '/api/v1/me', { token })
      expect((await use()).json).toMatchObject({ email: 'token:ci', role: 'operator' })
      const list = await server.asAdmin('GET', '/api/v1/tokens')
      expect(list.text).not.toContain(token)
      expect(list.json.items).toMatchObject([{ id, name: 'ci', lastUsedAt: new Date(now).toISOString() }])
      expect(list.text).not.toContain('hash')
      const told: Revocation[] = []
      server.auth.onRevoked((revocation) => told.push(revocation))
      expect((await server.asAdmin('DELETE', `/api/v1/tokens/${id}`)).status).toBe(204)
      expect((await use()).status).toBe(401)
      expect(told).toEqual([{ sessionId: null, tokenId: id }])
      expect((await server.asAdmin('DELETE', `/api/v1/tokens/${id}`)).status).toBe(404)
      expect(await auditActions()).toEqual(['token.remove', 'token.create', 'user.create'])
    })

    it('end when they expire', async () => {
      const expiresAt = new Date(now + 60_000).toISOString()
      const { token } = (
        await server.asAdmin('POST', '/api/v1/tokens', { name: 'short', role: 'viewer', expiresAt })
      ).json
      expect((await server.call('GET', '/api/v1/me', { token })).status).toBe(200)
      now += 60_000
      expect((await server.call('GET', '/api/v1/me', { token })).json.error.code).toBe('ERR_UNAUTHENTICATED')
      const past = await server.asAdmin('POST', '/api/v1/tokens', { name: 'past', role: 'viewer', expiresAt })
      expect(past.json.error.code).toBe('ERR_INVALID')
    })

    it('are limited where they are wrong, by value, so that a good one is never locked out', async () => {
      const wrong = () => server.call('GET', '/api/v1/me', { token: 'guessed' })
      for (let n = 0; n < 10; n++) expect((await wrong()).status).toBe(401)
      const limited = await wrong()
      expect([limited.status, limited.json.error.code]).toEqual([429, 'ERR_RATE_LIMITED'])
      expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await server.call('GET', '/api/v1/me', { token: 'another guess' })).status).toBe(401)
      expect((await server.asAdmin('GET', '/api/v1/me')).status).toBe(200)
    })

    it('change things without an Origin', async () => {
      expect((await server.asAdmin('POST', '/api/v1/annotations', { title: 'x', kind: 'note' })).status).toBe(
        201,
      )
    })

    it.each(['Bearer', 'Bearer a b'])(
      'are refused as "%s", even beside a good cookie',
      async (authorization) => {
        const { cookie } = await server.signIn()
        const answer = await server.call('GET', '/api/v1/me', { headers: { cookie, authorization } })
        expect(answer.status).toBe(401)
      },
    )

    it('are not what a password of the proxy in front is taken for: pages and API work with both', async () => {
      const { cookie } = await server.signIn()
      const authorization = 'Basic b3BzOnNlY3JldA=='
      for (let n = 0; n < 12; n++) {
        const answer = await server.call('GET', '/api/v1/me', { headers: { cookie, authorization } })
        expect([answer.status, answer.json.email]).toEqual([200, admin.email])
      }
      expect((await server.call('GET', '/api/v1/me', { headers: { authorization } })).status).toBe(401)
    })

    it('of the environment needs 32 characters', async () => {
      await expect(createAuth({ ...server.authOptions, apiToken: 'x'.repeat(31) })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
      })
    })
  })
})

describe('passwords at their real price', () => {
  let server: TestServer
  beforeEach(async () => {
    server = await startServer({ auth: { passwords: new Passwords() } })
  })
  afterEach(() => server.close())

  it('a hundred wrong sign-ins at once leave the pool alone on which the data plane resolves names', {
    timeout: 60_000,
  }, async () => {
    let isOver = false
    const guesses = Array.from({ length: 100 }, (_, n) =>
      server.signIn({ email: `x${n}@example.com`, password: 'wrong' }),
    )
    const all = Promise.all(guesses).finally(() => {
      isOver = true
    })
    const waits: number[] = []
    while (!isOver) {
      const began = performance.now()
      await stat(server.place.path)
      waits.push(performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const answers = await all
    const refused = answers.filter(({ status }) => status === 503)
    expect(answers.filter(({ status }) => status === 401).length).toBeGreaterThan(0)
    expect(refused.length, 'beyond the places they are sent away').toBeGreaterThan(50)
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
    waits.sort((a, b) => a - b)
    expect(waits[Math.floor(waits.length / 2)], 'half of all looks at a file').toBeLessThan(50)
    expect((await server.signIn()).status).toBe(200)
  })

  it('takes passwords that were stored before they had a thread of their own', async () => {
    const stored = await hashPassword(admin.password)
    await server.place.store.prisma.account.updateMany({ data: { password: stored } })
    expect((await server.signIn()).status).toBe(200)
    expect((await server.signIn({ ...admin, password: 'wrong' })).status).toBe(401)
  })
})

describe('the first administrator', () => {
  let server: TestServer
  let now: number
  const none = { adminEmail: null, adminPassword: null, now: () => now }
  beforeEach(async () => {
    now = Date.now()
    server = await startServer({ auth: none })
  })
  afterEach(() => server.close())

  const keyOf = (link: string | null) => new URL(link ?? '').searchParams.get('key') ?? ''
  const setUp = (key: string, email = 'ana@example.com') =>
    server.call('POST', '/api/v1/setup', { body: { key, email, password: admin.password } })

  it('is made by a link that works once', async () => {
    const link = server.auth.setupLink()
    expect(link).toMatch(new RegExp(`^${server.url}/setup\\?key=`))
    expect(server.auth.needsSetup()).toBe(true)
    expect((await server.call('GET', '/api/v1/me')).status).toBe(401)
    expect((await setUp('wrong')).status).toBe(401)
    const made = await setUp(keyOf(link))
    expect([made.status, made.json]).toMatchObject([201, { email: 'ana@example.com', role: 'admin' }])
    expect(server.auth.needsSetup()).toBe(false)
    expect(server.auth.setupLink()).toBeNull()
    expect((await setUp(keyOf(link), 'eve@example.com')).status).toBe(404)
    expect((await server.signIn()).status).toBe(200)
  })

  it('is one, when two use the link at once', async () => {
    const key = keyOf(server.auth.setupLink())
    const both = await Promise.all([setUp(key), setUp(key, 'eve@example.com')])
    expect(both.map((answer) => answer.status).sort()).toEqual([201, 404])
  })

  it('needs a new link after an hour, and after each start', async () => {
    const old = server.auth.setupLink()
    now += 60 * 60_000
    expect(server.auth.setupLink()).toBeNull()
    expect((await setUp(keyOf(old))).status).toBe(404)
    const again = await createAuth(server.authOptions)
    expect(again.setupLink()).not.toBe(old)
    expect((await setUp(keyOf(old))).status).toBe(401)
    expect((await setUp(keyOf(again.setupLink()))).status).toBe(201)
  })

  it('is not guessed: the eleventh wrong key has to wait', async () => {
    for (let n = 0; n < 10; n++) expect((await setUp(`wrong ${n}`)).status).toBe(401)
    expect((await setUp(keyOf(server.auth.setupLink()))).status).toBe(429)
  })

  it('comes from the environment, and is never overwritten by it', async () => {
    const first = await createAuth({
      ...server.authOptions,
      adminEmail: admin.email,
      adminPassword: admin.password,
    })
    expect(first.needsSetup()).toBe(false)
    const second = await createAuth({
      ...server.authOptions,
      adminEmail: 'eve@example.com',
      adminPassword: 'another long password',
    })
    expect((await second.users.list()).map((user) => user.email)).toEqual([admin.email])
    const third = await createAuth({
      ...server.authOptions,
      adminEmail: admin.email,
      adminPassword: 'another long password',
    })
    expect((await third.users.list()).length).toBe(1)
    expect((await server.signIn()).status).toBe(200)
  })

  it('is refused with every problem at once', async () => {
    await expect(
      createAuth({ ...server.authOptions, adminEmail: 'nobody', adminPassword: 'short' }),
    ).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      facts: { problems: [{ path: 'TIDEGATE_ADMIN_EMAIL' }, { path: 'TIDEGATE_ADMIN_PASSWORD' }] },
    })
  })
})
