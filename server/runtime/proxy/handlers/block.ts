import type { ActionOf } from '../../../contract/route-action.ts'
import type { ClientSide, Exchange, RouteHandler } from '../http/exchange.ts'
import type { RequestHead } from '../http/head.ts'
import { ANSWERED } from './own-answer.ts'

/** Refuses each request, and ends its connection. */
export class Block implements RouteHandler {
  readonly #route: string
  readonly #status: number

  constructor(route: string, { status = 403 }: ActionOf<'block'>) {
    this.#route = route
    this.#status = status
  }

  handle(_request: RequestHead, client: ClientSide): Exchange {
    const facts = { route: this.#route }
    client.fail(this.#status, 'ERR_FORBIDDEN', 'This is not served', facts, 'route_blocked')
    return ANSWERED
  }
}
