import type { Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import { captureNames } from '../patterns/captures.ts'
import { isTemplate, templateFault } from '../patterns/host-template.ts'
import { placeFault } from '../patterns/place.ts'
import { entryFault } from '../security/address-list.ts'
import { domainsOf, listOf, speaksHttp, targetsOf } from './speech.ts'

/** Where an answer ends, and what becomes of its connection, is not for a route to say. */
const FRAMING = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'date',
  'trailer',
  'te',
])

/** A name of DNS of at least two parts, the last of them no number: an address is none. */
const WHOLE_NAME =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/** What is read of clients where TLS ends here. */
const HTTP = ['http/1.1']

/** What is wrong with one route by itself, beyond what its schema can say. */
export class RouteCheck {
  readonly #route: RouteConfig
  readonly #path: string
  readonly #canHave: boolean
  readonly #problems: Problem[] = []

  /**
   * @param path of the route, such as `routes[3]`
   * @param canHave whether it was said how certificates are had
   */
  constructor(route: RouteConfig, path: string, canHave: boolean) {
    this.#route = route
    this.#canHave = canHave
    this.#path = path
  }

  problems(): Problem[] {
    this.#passthrough()
    this.#ended()
    this.#bytes()
    this.#conditions()
    this.#hosts()
    this.#health()
    this.#security()
    this.#redirect()
    this.#static()
    return this.#problems
  }

  /** `what` follows the route's name. */
  #say(field: string, what: string): void {
    this.#problems.push({
      path: `${this.#path}.${field}`,
      message: `route "${this.#route.name}" ${what}`,
    })
  }

  /** What carries bytes sees no request. */
  #bytes(): void {
    const { match, action } = this.#route
    if (action.type === 'socket' && match.path !== undefined)
      this.#say('match.path', 'hands over the connection, so that requests are not read; leave it out')
    const isPlain =
      !action.tls && (action.type === 'socket' || (action.type === 'forward' && action.protocol === 'tcp'))
    if (isPlain && match.domains !== undefined)
      this.#say('match.domains', 'carries bytes without TLS, which name nobody; leave it out, or take TLS')
  }

  #conditions(): void {
    const { match, action } = this.#route
    for (const entry of listOf(match.clientIp)) {
      const fault = entryFault(entry)
      if (fault) this.#say('match.clientIp', fault)
    }
    if (match.headers !== undefined && !speaksHttp(this.#route))
      this.#say('match.headers', 'carries bytes, so that requests are not read; leave it out')
    if (match.tlsVersion !== undefined && !action.tls)
      this.#say('match.tlsVersion', 'takes no TLS; leave it out, or say what becomes of TLS (action.tls)')
  }

  #security(): void {
    const { action, security } = this.#route
    if (!security) return
    for (const list of ['ipAllowList', 'ipBlockList'] as const)
      for (const entry of security[list] ?? []) {
        const fault = entryFault(entry)
        if (fault) this.#say(`security.${list}`, fault)
      }
    if (security.basicAuth && Object.keys(security.basicAuth.users).length === 0)
      this.#say('security.basicAuth.users', 'names nobody who may come in')
    if (speaksHttp(this.#route)) return
    const why =
      action.tls?.mode === 'passthrough'
        ? 'passes TLS through, so that requests cannot be asked for it; end TLS here (terminate), or leave it out'
        : 'carries bytes, so that requests are not read; leave it out'
    for (const name of ['basicAuth', 'bearer', 'requestRatePerMinute'] as const)
      if (security[name] !== undefined) this.#say(`security.${name}`, why)
  }

  /** Hosts that are computed from the path. */
  #hosts(): void {
    const names = captureNames(this.#route.match.path)
    for (const [index, { host }] of targetsOf(this.#route).entries()) {
      const fault = isTemplate(host) ? templateFault(host, names) : null
      if (fault) this.#say(`action.targets[${index}].host`, fault)
    }
  }

  #health(): void {
    const { action } = this.#route
    if (action.type !== 'forward' || !action.health) return
    if (targetsOf(this.#route).some(({ host }) => isTemplate(host)))
      this.#say(
        'action.health',
        'computes its hosts from requests, which nobody can ask before; leave it out',
      )
    if (action.health.path !== undefined && !speaksHttp(this.#route))
      this.#say('action.health.path', 'carries bytes, where connecting is the whole check; leave it out')
  }

  #redirect(): void {
    const { action } = this.#route
    if (action.type !== 'redirect') return
    const fault = placeFault(action.to, captureNames(this.#route.match.path))
    if (fault) this.#say('action.to', fault)
  }

  #static(): void {
    const { action } = this.#route
    if (action.type !== 'static') return
    const [, ...more] = (['body', 'file', 'root'] as const).filter((name) => action[name] !== undefined)
    for (const name of more) this.#say(`action.${name}`, 'has one answer: body, file or root')
    for (const name of Object.keys(action.headers ?? {}))
      if (FRAMING.has(name.toLowerCase()))
        this.#say(
          `action.headers.${name}`,
          'names a header field that the answer has by itself; leave it out',
        )
  }

  /** TLS that ends here needs something to show, and can read no more than we speak. */
  #ended(): void {
    const { tls } = this.#route.action
    if (!tls || tls.mode === 'passthrough') return
    if (tls.certificate === 'auto') this.#auto()
    if (!tls.certificate)
      this.#say('action.tls.certificate', 'ends TLS here and shows no certificate; name { cert, key }')
    if (speaksHttp(this.#route) && tls.alpn?.some((protocol) => !HTTP.includes(protocol)))
      this.#say('action.tls.alpn', `reads requests, as ${HTTP.join(' or ')} and nothing else; leave it out`)
  }

  /** An authority proves one whole name at a time, which leads here (RFC 8555 §7.1.3: `*` takes more than HTTP-01). */
  #auto(): void {
    const names = domainsOf(this.#route)
    if (!names)
      this.#say('match.domains', 'has certificate: auto and names nobody; write the names that it is for')
    for (const name of names ?? [])
      if (!WHOLE_NAME.test(name))
        this.#say(
          'match.domains',
          `has ${name}, for which no certificate can be had by itself (certificate: auto); write whole names, or name { cert, key }`,
        )
    if (!this.#canHave)
      this.#say(
        'action.tls.certificate',
        'has certificate: auto, and proxy.acme does not say how; write acme: { email: … }',
      )
  }

  /** TLS that goes on to the target hides what requests say. */
  #passthrough(): void {
    const { match, action } = this.#route
    if (action.tls?.mode !== 'passthrough') return
    for (const field of ['certificate', 'minVersion', 'alpn'] as const)
      if (action.tls[field] !== undefined)
        this.#say(
          `action.tls.${field}`,
          "passes TLS through, so that this is its target's affair; leave it out",
        )
    for (const [index, target] of targetsOf(this.#route).entries())
      if (target.tls)
        this.#say(
          `action.targets[${index}].tls`,
          'passes TLS through, which would be TLS within TLS; leave it out',
        )
    const why = 'passes TLS through, so that requests cannot be read'
    if (match.path !== undefined)
      this.#say('match.path', `${why}; match domains, or end TLS here (terminate)`)
    if (action.type === 'redirect' || action.type === 'static')
      this.#say('action.type', `${why} or answered; end TLS here (terminate)`)
    if (action.type === 'block' && action.status !== undefined)
      this.#say('action.status', `${why} or answered; leave it out, or end TLS here (terminate)`)
    if (action.type === 'forward' && action.protocol === 'http')
      this.#say('action.protocol', `${why}; leave it out, or end TLS here (terminate)`)
  }
}
