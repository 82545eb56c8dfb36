// Circles in the import graph, type imports included: two files that need each other cannot be read, moved or tested alone, and nor can
// two folders.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What the product is made of; tests and tools import it, and nothing imports them. */
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
 * What one part of a folder imports of another: a part is a file of the folder's own, or a folder in it with all that is below. A file
 * counts for itself, so the words that a folder's parts share may be below them, and the file that puts them together above.
 */
export const partGraphs = (
  graph: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> => {
  const folders = new Map<string, Map<string, Set<string>>>()
  for (const [file, imported] of graph) {
    for (const other of imported) {
      if (other === file) continue
      const [from, to] = [file.split('/'), other.split('/')]
      const depth = from.findIndex((name, index) => name !== to[index])
      const partOf = (path: string[]): string => path.slice(0, depth + 1).join('/')
      const parts = folders.getOrInsertComputed(from.slice(0, depth).join('/'), () => new Map())
      parts.getOrInsertComputed(partOf(from), () => new Set()).add(partOf(to))
    }
  }
  return new Map(
    [...folders].map(([folder, parts]) => [
      folder,
      new Map([...parts].map(([part, others]) => [part, [...others]])),
    ]),
  )
}

/** The circles between parts of one folder, where at least one is a folder; those between files alone are `circles`. */
export const folderCircles = (graph: ReadonlyMap<string, readonly string[]>): string[][] =>
  [...partGraphs(graph).values()]
    .flatMap((parts) => circles(parts))
    .filter((circle) => circle.some((part) => !graph.has(part)))

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

/** The imports by which one part depends on another, one line each: the first is the one to look at. */
const importsBetween = (
  graph: ReadonlyMap<string, readonly string[]>,
  part: string,
  other: string,
): string[] => {
  const isIn = (folder: string, file: string): boolean => file === folder || file.startsWith(`${folder}/`)
  return [...graph].flatMap(([file, imported]) =>
    isIn(part, file) ? imported.filter((to) => isIn(other, to)).map((to) => `${file} imports ${to}`) : [],
  )
}

if (import.meta.main) {
  const graph = importGraph()
  const found = circles(graph)
  for (const circle of found) {
    process.stderr.write(
      `${[...circle, circle[0]].join('\n  → ')}\n  Move what both need into a file of its own, or hand it in as an argument.\n`,
    )
  }
  const folders = folderCircles(graph)
  for (const circle of folders) {
    const arrows = circle.map((part, index) => {
      const other = circle[(index + 1) % circle.length] ?? part
      return [`${part} → ${other}`, ...importsBetween(graph, part, other)].join('\n    ')
    })
    process.stderr.write(
      `${arrows.join('\n')}\n  Move what both need into a folder of its own, or into a file beside them.\n`,
    )
  }
  process.exitCode = found.length + folders.length === 0 ? 0 : 1
}
