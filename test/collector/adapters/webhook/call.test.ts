import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { WebhookCalls } from '../../../../server/collector/adapters/webhook/call.ts'
import { type Certificate, issue, makeAuthority } from '../certificates.ts'
import { SECRET } from './receiver.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const deed = { key: 'd1.gw-1.drain', body: '{"action":"drain"}' }

/** A receiver that answers each call with these bytes; null: with nothing, ever. */
const answering = async (answer: string | null): Promise<{ url: string; asked: string[] }> => {
  const sockets = new Set<Socket>()
  const asked: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', (data) => {
      asked.push(String(data))
      if (answer !== null && String(data).includes(deed.body)) socket.end(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hunter2`, asked }
}

const post = async (url: string, allow: string[] = [], timeoutMs = 500) => {
  const calls = new WebhookCalls(createAddressRules(allow), Date.now)
  closers.push(() => calls.close())
  return calls.post({ url, secret: SECRET, timeoutMs }, deed)
}
const http = (status: string, body = '', headers = ''): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`

describe('one call of a webhook', () => {
  it.each([
    ['any 2xx is heard', http('204 No Content'), { kind: 'accepted' }],
    ['what is so already is heard', http('409 Conflict', 'it is out'), { kind: 'accepted' }],
    [
      'a redirect is not followed',
      http('302 Found', '', 'location: http://127.0.0.1:1/\r\n'),
      { kind: 'refused', why: /answered 302; redirects are not followed$/ },
    ],
    [
      'a refusal says why',
      http('404 Not Found', '{"error":{"message":"no pool gw-1"}}'),
      { kind: 'refused', why: /answered 404: no pool gw-1$/ },
    ],
    [
      'also where the error is a text',
      http('400 Bad Request', '{"error":"no pool"}'),
      { kind: 'refused', why: /answered 400: no pool$/ },
    ],
    [
      'also as plain text, of which the first line counts',
      http('401 Unauthorized', 'wrong signature\nstack\nstack'),
      { kind: 'refused', why: /answered 401: wrong signature$/ },
    ],
    [
      'hidden characters are not shown',
      http('403 Forbidden', 'no\u202e\u0000pe'),
      { kind: 'refused', why: /answered 403: nope$/ },
    ],
    [
      'rubbish without a message is left out',
      http('403 Forbidden', '[1,2]'),
      { kind: 'refused', why: /answered 403$/ },
    ],
    ['a fault is tried again', http('500 Internal Server Error'), { kind: 'unheard', why: /answered 500$/ }],
    ['an interim answer is none', `HTTP/1.1 103 Early Hints\r\n\r\n${http('200 OK')}`, { kind: 'accepted' }],
    ['silence ends with its deadline', null, { kind: 'unheard', why: /gave no answer within 500 ms$/ }],
    [
      'a head that never ends does too',
      'HTTP/1.1 403 No\r\ncontent-length: 99\r\n\r\nno',
      { kind: 'unheard', why: /the webhook at 127/ },
    ],
    ['a closed connection is no answer', '', { kind: 'unheard', why: /cannot be reached: / }],
    ['nor is nonsense', 'SSH-2.0-OpenSSH_9.6\r\n', { kind: 'unheard', why: /cannot be reached: / }],
  ])('%s', async (_title, answer, expected: { kind: string; why?: RegExp }) => {
    const { kind, why } = expected
    const { url } = await answering(answer)
    const { asked } = await post(url)
    expect(asked.kind).toBe(kind)
    const said = asked.kind === 'accepted' ? '' : asked.why
    if (why !== undefined) expect(said).toMatch(why)
    expect(said).not.toMatch(/hunter2|a-secret/)
  })

  it('reads a bounded part of an answer that never ends', async () => {
    const { url } = await answering(http('400 Bad Request', 'x'.repeat(5_000_000)))
    const { asked } = await post(url)
    expect(asked.kind === 'refused' && asked.why.length).toBeLessThan(300)
  })

  it.each([
    ['7', 7_000],
    ['86400', 60_000],
    ['soon', undefined],
    ['-5', 0],
  ])('waits as Retry-After says, within bounds: %s', async (header, ms) => {
    const { url } = await answering(http('429 Too Many Requests', '', `retry-after: ${header}\r\n`))
    expect((await post(url)).retryAfterMs).toBe(ms)
  })

  it('takes a date for Retry-After, and one that is over for now', async () => {
    const soon = new Date(Date.now() + 20_000).toUTCString()
    const at = await answering(http('503 Service Unavailable', '', `retry-after: ${soon}\r\n`))
    const { retryAfterMs } = await post(at.url)
    expect(retryAfterMs).toBeGreaterThan(15_000)
    expect(retryAfterMs).toBeLessThanOrEqual(20_000)
    const over = await answering(
      http('503 Service Unavailable', '', 'retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n'),
    )
    expect((await post(over.url)).retryAfterMs).toBe(0)
  })

  it.each([
    [
      'http://169.254.169.254/latest',
      [],
      /169\.254\.169\.254 is a link-local address, which is never polled$/,
    ],
    ['http://[fe80::1]/', [], /may not be called/],
    ['http://127.0.0.1:9/', ['10.0.0.0/8'], /127\.0\.0\.1 is outside polling\.allow$/],
    ['http://user:hunter2@127.0.0.1/', [], /carries credentials$/],
  ])('goes nowhere where polls may not go: %s', async (url, allow, why) => {
    const { asked } = await post(url, allow)
    expect(asked).toMatchObject({ kind: 'refused', why: expect.stringMatching(why) })
    expect(JSON.stringify(asked)).not.toContain('hunter2')
  })

  it('says once more with each call who sends it and what it is, and keeps no connection', async () => {
    const { url, asked } = await answering(http('200 OK'))
    await post(url)
    await post(url)
    const heads = asked.join('').split('POST ').slice(1)
    expect(heads).toHaveLength(2)
    for (const head of heads) {
      expect(head).toMatch(/^\/hook\?key=hunter2 HTTP\/1\.1\r\n/)
      expect(head).toMatch(/\r\ntidegate-signature: t=\d+,v1=[0-9a-f]{64}\r\n/i)
      expect(head).toMatch(/\r\nidempotency-key: d1\.gw-1\.drain\r\n/i)
      expect(head).toMatch(/\r\nconnection: close\r\n/i)
    }
  })

  const serve = async (certificate: Certificate, asked: string[] = []): Promise<string> => {
    const server = createHttpsServer({ ...certificate }, (request, response) => {
      asked.push(request.url ?? '')
      response.end('{}')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}/drain`
  }

  it('trusts whom its entry names, and says which key mends it where it does not', async () => {
    const authority = await makeAuthority('ops')
    const asked: string[] = []
    const url = await serve(await issue(authority), asked)
    const calls = new WebhookCalls(createAddressRules([]), Date.now)
    closers.push(() => calls.close())
    const ask = async (tls?: { ca: string }) => (await calls.post({ url, secret: SECRET, tls }, deed)).asked
    expect(await ask({ ca: authority.cert })).toEqual({ kind: 'accepted' })
    // Nobody else's call is trusted by that.
    expect(await ask()).toEqual({
      kind: 'unheard',
      why: expect.stringMatching(/name the file of the authority that signed it in ca of drain\.webhook$/),
    })
    expect(await ask({ ca: (await makeAuthority('others')).cert })).toEqual({
      kind: 'unheard',
      why: expect.stringMatching(/not signed by an authority in the file that ca of drain\.webhook names$/),
    })
    expect(asked).toEqual(['/drain'])
  })

  it('speaks of the server that it asked, and of no node, where a certificate is of no use', async () => {
    const authority = await makeAuthority('ops')
    const calls = new WebhookCalls(createAddressRules([]), Date.now)
    closers.push(() => calls.close())
    const tls = { ca: authority.cert }
    const whyOf = async (endedDaysAgo: number) => {
      const url = await serve(await issue(authority, { endedDaysAgo }))
      return (await calls.post({ url, secret: SECRET, tls }, deed)).asked
    }
    expect(await whyOf(1)).toEqual({ kind: 'unheard', why: expect.stringMatching(/; renew it there$/) })
    expect(await whyOf(-60)).toEqual({
      kind: 'unheard',
      why: expect.stringMatching(/; look at the clocks of that server and of this machine$/),
    })
  })
})
