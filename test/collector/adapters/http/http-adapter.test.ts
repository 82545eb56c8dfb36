import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { HttpAdapter, type HttpTarget } from '../../../../server/collector/adapters/http/adapter.ts'
import { httpEntrySchema } from '../../../../server/contract/kinds/http.ts'
import { type Certificate, issue, makeAuthority } from '../certificates.ts'
import { Servers } from '../dial/servers.ts'

const servers = new Servers()
afterEach(() => servers.close())

let authority: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Ops')
})

const probe = (url: string, more: Partial<HttpTarget> = {}, allow: readonly string[] = []) =>
  new HttpAdapter({ timeoutMs: 600, rules: createAddressRules(allow) }).probe({
    id: 'www-1',
    region: 'fra',
    kind: 'http',
    url,
    embedded: false,
    ...more,
  })
const at = (port: number, path = '/') => `http://127.0.0.1:${port}${path}`
const raw = (head: string, body = ''): string =>
  `HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

describe('a look at a page', () => {
  it('asks as a visitor would, over a connection of its own each time', async () => {
    const asked: string[] = []
    const sockets = new Set<unknown>()
    const port = await servers.http((request, response) => {
      sockets.add(request.socket)
      asked.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers.connection}`)
      response.setHeader('content-type', 'text/html')
      response.end('<h1>Welcome</h1>')
    })
    const expected = { expect: { status: 200, body: 'Welcome' } }
    const reading = await probe(at(port, '/login?next=%2F'), expected)
    expect(reading).toMatchObject({
      outcome: 'ok',
      status: 200,
      reason: 'answered 200',
      raw: { status: 200, type: 'text/html' },
    })
    expect(reading.saidAt).toBeGreaterThan(0)
    expect(reading.facts).toMatchObject({ ok: true, gauges: {}, counters: {}, drain: null })
    expect(reading.facts?.certificates).toBeUndefined()
    await probe(at(port), { method: 'HEAD' })
    expect(asked).toEqual([`GET /login?next=%2F 127.0.0.1:${port} close`, `HEAD / 127.0.0.1:${port} close`])
    expect(sockets.size).toBe(2)
  })

  it('shows the certificate of an https page, and where the time went', async () => {
    const port = await servers.https(await issue(authority), (_request, response) => response.end('ok'))
    const reading = await probe(`https://127.0.0.1:${port}/`, { tls: { ca: authority.cert } })
    expect(reading).toMatchObject({ outcome: 'ok', status: 200 })
    expect(reading.facts?.certificates?.[0]?.name).toBe('127.0.0.1')
    expect(reading.facts?.tables?.map(({ id }) => id)).toEqual(['timings', 'certificate'])
    expect(reading.facts?.tables?.[0]?.rows.map(({ step }) => step)).toEqual([
      'Connection',
      'TLS handshake',
      'First byte of the answer',
      'All of it',
    ])
  })

  it.each<[string, string, HttpTarget['expect'], string, string]>([
    ['an error', raw('503 Service Unavailable'), undefined, 'bad_status', 'answered 503'],
    [
      'another status than expected',
      raw('200 OK'),
      { status: [401, 403] },
      'bad_status',
      'answered 200, expected 401 or 403',
    ],
    ['a redirect', raw('302 Found'), undefined, 'redirect', 'answered 302; redirects are not followed'],
    [
      'another page',
      raw('200 OK', 'Welcome to nginx!'),
      { body: 'Login' },
      'bad_body',
      'the answer does not contain "Login" in its first 64 KiB',
    ],
    [
      'another region',
      'HTTP/1.1 200 OK\r\nX-Region: iad\r\ncontent-length: 0\r\n\r\n',
      { headers: { 'x-region': 'fra' } },
      'wrong_region',
      'answers with x-region: iad, expected x-region: fra',
    ],
    [
      'no region',
      raw('200 OK'),
      { headers: { 'x-region': 'fra' } },
      'wrong_region',
      'answers with no x-region, expected x-region: fra',
    ],
    [
      'something that is no HTTP',
      'SSH-2.0-OpenSSH_9.6\r\n',
      undefined,
      'bad_body',
      'the answer is not valid HTTP: ',
    ],
    [
      'a head without end',
      `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}`,
      undefined,
      'bad_body',
      'the answer is not valid HTTP: ',
    ],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
      undefined,
      'bad_body',
      'the answer is not valid HTTP: ',
    ],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      undefined,
      'bad_body',
      'the answer is not valid HTTP: answered 101',
    ],
    [
      'half an answer',
      'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf',
      undefined,
      'timeout',
      'not done within 600 ms: still reading the answer',
    ],
    [
      'silence',
      '',
      undefined,
      'timeout',
      'not done within 600 ms: still waiting for the first byte of an answer',
    ],
  ])('says what is wrong with %s', async (_title, answer, expect_, outcome, reason) => {
    const port = await servers.saying(answer)
    const reading = await probe(at(port), { expect: expect_ })
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason.startsWith(reason), reading.reason).toBe(true)
    expect(reading.facts).toBeUndefined()
  })

  it.each<[string, string, HttpTarget['expect']]>([
    ['a redirect that is expected', raw('302 Found'), { status: 302 }],
    ['an interim answer before it', `HTTP/1.1 103 Early Hints\r\n\r\n${raw('200 OK')}`, undefined],
    ['any 2xx', raw('204 No Content'), undefined],
    [
      'a header by any spelling',
      'HTTP/1.1 200 OK\r\nX-REGION: fra\r\ncontent-length: 0\r\n\r\n',
      { headers: { 'X-Region': 'fra' } },
    ],
    [
      'a body that never ends, of which the beginning is enough',
      `HTTP/1.1 200 OK\r\n\r\nok${'.'.repeat(200_000)}`,
      { body: 'ok' },
    ],
  ])('takes %s', async (_title, answer, expect_) => {
    expect((await probe(at(await servers.saying(answer)), { expect: expect_ })).outcome).toBe('ok')
  })

  it('reads no further than 64 KiB', async () => {
    const answer = `HTTP/1.1 200 OK\r\n\r\n${'.'.repeat(70_000)}ok`
    expect(await probe(at(await servers.saying(answer)), { expect: { body: 'ok' } })).toMatchObject({
      outcome: 'bad_body',
    })
  })

  it('says of what is not there, not trusted, not allowed, and not TLS at all, what it is', async () => {
    const https = await servers.https(await issue(authority, { endedDaysAgo: 1 }), (_, response) =>
      response.end(),
    )
    const untrusted = await servers.https(await issue(authority), (_, response) => response.end())
    const plain = await servers.http((_, response) => response.end())
    const found = await Promise.all([
      probe(at(await servers.nobody())),
      probe(`https://127.0.0.1:${untrusted}/`),
      probe(`https://127.0.0.1:${https}/`, { tls: { ca: authority.cert } }),
      probe(`https://127.0.0.1:${plain}/`),
      probe(at(https)),
      probe(at(1), {}, ['10.0.0.0/8']),
      probe('http://[::ffff:169.254.169.254]/'),
      probe('http://page.invalid/'),
    ])
    expect(found.map(({ outcome }) => outcome)).toEqual([
      'refused',
      'tls',
      'tls',
      'tls',
      expect.stringMatching(/^(?:refused|bad_body)$/),
      'blocked_address',
      'blocked_address',
      'dns',
    ])
    expect(found[1]?.reason).toMatch(/signed by nobody that this machine trusts/)
    expect(found[2]?.reason).toMatch(/has expired/)
    expect(found[3]?.reason).toMatch(/does not speak TLS; url of this entry may have to begin with http:/)
  })
})

describe('an entry of kind http', () => {
  const entry = { id: 'www-1', region: 'fra', kind: 'http', url: 'https://www.example.com/' }
  const faultsOf = (more: object) =>
    httpEntrySchema.safeParse({ ...entry, ...more }).error?.issues.map(({ path }) => path.join('.')) ?? []

  it.each([
    [{ expect: { status: 200, body: 'ok', headers: { 'x-region': 'fra' } }, method: 'GET' }, []],
    [{ method: 'HEAD', expect: { body: 'ok' } }, ['expect.body']],
    [{ method: 'POST' }, ['method']],
    [{ expect: { status: 99 } }, ['expect.status']],
    [{ expect: { status: [] } }, ['expect.status']],
    [{ expect: { headers: { 'x region': 'fra' } } }, ['expect.headers.x region']],
    [{ url: 'ftp://www.example.com/' }, ['url']],
  ])('is strict: %j', (more, faults) => {
    expect(faultsOf(more)).toEqual(faults)
  })
})
