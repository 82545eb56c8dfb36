import type { ProxyConfig } from '../contract/proxy-config.ts'
import type { ActionConfig } from '../contract/route-action.ts'
import type { RouteConfig } from '../contract/route-config.ts'

type Find = (path: string) => string

const filesOf = (action: ActionConfig, at: Find, pem: Find): object => {
  switch (action.type) {
    case 'forward':
      return {
        targets: action.targets.map((target) =>
          target.tls?.ca === undefined
            ? target
            : { ...target, tls: { ...target.tls, ca: pem(target.tls.ca) } },
        ),
      }
    case 'static':
      return {
        ...(action.file === undefined ? {} : { file: at(action.file) }),
        ...(action.root === undefined ? {} : { root: at(action.root) }),
      }
    case 'socket':
      return { module: at(action.module) }
    default:
      return {}
  }
}

/** PEM may stand in the file itself, or come there by a reference. */
const pemFrom =
  (at: Find): Find =>
  (value) =>
    value.includes('-----BEGIN ') ? value : at(value)

/** The same with the files that it names found from the folder of its configuration file. `at`: the path of a file from there. */
export const withProxyPaths = (proxy: ProxyConfig, at: Find): ProxyConfig => {
  const { acme } = proxy
  return {
    ...proxy,
    ...(acme === undefined
      ? {}
      : {
          acme: {
            ...acme,
            store: at(acme.store),
            ...(acme.ca === undefined ? {} : { ca: pemFrom(at)(acme.ca) }),
          },
        }),
    routes: proxy.routes.map((route) => withRoutePaths(route, at)),
  }
}

const withRoutePaths = (route: RouteConfig, at: Find): RouteConfig => {
  const pem = pemFrom(at)
  const { action } = route
  const { tls } = action
  const certificate = tls?.certificate
  return {
    ...route,
    action: {
      ...action,
      ...(tls && certificate && certificate !== 'auto'
        ? { tls: { ...tls, certificate: { cert: pem(certificate.cert), key: pem(certificate.key) } } }
        : {}),
      ...filesOf(action, at, pem),
    },
  }
}
