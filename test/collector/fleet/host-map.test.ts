import { describe, expect, it } from 'vitest'
import { HostMap } from '../../../server/collector/fleet/host-map.ts'
import type { EventType, FleetEvent, NodeTunnel, Tunnel } from '../../../server/contract/index.ts'

const start = Date.parse('2026-04-27T18:00:00Z')
const iso = (seconds: number) => new Date(start + seconds * 1_000).toISOString()
let id = 0
const event = (type: EventType, seconds: number, node: string, data: Record<string, unknown>): FleetEvent => {
  id += 1
  return {
    id,
    source: 'node',
    seq: id,
    epoch: 'run1',
    node,
    region: node.slice(0, 3),
    type,
    at: iso(seconds),
    receivedAt: iso(seconds),
    data: { hostId: 'host-1', ...data },
  }
}
const registered = (seconds: number, node: string, more: Record<string, unknown> = {}) =>
  event('tunnel.registered', seconds, node, {
    gapMs: null,
    previousNode: null,
    previousCloseCode: null,
    ...more,
  })
const lost = (seconds: number, node: string, code = 1006) =>
  event('tunnel.lost', seconds, node, { code, reason: '', heldMs: 1 })
const listed = (seconds: number, more: Partial<NodeTunnel> = {}): NodeTunnel => ({
  hostId: 'host-1',
  since: iso(seconds),
  remoteAddress: '127.0.0.1',
  lastPongAt: iso(seconds),
  pending: 0,
  fence: 1,
  gapMs: null,
  ...more,
})
const mapOf = (...events: FleetEvent[]) => {
  const map = new HostMap()
  for (const each of events) map.apply(each)
  return map
}

