import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProviderToken } from '../../../server/runtime/push/provider-token.ts'

let folder: string
let keyPath: string
let now = Date.parse('2026-04-27T18:00:00Z')
const MINUTE_MS = 60_000
const make = () => ProviderToken.open({ keyPath, keyId: 'ABC', teamId: 'DEF', now: () => now })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-key-'))
  keyPath = join(folder, 'AuthKey.p8')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the provider token', () => {
  it('is kept for 50 minutes and not sent after', async () => {
    const provider = await make()
    expect(provider.current()).toBeNull()
    const token = await provider.renew()
    expect(decodeJwt(token).iat).toBe(now / 1000)
    now += 49 * MINUTE_MS
    expect(provider.current()).toBe(token)
    now += MINUTE_MS
    expect(provider.current()).toBeNull()
    const next = await provider.renew()
    expect(next).not.toBe(token)
    expect(provider.current()).toBe(next)
  })

  it('is made anew when the clock was set back, because its time would lie in the future', async () => {
    const provider = await make()
    await provider.renew()
    now -= MINUTE_MS
    expect(provider.current()).toBeNull()
  })

  it('is renewed once, however many requests were refused with the same token', async () => {
    const provider = await make()
    const stale = await provider.renew()
    now += MINUTE_MS
    const [one, two] = await Promise.all([provider.renew(stale), provider.renew(stale)])
    expect(one).toBe(two)
    expect(await provider.renew(stale)).toBe(one)
    expect(one).not.toBe(stale)
  })

  it('says what is wrong with a key that is none', async () => {
    await writeFile(keyPath, 'not a key')
    await expect(make()).rejects.toMatchObject({ code: 'ERR_CONFIG', facts: { keyPath } })
  })
})
