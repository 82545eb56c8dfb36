import type { z } from 'zod'
import type { Problem } from './errors.ts'
import { exampleAt } from './issue-words.ts'
import { plainLine } from './text.ts'

/** `['nodes', 1, 'url']` as `nodes[1].url`. */
export const pathOf = (segments: readonly PropertyKey[]): string =>
  segments.reduce<string>((path, segment) => {
    if (typeof segment === 'number') return `${path}[${segment}]`
    return path === '' ? String(segment) : `${path}.${String(segment)}`
  }, '')

/** Each unknown key is a problem of its own, at its own path; null for every other issue. */
export const unknownKeysOf = (issue: z.core.$ZodIssue, message = 'is not known here'): Problem[] | null =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => ({
        path: pathOf([...issue.path, key]),
        // A part with names of its own says which there are.
        message: issue.message.startsWith('Unrecognized') ? message : issue.message,
      }))
    : null

/** Problems told at once, and characters of a path and a message: an answer must not be larger than what was asked. */
const MAX_PROBLEMS = 20
const MAX_PATH = 100
const MAX_MESSAGE = 300

interface Told {
  /** Problems told; more are counted. */
  max?: number
  /** What the input was checked by, and the input: a rule without an example gets that of its field. */
  schema?: z.ZodType
  value?: unknown
}

const withExample = ({ code, message, path }: z.core.$ZodIssue, { schema, value }: Told): string => {
  if (schema === undefined || code === 'invalid_value' || message.includes('for example')) return message
  const example = exampleAt(schema, path, value)
  if (example === undefined) return message
  return `${message}, for example ${typeof example === 'string' ? example : JSON.stringify(example)}`
}

/** What is wrong with an input, for `facts.problems` of `ERR_INVALID`. The input is hostile, so the list is short and plain. */
export const problemsOf = (error: z.core.$ZodError, told: Told = {}): Problem[] => {
  const { max = MAX_PROBLEMS } = told
  const problems: Problem[] = []
  let more = 0
  for (const issue of error.issues) {
    for (const { path, message } of unknownKeysOf(issue) ?? [
      { path: pathOf(issue.path), message: withExample(issue, told) },
    ]) {
      if (problems.length === max) more++
      else
        problems.push({
          path: plainLine(path).slice(0, MAX_PATH),
          message: message.slice(0, MAX_MESSAGE),
        })
    }
  }
  if (more > 0) problems.push({ path: '', message: `and ${more} more problem${more === 1 ? '' : 's'}` })
  return problems
}
