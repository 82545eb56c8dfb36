import type { ActionOf } from '../../../contract/route-action.ts'
import type { ClientSide, Exchange, RouteHandler } from '../http/exchange.ts'
import type { RequestHead } from '../http/head.ts'
import { answer, answerText, fieldsOf } from './own-answer.ts'

/** Methods that something fixed can be asked with. */
export const isRead = ({ method }: RequestHead): boolean => method === 'GET' || method === 'HEAD'

export const notReadable = (client: ClientSide): Exchange =>
  answerText(client, 405, 'This is read with GET', ['Allow', 'GET, HEAD'])

/** Answers each request with the same text. */
export class StaticText implements RouteHandler {
  readonly #status: number
  readonly #fields: string[]
  readonly #body: Buffer

  constructor({ status = 200, headers, body = '' }: ActionOf<'static'>) {
    this.#status = status
    this.#fields = fieldsOf(headers)
    // RFC 9110 §15.3.5, §15.4.5: these have none.
    this.#body = status === 204 || status === 304 ? Buffer.alloc(0) : Buffer.from(body)
  }

  handle(request: RequestHead, client: ClientSide): Exchange {
    return isRead(request) ? answer(client, this.#status, this.#fields, this.#body) : notReadable(client)
  }
}