describe('the host map', () => {
  it('forgets lost hosts of before a restart when their day is over, and makes room by the oldest of them', () => {
    const hour = 3_600_000
    const row = (hostId: string, lostAt: number): Tunnel => ({
      hostId,
      region: 'fra',
      node: 'fra-1',
      state: 'lost',
      since: new Date(lostAt).toISOString(),
      lastGapMs: null,
      lastCloseCode: null,
      lastCloseMeaning: null,
      previousNode: null,
      presence: { directory: null, relay: false, lastPongAt: null },
    })
    const rows = [row('new', start - hour), row('old', start - 23 * hour), row('middle', start - 12 * hour)]
    const map = new HostMap()
    map.load(rows, start)
    expect(map.forgetLost(start + 2 * hour)).toBe(true)
    expect(map.get('old')).toBeNull()
    expect(map.get('middle')).not.toBeNull()
    const full = new HostMap(3)
    full.load(rows, start)
    full.apply(registered(1, 'fra-1'))
    expect(['new', 'middle', 'old', 'host-1'].filter((id) => full.get(id) !== null)).toEqual([
      'new',
      'middle',
      'host-1',
    ])
  })

  it('never shows a host as lost that moved in a drain, whichever node is heard first', () => {
    const map = mapOf(registered(1, 'fra-1', { fence: 1 }))
    const end = { code: 4001, reason: '', heldMs: 1, fence: 1, movedTo: 'iad-1' }
    expect(map.apply(event('tunnel.lost', 5, 'fra-1', end))).toBe(false)
    // The old node's list no longer has it, and the directory says where it is; the new node's event has not come yet.
    expect(map.reconcile('fra-1', 'fra', [], { 'host-1': 'iad-1' }, start + 6_000)).toBe(false)
    expect(map.get('host-1')).toMatchObject({ state: 'registered', node: 'fra-1' })
    map.apply(
      registered(4.9, 'iad-1', { fence: 2, gapMs: 0, previousNode: 'fra-1', previousCloseCode: 4001 }),
    )
    expect(map.get('host-1')).toMatchObject({
      state: 'registered',
      node: 'iad-1',
      lastGapMs: 0,
      previousNode: 'fra-1',
    })
    // The end of an older registration says nothing about the newer one, wherever that is.
    map.apply(registered(7, 'fra-1', { fence: 3 }))
    expect(map.apply(event('tunnel.lost', 8, 'fra-1', { code: 4409, reason: '', heldMs: 1, fence: 1 }))).toBe(
      false,
    )
    expect(map.get('host-1')).toMatchObject({ state: 'registered', node: 'fra-1' })
  })

  it('moves a host and keeps what it knows of the move', () => {
    const map = mapOf(
      registered(1, 'fra-1'),
      lost(5, 'fra-1', 4001),
      registered(5.4, 'iad-1', { gapMs: 400, previousNode: 'fra-1', previousCloseCode: 4001 }),
    )
    expect(map.get('host-1')).toMatchObject({
      node: 'iad-1',
      region: 'iad',
      state: 'registered',
      lastGapMs: 400,
      lastCloseCode: 4001,
      lastCloseMeaning: 'Operator or deploy drain',
      previousNode: 'fra-1',
      presence: { directory: 'iad-1', relay: true },
    })
  })

  it('does not lose a host whose old relay tells of the end late', () => {
    const map = mapOf(registered(1, 'fra-1'), registered(5, 'iad-1'), lost(5.2, 'fra-1'))
    expect(map.get('host-1')).toMatchObject({ node: 'iad-1', state: 'registered' })
  })

  it('does not lose a host that is back on the same relay before the old end is read', () => {
    const map = mapOf(registered(1, 'fra-1'), registered(5, 'fra-1'), lost(4.9, 'fra-1'))
    expect(map.get('host-1')?.state).toBe('registered')
  })

  it('ignores an older registration that is read later', () => {
    const map = mapOf(registered(5, 'iad-1', { fence: 2 }), registered(1, 'fra-1', { fence: 1 }))
    expect(map.get('host-1')?.node).toBe('iad-1')
  })

  it('loses a host that is registered nowhere else', () => {
    expect(mapOf(registered(1, 'fra-1'), lost(5, 'fra-1')).get('host-1')).toMatchObject({
      state: 'lost',
      node: 'fra-1',
      lastCloseCode: 1006,
      presence: { relay: false },
    })
  })

  it('is put right by a relay that does not list the host, and by one that does', () => {
    const map = mapOf(registered(1, 'fra-1'))
    expect(map.reconcile('fra-1', 'fra', [], {}, start + 9_000)).toBe(true)
    expect(map.get('host-1')?.state).toBe('lost')
    expect(map.reconcile('fra-1', 'fra', [listed(1)], { 'host-1': 'fra-1' }, start + 10_000)).toBe(true)
    expect(map.get('host-1')?.state).toBe('registered')
  })

  it('does not believe a list that is older than an event', () => {
    const map = mapOf(registered(5, 'fra-1'))
    expect(map.reconcile('fra-1', 'fra', [], {}, start + 4_000)).toBe(false)
    const gone = mapOf(registered(1, 'fra-1'), lost(5, 'fra-1'))
    gone.reconcile('fra-1', 'fra', [listed(1)], {}, start + 4_000)
    expect(gone.get('host-1')?.state).toBe('lost')
  })

  it('does not take a host from where it is now because an old relay still lists it', () => {
    const map = mapOf(registered(1, 'fra-1', { fence: 1 }), registered(5, 'iad-1', { fence: 2 }))
    map.reconcile('fra-1', 'fra', [listed(1)], { 'host-1': 'iad-1' }, start + 9_000)
    expect(map.get('host-1')?.node).toBe('iad-1')
  })

  it('shows directory and relay side by side where they disagree', () => {
    const map = mapOf(registered(1, 'fra-1'))
    map.reconcile('fra-1', 'fra', [listed(1)], { 'host-1': 'sjc-2' }, start + 9_000)
    expect(map.get('host-1')?.presence).toEqual({ directory: 'sjc-2', relay: true, lastPongAt: iso(1) })
  })

  it('loses what a node held that went down, and finds it again when the node was there all along', () => {
    const map = mapOf(registered(1, 'fra-1'))
    expect(map.nodeDown('fra-1', start + 20_000)).toBe(true)
    expect(map.get('host-1')?.state).toBe('lost')
    map.reconcile('fra-1', 'fra', [listed(1)], {}, start + 30_000)
    expect(map.get('host-1')?.state).toBe('registered')
  })

  it('hands out changed rows once, and claims no presence for what it loaded', () => {
    const map = mapOf(registered(1, 'fra-1'))
    const rows = map.takeDirty()
    expect(rows).toHaveLength(1)
    expect(map.takeDirty()).toHaveLength(0)
    const next = new HostMap()
    next.load(rows)
    expect(next.get('host-1')?.presence.relay).toBe(false)
  })

  it('knows where a host is that was registered elsewhere before it was let go, in whatever order that is heard', () => {
    const events = [registered(5, 'iad-1', { previousNode: 'fra-1' }), lost(5.2, 'fra-1', 4001)]
    for (const order of [events, [...events].reverse()]) {
      const map = mapOf(registered(1, 'fra-1'), ...order)
      expect(map.get('host-1')).toMatchObject({ node: 'iad-1', state: 'registered' })
    }
  })

  it('does not give a host away on the word of another node alone, and not a second time after that was refuted', () => {
    const map = mapOf(registered(1, 'fra-1', { fence: 7 }))
    map.apply(registered(5, 'iad-1', { fence: 3 }))
    expect(map.get('host-1')?.node).toBe('fra-1')
    const directory = { 'host-1': 'fra-1' }
    map.reconcile('fra-1', 'fra', [listed(1, { fence: 7, lastPongAt: iso(8) })], directory, start + 9_000)
    map.apply(registered(10, 'iad-1', { fence: 1_000_000 }))
    map.reconcile('iad-1', 'iad', [listed(10, { fence: 1_000_000 })], { 'host-1': 'iad-1' }, start + 11_000)
    expect(map.get('host-1')).toMatchObject({ node: 'fra-1', state: 'registered' })
  })

  it.each([
    ['tells of its end', (map: HostMap) => void map.apply(lost(6, 'fra-1'))],
    ['lists it no more', (map: HostMap) => void map.reconcile('fra-1', 'fra', [], {}, start + 6_000)],
    ['is down', (map: HostMap) => void map.nodeDown('fra-1', start + 6_000)],
    [
      'holds it half-open for a minute',
      (map: HostMap) =>
        void map.reconcile('fra-1', 'fra', [listed(1, { fence: 7 })], { 'host-1': 'fra-1' }, start + 66_000),
    ],
  ])('gives a claimed host to who claimed it when its holder %s', (_, happens) => {
    const map = mapOf(registered(1, 'fra-1', { fence: 7 }), registered(5, 'iad-1', { fence: 3 }))
    happens(map)
    expect(map.get('host-1')).toMatchObject({ node: 'iad-1', state: 'registered', previousNode: 'fra-1' })
  })

  it('counts the hosts of a node and of a region through all that happens to them', () => {
    const map = new HostMap()
    const on = (seconds: number, node: string, hostId: string) => registered(seconds, node, { hostId })
    for (let host = 0; host < 100; host += 1) map.apply(on(1, 'fra-1', `host-${host}`))
    for (let host = 0; host < 30; host += 1) map.apply(on(2, 'iad-1', `host-${host}`))
    map.apply(event('tunnel.lost', 3, 'fra-1', { hostId: 'host-99', code: 1006, reason: '', heldMs: 1 }))
    map.reconcile('iad-1', 'iad', [listed(2, { hostId: 'host-0' })], undefined, start + 5_000)
    map.nodeDown('sjc-1', start)
    for (const [node, region] of [
      ['fra-1', 'fra'],
      ['iad-1', 'iad'],
    ] as const) {
      const walked = map.list().filter((tunnel) => tunnel.node === node && tunnel.state === 'registered')
      expect(map.registeredOn(node)).toBe(walked.length)
      expect([...map.registeredHosts(region)].sort()).toEqual(walked.map((tunnel) => tunnel.hostId).sort())
    }
    expect([map.registeredOn('fra-1'), map.registeredOn('iad-1')]).toEqual([69, 1])
    map.nodeDown('fra-1', start + 6_000)
    expect([map.registeredOn('fra-1'), map.registeredHosts('fra').size]).toEqual([0, 0])
  })

  it('answers who is on a thousand nodes without walking all hosts for each', () => {
    const map = new HostMap()
    for (let host = 0; host < 20_000; host += 1)
      map.apply(registered(1, `fra-${host % 1_000}`, { hostId: `host-${host}` }))
    const began = performance.now()
    let counted = 0
    for (let node = 0; node < 10_000; node += 1) counted += map.registeredOn(`fra-${node % 1_000}`)
    expect(performance.now() - began).toBeLessThan(500)
    expect(counted).toBe(200_000)
  })

  it('forgets hosts that were lost a day ago, and makes room for a new one when it is full', () => {
    const map = new HostMap(3)
    const day = 86_400
    const on = (seconds: number, hostId: string) => registered(seconds, 'fra-1', { hostId })
    const off = (seconds: number, hostId: string) =>
      event('tunnel.lost', seconds, 'fra-1', { hostId, code: 1006, reason: '', heldMs: 1 })
    for (const each of [on(1, 'a'), on(1, 'b'), on(1, 'c'), off(2, 'b'), off(3, 'a')]) map.apply(each)
    map.apply(on(4, 'd'))
    expect(
      map
        .list()
        .map((tunnel) => tunnel.hostId)
        .sort(),
    ).toEqual(['a', 'c', 'd'])
    expect(map.takeGone()).toEqual(['b'])
    expect(map.forgetLost(start + (day - 10) * 1_000)).toBe(false)
    expect(map.forgetLost(start + (day + 10) * 1_000)).toBe(true)
    expect(map.takeGone()).toEqual(['a'])
    map.apply(on(5, 'e'))
    expect(map.apply(on(6, 'f'))).toBe(false)
    expect(map).toMatchObject({ size: 3, overflowed: 1, forgotten: 2 })
  })

  it('loads no host that was lost a day ago, and none from the future', () => {
    const map = new HostMap()
    const now = Date.now()
    const row = (hostId: string, since: number, state: 'registered' | 'lost') => ({
      ...mapOf(registered(1, 'fra-1', { hostId })).list()[0]!,
      state,
      since: new Date(since).toISOString(),
    })
    map.load([row('a', now - 90_000_000, 'lost'), row('b', now + 600_000, 'registered')], now)
    expect(map.takeGone()).toEqual(['a'])
    map.apply({ ...registered(1, 'iad-1', { hostId: 'b' }), at: new Date(now + 1_000).toISOString() })
    expect(map.get('b')?.node).toBe('iad-1')
  })
})
