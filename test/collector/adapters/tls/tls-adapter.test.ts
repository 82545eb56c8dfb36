import { connect, createServer } from 'node:net'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { TlsAdapter } from '../../../../server/collector/adapters/tls/adapter.ts'
import { type Certificate, issue, makeAuthority } from '../certificates.ts'
import { Servers } from '../dial/servers.ts'

const servers = new Servers()
afterEach(() => servers.close())

let authority: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Ops')
})

const probe = (port: number, more: { servername?: string; ca?: string } = {}) =>
  new TlsAdapter({ timeoutMs: 600, rules: createAddressRules([]) }).probe({
    id: 'mail-1',
    region: 'fra',
    kind: 'tls',
    url: `tls://127.0.0.1:${port}`,
    address: `127.0.0.1:${port}`,
    embedded: false,
    tls: { ca: more.ca ?? authority.cert },
    ...(more.servername === undefined ? {} : { servername: more.servername }),
  })

describe('a look at a TLS port', () => {
  it('shows whose certificate it is, who issued it, when it ends, and by which protocol', async () => {
    const port = await servers.tls(
      await issue(authority, { names: ['mail.example.com', 'imap.example.com'] }),
    )
    const reading = await probe(port, { servername: 'mail.example.com' })
    expect(reading).toMatchObject({ outcome: 'ok', reason: 'shook hands by TLSv1.3' })
    const table = reading.facts?.tables?.find(({ id }) => id === 'certificate')
    expect(table?.rows[0]).toMatchObject({
      names: 'mail.example.com, imap.example.com',
      issuer: 'Ops',
      protocol: 'TLSv1.3',
    })
    const [certificate] = reading.facts?.certificates ?? []
    expect(certificate?.name).toBe('mail.example.com')
    expect(certificate?.notAfter).toBe(table?.rows[0]?.notAfter)
    expect(certificate?.notAfter).toBeGreaterThan(Date.now())
    expect(reading.facts?.tables?.[0]?.rows.map(({ step }) => step)).toEqual([
      'Connection',
      'TLS handshake',
      'All of it',
    ])
  })

  it.each<[string, () => Promise<number>, { servername?: string; ca?: string }, string, RegExp]>([
    [
      'expired',
      async () => servers.tls(await issue(authority, { endedDaysAgo: 2 })),
      {},
      'tls',
      /^its certificate has expired/,
    ],
    [
      'for another name',
      async () => servers.tls(await issue(authority, { names: ['www.example.com'] })),
      { servername: 'mail.example.com' },
      'tls',
      /^its certificate is for www\.example\.com, not for mail\.example\.com; put a name that it has into servername of this entry/,
    ],
    [
      'not for this address',
      async () => servers.tls(await issue(authority, { names: ['www.example.com'] })),
      {},
      'tls',
      /^its certificate is for www\.example\.com, not for 127\.0\.0\.1; put a name that it has into address/,
    ],
    [
      'signed by itself',
      async () => servers.tls(await makeAuthority('mail.example.com')),
      {},
      'tls',
      /not signed by an authority in the file that ca of this entry names/,
    ],
    [
      'of a version that is not accepted',
      async () =>
        servers.tls({
          ...(await issue(authority)),
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1',
          ciphers: 'DEFAULT:@SECLEVEL=0',
        }),
      {},
      'tls',
      /only versions of TLS that are not accepted any more/,
    ],
    [
      'plain text',
      () => servers.saying('220 mail.example.com ESMTP\r\n'),
      {},
      'tls',
      /^what answers there does not speak TLS$/,
    ],
    [
      'silent in the handshake',
      () => servers.silent(),
      {},
      'timeout',
      /^not done within 600 ms: still in the TLS handshake$/,
    ],
    [
      'gone in the handshake',
      () => servers.listen(createServer((socket) => socket.on('data', () => socket.destroy()))),
      {},
      'refused',
      /ECONNRESET|disconnected|closed/,
    ],
    ['not there', () => servers.nobody(), {}, 'refused', /ECONNREFUSED/],
  ])('says what is wrong with one that is %s', async (_title, start, more, outcome, reason) => {
    const reading = await probe(await start(), more)
    expect(reading).toMatchObject({ outcome, status: null })
    expect(reading.reason).toMatch(reason)
    expect(reading.facts).toBeUndefined()
  })

  it('stays within its bounds where the handshake comes byte by byte', async () => {
    const inner = await servers.tls(await issue(authority))
    const slow = createServer((socket) => {
      const to = connect(inner, '127.0.0.1')
      to.on('error', () => socket.destroy())
      socket.on('close', () => to.destroy())
      socket.pipe(to)
      to.on('data', (chunk) => {
        let at = 0
        const timer = setInterval(() => {
          if (at >= chunk.length || socket.destroyed) clearInterval(timer)
          else socket.write(Buffer.from(chunk).subarray(at, ++at))
        }, 20)
      })
    })
    expect(await probe(await servers.listen(slow))).toMatchObject({ outcome: 'timeout' })
  })
})
