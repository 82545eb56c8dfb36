import type { CompiledRoute } from './compile.ts'
import { plainPath } from './plain-path.ts'

/** Lower case, without port and without the root's dot. */
export const hostName = (host: string): string => {
  const lower = host.toLowerCase()
  const name = lower.startsWith('[') ? lower.slice(0, lower.indexOf(']') + 1) : lower.split(':', 1)[0]!
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** The first route, in order of priority, specificity and configuration, that takes this host and (plain) path. */
export const pickRoute = (
  routes: readonly CompiledRoute[],
  host: string,
  target: string,
): CompiledRoute | null => {
  let name: string | null = null
  let path: string | null = null
  for (const route of routes) {
    if (route.domain) {
      name ??= hostName(host)
      if (!route.domain(name)) continue
    }
    if (route.path) {
      path ??= plainPath(target)
      if (!route.path(path)) continue
    }
    return route
  }
  return null
}
