import { createHash, type X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Problem } from '../../../contract/errors.ts'
import type { ProxyHealth } from '../../../contract/health.ts'
import type { TargetConfig } from '../../../contract/route-action.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import type { TargetTls } from '../targets/target.ts'
import { loadHandler, type SocketHandler } from '../tcp/socket-handler.ts'
import { certificatesIn, keyIn, PemFault, pemText, plainCertificates } from '../tls/pem.ts'
import { refuse } from './plan.ts'
import { autoNamesOf, speaksHttp, targetsOf } from './speech.ts'

/** How TLS of clients ends here. */
export interface TlsEnd {
  /** As it is at this handshake; null while there is no certificate yet. */
  readonly context: SecureContext | null
  /** Protocols that are offered; null: none. */
  readonly alpn: readonly string[] | null
}

/** `/health` lists so many certificates, and so many names of each: it has a size. */
const MAX_SHOWN = 64
const MAX_NAMES = 8

const digest = (...parts: (string | undefined)[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')

/** Certificates that are had by themselves, each for one name. */
export interface Autos {
  endOf(name: string, minVersion: '1.2' | '1.3', alpn: readonly string[] | null): TlsEnd
}

type Certificates = NonNullable<ProxyHealth['certificates']>

/**
 * What routes name and do not hold: certificates, keys, authorities. Read as a whole before routes are swapped, so that nothing can fail
 * after that. What has not changed is taken over, and with it the tickets that clients have.
 */
export class Materials {
  static readonly none = new Materials()
  readonly #contexts = new Map<string, SecureContext>()
  readonly #ends = new Map<RouteConfig, TlsEnd>()
  /** Ends of a route by name, where each name has its own. */
  readonly #autos = new Map<RouteConfig, Map<string, TlsEnd>>()
  readonly #targets = new Map<TargetConfig, TargetTls>()
  readonly #functions = new Map<RouteConfig, SocketHandler>()
  readonly #shown = new Map<string, X509Certificate>()

  /** Throws ERR_INVALID with every problem, each with its route and field. */
  static async load(routes: RouteConfig[], before: Materials, autos: Autos | null): Promise<Materials> {
    const materials = new Materials()
    const problems: Problem[] = []
    for (const [index, route] of routes.entries()) {
      const say = (field: string, what: string): void => {
        problems.push({ path: `routes[${index}].${field}`, message: `route "${route.name}": ${what}` })
      }
      if (route.action.tls?.certificate === 'auto') materials.#takeEnds(route, autos)
      else await materials.#loadEnd(route, before, say)
      await materials.#loadTargets(route, before, say)
      await materials.#loadOwn(route, say)
    }
    refuse(problems)
    return materials
  }

  /** For one of its names. Null where TLS does not end here. */
  endOf(route: RouteConfig, name: string | null): TlsEnd | null {
    const ends = this.#autos.get(route)
    return (ends && name !== null ? ends.get(name.toLowerCase()) : this.#ends.get(route)) ?? null
  }

  /** Null where the target is spoken to in the clear. */
  targetTls(target: TargetConfig): TargetTls | null {
    return this.#targets.get(target) ?? null
  }

  /** The function of a route of type `socket`. */
  functionOf(route: RouteConfig): SocketHandler {
    const found = this.#functions.get(route)
    if (!found) throw new Error(`the function of route ${route.name} was not loaded`)
    return found
  }

  /** Certificates that are shown to clients. */
  health(autos: Certificates): { certificates?: Certificates } {
    if (this.#shown.size === 0 && autos.length === 0) return {}
    const now = Date.now()
    const certificates = [...this.#shown.values()].slice(0, MAX_SHOWN).map((certificate) => {
      const until = certificate.validToDate
      const state = now > until.getTime() ? 'expired' : 'valid'
      return { domains: namesOf(certificate), notAfter: until.toISOString(), state }
    })
    // What needs somebody comes first: the list may be cut.
    const byNeed = [...autos].sort((a, b) => needOf(b) - needOf(a))
    return { certificates: [...byNeed, ...certificates].slice(0, MAX_SHOWN) }
  }

  #takeEnds(route: RouteConfig, autos: Autos | null): void {
    const { tls } = route.action
    const alpn = alpnOf(route)
    const ends = new Map<string, TlsEnd>()
    for (const name of autoNamesOf(route)) {
      const end = autos?.endOf(name, tls?.minVersion ?? '1.2', alpn)
      if (end) ends.set(name, end)
    }
    this.#autos.set(route, ends)
  }

  async #loadEnd(
    route: RouteConfig,
    before: Materials,
    say: (field: string, what: string) => void,
  ): Promise<void> {
    const { tls } = route.action
    if (!tls?.certificate || tls.certificate === 'auto' || tls.mode === 'passthrough') return
    const { certificate, minVersion = '1.2' } = tls
    const read = async <T>(name: 'cert' | 'key', parse: (text: string) => T): Promise<[string, T] | null> => {
      try {
        const text = await pemText(certificate[name])
        return [text, parse(text)]
      } catch (error) {
        if (!(error instanceof PemFault)) throw error
        say(`action.tls.certificate.${name}`, error.message)
        return null
      }
    }
    const cert = await read('cert', certificatesIn)
    const key = await read('key', keyIn)
    if (!cert || !key) return
    const [own] = cert[1]
    if (own && !own.checkPrivateKey(key[1])) {
      say('action.tls.certificate.key', 'holds a key that is not the one of the certificate')
      return
    }
    const name = digest('end', cert[0], key[0], minVersion)
    const known = this.#contexts.get(name) ?? before.#contexts.get(name)
    try {
      const context =
        known ??
        createSecureContext({
          cert: plainCertificates(cert[0]),
          key: key[0],
          minVersion: `TLSv${minVersion}`,
          // A session belongs to those who show this certificate by these rules.
          sessionIdContext: name.slice(0, 32),
        })
      this.#contexts.set(name, context)
      this.#ends.set(route, { context, alpn: alpnOf(route) })
      if (own) this.#shown.set(own.fingerprint256, own)
    } catch {
      say('action.tls.certificate', 'cannot be used for TLS')
    }
  }

  /** What a route answers with, or hands over to. */
  async #loadOwn(route: RouteConfig, say: (field: string, what: string) => void): Promise<void> {
    const { action } = route
    if (action.type === 'socket') {
      const loaded = await loadHandler(action.module, action.export ?? 'default')
      if (typeof loaded === 'string') say('action.module', loaded)
      else this.#functions.set(route, loaded)
    }
    if (action.type !== 'static') return
    for (const name of ['file', 'root'] as const) {
      const path = action[name]
      if (path === undefined) continue
      const found = await stat(path).catch(() => null)
      const fits = name === 'root' ? found?.isDirectory() : found?.isFile()
      if (!fits)
        say(
          `action.${name}`,
          `names ${path}, which is no ${name === 'root' ? 'folder' : 'file'} that can be read`,
        )
    }
  }

  async #loadTargets(
    route: RouteConfig,
    before: Materials,
    say: (field: string, what: string) => void,
  ): Promise<void> {
    const { tls } = route.action
    for (const [index, target] of targetsOf(route).entries()) {
      if (!target.tls && tls?.mode !== 'terminate-and-reencrypt') continue
      let ca: string | undefined
      try {
        if (target.tls?.ca !== undefined) {
          ca = await pemText(target.tls.ca)
          certificatesIn(ca)
        }
      } catch (error) {
        if (!(error instanceof PemFault)) throw error
        say(`action.targets[${index}].tls.ca`, error.message)
        continue
      }
      const servername = target.tls?.servername
      const trust = digest('target', ca)
      const context =
        this.#contexts.get(trust) ??
        before.#contexts.get(trust) ??
        createSecureContext(ca === undefined ? {} : { ca: plainCertificates(ca) })
      this.#contexts.set(trust, context)
      this.#targets.set(target, { key: digest(trust, servername), context, servername })
    }
  }
}

const alpnOf = (route: RouteConfig): readonly string[] | null =>
  route.action.tls?.alpn ?? (speaksHttp(route) ? ['http/1.1'] : null)

const needOf = ({ state, lastFailure }: Certificates[number]): number =>
  (state === 'valid' ? 0 : 2) + (lastFailure === undefined ? 0 : 1)

const namesOf = (certificate: X509Certificate): string[] => {
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((name) => name.replace(/^(DNS|IP Address):/, ''))
  return names
    .filter((name) => name !== '')
    .slice(0, MAX_NAMES)
    .map((name) => name.slice(0, 253))
}
