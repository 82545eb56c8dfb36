import type { RouteConfig } from '../contract/route-config.ts'

/** The same route with the files that it names found from the folder of its configuration file. `at`: the path of a file from there. */
export const withRoutePaths = (route: RouteConfig, at: (path: string) => string): RouteConfig => {
  // PEM may stand in the file itself, or come there by a reference.
  const pem = (value: string): string => (value.includes('-----BEGIN ') ? value : at(value))
  const { action } = route
  const { tls, targets } = action
  const certificate = tls?.certificate
  return {
    ...route,
    action: {
      ...action,
      ...(tls && certificate
        ? { tls: { ...tls, certificate: { cert: pem(certificate.cert), key: pem(certificate.key) } } }
        : {}),
      targets: targets.map((target) =>
        target.tls?.ca === undefined ? target : { ...target, tls: { ...target.tls, ca: pem(target.tls.ca) } },
      ),
    },
  }
}
