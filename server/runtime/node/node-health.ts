import type { Health, ProxyHealth } from '../../contract/health.ts'

/** `/health` stays under this many bytes: its readers stop there. */
export const MAX_HEALTH_BYTES = 64 * 1024

const MAX_LISTED = {
  problems: 32,
  listeners: 64,
  routesOfListener: 64,
  targets: 256,
  certificates: 64,
  reasons: 64,
}

const cutText = <T extends string | null | undefined>(text: T): T =>
  typeof text === 'string' ? (text.slice(0, 256) as T) : text

const cutCounts = (counts: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(counts)
      .slice(0, MAX_LISTED.reasons)
      .map(([key, value]) => [key.slice(0, 64), value]),
  )

/** Parsers of the document accept texts of at most 256 characters; a longer one would cost the whole document. */
const cutProxy = (proxy: ProxyHealth): ProxyHealth => ({
  ...proxy,
  connections: { ...proxy.connections, rejected: cutCounts(proxy.connections.rejected) },
  closedBy: cutCounts(proxy.closedBy),
  targets: proxy.targets
    .slice(0, MAX_LISTED.targets)
    .map((target) => ({ ...target, route: cutText(target.route), target: cutText(target.target) })),
  targetsTotal: Math.max(proxy.targetsTotal ?? 0, proxy.targets.length),
  ...(proxy.certificates === undefined
    ? {}
    : { certificates: proxy.certificates.slice(0, MAX_LISTED.certificates) }),
})

const bytesOf = (health: Health): number => Buffer.byteLength(JSON.stringify(health))

const lengthOf = (value: unknown): number => (value === undefined ? 0 : JSON.stringify(value).length)

/** Halves the list that takes the most room; false when there is nothing left to halve. */
const cutLongest = (health: Health): boolean => {
  const { proxy, listeners } = health
  const routes = listeners?.reduce((sum, listener) => sum + (listener.routes?.length ?? 0), 0) ?? 0
  const targets = proxy?.targets.length ?? 0
  if (
    listeners !== undefined &&
    routes > 0 &&
    (lengthOf(listeners) > lengthOf(proxy?.targets) || targets === 0)
  ) {
    health.listeners = listeners.map((listener) => ({
      ...listener,
      routes: listener.routes?.slice(0, listener.routes.length >> 1) ?? [],
    }))
    return true
  }
  if (proxy === undefined) return false
  if (targets > 0) {
    health.proxy = { ...proxy, targets: proxy.targets.slice(0, targets >> 1) }
    return true
  }
  const { certificates = [] } = proxy
  if (certificates.length === 0) return false
  // Those that need somebody come first.
  health.proxy = { ...proxy, certificates: certificates.slice(0, certificates.length >> 1) }
  return true
}

/** Cuts long lists until the document fits; a count says what was cut (`targetsTotal`). */
export const fitHealth = (health: Health): Health => {
  const fitted: Health = {
    ...health,
    ...(health.problems === undefined
      ? {}
      : { problems: health.problems.slice(0, MAX_LISTED.problems).map((problem) => cutText(problem)) }),
    ...(health.listeners === undefined
      ? {}
      : {
          listeners: health.listeners.slice(0, MAX_LISTED.listeners).map((listener) =>
            listener.routes === undefined
              ? listener
              : {
                  ...listener,
                  routes: listener.routes.slice(0, MAX_LISTED.routesOfListener).map((name) => cutText(name)),
                },
          ),
        }),
    ...(health.proxy === undefined ? {} : { proxy: cutProxy(health.proxy) }),
  }
  while (bytesOf(fitted) > MAX_HEALTH_BYTES && cutLongest(fitted)) {
    // Each round cuts something; what cannot be cut is bounded by the numbers above and far below the limit.
  }
  return fitted
}
