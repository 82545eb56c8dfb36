// Circles in the import graph, type imports included: two files that need each other cannot be read, moved or tested alone.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What the product is made of; tests and tools import it and are imported by nobody. */
const ROOMS = ['app', 'components', 'server']
const LEFT_OUT = ['server/store/generated']

/** `import … from`, `export … from`, `import '…'`, `import('…')`, also as a type. */
const SPECIFIER = /\b(?:from|import)\s*(?:\(\s*)?['"]([^'"]+)['"]/g
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g

/** Paths below `base` with forward slashes, in order. */
const sources = (base: string): string[] => {
  return ROOMS.filter((room) => existsSync(join(base, room)))
    .flatMap((room) =>
      readdirSync(join(base, room), { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
        .map((entry) => join(entry.parentPath, entry.name).slice(base.length).split(sep).join('/'))
        .map((path) => path.replace(/^\//, '')),
    )
    .filter((path) => !LEFT_OUT.some((folder) => path.startsWith(`${folder}/`)))
    .sort()
}

/** Each file of the product below `base` with the files of the product that it imports. */
export const importGraph = (base = root): ReadonlyMap<string, readonly string[]> => {
  const files = sources(base)
  const known = new Set(files)
  const found = (path: string): string | undefined =>
    [path, `${path}.ts`, `${path}.tsx`, `${path}/index.ts`].find((candidate) => known.has(candidate))
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(base, file), 'utf8').replace(COMMENT, '')
      const imported = [...text.matchAll(SPECIFIER)].map(([, name = '']) => {
        if (name.startsWith('.')) return found(posix.join(posix.dirname(file), name))
        return name.startsWith('@/') ? found(name.slice(2)) : undefined
      })
      return [file, [...new Set(imported.filter((path) => path !== undefined))]]
    }),
  )
}

/**
 * The groups of files that reach each other (Tarjan's strongly connected components), each as its shortest circle: of `[a, b]`
 * a imports b, and b imports a.
 */
export const circles = (graph: ReadonlyMap<string, readonly string[]>): string[][] => {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const groups: string[][] = []
  const visit = (file: string): void => {
    order.set(file, order.size)
    low.set(file, order.size - 1)
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) visit(next)
      if (stack.includes(next)) low.set(file, Math.min(low.get(file) ?? 0, low.get(next) ?? 0))
    }
    if (low.get(file) !== order.get(file)) return
    const group = stack.splice(stack.indexOf(file))
    if (group.length > 1 || graph.get(file)?.includes(file)) groups.push(shortest(graph, new Set(group)))
  }
  for (const file of graph.keys()) if (!order.has(file)) visit(file)
  return groups
}

/** The shortest way from the first file of a group back to itself. */
const shortest = (graph: ReadonlyMap<string, readonly string[]>, group: ReadonlySet<string>): string[] => {
  const [start = ''] = [...group].sort()
  const ways = [[start]]
  const seen = new Set()
  for (const way of ways) {
    for (const next of graph.get(way.at(-1) ?? '') ?? []) {
      if (next === start) return way
      if (!group.has(next) || seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return [start]
}

if (import.meta.main) {
  const found = circles(importGraph())
  for (const circle of found) {
    process.stderr.write(
      `${[...circle, circle[0]].join('\n  → ')}\n  Move what both need into a file of its own, or hand it in as an argument.\n`,
    )
  }
  process.exitCode = found.length === 0 ? 0 : 1
}
