import type { RouteConfig } from '../../../contract/route-config.ts'

const HIDDEN = '[redacted]'

/** Routes as they may be shown: without keys, passwords and tokens. */
export const shownRoutes = (routes: readonly RouteConfig[]): RouteConfig[] =>
  routes.map((route) => {
    const { action, security } = route
    const { tls } = action
    const certificate = tls?.certificate
    return {
      ...route,
      action:
        certificate !== undefined && certificate !== 'auto' && certificate.key.includes('-----BEGIN ')
          ? { ...action, tls: { ...tls!, certificate: { ...certificate, key: HIDDEN } } }
          : action,
      ...(security
        ? {
            security: {
              ...security,
              ...(security.basicAuth
                ? {
                    basicAuth: {
                      ...security.basicAuth,
                      users: Object.fromEntries(
                        Object.keys(security.basicAuth.users).map((name) => [name, HIDDEN]),
                      ),
                    },
                  }
                : {}),
              ...(security.bearer ? { bearer: { tokens: security.bearer.tokens.map(() => HIDDEN) } } : {}),
            },
          }
        : {}),
    }
  })
