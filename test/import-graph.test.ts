import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { circles, folderCircles, importGraph } from '../scripts/import-graph.ts'

const folders: string[] = []
const treeOf = (files: Record<string, string>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-graph-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

describe('the import graph', () => {
  it('has no circle, type imports included', () => {
    const graph = importGraph()
    expect(graph.size).toBeGreaterThan(400)
    expect(circles(graph)).toEqual([])
  })

  it.each([
    ['a value', "import { b } from './b.ts'"],
    ['a type', "import type { B } from './b.ts'"],
    ['a type among values', "import { type B, b } from './b.ts'"],
    ['a re-export', "export { b } from './b.ts'"],
    ['an import while it runs', "const { b } = await import('./b.ts')"],
    ['a type that is named in place', "type B = import('./b.ts').B"],
    ['an import over lines', "import {\n  b,\n} from './b.ts'"],
    ['an import for its effect', "import './b.ts'"],
    ['the alias', "import { b } from '@/server/b.ts'"],
  ])('is seen by %s', (_, statement) => {
    const tree = treeOf({ 'server/a.ts': statement, 'server/b.ts': "import type { A } from './a.ts'" })
    expect(circles(importGraph(tree))).toEqual([['server/a.ts', 'server/b.ts']])
  })

  it('finds a circle over three rooms and says the shortest way round', () => {
    const tree = treeOf({
      'server/a.ts': "import './x/b.ts'\nimport './x/c.ts'",
      'server/x/b.ts': "import './c.ts'",
      'server/x/c.ts': "import '../a.ts'",
      'server/d.ts': "import './a.ts'",
    })
    expect(circles(importGraph(tree))).toEqual([['server/a.ts', 'server/x/c.ts']])
  })

  it('does not take a mention in a comment for an import', () => {
    const tree = treeOf({
      'server/a.ts': "import './b.ts'",
      'server/b.ts': "// import './a.ts'\n/* import './a.ts' */\nexport const url = 'http://x'",
    })
    expect(circles(importGraph(tree))).toEqual([])
  })
})

describe('the folders of the product', () => {
  it('have no circle, type imports included', () => {
    expect(folderCircles(importGraph())).toEqual([])
  })

  it('are in one where two lean on each other by different files', () => {
    const tree = treeOf({
      'server/fleet/node.ts': "import type { Judgement } from '../watch/judge.ts'",
      'server/fleet/fleet.ts': "import './node.ts'",
      'server/watch/judge.ts': '',
      'server/watch/watch.ts': "import '../fleet/fleet.ts'",
    })
    expect(circles(importGraph(tree))).toEqual([])
    expect(folderCircles(importGraph(tree))).toEqual([['server/fleet', 'server/watch']])
  })

  it('are in one also where the way back leads through a file beside them', () => {
    const tree = treeOf({
      'server/notify/outbox.ts': "import '../incidents/book.ts'",
      'server/incidents/desk.ts': "import '../handle.ts'",
      'server/incidents/book.ts': '',
      'server/handle.ts': "import './notify/message.ts'",
      'server/notify/message.ts': '',
    })
    expect(folderCircles(importGraph(tree))).toEqual([
      ['server/handle.ts', 'server/notify', 'server/incidents'],
    ])
  })

  it('are seen at every depth', () => {
    const tree = treeOf({
      'server/a/x/one.ts': "import '../y/two.ts'",
      'server/a/y/two.ts': '',
      'server/a/y/three.ts': "import '../x/four.ts'",
      'server/a/x/four.ts': '',
    })
    expect(folderCircles(importGraph(tree))).toEqual([['server/a/x', 'server/a/y']])
  })

  it('may share words that stand beside them, and be put together by a registry beside them', () => {
    const tree = treeOf({
      'server/adapters/registry.ts': "import './caddy/adapter.ts'\nimport './nginx/adapter.ts'",
      'server/adapters/caddy/adapter.ts': "import '../reading.ts'",
      'server/adapters/nginx/adapter.ts': "import '../reading.ts'",
      'server/adapters/reading.ts': '',
    })
    expect(folderCircles(importGraph(tree))).toEqual([])
  })
})
