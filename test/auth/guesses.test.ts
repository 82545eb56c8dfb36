import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClientAddresses } from '../../server/auth/client-address.ts'
import { admin, startServer, type TestServer } from '../api/server.ts'

describe('guesses through a proxy that is trusted', () => {
  let behind: TestServer
  let now: number
  beforeEach(async () => {
    now = Date.now()
    const clients = createClientAddresses(['127.0.0.1'])
    behind = await startServer({
      auth: { clients, now: () => now },
      api: { clients },
    })
  })
  afterEach(() => behind.close())

  const from = (address: string, body: { email: string; password: string }, headers = {}) =>
    behind.call('POST', '/api/auth/sign-in/email', {
      body,
      headers: { 'x-forwarded-for': address, ...headers },
    })
  const wrong = { ...admin, password: 'wrong' }
  const cookiesOf = (answer: Awaited<ReturnType<typeof from>>) =>
    answer.headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ')

  it('the audit names the client, not the proxy', async () => {
    await from('198.51.100.9, 203.0.113.7', wrong)
    const [row] = (await behind.place.store.auditRows({})).items
    expect(row).toMatchObject({ action: 'auth.sign_in_failed', address: '203.0.113.7' })
  })

  it("strangers' wrong guesses do not lock the administrator out", async () => {
    const known = cookiesOf(await from('192.0.2.1', admin))
    for (let n = 0; n < 30; n++) await from(`203.0.113.${n}`, { ...wrong, email: `x${n}@example.com` })
    expect((await from('192.0.2.1', admin)).status, 'another address').toBe(200)
    for (let n = 0; n < 25; n++) await from(`203.0.113.${n}`, wrong)
    expect((await from('192.0.2.9', admin)).status, 'a stranger has to wait').toBe(429)
    expect((await from('192.0.2.9', admin, { cookie: known })).status, 'a known device').toBe(200)
    const device = known.split('; ').at(-1) ?? ''
    expect((await from('192.0.2.9', admin, { cookie: device })).status, 'its session is over').toBe(200)
  })

  it('60 addresses have 20 guesses at an account between them, and an IPv6 /64 has ten', async () => {
    const answers: number[] = []
    for (let n = 0; n < 60; n++) answers.push((await from(`203.0.113.${n}`, wrong)).status)
    expect(answers.filter((status) => status === 401)).toHaveLength(20)
    const other = { ...wrong, email: 'ben@example.com' }
    const network: number[] = []
    for (let n = 0; n < 15; n++) network.push((await from(`2001:db8::${n}`, other)).status)
    expect(network.filter((status) => status === 401)).toHaveLength(10)
    now += 15 * 60_000
    expect((await from('203.0.113.1', admin)).status).toBe(200)
  })

  it('one address has a hundred guesses at all accounts together', async () => {
    const answers: number[] = []
    for (let n = 0; n < 110; n++)
      answers.push((await from('203.0.113.7', { ...wrong, email: `x${n}@example.com` })).status)
    expect(answers.filter((status) => status === 401)).toHaveLength(100)
    expect((await from('203.0.113.8', admin)).status).toBe(200)
  })

  it('a device cookie is good for its own account only, for a time, and has guesses of its own', async () => {
    const device =
      cookiesOf(await from('192.0.2.1', admin))
        .split('; ')
        .at(-1) ?? ''
    const ben = { email: 'ben@example.com', password: 'a long enough password' }
    const actor = { name: 'test', role: 'admin', address: null } as const
    await behind.auth.users.create({ ...ben, role: 'viewer' }, actor)
    const [name = ''] =
      cookiesOf(await from('192.0.2.2', ben))
        .split('; ')
        .at(-1)
        ?.split('=') ?? []
    const forBen = `${name}=${device.split('=')[1]}`
    for (let n = 0; n < 20; n++) {
      await from(`203.0.113.${n}`, wrong)
      await from(`203.0.113.${n}`, { ...wrong, email: 'ben@example.com' })
    }
    expect((await from('192.0.2.9', ben, { cookie: forBen })).status).toBe(429)
    expect((await from('192.0.2.9', admin, { cookie: `${device}x` })).status).toBe(429)
    for (let n = 0; n < 10; n++) expect((await from('192.0.2.9', wrong, { cookie: device })).status).toBe(401)
    expect((await from('192.0.2.9', admin, { cookie: device })).status).toBe(429)
    now += 181 * 24 * 60 * 60_000
    for (let n = 0; n < 20; n++) await from(`203.0.113.${n}`, wrong)
    expect((await from('192.0.2.9', admin, { cookie: device })).status, 'half a year later').toBe(429)
  })

  it('strangers do not fill the audit', async () => {
    for (let n = 0; n < 520; n++)
      await from(`203.0.${n % 250}.7`, { email: `x${n}@example.com`, password: 'wrong' })
    expect(behind.auth.signInFigures().failed).toBe(520)
    const { items } = await behind.place.store.auditRows({ limit: 1_000 })
    expect(items.filter(({ action }) => action === 'auth.sign_in_failed')).toHaveLength(500)
    now += 15 * 60_000
    await from('203.0.113.7', wrong)
    const [newest] = (await behind.place.store.auditRows({ limit: 1 })).items
    expect(newest).toMatchObject({ action: 'auth.sign_in_failed', object: admin.email })
  })

  it('cookies are Secure where the proxy says https', async () => {
    const cookies = (
      await from('203.0.113.7', admin, { 'x-forwarded-proto': 'https' })
    ).headers.getSetCookie()
    expect(cookies.length).toBe(2)
    for (const cookie of cookies) expect(cookie).toMatch(/; Secure/i)
    expect((await from('203.0.113.7', admin)).headers.getSetCookie()[0]).not.toMatch(/; Secure/i)
  })
})
