import { describe, expect, it } from 'vitest'
import { readJson } from '../../../server/collector/adapters/untrusted-json.ts'

const nested = (depth: number, beside = ''): string =>
  `${'['.repeat(depth - 1)}{"a":"${beside}"}${']'.repeat(depth - 1)}`

/** What is plain ASCII is scanned otherwise than what is not: both have the same bounds. */
describe.each([
  ['plain', 'b'],
  ['with letters beyond ASCII', 'ü'],
  ['with escapes', '\\n'],
  ['beyond the first 64 KiB of characters', ' '.repeat(70_000)],
])('a document %s', (_, beside) => {
  it('is read eight levels deep, and not nine', () => {
    expect(readJson(nested(8, beside)).ok).toBe(true)
    expect(readJson(nested(9, beside))).toMatchObject({
      ok: false,
      reason: expect.stringContaining('9 levels'),
    })
  })

  it('may have brackets and braces in its strings', () => {
    expect(readJson(nested(8, `${beside}${'[{'.repeat(20)}`)).ok).toBe(true)
  })

  it('has strings and keys of 256 characters at most', () => {
    const text = (length: number) => JSON.stringify({ ['k'.repeat(length)]: 'v'.repeat(length), beside: 'B' })
    for (const [length, kept] of [
      [256, 256],
      [257, 256],
    ] as const) {
      const read = readJson(text(length).replace('"B"', `"${beside}"`))
      expect(read.ok && Object.keys(read.value as object)[0]).toHaveLength(kept)
      expect(read.ok && Object.values(read.value as object)[0]).toHaveLength(kept)
    }
  })

  it('never sets a prototype', () => {
    const read = readJson(`{"__proto__":{"a":1},"b":"${beside}"}`)
    expect(read.ok && Object.keys(read.value as object)).toEqual(['b'])
  })

  it('is refused where it ends in the middle of a string', () => {
    expect(readJson(`{"a":"${beside}`)).toMatchObject({ ok: false })
  })
})

it('shows nothing hidden', () => {
  for (const hidden of ['\u0000', '\u001f', '\u007f', '\u202e', '\\u202e', '\\u0000'])
    expect(readJson(`{"a":"x${hidden}y"}`)).toEqual(
      hidden.length === 1 && hidden < ' '
        ? expect.objectContaining({ ok: false })
        : { ok: true, value: { a: 'xy' } },
    )
})
