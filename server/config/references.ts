import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from '../contract/errors.ts'

/** `${NAME}` or `${file:/path}`, on one line. */
export const REFERENCE = /\$\{(file:)?([^}\r\n]+)\}/g

/** Shorter values are too common in a sentence to be taken for a secret. */
const MIN_HIDDEN = 4

/**
 * Replaces `${NAME}` by the environment variable and `${file:/path}` by a file's text (its last newline removed), so that secrets need
 * not stand in the configuration itself. Knows what it replaced: such a value is never repeated in a sentence.
 */
export class References {
  /** Files that were read, or should have been. */
  readonly files = new Set<string>()
  readonly #env: Record<string, string | undefined>
  readonly #folder: string
  readonly #readFile: (path: string) => string
  /** What the file says and where, by the value that it became. */
  readonly #values = new Map<string, string>()

  /** @param folder of the configuration file: paths are relative to it */
  constructor(
    env: Record<string, string | undefined>,
    folder: string,
    readFile = (path: string): string => readFileSync(path, 'utf8'),
  ) {
    this.#env = env
    this.#folder = folder
    this.#readFile = readFile
  }

  /** The same tree with every string replaced. What is missing becomes a problem that names it. */
  replaceIn(value: unknown, problems: Problem[], path = ''): unknown {
    if (typeof value === 'string') return this.#replaceText(value, problems, path)
    if (Array.isArray(value))
      return value.map((item, index) => this.replaceIn(item, problems, `${path}[${index}]`))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          this.replaceIn(item, problems, path === '' ? key : `${path}.${key}`),
        ]),
      )
    }
    return value
  }

  /** A sentence with the names of references in the place of what they stand for. */
  hide(text: string): string {
    const longestFirst = [...this.#values].sort(([a], [b]) => b.length - a.length)
    return longestFirst.reduce((hidden, [value, reference]) => hidden.replaceAll(value, reference), text)
  }

  #replaceText(text: string, problems: Problem[], path: string): string {
    return text.replace(REFERENCE, (whole, file: string | undefined, name: string) => {
      const found = file === undefined ? this.#env[name] : this.#textOf(name)
      if (found === undefined) {
        const what =
          file === undefined
            ? `the environment variable ${name}, which is not set`
            : `the file ${name}, which cannot be read`
        problems.push({ path, message: `needs ${what}` })
        return ''
      }
      if (found.length >= MIN_HIDDEN) this.#values.set(found, whole)
      return found
    })
  }

  #textOf(name: string): string | undefined {
    const path = resolve(this.#folder, name)
    this.files.add(path)
    try {
      return this.#readFile(path).replace(/\r?\n$/, '')
    } catch {
      return undefined
    }
  }
}
