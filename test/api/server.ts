import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { type Api, createApi } from '../../server/api/api.ts'
import type { ApiOptions } from '../../server/api/context.ts'
import { type Auth, type AuthOptions, createAuth } from '../../server/auth/auth.ts'
import { Passwords } from '../../server/auth/passwords.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { FakeCollector } from './fake-collector.ts'
import { noConfiguration } from './no-configuration.ts'

export const apiToken = 'a-token-for-tests-that-is-long-enough'
export const admin = { email: 'ana@example.com', password: 'correct horse battery' }

/** Collector in memory; store, access and HTTP as in the product. */
export const startServer = async (
  options: { auth?: Partial<AuthOptions>; api?: Partial<ApiOptions> } = {},
) => {
  const place = await sqlite.create()
  const collector = new FakeCollector()
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const authOptions: AuthOptions = {
    store: place.store,
    prisma: place.store.prisma,
    dataDir: dirname(place.path),
    serverUrl: url,
    adminEmail: admin.email,
    adminPassword: admin.password,
    apiToken,
    // What a password costs is tried where it matters.
    passwords: new Passwords({ cost: 16 }),
    log,
    ...options.auth,
  }
  const auth: Auth = await createAuth(authOptions)
  const api: Api = createApi({
    store: place.store,
    auth,
    collector,
    live: { hub: () => 'h', seq: () => 7, subscribers: () => 0, slowClosed: () => 0 },
    demo: null,
    demoMode: false,
    configuration: noConfiguration,
    version: '1.2.3',
    ready: () => ({ ok: true, reason: null }),
    log,
    ...options.api,
  })
  server.on('request', api.handle)

  /** One request with the given credentials; JSON in and out. */
  const call = async (
    method: string,
    path: string,
    {
      body,
      headers = {},
      token,
    }: { body?: unknown; headers?: Record<string, string>; token?: string | null } = {},
  ) => {
    const raw = typeof body === 'string'
    const response = await fetch(url + path, {
      method,
      redirect: 'error',
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : null,
    }
  }

  return {
    url,
    place,
    collector,
    auth,
    authOptions,
    api,
    call,
    /** As the environment's token, an administrator. */
    asAdmin: (method: string, path: string, body?: unknown) =>
      call(method, path, { token: apiToken, ...(body === undefined ? {} : { body }) }),
    async signIn(credentials = admin) {
      const answer = await call('POST', '/api/auth/sign-in/email', { body: credentials })
      const cookie = answer.headers
        .getSetCookie()
        .map((each) => each.split(';')[0])
        .join('; ')
      return { ...answer, cookie }
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await auth.close()
      await place.remove()
    },
  }
}

export type TestServer = Awaited<ReturnType<typeof startServer>>
