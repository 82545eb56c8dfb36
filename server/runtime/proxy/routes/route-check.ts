import type { Problem } from '../../../contract/errors.ts'
import type { RouteConfig } from '../../../contract/route-config.ts'

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
    return this.#problems
  }

  /** `what` follows the route's name. */
  #say(field: string, what: string): void {
    this.#problems.push({
      path: `${this.#path}.${field}`,
      message: `route "${this.#route.name}" ${what}`,
    })
  }

  /** TLS that goes on to the target hides what requests say. */
  #passthrough(): void {
    const { match, action } = this.#route
    if (action.tls?.mode !== 'passthrough') return
    const why = 'passes TLS through, so that requests cannot be read'
    if (match.path !== undefined)
      this.#say('match.path', `${why}; match domains, or end TLS here (terminate)`)
    if (action.protocol === 'http')
      this.#say('action.protocol', `${why}; leave it out, or end TLS here (terminate)`)
  }
}
