import { Document, isMap } from 'yaml'

/** Keys of an entry whose values are secrets. */
const SECRETS = new Set(['token', 'secret', 'password'])

/**
 * One entry of `nodes` as a line to paste: secrets are written as references to the environment, because the file is not the place for
 * them.
 */
export const entryText = (entry: Readonly<Record<string, unknown>>): string => {
  const name = String(entry.id ?? 'node')
    .toUpperCase()
    .replaceAll('-', '_')
  const document = new Document([withoutSecrets(entry, name)])
  const item = document.get(0)
  if (isMap(item)) item.flow = true
  return document.toString({ lineWidth: 0, flowCollectionPadding: true }).trimEnd()
}

const withoutSecrets = (value: unknown, name: string, key = ''): unknown => {
  if (typeof value === 'string' && SECRETS.has(key)) {
    const isReference = /^\$\{[^}]+\}$/.test(value)
    return isReference ? value : `\${${name}_${key.toUpperCase()}}`
  }
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, name, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([each, part]) => [each, withoutSecrets(part, name, each)]),
  )
}
