import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from '../contract/errors.ts'

type Environment = Record<string, string | undefined>

/** `${NAME}` or `${file:/path}`, on one line. */
export const REFERENCE = /\$\{(file:)?([^}\r\n]+)\}/g

/**
 * Replaces `${NAME}` by the environment variable and `${file:/path}` by a file's text (its last newline removed) in every string
 * of a YAML tree, so that secrets need not stand in the file. What is missing becomes a problem that names it.
 */
export const substitute = (
  value: unknown,
  env: Environment,
  folder: string,
  problems: Problem[],
  path = '',
): unknown => {
  if (typeof value === 'string') return substituteText(value, env, folder, problems, path)
  if (Array.isArray(value))
    return value.map((item, index) => substitute(item, env, folder, problems, `${path}[${index}]`))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        substitute(item, env, folder, problems, path === '' ? key : `${path}.${key}`),
      ]),
    )
  }
  return value
}

const substituteText = (
  text: string,
  env: Environment,
  folder: string,
  problems: Problem[],
  path: string,
): string =>
  text.replace(REFERENCE, (_whole, file: string | undefined, name: string) => {
    if (file === undefined) {
      const found = env[name]
      if (found === undefined)
        problems.push({ path, message: `needs the environment variable ${name}, which is not set` })
      return found ?? ''
    }
    try {
      return readFileSync(resolve(folder, name), 'utf8').replace(/\r?\n$/, '')
    } catch {
      problems.push({ path, message: `needs the file ${name}, which cannot be read` })
      return ''
    }
  })
