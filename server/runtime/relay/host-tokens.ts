import { createHmac, randomBytes } from 'node:crypto'
import { sameBytes } from '../../wire/same-secret.ts'

export type TokenVerdict = 'ok' | 'unknown' | 'other_host'

/**
 * Tokens bound to host ids. Values are compared as HMACs under a key of this process, so that neither a comparison nor a look-up
 * tells a guesser how close the guess was, and the tokens themselves are not kept.
 */
export const createHostTokens = (tokens: Readonly<Record<string, string>>) => {
  const key = randomBytes(32)
  const digest = (token: string): Buffer => createHmac('sha256', key).update(token).digest()
  const byHost = new Map<string, Buffer>()
  const known = new Set<string>()
  for (const [hostId, token] of Object.entries(tokens)) {
    const value = digest(token)
    byHost.set(hostId, value)
    known.add(value.toString('hex'))
  }
  return {
    check(hostId: string, token: string | null): TokenVerdict {
      if (token === null || token === '') return 'unknown'
      const given = digest(token)
      const expected = byHost.get(hostId)
      if (expected && sameBytes(expected, given)) return 'ok'
      return known.has(given.toString('hex')) ? 'other_host' : 'unknown'
    },
  }
}

export type HostTokens = ReturnType<typeof createHostTokens>
