import type { z } from 'zod'
import type { Problem } from '../contract/errors.ts'
import { exampleAt } from '../contract/issue-words.ts'
import { pathOf, unknownKeysOf } from '../contract/problems.ts'
import { yamlOf } from './yaml-text.ts'

/** Keys whose values are secrets, with all that is below them: never repeated in a message. */
export const SECRET = /(?:tokens?|passwords?|passphrase|secrets?|key|credentials?|users)$/i

/**
 * One zod issue as problems with path, value, rule and example; one for each unknown key.
 *
 * @param schema what the file was checked by: its keys have the examples
 * @param root the file as it was written, references not yet replaced: what came from the environment is shown by its name
 */
export const problemOf = (schema: z.ZodType, issue: z.core.$ZodIssue, root: unknown): Problem[] => {
  const unknown = unknownKeysOf(issue, 'is not a known key here')
  if (unknown !== null) return unknown
  if (issue.code === 'invalid_key') {
    // The key itself is wrong, not the value below it: a value may be a secret, a name is not.
    const rules = issue.issues.map(({ message }) => lower(message)).join('; ')
    const name = String(issue.path.at(-1) ?? '')
    return [
      {
        path: pathOf(issue.path.slice(0, -1)) || 'file',
        message: `has the key ${JSON.stringify(name.slice(0, 80))}, which is not allowed here: ${rules}`,
      },
    ]
  }
  const value = issue.path.reduce<unknown>(
    (at, segment) => (at as Record<PropertyKey, unknown> | undefined)?.[segment],
    root,
  )
  const isSaid =
    issue.code === 'invalid_value' ||
    issue.message.includes('for example') ||
    (value !== undefined && issue.message.includes('must be one of'))
  const example = isSaid ? undefined : exampleAt(schema, issue.path, root)
  const hint = example === undefined ? '' : `; for example ${yamlOf(example)}`
  // Rules of our own say why it is needed just here.
  const why = issue.code === 'custom' ? `; ${issue.message}` : hint
  if (value === undefined) return [{ path: pathOf(issue.path) || 'file', message: `is missing${why}` }]
  return [
    {
      path: pathOf(issue.path) || 'file',
      message: `is ${shown(value, issue.path)}; ${lower(issue.message)}${hint}`,
    },
  ]
}

const shown = (value: unknown, path: readonly PropertyKey[]): string => {
  if (path.some((segment) => typeof segment === 'string' && SECRET.test(segment))) return '[redacted]'
  // The address of a channel is a secret as a whole, also where it is no address.
  const isChannel = path[0] === 'notify'
  if (isChannel && (path.at(-1) === 'url' || path.at(-1) === 'smtp')) return '[redacted]'
  const hide = (key: string, part: unknown): unknown =>
    SECRET.test(key) || (isChannel && (key === 'url' || key === 'smtp'))
      ? '[redacted]'
      : typeof part === 'string'
        ? withoutCredentials(part)
        : part
  const text = JSON.stringify(value, hide) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** A URL's user, password and query are secrets wherever the URL is. */
export const withoutCredentials = (text: string): string =>
  text.includes('//') ? text.replace(/\/\/\S*@/g, '//[redacted]@').replace(/\?\S*/g, '?[redacted]') : text

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
