import { plainPath } from './plain-path.ts'

/** What the parameters of a path stood for, by their names; as written, escapes resolved where they need none. */
export type Captures = Readonly<Record<string, string>>

export const NO_CAPTURES: Captures = {}

const PARAMETER = /^:([A-Za-z_]\w*)$/

/** Where a parameter's segment is found: counted from the beginning (0 or more), or from the end (-1 or less). */
const placesIn = (path: string): [name: string, at: number][] => {
  const segments = path.split('/')
  const starred = segments.map((segment) => segment.includes('*'))
  const [first, last] = [starred.indexOf(true), starred.lastIndexOf(true)]
  return segments.flatMap((segment, at): [string, number][] => {
    const name = PARAMETER.exec(segment)?.[1]
    if (name === undefined) return []
    if (first < 0 || at < first) return [[name, at]]
    // Between two stars nobody can say which of several segments is meant.
    return at > last ? [[name, at - segments.length]] : []
  })
}

/** The names that a path captures. */
export const captureNames = (path = ''): string[] => placesIn(path).map(([name]) => name)

/** Captures of a request whose path is matched already; null where the path has no parameter. */
export const capturing = (path = ''): ((target: string) => Captures) | null => {
  const places = placesIn(path)
  if (places.length === 0) return null
  return (target) => {
    const segments = plainPath(target).split('/')
    return Object.fromEntries(places.map(([name, at]) => [name, segments.at(at) ?? '']))
  }
}
