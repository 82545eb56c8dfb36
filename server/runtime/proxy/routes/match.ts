import type { CompiledRoute } from './compile.ts'
import { hostName } from './host-name.ts'
import { plainPath } from './plain-path.ts'

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
