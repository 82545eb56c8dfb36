import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { TcpAdapter } from '../../../../server/collector/adapters/tcp/adapter.ts'
import { Servers } from '../dial/servers.ts'

const servers = new Servers()
afterEach(() => servers.close())

const probe = (address: string, allow: readonly string[] = [], resolve?: never) =>
  new TcpAdapter({ timeoutMs: 400, rules: createAddressRules(allow, resolve) }).probe({
    id: 'db-1',
    region: 'fra',
    kind: 'tcp',
    url: `tcp://${address}`,
    address,
    embedded: false,
  })

describe('a look at a port', () => {
  it('says that it takes connections, how long that took, and counts nothing', async () => {
    const reading = await probe(`127.0.0.1:${await servers.silent()}`)
    expect(reading).toMatchObject({
      outcome: 'ok',
      status: null,
      reason: 'took the connection',
      raw: { peer: '127.0.0.1' },
    })
    expect(reading.facts).toMatchObject({ ok: true, gauges: {}, counters: {}, drain: null })
    expect(reading.facts?.state).toBeUndefined()
    expect(reading.facts?.tables?.[0]?.rows.map(({ step }) => step)).toEqual(['Connection', 'All of it'])
    expect(reading.durationMs).toBeGreaterThan(0)
  })

  it('resolves a name once, and says how long that took', async () => {
    const reading = await probe(`localhost:${await servers.silent()}`)
    expect(reading.outcome).toBe('ok')
    expect(reading.facts?.tables?.[0]?.rows[0]?.step).toBe('Name')
  })

  it('says of a port where nobody listens that it refuses', async () => {
    expect(await probe(`127.0.0.1:${await servers.nobody()}`)).toMatchObject({
      outcome: 'refused',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
  })

  it.each([
    ['a name that nobody has', 'db.invalid:5432', [], 'dns', /ENOTFOUND|EAI_AGAIN/],
    ['a metadata address', '169.254.169.254:80', [], 'blocked_address', /never polled/],
    [
      'one that polling.allow leaves out',
      '127.0.0.1:1',
      ['10.0.0.0/8'],
      'blocked_address',
      /outside polling\.allow/,
    ],
    ['one behind a name', 'localhost:1', ['10.0.0.0/8'], 'blocked_address', /outside polling\.allow/],
  ])('goes nowhere for %s', async (_title, address, allow, outcome, reason) => {
    expect(await probe(address, allow)).toMatchObject({ outcome, reason: expect.stringMatching(reason) })
  })

  it('ends with its deadline where the name is never resolved, and says what it was doing', async () => {
    const never = (() => undefined) as never
    expect(await probe('db.internal:5432', [], never)).toMatchObject({
      outcome: 'timeout',
      reason: 'not done within 400 ms: still connecting',
    })
  })
})
