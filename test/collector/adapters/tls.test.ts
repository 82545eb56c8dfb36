import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { JsonAdapter, type JsonTarget } from '../../../server/collector/adapters/json/adapter.ts'
import { Control } from '../../../server/collector/adapters/tidegate/control.ts'
import { StreamConnection } from '../../../server/collector/adapters/tidegate/stream-connection.ts'
import { log } from '../../store/fixtures.ts'
import { type Certificate, issue, makeAuthority } from './certificates.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

let authority: Certificate
let stranger: Certificate
let ours: Certificate
let client: Certificate
beforeAll(async () => {
  ;[authority, stranger] = await Promise.all([makeAuthority('ops'), makeAuthority('somebody else')])
  ;[ours, client] = await Promise.all([issue(authority), issue(authority, { name: 'collector' })])
})

const listen = async (server: Server | ReturnType<typeof createTlsServer>): Promise<string> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/status`
}

const serve = (certificate: Certificate, options: TlsOptions = {}): Promise<string> =>
  listen(
    createServer({ ...certificate, ...options }, (_request, response) =>
      response.setHeader('content-type', 'application/json').end('{"ok":true}'),
    ),
  )

const makeAdapter = (): JsonAdapter => {
  const adapter = new JsonAdapter({ timeoutMs: 3_000, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const target = (url: string, tls?: JsonTarget['tls']): JsonTarget => ({
  id: 'any-1',
  region: 'iad',
  kind: 'json',
  embedded: false,
  url,
  map: { ok: '/ok' },
  tls,
})
const ask = async (url: string, tls?: JsonTarget['tls']) => {
  const { outcome, reason } = await makeAdapter().probe(target(url, tls))
  return { outcome, reason }
}

describe('a poll over TLS', () => {
  it('trusts an authority of its own where ca names it', async () => {
    expect(await ask(await serve(ours), { ca: authority.cert })).toMatchObject({ outcome: 'ok' })
  })

  it('says that ca is missing, or names another authority', async () => {
    const url = await serve(ours)
    expect(await ask(url)).toEqual({
      outcome: 'tls',
      reason: expect.stringMatching(/signed by nobody that this machine trusts; .* in ca of this entry/),
    })
    expect(await ask(url, { ca: stranger.cert })).toEqual({
      outcome: 'tls',
      reason: 'its certificate is not signed by an authority in the file that ca of this entry names',
    })
  })

  it('says that a certificate has expired', async () => {
    const url = await serve(await issue(authority, { endedDaysAgo: 1 }))
    expect(await ask(url, { ca: authority.cert })).toEqual({
      outcome: 'tls',
      reason: 'its certificate has expired; renew it on the node',
    })
  })

  it('says for which names a certificate is that is for others', async () => {
    const url = await serve(await issue(authority, { names: ['fra-1.internal', 'fra.example.com'] }))
    expect(await ask(url, { ca: authority.cert })).toEqual({
      outcome: 'tls',
      reason: expect.stringMatching(
        /is for fra-1\.internal, fra\.example\.com, not for 127\.0\.0\.1; .*url of this entry/,
      ),
    })
  })

  it('says that what answers does not speak TLS', async () => {
    const { createServer: createPlain } = await import('node:http')
    const url = await listen(createPlain((_request, response) => response.end('{}')) as unknown as Server)
    const { outcome, reason } = await ask(url, { ca: authority.cert })
    expect(outcome).toBe('tls')
    expect(reason).toMatch(/does not speak TLS/)
  })

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`shows a client certificate where it is wanted, and says which keys are missing or wrong (${maxVersion})`, async () => {
      const url = await serve(ours, {
        requestCert: true,
        rejectUnauthorized: true,
        ca: authority.cert,
        maxVersion,
      })
      const ca = authority.cert
      expect(await ask(url, { ca, cert: client.cert, key: client.key })).toMatchObject({ outcome: 'ok' })
      expect(await ask(url, { ca })).toEqual({
        outcome: 'tls',
        reason: expect.stringMatching(
          /may want a client certificate: name one in cert and key of this entry/,
        ),
      })
      const wrong = await issue(stranger)
      expect(await ask(url, { ca, cert: wrong.cert, key: wrong.key })).toEqual({
        outcome: 'tls',
        reason: expect.stringMatching(
          /may not take our client certificate: look at cert and key of this entry/,
        ),
      })
    })

  it('calls a server that dies after it has answered refused, not a matter of TLS', async () => {
    const sockets = new Set<Socket>()
    const server = createTlsServer(ours, (socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', () =>
        sockets.size === 1
          ? socket.write('HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"ok":true}')
          : socket.end('HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"ok"'),
      )
    })
    const adapter = makeAdapter()
    const where = target(await listen(server), { ca: authority.cert })
    expect((await adapter.probe(where)).outcome).toBe('ok')
    for (const socket of sockets) socket.destroy()
    const { outcome } = await adapter.probe(where)
    expect(outcome).toBe('refused')
  })

  it('connects anew with another authority, and never over what was trusted before', async () => {
    const url = await serve(ours)
    const adapter = makeAdapter()
    expect((await adapter.probe(target(url, { ca: authority.cert }))).outcome).toBe('ok')
    expect((await adapter.probe(target(url, { ca: stranger.cert }))).outcome).toBe('tls')
    expect((await adapter.probe(target(url, { ca: authority.cert }))).outcome).toBe('ok')
  })
})

describe('the other ways to a Tidegate node', () => {
  const node = (url: string, tls?: JsonTarget['tls']) => ({
    id: 'fra-1',
    url: url.replace('/status', ''),
    token: 'a-long-enough-token',
    embedded: false,
    tls,
  })

  it('takes the same files for calls, and says the same of what is wrong', async () => {
    const url = await serve(ours, { requestCert: true, rejectUnauthorized: true, ca: authority.cert })
    const control = new Control(createAddressRules([]))
    closers.push(() => control.close())
    const tls = { ca: authority.cert, cert: client.cert, key: client.key }
    expect(await control.call(node(url, tls), 'GET', '/health')).toMatchObject({ status: 200 })
    await expect(control.call(node(url), 'GET', '/health')).rejects.toThrow(/in ca of this entry/)
  })

  it('takes the same files for event streams', async () => {
    const server = createServer({ ...ours, requestCert: true, rejectUnauthorized: true, ca: authority.cert })
    const sockets = new WebSocketServer({ server })
    closers.push(() => sockets.close())
    sockets.on('connection', (socket) => socket.send('{"type":"hello"}'))
    const url = await listen(server)
    const follow = (tls?: JsonTarget['tls']) => {
      const seen = { ended: false, frames: [] as unknown[] }
      const connection = new StreamConnection(node(url, tls), null, {
        rules: createAddressRules([]),
        log,
        onFrame: () => seen.frames.push(connection.take()),
        onEnd: () => {
          seen.ended = true
        },
        onSilence: () => undefined,
      })
      closers.push(() => connection.drop())
      return seen
    }
    const good = follow({ ca: authority.cert, cert: client.cert, key: client.key })
    const bad = follow({ ca: authority.cert })
    await vi.waitFor(() => expect([good.frames.length, bad.ended]).toEqual([1, true]))
    expect(bad.frames).toEqual([])
  })
})
