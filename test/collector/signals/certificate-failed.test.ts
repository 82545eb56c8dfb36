import { describe, expect, it } from 'vitest'
import type { Facts } from '../../../server/collector/adapters/facts.ts'
import { certificateFailed } from '../../../server/collector/signals/certificate-failed.ts'
import { factsWith, lookAt, scriptedView } from './scripted-view.ts'

const DAY = 86_400_000
const NOW = 1_000 * DAY
type Failures = NonNullable<Facts['certificateFailures']>
type State = ReturnType<typeof certificateFailed.start>

const failure = (name: string, days: number | null): Failures[number] => ({
  name,
  at: NOW - 60_000,
  reason: 'rateLimited: too many orders',
  notAfter: days === null ? null : NOW + days * DAY,
})
const seen = (certificateFailures: Failures | undefined, before: State = null): State =>
  certificateFailed.take(
    before,
    {
      type: 'reading',
      node: 'fra-1',
      at: NOW,
      facts: factsWith(certificateFailures === undefined ? {} : { certificateFailures }),
    },
    lookAt(certificateFailed, scriptedView()),
  )
const verdict = (state: State, now = NOW) =>
  certificateFailed.verdict(state, lookAt(certificateFailed, scriptedView(), { now }))

describe('certificate.failed', () => {
  it.each([
    [null, 'critical'],
    [-1, 'critical'],
    [1, 'critical'],
    [1.001, 'warning'],
    [29, 'warning'],
  ])('is open where the old one has %s days left: %s', (days, severity) => {
    expect(verdict(seen([failure('w.example.com', days)]))).toMatchObject({ state: 'open', severity })
  })

  it('names the most urgent, why, and how many more', () => {
    const state = seen([
      failure('a.example.com', 20),
      failure('b.example.com', 3),
      failure('c.example.com', 9),
    ])
    expect(verdict(state)).toMatchObject({
      startedAt: NOW - 60_000,
      title: 'The certificate for b.example.com cannot be renewed',
      sentence:
        'fra-1 could not have a certificate for b.example.com, nor for 2 others: rateLimited: too many orders',
      impact: '3 d left',
    })
    expect(verdict(seen([failure('a.example.com', null)]))).toMatchObject({
      title: 'No certificate can be had for a.example.com',
      impact: 'clients are refused',
    })
  })

  it('closes when the next order succeeds, also over a restart of the node', () => {
    expect(verdict(seen([], seen([failure('a.example.com', 20)]))).state).toBe('closed')
  })

  it('holds before the first reading, and while the node does not say', () => {
    expect(verdict(null).state).toBe('hold')
    expect(verdict(seen(undefined, seen([failure('a.example.com', 20)]))).state).toBe('open')
  })

  it('takes the clock of a node that is ahead for no start in the future', () => {
    const state = seen([{ ...failure('a.example.com', 20), at: NOW + DAY }])
    expect(verdict(state)).toMatchObject({ startedAt: NOW })
  })
})
