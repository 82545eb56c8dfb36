import { describe, expect, it } from 'vitest'
import { Attempts } from '../../server/auth/attempts.ts'

const refusal = (work: () => void): { code: string; facts: { retryAfterSeconds: number } } | null => {
  try {
    work()
    return null
  } catch (error) {
    return error as { code: string; facts: { retryAfterSeconds: number } }
  }
}

describe('attempts', () => {
  let now = 1_000_000
  const make = (maxEntries?: number) =>
    new Attempts({
      limit: 3,
      windowMs: 60_000,
      now: () => now,
      ...(maxEntries === undefined ? {} : { maxEntries }),
    })

  it('lets as many through as the limit says, then says when to come back', () => {
    const attempts = make()
    for (let n = 0; n < 3; n++) attempts.take('ana', '::1')
    now += 20_000
    expect(refusal(() => attempts.take('ana', '::1'))).toMatchObject({
      code: 'ERR_RATE_LIMITED',
      facts: { retryAfterSeconds: 40 },
    })
    expect(attempts.refused).toBe(1)
    expect(
      refusal(() => attempts.take('ana', '::2')),
      'another address',
    ).toBeNull()
    expect(
      refusal(() => attempts.take('ben', '::1')),
      'another account',
    ).toBeNull()
    now += 40_000
    expect(
      refusal(() => attempts.take('ana', '::1')),
      'a new window',
    ).toBeNull()
  })

  it('does not confuse keys that read the same when put together', () => {
    const attempts = make()
    for (let n = 0; n < 3; n++) attempts.take('ab', 'c')
    expect(refusal(() => attempts.take('a', 'bc'))).toBeNull()
  })

  it('forgets a key whose last attempt was good, and gives single attempts back', () => {
    const attempts = make()
    for (let n = 0; n < 3; n++) attempts.take('ana')
    attempts.forget('ana')
    for (let n = 0; n < 3; n++) attempts.take('ana')
    attempts.giveBack('ana')
    attempts.take('ana')
    expect(refusal(() => attempts.take('ana'))).not.toBeNull()
  })

  it('remembers no more keys than its ceiling, and drops those that are over first', () => {
    const attempts = make(5)
    for (let n = 0; n < 3; n++) attempts.take('newest')
    for (let n = 0; n < 1_000; n++) attempts.take(`stranger-${n}`)
    expect(attempts.size).toBe(5)
    now += 60_000
    attempts.take('one')
    expect(attempts.size).toBe(1)
  })
})
