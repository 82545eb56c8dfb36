import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8')

interface Named {
  file: string
  title: string | null
}

/** The tests that the last column of a table names: `file`: words of a title. */
const named: Named[] = text('docs/reliability.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes('`'))
  .flatMap((line) => {
    const cell = line.split(' | ').at(-1) ?? ''
    return [...cell.matchAll(/`((?:test|e2e)\/[^`]+)`(?:: ([^|]+?) \|$)?/g)].map((match) => ({
      file: match[1] ?? '',
      title: match[2] ?? null,
    }))
  })

describe('docs/reliability.md', () => {
  it('names many tests', () => {
    expect(named.length).toBeGreaterThan(60)
  })

  it.each(named)('names a test that exists: $file: $title', ({ file, title }) => {
    expect(existsSync(new URL(file, root)), file).toBe(true)
    // Quotes that a title has to escape stand there without a backslash.
    if (title !== null) expect(text(file).replaceAll("\\'", "'")).toContain(title)
  })
})
