import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const namesIn = (text: string): string[] => text.match(/\btidegate_[a-z_]+[a-z]\b/g) ?? []

it('docs/metrics.md lists every metric of the server, and no other', () => {
  const sources = readdirSync(new URL('server', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.includes('generated'))
    .flatMap((path) => namesIn(readFileSync(new URL(`server/${path}`, root), 'utf8')))
  const listed = namesIn(readFileSync(new URL('docs/metrics.md', root), 'utf8'))
  expect([...new Set(listed)].sort()).toEqual([...new Set(sources)].sort())
})
