import { createHash } from 'node:crypto'
import type { RouteSecurity } from '../../../contract/route-security.ts'
import { sameBytes } from '../../../wire/same-secret.ts'

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i
const BEARER = /^bearer +([\x21-\x7e]+) *$/i

/** Who may send requests. Compared by digest, with all that would be good, so that time tells nothing of any of them. */
export class Credentials {
  readonly #users: Buffer[]
  readonly #tokens: Buffer[]
  /** What a client without is told (RFC 9110 §11.6.1): names and values in turn. */
  readonly challenge: string[] = []

  constructor({ basicAuth, bearer }: Pick<RouteSecurity, 'basicAuth' | 'bearer'>) {
    this.#users = Object.entries(basicAuth?.users ?? {}).map(([name, password]) =>
      digestOf(`${name}:${password}`),
    )
    this.#tokens = (bearer?.tokens ?? []).map(digestOf)
    if (basicAuth)
      this.challenge.push(
        'WWW-Authenticate',
        `Basic realm="${basicAuth.realm ?? 'tidegate'}", charset="UTF-8"`,
      )
    if (bearer) this.challenge.push('WWW-Authenticate', 'Bearer')
  }

  /** `fields`: of a request, names and values in turn. */
  accept(fields: readonly string[]): boolean {
    let said: string | null = null
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at]!.length !== 13 || fields[at]!.toLowerCase() !== 'authorization') continue
      // Two of them: whoever stands behind us may believe the other.
      if (said !== null) return false
      said = fields[at + 1]!
    }
    if (said === null) return false
    const basic = BASIC.exec(said)?.[1]
    if (basic !== undefined) return isOneOf(Buffer.from(basic, 'base64').toString('utf8'), this.#users)
    const bearer = BEARER.exec(said)?.[1]
    return bearer !== undefined && isOneOf(bearer, this.#tokens)
  }
}

const isOneOf = (given: string, wanted: readonly Buffer[]): boolean => {
  const digest = digestOf(given)
  let found = false
  for (const each of wanted) if (sameBytes(digest, each)) found = true
  return found
}
