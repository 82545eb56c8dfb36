import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  applyEvent,
  type CacheChange,
  type CacheKey,
  type CacheReader,
  MAX_LIST_EVENTS,
  mergeEvents,
} from '@/components/data/apply-event.ts'
import type { EventFilter } from '@/components/data/event-filter.ts'
import { freshnessOf } from '@/components/data/freshness.ts'
import { LiveConnection, SILENT_MS, type Socket } from '@/components/data/live-connection.ts'
import type { FleetEvent } from '@/server/contract/events.ts'
import type { Node, Overview } from '@/server/contract/fleet.ts'
import type { LiveServerMessage } from '@/server/contract/live.ts'

const event = (id: number, over: Partial<FleetEvent> = {}): FleetEvent => ({
  id,
  source: 'node',
  seq: id,
  epoch: 'e',
  node: 'fra-1',
  region: 'fra',
  type: 'tunnel.lost',
  at: '2026-11-21T10:00:00.000Z',
  receivedAt: '2026-11-21T10:00:00.020Z',
  data: { hostId: 'host-01', code: 1006, reason: '', heldMs: 5 },
  ...over,
})

/** A cache in memory that applies what `applyEvent` answers. */
const memory = (lists: { key: CacheKey; filter: EventFilter }[] = []) => {
  const data = new Map<string, unknown>()
  const cache: CacheReader = {
    get: (key) => data.get(JSON.stringify(key)),
    eventLists: () => lists,
    isFirst: () => false,
  }
  const apply = (frame: LiveServerMessage): CacheChange[] => {
    const changes = applyEvent(cache, frame)
    for (const change of changes) if (change.do === 'set') data.set(JSON.stringify(change.key), change.data)
    return changes
  }
  return { cache, apply, put: (key: CacheKey, value: unknown) => data.set(JSON.stringify(key), value) }
}
const frameOf = (it: FleetEvent): LiveServerMessage => ({
  type: 'event',
  hub: 'h',
  seq: it.id,
  topic: 'events',
  topics: ['events'],
  event: it,
})

describe('applyEvent', () => {
  it.each([
    ['overview', ['overview']],
    ['tunnels', ['tunnels']],
    ['node:fra-1', ['node', 'fra-1']],
    ['drain:01J', ['drain', '01J']],
  ] as const)('puts the snapshot of %s where its query looks for it', (topic, key) => {
    const { cache, apply } = memory()
    apply({ type: 'snapshot', hub: 'h', seq: 1, topic, data: { some: 'thing' } })
    expect(cache.get(key)).toEqual({ some: 'thing' })
  })

  it('keeps what is known of what is gone, and has it asked for', () => {
    const { cache, apply } = memory()
    apply({ type: 'snapshot', hub: 'h', seq: 1, topic: 'node:fra-1', data: { id: 'fra-1' } })
    const changes = apply({ type: 'snapshot', hub: 'h', seq: 2, topic: 'node:fra-1', data: null })
    expect(changes).toEqual([{ do: 'stale', key: ['node', 'fra-1'] }])
    expect(cache.get(['node', 'fra-1'])).toEqual({ id: 'fra-1' })
  })

  it('puts an event first in the lists that its filter matches, and in no other', () => {
    const all = { key: ['events', {}, 100], filter: {} }
    const push = { key: ['events', { types: ['push.*'] }, 100], filter: { types: ['push.*'] } }
    const iad = { key: ['events', { region: 'iad' }, 100], filter: { region: 'iad' } }
    const { cache, apply, put } = memory([all, push, iad])
    for (const { key } of [all, push, iad]) put(key, { items: [event(1)], nextCursor: null })
    apply(frameOf(event(2)))
    expect((cache.get(all.key) as { items: FleetEvent[] }).items.map((it) => it.id)).toEqual([2, 1])
    expect((cache.get(push.key) as { items: FleetEvent[] }).items.map((it) => it.id)).toEqual([1])
    expect((cache.get(iad.key) as { items: FleetEvent[] }).items.map((it) => it.id)).toEqual([1])
  })

  it('changes nothing when a resume repeats an event', () => {
    const all = { key: ['events', {}, 100], filter: {} }
    const { apply, put } = memory([all])
    put(all.key, { items: [event(2), event(1)], nextCursor: null })
    expect(apply(frameOf(event(2))).filter((change) => change.do === 'set')).toEqual([])
  })

  it('keeps a list of events bounded', () => {
    const full = Array.from({ length: MAX_LIST_EVENTS }, (_, index) => event(MAX_LIST_EVENTS - index))
    const merged = mergeEvents({ items: full, nextCursor: 'c' }, [event(MAX_LIST_EVENTS + 1)])
    expect(merged.items).toHaveLength(MAX_LIST_EVENTS)
    expect(merged.items[0]?.id).toBe(MAX_LIST_EVENTS + 1)
  })

  it('asks for events again after a snapshot, which says that something may have been missed', () => {
    const { apply } = memory()
    const changes = apply({
      type: 'snapshot',
      hub: 'h',
      seq: 9,
      topic: 'events?type=push.*',
      data: { items: [], nextCursor: null },
    })
    expect(changes).toContainEqual({ do: 'stale', key: ['events'] })
  })

  it.each([
    ['incident.opened', ['incidents']],
    ['drain.phase_changed', ['drains']],
    ['node.recovered', ['timeline']],
  ] as const)('marks what %s makes old', (type, key) => {
    expect(memory().apply(frameOf(event(1, { type, data: {} })))).toContainEqual({ do: 'stale', key })
  })

  it('changes nothing on a sample, for which charts do not wait, nor on a ping', () => {
    const { apply } = memory()
    const points = [{ node: 'fra-1', region: 'fra', at: 1, values: {} }]
    expect(
      apply({ type: 'sample', hub: 'h', seq: 1, topic: 'overview', topics: ['overview'], points }),
    ).toEqual([])
    expect(apply({ type: 'ping' })).toEqual([])
  })
})

