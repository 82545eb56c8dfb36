import { describe, expect, it } from 'vitest'
import { failureOf } from '../../../server/collector/adapters/http-probe.ts'
import type { Reading } from '../../../server/collector/adapters/reading.ts'
import { type DoubtNode, networkDoubt } from '../../../server/collector/judgement/network-doubt.ts'

const failed = (code: string, at = 10_000): Reading => {
  const cause = Object.assign(new Error(`connect ${code}`), { code })
  return { at, durationMs: 100, status: null, ...failureOf(new TypeError('fetch failed', { cause })) }
}
const good = (at = 10_000): Reading => ({
  at,
  durationMs: 5,
  status: 200,
  outcome: 'ok',
  reason: 'answered',
})
const node = (id: string, poll: Reading | null, embedded = false): DoubtNode => ({
  id,
  region: id.slice(0, 3),
  embedded,
  reading: poll,
  intervalMs: 5_000,
})
const fleetOf = (poll: Reading) => ['fra-1', 'fra-2', 'iad-1'].map((id) => node(id, poll))
const doubt = (poll: Reading, fleet: DoubtNode[], since: number | null = null) =>
  networkDoubt(fleet[0]!, poll, fleet, since)

describe('own faults first', () => {
  it.each(['ENETUNREACH', 'ENETDOWN', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT', 'EAI_AGAIN'])(
    'a lost network (%s) makes no node down',
    (code) => {
      const poll = failed(code)
      expect(doubt(poll, fleetOf(poll))).toBe(
        'the collector reaches no node of any region; its own network may be gone',
      )
      expect(doubt(poll, fleetOf(poll), -9_000_000)).not.toBeNull()
    },
  )

  it.each(['ECONNREFUSED', 'ECONNRESET'])(
    'a node that answers with %s is to blame, though all do',
    (code) => {
      const poll = failed(code)
      expect(doubt(poll, fleetOf(poll))).toBeNull()
    },
  )

  it('a node is to blame where another one answered before it was asked', () => {
    const poll = failed('ETIMEDOUT')
    expect(doubt(poll, [node('fra-1', poll), node('fra-2', poll), node('iad-1', good(9_000))])).toBeNull()
    expect(doubt(failed('EHOSTUNREACH'), [node('fra-1', poll), node('iad-1', good(9_000))])).toBeNull()
  })

  it('a node that is asked so seldom that it was not asked since vouches for nothing, for a minute', () => {
    const poll = failed('ETIMEDOUT', 100_000)
    const slow = { ...node('iad-1', good(85_000)), intervalMs: 60_000 }
    const fleet = [node('fra-1', poll), node('fra-2', poll), slow]
    const judged = (doubtedSince: number | null) => networkDoubt(fleet[0]!, poll, fleet, doubtedSince, 90_000)
    expect(judged(null)).toMatch(/no other node was asked since/)
    expect(judged(40_000)).toBeNull()
    const asked = [node('fra-1', poll), { ...slow, reading: good(98_500) }]
    expect(networkDoubt(asked[0]!, poll, asked, null, 98_000)).toBeNull()
  })

  it('a node is not to blame where the others answer only since after it was asked', () => {
    const poll = failed('ETIMEDOUT')
    expect(doubt(poll, [node('fra-1', poll), node('fra-2', good(12_000)), node('iad-1', poll)])).toMatch(
      /a moment ago/,
    )
  })

  it('a missing route of this machine to one node is not told as that node being down for a minute', () => {
    const poll = failed('ENETUNREACH')
    const fleet = [node('fra-1', poll), node('fra-2', good(9_000)), node('iad-1', good(9_000))]
    expect(doubt(poll, fleet)).toMatch(/^this machine has no way to fra-1/)
    expect(doubt(poll, fleet, 10_000 - 60_000)).toBeNull()
    // Nor longer because somebody has set the clock back meanwhile.
    expect(doubt(poll, fleet, 10_000 + 3_600_000)).toBeNull()
  })

  it.each([
    ['one node', ['fra-1']],
    ['two nodes', ['fra-1', 'iad-1']],
    ['one region', ['fra-1', 'fra-2', 'fra-3', 'fra-4']],
  ])('%s that time out are not known for a minute, and down after it', (_, ids) => {
    const poll = failed('ETIMEDOUT')
    const fleet = ids.map((id) => node(id, poll))
    expect(doubt(poll, fleet)).toMatch(/it is not known whether the network of this machine is the reason/)
    expect(doubt(poll, fleet, 10_000 - 59_000)).not.toBeNull()
    expect(doubt(poll, fleet, 10_000 - 60_000)).toBeNull()
  })

  it('an embedded node vouches for no network, and is never excused by one', () => {
    const poll = failed('ETIMEDOUT')
    const remote = ['fra-1', 'fra-2', 'iad-1'].map((id) => node(id, poll))
    expect(doubt(poll, [...remote, node('sjc-1', good(9_000), true)])).toMatch(/no node of any region/)
    expect(doubt(poll, [node('sjc-1', poll, true), ...remote])).toBeNull()
  })
})
