import { describe, expect, it } from 'vitest'
import { type EventType, type FleetEvent, foldRows, itemOf } from '../../server/contract/index.ts'

let id = 0
const event = (type: EventType, seconds: number, node: string | null, data: Record<string, unknown>) => {
  id += 1
  const at = new Date(Date.parse('2026-04-27T18:00:00Z') + seconds * 1_000).toISOString()
  const whole: FleetEvent = {
    id,
    source: node === null ? 'collector' : 'node',
    seq: id,
    epoch: 'run1',
    node,
    region: 'fra',
    type,
    at,
    receivedAt: at,
    data,
  }
  return itemOf(whole)
}
const lost = (seconds: number, hostId: string, code = 4001, node = 'fra-1') =>
  event('tunnel.lost', seconds, node, { hostId, code, reason: 'drain', heldMs: 1 })
const registered = (seconds: number, hostId: string, previousCloseCode: number | null = 4001, gapMs = 210) =>
  event('tunnel.registered', seconds, 'iad-1', {
    hostId,
    gapMs,
    previousNode: previousCloseCode === null ? null : 'fra-1',
    previousCloseCode,
    attempt: 1,
  })
const failed = (seconds: number, reason = 'timeout') =>
  event('push.failed', seconds, 'fra-1', { reason, apnsId: null })

describe('foldRows', () => {
  it('makes one row of a drain and what came back, which opens', () => {
    const started = event('drain.started', 0, 'fra-1', {
      drainId: 'd',
      scope: 'node',
      reason: 'x',
      initiator: 'ana',
    })
    const items = [
      started,
      lost(1, 'host-1'),
      lost(1, 'host-2'),
      registered(1.2, 'host-1'),
      lost(1.5, 'host-3'),
      registered(1.6, 'host-2'),
      registered(2, 'host-3', 4001, 480),
      lost(2.1, 'host-4'),
      registered(2.6, 'host-4'),
    ]
    const rows = foldRows(items)
    expect(rows.map((row) => row.title)).toEqual([
      'the drain of fra-1 was started by ana: x',
      'drain fra-1 → 4 closes (4001) → 4 re-registered, 0 missing',
    ])
    expect(rows[1]).toMatchObject({ kind: 'drain', source: 'fra-1', data: { maxGapMs: 480, missing: [] } })
    expect(rows[1]?.folded).toEqual(items.slice(1).map((item) => item.id))
  })

  it('names who did not come back', () => {
    const rows = foldRows([lost(1, 'host-1'), lost(1, 'host-2'), registered(2, 'host-1')])
    expect(rows[0]?.title).toBe('drain fra-1 → 2 closes (4001) → 1 re-registered, 1 missing: host-2')
  })

  it('tells a relay that died by the hosts that came from it', () => {
    const rows = foldRows([
      registered(1, 'host-1', 1006),
      registered(1.4, 'host-2', 1006),
      registered(2, 'host-9', null),
    ])
    expect(rows.map((row) => row.title)).toEqual([
      'fra-1 → 2 closes (1006) → 2 re-registered, 0 missing',
      'host-9 registered on iad-1 after 210 ms',
    ])
  })

  it('takes a registration that was read before the loss as its answer', () => {
    const rows = foldRows([
      registered(1, 'host-1'),
      lost(1.05, 'host-1'),
      lost(1.1, 'host-2'),
      registered(2, 'host-2'),
    ])
    expect(rows[0]?.title).toBe('drain fra-1 → 2 closes (4001) → 2 re-registered, 0 missing')
  })

  it('keeps causes apart that are minutes apart', () => {
    const rows = foldRows([
      lost(1, 'host-1'),
      registered(2, 'host-1'),
      lost(120, 'host-2'),
      registered(121, 'host-2'),
    ])
    expect(rows).toHaveLength(2)
  })

  it('leaves one host that came and went as it was', () => {
    const rows = foldRows([lost(1, 'host-1', 1001), registered(3, 'host-1', 1001)])
    expect(rows.map((row) => row.title)).toEqual([
      'host-1 lost its tunnel to fra-1: ping timeout, or the peer is going away (1001)',
      'host-1 registered on iad-1 after 210 ms; it was on fra-1 before',
    ])
  })

  it('counts rows that repeat within ten seconds, whatever stands between', () => {
    const note = event('push.session_invalidated', 3, 'fra-1', { reason: 'goaway', ageSeconds: 9 })
    const rows = foldRows([failed(1), failed(2), note, failed(9), failed(30), failed(31, 'refused')])
    expect(rows.map((row) => row.title)).toEqual([
      '3 × fra-1 could not send a push: no answer came in time (timeout)',
      'the push session of fra-1 was invalidated: the push service sent GOAWAY (goaway)',
      'fra-1 could not send a push: no answer came in time (timeout)',
      'fra-1 could not send a push: refused',
    ])
    expect(rows[0]?.folded).toHaveLength(3)
  })

  it('never folds what people and rules said', () => {
    const acted = () => event('operator.acted', 1, null, { actor: 'ana', action: 'x', object: 'y' })
    expect(foldRows([acted(), acted()])).toHaveLength(2)
  })
})