class FakeSocket {
  readyState = 0
  sent: { type: string; topics?: string[]; after?: unknown }[] = []
  closed = false
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  onerror: ((event: Event) => void) | null = null
  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }
  close(): void {
    this.closed = true
    this.readyState = 3
  }
  open(): void {
    this.readyState = 1
    this.onopen?.({} as Event)
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent)
  }
  end(code: number): void {
    this.readyState = 3
    this.onclose?.({ code } as CloseEvent)
  }
}

describe('LiveConnection', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const start = (position: { hub: string; seq: number } | null = null) => {
    const sockets: FakeSocket[] = []
    const frames: LiveServerMessage[] = []
    const onEnded = vi.fn()
    const connection = new LiveConnection({
      open: () => {
        const socket = new FakeSocket()
        sockets.push(socket)
        return socket as unknown as Socket
      },
      onFrame: (frame) => frames.push(frame),
      onEnded,
      position: async () => position,
      random: () => 1,
    })
    connection.start()
    vi.advanceTimersByTime(0)
    const newest = () => {
      const socket = sockets.at(-1)
      if (!socket) throw new Error('no socket was opened')
      return socket
    }
    return { connection, sockets, frames, onEnded, newest }
  }
  const snapshot = (seq: number) => ({ type: 'snapshot', hub: 'h1', seq, topic: 'overview', data: {} })

  it('opens no socket when it is stopped in the same turn', () => {
    const open = vi.fn()
    const connection = new LiveConnection({
      open,
      onFrame: vi.fn(),
      onEnded: vi.fn(),
      position: async () => null,
    })
    connection.start()
    connection.stop()
    vi.advanceTimersByTime(60_000)
    expect(open).not.toHaveBeenCalled()
  })

  it('comes back to a server that takes some seconds to accept, and gives up on one that never does', () => {
    const { connection, newest, sockets } = start()
    connection.retain('overview')
    newest().open()
    newest().say(snapshot(1))
    vi.advanceTimersByTime(SILENT_MS)
    expect(connection.status.phase).toBe('stale')
    vi.advanceTimersByTime(2_000)
    const tries = sockets.length
    expect(tries).toBeGreaterThan(1)
    // Three seconds in which the new socket only connects: it is not hung up on because the old one was silent.
    vi.advanceTimersByTime(3_000)
    expect(sockets).toHaveLength(tries)
    newest().open()
    newest().say(snapshot(2))
    expect(connection.status.phase).not.toBe('stale')
    connection.stop()

    const never = start()
    vi.advanceTimersByTime(SILENT_MS + 2_000)
    expect(never.sockets.length).toBeGreaterThan(1)
    never.connection.stop()
  })

  it('subscribes each topic once, and unsubscribes it when the last page has left it', () => {
    const { connection, newest } = start()
    const first = connection.retain('overview')
    const second = connection.retain('overview')
    newest().open()
    expect(newest().sent).toEqual([{ type: 'subscribe', topics: ['overview'], samples: false }])
    first()
    vi.advanceTimersByTime(5_000)
    expect(newest().sent).toHaveLength(1)
    second()
    vi.advanceTimersByTime(5_000)
    expect(newest().sent.at(-1)).toEqual({ type: 'unsubscribe', topics: ['overview'] })
    connection.stop()
  })

  it('resumes after the last seq that it saw, and counts what is missing', async () => {
    const { connection, newest, sockets } = start({ hub: 'h1', seq: 12 })
    connection.retain('overview')
    newest().open()
    newest().say(snapshot(7))
    expect(connection.status.phase).toBe('live')
    newest().end(1006)
    expect(connection.status.phase).toBe('stale')
    vi.advanceTimersByTime(500)
    expect(sockets).toHaveLength(2)
    newest().open()
    expect(newest().sent[0]).toEqual({
      type: 'subscribe',
      topics: ['overview'],
      samples: false,
      after: { hub: 'h1', seq: 7 },
    })
    await vi.advanceTimersByTimeAsync(0)
    expect(connection.status).toMatchObject({ phase: 'catching_up', behind: 5 })
    newest().say({ type: 'event', hub: 'h1', seq: 10, topic: 'events', topics: ['events'], event: event(10) })
    expect(connection.status.behind).toBe(2)
    newest().say({ type: 'event', hub: 'h1', seq: 12, topic: 'events', topics: ['events'], event: event(12) })
    expect(connection.status).toMatchObject({ phase: 'live', behind: 0 })
    connection.stop()
  })

  it('takes a socket that is silent for ten seconds for gone, and dials again', () => {
    const { connection, newest, sockets } = start()
    connection.retain('overview')
    newest().open()
    newest().say({ type: 'ping' })
    const first = newest()
    vi.advanceTimersByTime(SILENT_MS + 1_000)
    expect(first.closed).toBe(true)
    expect(connection.status.phase).toBe('stale')
    vi.advanceTimersByTime(15_000)
    expect(sockets.length).toBeGreaterThan(1)
    connection.stop()
  })

  it('backs off longer each time, up to a ceiling', () => {
    const { connection, newest, sockets } = start()
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      const before = sockets.length
      newest().end(1006)
      let waited = 0
      while (sockets.length === before) {
        vi.advanceTimersByTime(100)
        waited += 100
      }
      waits.push(waited)
    }
    expect(waits.slice(0, 4)).toEqual([500, 1_000, 2_000, 4_000])
    expect(Math.max(...waits)).toBe(15_000)
    connection.stop()
  })

  it('dials at once when somebody looks or the network is back, and waits briefly again after that', () => {
    const { connection, newest, sockets } = start()
    connection.wake()
    expect(sockets).toHaveLength(1)
    for (let attempt = 0; attempt < 8; attempt++) {
      newest().end(1006)
      vi.advanceTimersByTime(15_000)
    }
    newest().end(1006)
    const tries = sockets.length
    connection.wake()
    connection.wake()
    expect(sockets).toHaveLength(tries + 1)
    newest().end(1006)
    vi.advanceTimersByTime(500)
    expect(sockets).toHaveLength(tries + 2)
    // One that lives is left alone, and so is a session that has ended.
    newest().open()
    newest().say({ type: 'ping' })
    connection.wake()
    newest().end(4401)
    connection.wake()
    vi.advanceTimersByTime(60_000)
    expect(sockets).toHaveLength(tries + 2)
    connection.stop()
    connection.wake()
    expect(sockets).toHaveLength(tries + 2)
  })

  it('dials no more once the session has ended, until somebody signed in again', () => {
    const { connection, newest, sockets, onEnded } = start()
    newest().open()
    newest().end(4401)
    vi.advanceTimersByTime(120_000)
    expect(sockets).toHaveLength(1)
    expect(onEnded).toHaveBeenCalledOnce()
    connection.restart()
    vi.advanceTimersByTime(0)
    expect(sockets).toHaveLength(2)
    connection.stop()
  })
})

