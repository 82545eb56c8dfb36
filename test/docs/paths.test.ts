import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

/** `server/a/{b,c}.ts` names two files. */
const expanded = (path: string): string[] => {
  const braces = /^(.*)\{([^}]*)\}(.*)$/.exec(path)
  if (!braces) return [path]
  const [, before = '', names = '', after = ''] = braces
  return names.split(',').flatMap((name) => expanded(`${before}${name}${after}`))
}

describe('the documents', () => {
  it.each(documents)('%s names no file or folder that is not there', (document) => {
    const text = readFileSync(join(root, document), 'utf8')
    const named = [
      ...text.matchAll(
        /`((?:app|bench|bin|components|docs|e2e|prisma|scripts|server|test)\/[\w./{},()-]*)`/g,
      ),
    ].flatMap((match) => expanded(match[1] ?? ''))
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it.each(documents)('%s links to nothing that is not there', (document) => {
    const text = readFileSync(join(root, document), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].map((match) => match[1] ?? '')
    expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([])
  })
})
