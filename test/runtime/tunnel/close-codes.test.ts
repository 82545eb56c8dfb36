import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { CLOSE, CLOSE_CODES, closeCode, sendableCloseCode } from '../../../server/contract/close-codes.ts'
import { clipReason } from '../../../server/runtime/tunnel/close-reason.ts'

describe('close codes', () => {
  it('give every code one meaning, and every meaning one code', () => {
    const codes = CLOSE_CODES.map((entry) => entry.code)
    const names = CLOSE_CODES.map((entry) => entry.name)
    const meanings = CLOSE_CODES.map((entry) => entry.meaning)
    expect(new Set(codes).size).toBe(codes.length)
    expect(new Set(names).size).toBe(names.length)
    expect(new Set(meanings).size).toBe(meanings.length)
    for (const entry of CLOSE_CODES) expect(closeCode(entry.code)).toEqual(entry)
  })

  it('are printed in docs/close-codes.md exactly as the table has them', async () => {
    const page = await readFile(new URL('../../../docs/close-codes.md', import.meta.url), 'utf8')
    const rows = page
      .split('\n')
      .filter((line) => /^\| \d{4} /.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll('`', '')),
      )
    expect(rows).toEqual(
      CLOSE_CODES.map(({ code, name, meaning, reaction }) => [String(code), name, meaning, reaction]),
    )
  })

  it('have the names by which the code calls them', () => {
    expect(Object.keys(CLOSE)).toHaveLength(CLOSE_CODES.length)
    for (const { name, code } of CLOSE_CODES) expect(CLOSE[name]).toBe(code)
  })

  it('of the product stand as a number in the table alone: everywhere else they have their names', async () => {
    const raw: string[] = []
    for (const room of ['server', 'components', 'app']) {
      const folder = new URL(`../../../${room}/`, import.meta.url)
      for (const name of await readdir(folder, { recursive: true })) {
        if (!/\.tsx?$/.test(name) || /^store.generated|close-codes\.ts$/.test(name)) continue
        const source = await readFile(new URL(name, folder), 'utf8')
        // What people read may name the number: comments and sentences.
        const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|`[^`]*`|'[^'\n]*'|"[^"\n]*"/g, '')
        for (const [found] of code.matchAll(/(?<![\w.])4\d{3}(?![\w.])/g)) {
          if (closeCode(Number(found)) !== undefined) raw.push(`${room}/${name}: ${found}`)
        }
      }
    }
    expect(raw).toEqual([])
  })

  it('that may not be sent become 1011, never 1000', () => {
    for (const code of [1005, 1006, 1015, 1004, 999, 2999, 5000]) expect(sendableCloseCode(code)).toBe(1011)
    for (const code of [1000, 1001, 1009, 3000, 4999]) expect(sendableCloseCode(code)).toBe(code)
  })

  it('carry reasons of at most 123 bytes, cut between characters', () => {
    expect(clipReason('short')).toBe('short')
    expect(Buffer.byteLength(clipReason('x'.repeat(500)))).toBe(123)
    const clipped = clipReason('ü'.repeat(100))
    expect(Buffer.byteLength(clipped)).toBe(122)
    expect(clipped).toBe('ü'.repeat(61))
    expect(clipReason(`${'x'.repeat(121)}😀`)).toBe('x'.repeat(121))
  })
})
