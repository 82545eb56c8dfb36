import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLog } from '../../../server/observe/log.ts'
import {
  openTokenStore,
  type TokenStore,
  tokenFingerprint,
} from '../../../server/runtime/push/token-store.ts'

const log = createLog('test', 'silent')
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-tokens-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const kinds: [string, () => Promise<TokenStore>][] = [
  ['in memory', () => openTokenStore({ log })],
  ['in a file', () => openTokenStore({ log, file: join(folder, 'tokens.jsonl') })],
]

describe.each(kinds)('a token store %s', (_kind, openStore) => {
  it('finds tokens by key, and moves a token that registers under another key', async () => {
    const store = await openStore()
    await store.register('a1', 'anna')
    await store.register('a2', 'anna')
    await store.register('b1', 'ben')
    expect(store.byKey('anna')).toEqual(['a1', 'a2'])
    await store.register('a1', 'ben')
    expect(store.byKey('anna')).toEqual(['a2'])
    expect(store.byKey('ben')).toEqual(['b1', 'a1'])
    expect(store.count()).toBe(3)
    expect(await store.unregister('a2')).toBe(true)
    expect(await store.unregister('a2')).toBe(false)
    expect(store.byKey('anna')).toEqual([])
    await store.close()
  })

  it('lists every token once, page by page, also while one registers again', async () => {
    const store = await openStore()
    for (let i = 0; i < 7; i++) await store.register(`t${i}`, i % 2 === 0 ? 'even' : 'odd')
    const first = store.list({ limit: 3 })
    expect(first.items.map((item) => item.token)).toEqual(['t0', 't1', 't2'])
    await store.register('t1', 'odd')
    const second = store.list({ limit: 3, cursor: first.nextCursor ?? '' })
    expect(second.items.map((item) => item.token)).toEqual(['t3', 't4', 't5'])
    const third = store.list({ limit: 3, cursor: second.nextCursor ?? '' })
    expect(third.items.map((item) => item.token)).toEqual(['t6', 't1'])
    expect(third.nextCursor).toBeNull()
    expect(store.list({ key: 'even' }).items).toMatchObject([
      { token: 't0', key: 'even', fingerprint: tokenFingerprint('t0') },
      { token: 't2' },
      { token: 't4' },
      { token: 't6' },
    ])
    await store.close()
  })

  it('prunes by the registration that was meant, never a later one', async () => {
    const store = await openStore()
    await store.register('aa', 'anna')
    const before = store.registeredAt('aa') ?? 0
    await store.register('aa', 'anna') // perhaps in the same millisecond
    expect(store.pruneIf('aa', before)).toBe(false)
    expect(store.pruneIf('aa', store.registeredAt('aa') ?? 0)).toBe(true)
    expect(store.pruneIf('aa', Number.POSITIVE_INFINITY)).toBe(false)
    await store.close()
  })
})

describe('a token file that this version cannot read', () => {
  const file = () => join(folder, 'tokens.jsonl')
  const kept = async () => {
    const names = (await readdir(folder)).filter((name) => name.includes('.unreadable-'))
    return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  }

  it.each([
    ['a JSON array', '["aa11","bb22"]'],
    ['one JSON object over many lines', '{\n  "aa11": "anna",\n  "bb22": "ben"\n}\n'],
    ['YAML', 'tokens:\n  - aa11\n  - bb22\n'],
    ['lines without line ends', '{"t":"a","k":"x","at":1}{"t":"b","k":"x","at":2}'],
    [
      'lines of a later version',
      '{"t":"a","k":"x","at":"2027-01-01T00:00:00Z"}\n{"t":"b","k":"x","at":"2027"}\n',
    ],
  ])('never loses the device tokens in it: %s', async (_what, text) => {
    await writeFile(file(), text)
    const store = await openTokenStore({ log, file: file() })
    expect(await kept()).toEqual([text])
    expect(store.problem).toContain('could not be read')
    expect(store.problem).toContain(file())
    await store.register('new', 'k')
    await store.close()
    // The next start finds its own format, and the copy is still there.
    const again = await openTokenStore({ log, file: file() })
    expect(again.byKey('k')).toEqual(['new'])
    expect(again.problem).toBeNull()
    expect(await kept()).toEqual([text])
    await again.close()
  })

  it('keeps what it can read of a file that is damaged in the middle', async () => {
    const text = '{"t":"a","k":"x","at":1}\n\u0000\u0000\u0000\n{"t":"b","k":"x","at":2}\n'
    await writeFile(file(), text)
    const store = await openTokenStore({ log, file: file() })
    expect(store.byKey('x')).toEqual(['a', 'b'])
    expect(await kept()).toEqual([text])
    await store.close()
  })
})

