import { answer, answerText } from '../handlers/own-answer.ts'
import type { ClientSide, Exchange, RouteHandler } from '../http/exchange.ts'
import type { RequestHead } from '../http/head.ts'
import type { HttpRoute } from '../http/services.ts'

const PREFIX = '/.well-known/acme-challenge/'

/** What an authority is to find here while it checks a name (RFC 8555 §8.3). */
export class Challenges {
  readonly #answers = new Map<string, string>()

  /** Until it is removed. There are as many as orders at once. */
  add(token: string, keyAuthorization: string): void {
    this.#answers.set(token, keyAuthorization)
  }

  remove(token: string): void {
    this.#answers.delete(token)
  }

  /** Before all routes, and for everybody; null where it is no token of ours: a target may have some of its own. */
  routeOf(head: RequestHead): HttpRoute | null {
    if (this.#answers.size === 0 || !head.target.startsWith(PREFIX)) return null
    const found = this.#answers.get(head.target.slice(PREFIX.length))
    return found === undefined
      ? null
      : { name: 'acme', handler: new ChallengeAnswer(found), gate: null, captures: null }
  }
}

class ChallengeAnswer implements RouteHandler {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  handle({ method }: RequestHead, client: ClientSide): Exchange {
    if (method !== 'GET' && method !== 'HEAD')
      return answerText(client, 405, 'This is read with GET', ['Allow', 'GET, HEAD'])
    return answer(client, 200, ['Content-Type', 'application/octet-stream'], Buffer.from(this.#text))
  }
}
