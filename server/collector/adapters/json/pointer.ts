/** Names on the way to a value, unescaped. */
type Path = readonly string[]

/** Steps of pointers, which come from the configuration and from presets: few, and asked with every poll. */
const paths = new Map<string, Path>()
const MAX_PATHS = 10_000

const pathOf = (pointer: string): Path => {
  const known = paths.get(pointer)
  if (known !== undefined) return known
  const path = pointer
    .split('/')
    .slice(1)
    .map((escaped) => escaped.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (paths.size >= MAX_PATHS) paths.clear()
  paths.set(pointer, path)
  return path
}

/**
 * The value that a JSON Pointer names (RFC 6901 §4), or undefined where it leads nowhere. Own properties alone: what every object
 * inherits is no part of the answer.
 */
export const valueAt = (document: unknown, pointer: string): unknown => {
  let value = document
  for (const name of pathOf(pointer)) {
    if (Array.isArray(value)) {
      // No leading zeros, no signs; `-` is the element after the last, which does not exist.
      if (!/^(?:0|[1-9]\d{0,8})$/.test(name)) return undefined
      value = value[Number(name)]
    } else if (typeof value === 'object' && value !== null && Object.hasOwn(value, name)) {
      value = (value as Record<string, unknown>)[name]
    } else return undefined
  }
  return value
}
