import type { TargetConfig } from '../../../contract/route-action.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import type { HealthRules } from '../targets/target-health.ts'

/** Whether a route answers requests; otherwise it carries bytes. */
export const speaksHttp = ({ match, action }: RouteConfig): boolean => {
  if (action.tls?.mode === 'passthrough' || action.type === 'socket') return false
  if (action.type === 'redirect' || action.type === 'static') return true
  const asked = action.type === 'block' ? action.status !== undefined : action.protocol === 'http'
  if (asked || match.path !== undefined || match.headers !== undefined) return true
  // Where TLS ends here, the name is known without a request; who is refused is best told so by HTTP.
  if (action.tls) return action.type === 'block' || (match.domains !== undefined && action.protocol !== 'tcp')
  return match.domains !== undefined
}

/** The names of a route; null where it takes all. */
export const domainsOf = ({ match: { domains } }: RouteConfig): string[] | null =>
  domains === undefined ? null : typeof domains === 'string' ? [domains] : domains

/** Names for which a route wants certificates to be had by themselves. */
export const autoNamesOf = (route: RouteConfig): string[] =>
  route.action.tls?.certificate === 'auto' && route.action.tls.mode !== 'passthrough'
    ? [...new Set((domainsOf(route) ?? []).map((name) => name.toLowerCase()))]
    : []

/** One, or a list, as a list. */
export const listOf = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T]

/** The targets that a route names: none, unless it forwards. */
export const targetsOf = ({ action }: RouteConfig): readonly TargetConfig[] =>
  action.type === 'forward' ? action.targets : []

/** Of a route that says nothing of health: who cannot be connected is left out at once, who is silent only when that repeats. */
const UNWATCHED: HealthRules = { check: null, fall: 1, fallUnanswered: 3 }

/** How the targets of a route are watched. */
export const healthOf = ({ action }: RouteConfig): HealthRules => {
  const health = action.type === 'forward' ? action.health : undefined
  if (!health) return UNWATCHED
  const { path = null, intervalMs = 5_000, rise = 2, fall = 3 } = health
  return { check: { path, intervalMs, rise }, fall, fallUnanswered: fall }
}
