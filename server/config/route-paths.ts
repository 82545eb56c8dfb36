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

/** The same route with the files that it names found from the folder of its configuration file. `at`: the path of a file from there. */
export const withRoutePaths = (route: RouteConfig, at: Find): RouteConfig => {
  // PEM may stand in the file itself, or come there by a reference.
  const pem: Find = (value) => (value.includes('-----BEGIN ') ? value : at(value))
  const { action } = route
  const { tls } = action
  const certificate = tls?.certificate
  return {
    ...route,
    action: {
      ...action,
      ...(tls && certificate
        ? { tls: { ...tls, certificate: { cert: pem(certificate.cert), key: pem(certificate.key) } } }
        : {}),
      ...filesOf(action, at, pem),
    },
  }
}