describe('freshnessOf', () => {
  const now = Date.parse('2026-11-21T10:00:00.000Z')
  const at = (secondsAgo: number) => new Date(now - secondsAgo * 1_000).toISOString()
  const node = (over: Partial<Node> = {}): Node =>
    ({ id: 'fra-1', state: 'up', streamState: 'live', lastPollAt: at(1), ...over }) as Node
  const overview = (over: Partial<Overview> = {}): Overview =>
    ({
      nodes: [node()],
      collector: { latenessP99Ms: 3, storeOk: true, startedAt: at(100) },
      ...over,
    }) as Overview
  const live = { phase: 'live', behind: 0, heardAt: now } as const

  const from = at(1)
  const seen = (over: Partial<Overview> = {}) => overview({ at: from, ...over })

  it('is live while all three are', () => {
    expect(freshnessOf(live, seen(), now, now)).toEqual({
      level: 'live',
      text: 'live',
      which: null,
      known: true,
      asOf: Date.parse(from),
    })
  })
  it.each([
    [
      'the socket',
      { phase: 'stale', behind: 0, heardAt: now - 12_000 } as const,
      seen(),
      'stale since 12 s',
      false,
    ],
    [
      'catching up',
      { phase: 'catching_up', behind: 4, heardAt: now } as const,
      seen(),
      'catching up (4)',
      true,
    ],
    [
      'the collector',
      live,
      seen({
        nodes: [node({ lastPollAt: at(12), pollIntervalMs: 5_000 })],
        collector: { latenessP99Ms: 7_000, storeOk: true, startedAt: at(9) },
      }),
      'late by 7 s',
      true,
    ],
    [
      'the only node, not polled',
      live,
      seen({ nodes: [node({ lastPollAt: at(40) })] }),
      'stale since 40 s',
      false,
    ],
    [
      'one node of two, not polled',
      live,
      seen({ nodes: [node(), node({ id: 'fra-2', lastPollAt: at(40) })] }),
      'stale since 40 s',
      true,
    ],
    ['a stream', live, seen({ nodes: [node({ streamState: 'connecting' })] }), 'catching up', true],
    [
      'a session that has ended',
      { phase: 'ended', behind: 0, heardAt: now } as const,
      seen(),
      'signed out',
      false,
    ],
  ])('shows the worst: %s', (_name, socket, data, text, known) => {
    const freshness = freshnessOf(socket, data, now, now)
    expect(freshness.text).toBe(text)
    expect(freshness.which).not.toBeNull()
    expect(freshness.known).toBe(known)
  })
  it('takes a node that is down for an answer, not for missing data', () => {
    const down = seen({
      nodes: [node({ state: 'down', streamState: 'connecting', lastPollAt: at(300) })],
    })
    expect(freshnessOf(live, down, now, now).level).toBe('live')
  })
  it('calls nobody late who was late within the last minute and is not any more', () => {
    const collector = { latenessP99Ms: 7_000, storeOk: true, startedAt: at(90), pollIntervalMs: 5_000 }
    const of = (ageSeconds: number) =>
      freshnessOf(live, seen({ nodes: [node(), node({ lastPollAt: at(ageSeconds) })], collector }), now, now)
        .text
    expect([of(1), of(10), of(10.1)]).toEqual(['live', 'live', 'late by 7 s'])
  })
  it('bears a fleet that is polled once a minute', () => {
    const slow = seen({
      nodes: [node({ lastPollAt: at(70) })],
      collector: { latenessP99Ms: 3, storeOk: true, startedAt: at(900), pollIntervalMs: 60_000 },
    })
    expect(freshnessOf(live, slow, now, now).level).toBe('live')
  })
  it('judges the age of each node by its own interval', () => {
    const of = (pollIntervalMs: number, age: number) =>
      freshnessOf(live, seen({ nodes: [node({ pollIntervalMs, lastPollAt: at(age) })] }), now, now).level
    expect(of(60_000, 70)).toBe('live')
    expect(of(60_000, 200)).toBe('stale')
    expect(of(1_000, 70)).toBe('stale')
  })
  it('does not cry over a socket that is back in a moment, and knows by plain requests what a socket does not tell', () => {
    const lost = (agoMs: number) => ({ phase: 'stale', behind: 0, heardAt: now - agoMs }) as const
    expect(freshnessOf(lost(1_000), seen(), now, now).known).toBe(true)
    expect(freshnessOf(lost(3_000), seen(), now, now).known).toBe(false)
    expect(freshnessOf(lost(60_000), seen(), now, now, now - 4_000).known).toBe(true)
    expect(freshnessOf(lost(60_000), seen(), now, now, now - 11_000).known).toBe(false)
  })
  it('does not stay green where the server died before the first frame, or while this machine slept', () => {
    const connecting = { phase: 'connecting', behind: 0, heardAt: null } as const
    expect(freshnessOf(connecting, seen(), now, now, now - 4_000).known).toBe(true)
    expect(freshnessOf(connecting, seen(), now, now, now - 11_000)).toMatchObject({
      level: 'stale',
      known: false,
    })
    expect(freshnessOf(connecting, undefined, now, now, null).known).toBe(true)
    const slept = { phase: 'live', behind: 0, heardAt: now - 600_000 } as const
    expect(freshnessOf(slept, seen(), now, now)).toMatchObject({ level: 'stale', known: false })
  })
})
