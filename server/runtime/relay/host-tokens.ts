import { createHmac, randomBytes } from 'node:crypto'
import { sameBytes } from '../../wire/same-secret.ts'

export type TokenVerdict = 'ok' | 'unknown' | 'other_host'

/**
 * Tokens bound to host ids. Values are compared as HMACs under a key of this process, so that neither a comparison nor a look-up reveals
 * how close a guess was, and the tokens themselves are not kept.
 */
export class HostTokens {
  readonly #key = randomBytes(32)
  readonly #byHost = new Map<string, Buffer>()
  readonly #known = new Set<string>()

  /** @param tokens the token of each host, by its id */
  constructor(tokens: Readonly<Record<string, string>>) {
    for (const [hostId, token] of Object.entries(tokens)) {
      const value = this.#digest(token)
      this.#byHost.set(hostId, value)
      this.#known.add(value.toString('hex'))
    }
  }

  check(hostId: string, token: string | null): TokenVerdict {
    if (token === null || token === '') return 'unknown'
    const given = this.#digest(token)
    const expected = this.#byHost.get(hostId)
    if (expected && sameBytes(expected, given)) return 'ok'
    return this.#known.has(given.toString('hex')) ? 'other_host' : 'unknown'
  }

  #digest(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest()
  }
}
