/** Whether a text matches. Takes time in proportion to the text, whatever it contains. */
export type Matcher = (text: string) => boolean

/** Literal text, or null for one path segment that is not empty. */
type Piece = string | null
/** Pieces between two stars, in order. */
type Run = Piece[]

const PARAMETER = /^:[A-Za-z_]\w*$/

/** Where the run ends if it begins at `at`; -1 when it does not. */
const runForward = (run: Run, text: string, at: number): number => {
  let end = at
  for (const piece of run) {
    if (piece === null) {
      const slash = text.indexOf('/', end)
      const next = slash < 0 ? text.length : slash
      if (next === end) return -1
      end = next
    } else if (text.startsWith(piece, end)) end += piece.length
    else return -1
  }
  return end
}

/** Where the run begins if it ends with the text; -1 when it does not. A parameter is bounded by slashes, so there is one way. */
const runBackward = (run: Run, text: string): number => {
  let start = text.length
  for (let at = run.length - 1; at >= 0; at -= 1) {
    const piece = run[at]!
    if (piece === null) {
      const next = start === 0 ? 0 : text.lastIndexOf('/', start - 1) + 1
      if (next === start) return -1
      start = next
    } else {
      start -= piece.length
      if (start < 0 || !text.startsWith(piece, start)) return -1
    }
  }
  return start
}

/** The first place from `from` on where the run is found, and where it ends; null when there is none. */
const findRun = (run: Run, text: string, from: number): number | null => {
  const first = run[0]
  for (let at = from; at <= text.length; at += 1) {
    if (typeof first === 'string') {
      at = text.indexOf(first, at)
      if (at < 0) return null
    }
    const end = runForward(run, text, at)
    if (end >= 0) return end
  }
  return null
}

/**
 * The earliest end of each run is the best one: whatever the rest of the pattern can match behind a later one, it can match behind this
 * one too. So nothing is ever tried twice, unlike in a regular expression. `least`: the fewest characters that a star matches.
 */
const matcher = (runs: Run[], least: 0 | 1): Matcher => {
  const [head, ...rest] = runs as [Run, ...Run[]]
  const tail = rest.pop()
  if (!tail) return (text) => runForward(head, text, 0) === text.length
  return (text) => {
    let at = runForward(head, text, 0)
    if (at < 0) return false
    for (const run of rest) {
      const end = findRun(run, text, at + least)
      if (end === null) return false
      at = end
    }
    return runBackward(tail, text) >= at + least
  }
}

/** `*` matches one or more characters, dots included: `*.example.com` takes `a.b.example.com`, not `example.com`. */
export const domainMatcher = (domain: string): Matcher => {
  const lower = domain.toLowerCase()
  if (!lower.includes('*')) return (text) => text === lower
  return matcher(
    lower.split('*').map((literal) => [literal]),
    1,
  )
}

/** Exact, or with `*` for anything, nothing included. */
export const valueMatcher = (value: string): Matcher => {
  if (!value.includes('*')) return (text) => text === value
  return matcher(
    value.split('*').map((literal) => [literal]),
    0,
  )
}

/** `/exact`, `/api/*` (everything below), `/users/:id` (one segment each). */
export const pathMatcher = (path: string): Matcher => {
  const runs: Run[] = [[]]
  const add = (piece: Piece): void => {
    const run = runs.at(-1)!
    const last = run.at(-1)
    if (typeof piece === 'string' && typeof last === 'string') run[run.length - 1] = last + piece
    else run.push(piece)
  }
  path.split('/').forEach((segment, index) => {
    if (index > 0) add('/')
    if (PARAMETER.test(segment)) {
      add(null)
      return
    }
    segment.split('*').forEach((literal, part) => {
      if (part > 0) runs.push([])
      add(literal)
    })
  })
  return matcher(runs, 0)
}
