import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { HttpAdapter } from '../../../../server/collector/adapters/http/adapter.ts'
import { JsonAdapter } from '../../../../server/collector/adapters/json/adapter.ts'
import { TlsAdapter } from '../../../../server/collector/adapters/tls/adapter.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { Servers } from '../dial/servers.ts'
import { OddAuthority, type OddFields } from '../odd-certificates.ts'

const servers = new Servers()
afterEach(() => servers.close())
const authority = new OddAuthority()
const HERE = [Buffer.from([127, 0, 0, 1])]

/** The same certificate as three kinds of node see it. */
const seenBy = async (fields: OddFields, servername?: string) => {
  const port = await servers.https(authority.issue(fields), (_request, response) =>
    response.end('{"ok":true}'),
  )
  const options = { timeoutMs: 1_500, rules: createAddressRules([]) }
  const at = {
    id: 'odd-1',
    region: 'fra',
    url: `https://127.0.0.1:${port}/`,
    embedded: false,
    tls: { ca: authority.cert },
  }
  const json = new JsonAdapter(options)
  const [tls, http, polled] = await Promise.all([
    new TlsAdapter(options).probe({ ...at, kind: 'tls', address: `127.0.0.1:${port}`, servername }),
    new HttpAdapter(options).probe({ ...at, kind: 'http' }),
    json.probe({ ...at, kind: 'json', map: { ok: '/ok' } }),
  ])
  await json.close()
  return { tls, http, polled }
}

const in1s = (): string => new Date(Date.now() + 1_500).toISOString().replace(/[-:T]|\.\d+/g, '')

describe('an odd certificate', () => {
  it.each<[string, () => OddFields, string]>([
    ['without a name at all', () => ({ addresses: HERE }), '127.0.0.1'],
    [
      'with a name of hidden characters',
      () => ({ name: 'a\u202eb\nO=Fake\u0007', addresses: HERE }),
      '127.0.0.1',
    ],
    [
      'with a name of null bytes',
      () => ({ name: 'www.example.com\u0000.evil.example', addresses: HERE }),
      '127.0.0.1',
    ],
    [
      'with names of null bytes, quotes and commas',
      () => ({ names: ['a\u0000b', 'x", DNS:fake', 'c, DNS:d', 'bücher.example'], addresses: HERE }),
      '127.0.0.1',
    ],
    [
      'with a thousand names',
      () => ({ names: Array.from({ length: 1_000 }, (_, index) => `n${index}.example`), addresses: HERE }),
      'n0.example',
    ],
    ['that never ends', () => ({ name: 'x', addresses: HERE, to: '99991231235959Z' }), '127.0.0.1'],
    ['that ends in a second', () => ({ name: 'x', addresses: HERE, to: in1s() }), '127.0.0.1'],
  ])('%s is taken, and shown as plain text', async (_, fields, first) => {
    const { tls, http, polled } = await seenBy(fields())
    for (const reading of [tls, http]) {
      expect(reading, reading.reason).toMatchObject({ outcome: 'ok' })
      const [certificate] = reading.facts?.certificates ?? []
      expect(certificate?.name).toBe(first)
      expect(certificate?.notAfter).toBeGreaterThan(0)
      for (const table of reading.facts?.tables ?? []) {
        nodeTableSchema.parse(table)
        expect(JSON.stringify(table)).not.toMatch(/[\p{Cc}\p{Bidi_Control}]|Fake|\\u0000/u)
      }
    }
    expect(polled.outcome).toBe('ok')
  })

  it.each<[string, OddFields, RegExp, string?]>([
    ['that has ended', { addresses: HERE, to: '260102000000Z' }, /has expired; renew it/],
    ['of the future', { addresses: HERE, from: '480101000000Z' }, /is not valid yet; look at the clocks/],
    [
      'that ends before it begins',
      { addresses: HERE, from: '480101000000Z', to: '260102000000Z' },
      /not valid yet|has expired/,
    ],
    [
      'with a month that there is not',
      { addresses: HERE, to: '20491399000000Z' },
      /^its certificate has a date that cannot be read/,
    ],
    [
      'with a beginning that is no date',
      { addresses: HERE, from: '269999000000Z' },
      /^its certificate has a date that cannot be read/,
    ],
    ['for nobody', { name: '127.0.0.1' }, /^its certificate is for another name, not for 127\.0\.0\.1/],
    [
      'for a name that goes on behind a null byte',
      { names: ['mail.example.com\u0000.evil.example'] },
      /^its certificate is for .*, not for mail\.example\.com/,
      'mail.example.com',
    ],
    [
      'for names that look like more',
      { names: ['a\u202e.example', 'x", DNS:mail.example.com'] },
      /^its certificate is for .*, not for mail\.example\.com/,
      'mail.example.com',
    ],
  ])('%s is the outcome tls, with a sentence that can be read', async (_, fields, words, servername) => {
    const { tls, http, polled } = await seenBy(fields, servername)
    for (const reading of servername === undefined ? [tls, http, polled] : [tls]) {
      expect(reading, reading.reason).toMatchObject({ outcome: 'tls' })
      expect(reading.reason).toMatch(words)
      expect(reading.reason).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      expect(reading.facts).toBeUndefined()
    }
  })
})
