import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  CONNECTION_WORDS,
  DEED_WORDS,
  deedWords,
  NODE_PHASE_WORDS,
  SESSION_WORDS,
  withCode,
} from '../../server/contract/reason-words.ts'
import { DRAIN_PHASES } from '../../server/contract/states.ts'
import { CLOSE_REASONS } from '../../server/runtime/proxy/connections/close-reasons.ts'
import { INVALIDATION_REASONS } from '../../server/runtime/push/session.ts'

/** Deeds as the server's files write them into the audit log. */
const DEEDS = [
  'auth/sign-in-desk.ts',
  'auth/users.ts',
  'auth/token-desk.ts',
  'collector/fleet/node-verbs.ts',
  'collector/incidents/desk.ts',
  'main/config-applier.ts',
].flatMap((file) => {
  const text = readFileSync(new URL(`../../server/${file}`, import.meta.url), 'utf8')
  return [...text.matchAll(/'((?:auth|user|token|config|incident|tunnel|push|connection)\.[a-z_]+)'/g)].map(
    ([, code = '']) => code,
  )
})

describe('the words of codes', () => {
  it('has words for every end of a connection, every end of a push session and every phase of a drain', () => {
    expect(Object.keys(CONNECTION_WORDS).sort()).toEqual(Object.keys(CLOSE_REASONS).sort())
    expect(Object.keys(SESSION_WORDS).sort()).toEqual([...INVALIDATION_REASONS].sort())
    expect(Object.keys(NODE_PHASE_WORDS)).toEqual([...DRAIN_PHASES])
  })

  it('has words for every deed in the audit log', () => {
    const deeds = DEEDS.filter((code) => !/^(?:tunnel|push|connection|incident)\.(?:.*ed)$/.test(code))
    expect(deeds.length).toBeGreaterThan(15)
    expect(deeds.filter((code) => !Object.hasOwn(DEED_WORDS, code) && !code.endsWith('.list'))).toEqual([])
  })

  it('says the code behind the words, and a code of another version as it is', () => {
    expect(withCode(CONNECTION_WORDS, 'inactivity')).toBe('nothing was sent for too long (inactivity)')
    expect(withCode(CONNECTION_WORDS, 'eaten_by_a_dog')).toBe('eaten_by_a_dog')
    expect(withCode(CONNECTION_WORDS, 'constructor')).toBe('constructor')
    expect(deedWords('drain.create')).toBe('started a drain')
    expect(deedWords('toString')).toBe('toString')
  })
})
