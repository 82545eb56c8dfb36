const UNRESERVED = /[A-Za-z0-9\-._~]/

/** Escapes of characters that need none are undone, the others are written in capitals (RFC 3986 §6.2.2). Never twice. */
const plainEscapes = (path: string): string =>
  path.replace(/%([0-9A-Fa-f]{2})/g, (escaped, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16))
    return UNRESERVED.test(character) ? character : escaped.toUpperCase()
  })

/** Dot segments are followed (RFC 3986 §5.2.4); above the root there is nothing. */
const withoutDots = (path: string): string => {
  const kept: string[] = []
  const segments = path.split('/')
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1
    if (segment === '..') {
      if (kept.length > 1) kept.pop()
      if (last) kept.push('')
    } else if (segment === '.') {
      if (last) kept.push('')
    } else kept.push(segment)
  })
  return kept.join('/')
}

/**
 * The path by which a route is chosen: without its query, runs of slashes merged, escapes and dot segments resolved as most servers do,
 * so that `//root`, `/api/../root` and `/api/%2e%2e/root` are matched as what the target takes them for. Slashes are merged first, as
 * nginx does: `/a//../b` is `/b`. What is forwarded stays as it was written.
 */
export const plainPath = (target: string): string => {
  const query = target.indexOf('?')
  let path = query < 0 ? target : target.slice(0, query)
  if (path.includes('%')) path = plainEscapes(path)
  if (path.includes('//')) path = path.replace(/\/{2,}/g, '/')
  return path.includes('/.') ? withoutDots(path) : path
}
