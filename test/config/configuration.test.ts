import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  CONFIG_FILES,
  configurationDocument,
  EXAMPLE_FILES,
} from '../../server/config/configuration-document.ts'
import { keysOf } from '../../server/config/keys.ts'
import { checkConfig, loadNodeConfig } from '../../server/config/load.ts'
import { configSchema } from '../../server/config/schema.ts'
import { yamlOf } from '../../server/config/yaml-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-configuration-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const document = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
const jsonSchema = JSON.parse(
  readFileSync(new URL('../../docs/tidegate.schema.json', import.meta.url), 'utf8'),
) as Json

interface Json {
  properties?: Record<string, Json>
  items?: Json
  anyOf?: Json[]
  oneOf?: Json[]
}

const allKeys = Object.entries(CONFIG_FILES).flatMap(([file, { keys }]) =>
  keys.map((key) => ({ ...key, name: `${file}: ${key.path}${key.kind === null ? '' : ` (${key.kind})`}` })),
)

const pathsIn = (json: Json, path: string): string[] => [
  ...Object.entries(json.properties ?? {}).flatMap(([name, each]) => {
    const at = path === '' ? name : `${path}.${name}`
    return [at, ...pathsIn(each, at)]
  }),
  ...(json.items === undefined ? [] : pathsIn(json.items, `${path}[]`)),
  ...[...(json.anyOf ?? []), ...(json.oneOf ?? [])].flatMap((each) => pathsIn(each, path)),
]

/** A list of ranges has the keys of a range. */
const plain = (paths: string[]): string[] =>
  [...new Set(paths.map((path) => path.replaceAll('ports[]', 'ports')))].sort()

/** References stand for secrets: what they become is long enough for all of them. */
const withSecrets = (text: string): string =>
  text.replaceAll(/\$\{\w+\}/g, 'a-secret-of-32-characters-at-all')

describe('docs/configuration.md', () => {
  it('says what the schemas say; `npm run docs` writes it', () => {
    expect(document).toBe(configurationDocument())
  })

  it('has a description and an example of every key', () => {
    expect(allKeys.length).toBeGreaterThan(100)
    expect(
      allKeys
        .filter(({ description, examples }) => !description || examples.length === 0)
        .map(({ name }) => name),
    ).toEqual([])
  })

  it.each(allKeys)('has examples that may be written: $name', ({ examples, schema }) => {
    for (const example of examples) {
      const written: unknown = parse(withSecrets(yamlOf(example)))
      expect(written).toEqual(JSON.parse(withSecrets(JSON.stringify(example))))
      const parsed = schema.safeParse(written)
      expect(parsed.success ? 'fine' : z.prettifyError(parsed.error)).toBe('fine')
    }
  })

  it('has a row for each key of the JSON Schema, and no other', () => {
    const [, collector = '', node = ''] = document.split(/^## /m)
    const rows = (text: string) =>
      [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, path = '']) => path).sort()
    const all = pathsIn(jsonSchema, '')
    const inside = (prefix: string) => (path: string) => path.startsWith(prefix) && path !== prefix
    const isElsewhere = (path: string) => inside('embedded')(path) || inside('nodes[].map')(path)
    expect(plain(rows(collector))).toEqual(plain(all.filter((path) => !isElsewhere(path))))
    expect(plain(rows(node))).toEqual(
      plain(all.filter(inside('embedded[].')).map((path) => path.slice('embedded[].'.length))),
    )
  })

  it('begins with files that are good', () => {
    const env = Object.fromEntries(
      ['FRA1_TOKEN', 'CONTROL_TOKEN', 'HOST_A_TOKEN'].map((name) => [name, 'a-long-enough-secret']),
    )
    for (const [name, text] of Object.entries(EXAMPLE_FILES)) {
      expect(document).toContain(text)
      writeFileSync(join(folder, name), text)
    }
    expect(checkConfig(join(folder, 'tidegate.yaml'), env)).toEqual([])
    expect(loadNodeConfig(join(folder, 'node.yaml'), env).id).toBe('fra-1')
  })

  it('would notice a key that says nothing of itself, at any depth', () => {
    const schema = z.object({
      list: z
        .array(
          z.object({
            silent: z.string(),
            named: z.string().meta({ description: 'A name', examples: ['a'] }),
          }),
        )
        .default([])
        .meta({ description: 'A list', examples: [[]] }),
    })
    expect(keysOf(schema).map(({ path, description }) => [path, description])).toEqual([
      ['list', 'A list'],
      ['list[].silent', null],
      ['list[].named', 'A name'],
    ])
    expect(keysOf(configSchema).some(({ path }) => path === 'embedded[].proxy.routes[].match.ports')).toBe(
      true,
    )
  })
})
