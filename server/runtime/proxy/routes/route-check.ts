import type { Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'
import { speaksHttp } from './speech.ts'

/** What is read of clients where TLS ends here. */
const HTTP = ['http/1.1']

/** What is wrong with one route by itself, beyond what its schema can say. */
export class RouteCheck {
  readonly #route: RouteConfig
  readonly #path: string
  readonly #problems: Problem[] = []

  /** @param path of the route, such as `routes[3]` */
  constructor(route: RouteConfig, path: string) {
    this.#route = route
    this.#path = path
  }

  problems(): Problem[] {
    this.#passthrough()
    this.#ended()
    return this.#problems
  }

  /** `what` follows the route's name. */
  #say(field: string, what: string): void {
    this.#problems.push({
      path: `${this.#path}.${field}`,
      message: `route "${this.#route.name}" ${what}`,
    })
  }

  /** TLS that ends here needs something to show, and can read no more than we speak. */
  #ended(): void {
    const { tls } = this.#route.action
    if (!tls || tls.mode === 'passthrough') return
    if (!tls.certificate)
      this.#say('action.tls.certificate', 'ends TLS here and shows no certificate; name { cert, key }')
    if (speaksHttp(this.#route) && tls.alpn?.some((protocol) => !HTTP.includes(protocol)))
      this.#say('action.tls.alpn', `reads requests, as ${HTTP.join(' or ')} and nothing else; leave it out`)
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
    for (const [index, target] of action.targets.entries())
      if (target.tls)
        this.#say(
          `action.targets[${index}].tls`,
          'passes TLS through, which would be TLS within TLS; leave it out',
        )
    const why = 'passes TLS through, so that requests cannot be read'
    if (match.path !== undefined)
      this.#say('match.path', `${why}; match domains, or end TLS here (terminate)`)
    if (action.protocol === 'http')
      this.#say('action.protocol', `${why}; leave it out, or end TLS here (terminate)`)
  }
}