describe('a long token file', () => {
  it('is listed page by page without walking from the start, each token once', async () => {
    const store = await openTokenStore({ log })
    for (let i = 0; i < 5_000; i++) await store.register(`t${i}`, `k${i % 7}`)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = store.list({ limit: 100, ...(cursor === null ? {} : { cursor }) })
      seen.push(...page.items.map((item) => item.token))
      cursor = page.nextCursor
      // One that moves to the end while it is the next to come must not come twice.
      if (seen.length === 1_000) await store.register('t1000', 'moved')
      if (seen.length === 2_000) await store.unregister('t2001')
    } while (cursor !== null)
    expect(seen.length).toBe(new Set(seen).size)
    expect(seen).toHaveLength(4_999)
    expect(seen.at(-1)).toBe('t1000')
    await store.close()
  })

  it('is rewritten in slices, and what is registered meanwhile is there afterwards', async () => {
    const file = join(folder, 'tokens.jsonl')
    const store = await openTokenStore({ log, file })
    const all = Array.from({ length: 12_000 }, (_, i) => store.register(`t${i}`, 'k'))
    await Promise.all(all)
    // Enough history that the next write rewrites the file; the registrations come while it does.
    for (let round = 0; round < 2; round++)
      await Promise.all(Array.from({ length: 8_000 }, (_, i) => store.register(`t${i}`, 'k')))
    const rewriting = store.register('t1', 'k')
    const meanwhile = [store.register('late', 'k'), store.unregister('t2')]
    await Promise.all([rewriting, ...meanwhile])
    await store.close()
    const again = await openTokenStore({ log, file })
    expect(again.count()).toBe(12_000)
    expect(again.registeredAt('late')).not.toBeNull()
    expect(again.registeredAt('t2')).toBeNull()
    await again.close()
  })
})

describe('the token file', () => {
  const file = () => join(folder, 'deep', 'tokens.jsonl')

  it('holds a registration by the time it is acknowledged, readable by its owner alone', async () => {
    const store = await openTokenStore({ log, file: file() })
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.register(`t${i}`, 'k')))
    // Not closed: what is on disk now is what a crash would leave.
    const again = await openTokenStore({ log, file: file() })
    expect(again.count()).toBe(200)
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    await store.close()
    await again.close()
  })

  it('survives a torn last line, and remembers what was unregistered and pruned', async () => {
    const store = await openTokenStore({ log, file: file() })
    for (const token of ['a', 'b', 'c']) await store.register(token, 'k')
    await store.unregister('a')
    store.pruneIf('b', Number.POSITIVE_INFINITY)
    await store.close()
    await appendFile(file(), '{"t":"d","k":"k","a')
    const again = await openTokenStore({ log, file: file() })
    expect(again.byKey('k')).toEqual(['c'])
    await again.register('e', 'k')
    await again.close()
    const third = await openTokenStore({ log, file: file() })
    expect(third.byKey('k')).toEqual(['c', 'e'])
    await third.close()
  })

  it('does not grow with the history of one token', async () => {
    const store = await openTokenStore({ log, file: file() })
    await Promise.all(Array.from({ length: 3_000 }, () => store.register('a', 'k')))
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 400 }, () => store.register('a', 'k')))
    await store.close()
    expect((await readFile(file(), 'utf8')).split('\n').length).toBeLessThan(1_500)
  })

  it('refuses to register when it cannot be written, and says which file', async () => {
    const impossible = join(folder, 'a-file', 'tokens.jsonl')
    await writeFile(join(folder, 'a-file'), '')
    await expect(openTokenStore({ log, file: impossible })).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      facts: { file: impossible },
    })
    const store = await openTokenStore({ log, file: file() })
    await store.close()
    await expect(store.register('a', 'k')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })
})
