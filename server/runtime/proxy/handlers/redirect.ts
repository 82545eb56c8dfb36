import type { ActionOf } from '../../../contract/route-action.ts'
import type { ClientSide, Exchange, RouteHandler } from '../http/exchange.ts'
import type { RequestHead } from '../http/head.ts'
import { Place } from '../patterns/place.ts'
import { answer, answerText } from './own-answer.ts'

const NOTHING = Buffer.alloc(0)

/** Sends each request elsewhere. */
export class Redirect implements RouteHandler {
  readonly #place: Place
  readonly #status: number

  constructor({ to, status = 308 }: ActionOf<'redirect'>) {
    this.#place = new Place(to)
    this.#status = status
  }

  handle(request: RequestHead, client: ClientSide): Exchange {
    const location = this.#place.of(request, client.captures)
    if (location === null) return answerText(client, 400, 'The request names no host to be sent to')
    return answer(client, this.#status, ['Location', location], NOTHING)
  }
}
