import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../../server/collector/collector.ts'
import { type RoomSources, roomLooks } from '../../../server/collector/watch/room-looks.ts'
import { Pulse, SelfWatch } from '../../../server/collector/watch/self-watch.ts'
import { type LivePublisher, ROOM_PROBLEM_CODES } from '../../../server/contract/index.ts'
import type { Store } from '../../../server/store/store.ts'
import { changedStore, log, sqlite } from '../../store/fixtures.ts'
import { startScriptedNode } from '../scripted-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

const well: RoomSources = {
  pollIntervalMs: () => 5_000,
  storeHealth: () => ({ ok: true, reason: null, bytes: 1 }),
  intake: () => ({ queued: 0, queuedBytes: 0, dropped: 0, stored: 9, oldestAgeMs: null, lastStoredAt: 1 }),
  polls: () => ({ recentLatenessMs: 10, startedAgeMs: 100 }),
  behind: () => [],
  networkLost: () => false,
  detectionAgeMs: () => 900,
  drainsAgeMs: () => null,
  liveAgeMs: () => 100,
  skews: () => [],
  overflowed: () => 0,
}
const intake = (more: Partial<ReturnType<RoomSources['intake']>>) => () => ({ ...well.intake(), ...more })
const codes = (sources: RoomSources) =>
  roomLooks(sources).flatMap(({ code, look }) => (look() === null ? [] : [code]))

describe('what is looked at in the room', () => {
  it('is every part that has a code, and all is well where nothing is wrong', () => {
    // The last are told by those who open the room.
    expect([
      ...roomLooks(well).map(({ code }) => code),
      'store_rows_unreadable',
      'notifications_failing',
      'open_without_tls',
      'config_refused',
      'config_needs_restart',
    ]).toEqual(ROOM_PROBLEM_CODES)
    expect(codes(well)).toEqual([])
  })

  it.each<[string, Partial<RoomSources>, Partial<RoomSources>]>([
    ['store_not_recording', {}, { storeHealth: () => ({ ok: false, reason: 'the disk is full', bytes: 1 }) }],
    ['network_lost', {}, { networkLost: () => true }],
    [
      'events_stand_still',
      { intake: intake({ oldestAgeMs: 10_000 }) },
      { intake: intake({ oldestAgeMs: 10_001, queued: 1 }) },
    ],
    [
      'polls_late',
      { polls: () => ({ recentLatenessMs: 5_000, startedAgeMs: 10_000 }) },
      { polls: () => ({ recentLatenessMs: 5_001, startedAgeMs: 100 }) },
    ],
    ['polls_late', {}, { polls: () => ({ recentLatenessMs: 0, startedAgeMs: 10_001 }) }],
    ['detection_stands_still', { detectionAgeMs: () => 10_000 }, { detectionAgeMs: () => 10_001 }],
    ['drains_stand_still', { drainsAgeMs: () => 10_000 }, { drainsAgeMs: () => 10_001 }],
    ['streams_stand_still', {}, { behind: () => ['fra-1'] }],
    ['live_stands_still', { liveAgeMs: () => 10_000 }, { liveAgeMs: () => 10_001 }],
    ['clock_skew', {}, { skews: () => [{ node: 'fra-1', ms: -62_000 }] }],
  ])('tells %s from its threshold on, in words', (code, before, after) => {
    expect(codes({ ...well, ...before })).toEqual([])
    const looks = roomLooks({ ...well, ...after })
    const found = looks.flatMap((each) => {
      const finding = each.look()
      return finding ? [{ code: each.code, ...finding }] : []
    })
    expect(found.map((finding) => finding.code)).toEqual([code])
    expect(found[0]?.text).toMatch(/^[A-Z].*[^.]$/)
    expect(found[0]?.remedy).toMatch(/^[A-Z].*\.$/)
  })

  it('tells what was lost since it began to look', () => {
    let lost = 5
    const sources = { ...well, intake: () => ({ ...well.intake(), dropped: lost }), overflowed: () => lost }
    const looks = roomLooks(sources).filter(({ code }) => /dropped|overflow/.test(code))
    expect(looks.map(({ look }) => look())).toEqual([null, null])
    lost = 8
    expect(looks.map(({ look }) => look()?.text)).toEqual([
      '3 events were refused by the store and lost',
      'There are more tunnel hosts than can be kept: 3 were left out',
    ])
  })
})

describe('the self-watch', () => {
  it('says once when a part stops and once when it goes on, and since when', async () => {
    let stands = false
    const onChange = vi.fn()
    const watch = new SelfWatch({
      watched: [{ code: 'polls_late', look: () => (stands ? { text: 'Late', remedy: 'Wait.' } : null) }],
      graceMs: () => 0,
      log,
      onChange,
      now: Date.now,
    })
    closers.push(() => watch.close())
    watch.start()
    stands = true
    await eventually(() => expect(watch.problems()).toMatchObject([{ code: 'polls_late', text: 'Late.' }]))
    const since = watch.problems()[0]?.since
    await delay(1_100)
    expect(watch.problems()[0]?.since).toBe(since)
    stands = false
    await eventually(() => expect(watch.problems()).toEqual([]))
    expect(onChange).toHaveBeenCalledTimes(2)
  })

  it('measures how long ago a part made progress, and nothing of one that has nothing to do', () => {
    const pulse = new Pulse()
    expect(pulse.ageMs).toBeNull()
    pulse.beat()
    expect(pulse.ageMs).toBeLessThan(1_000)
    pulse.rest()
    expect(pulse.ageMs).toBeNull()
  })
})

describe('the collector', () => {
  const start = async (change: (store: Store) => Partial<Store>) => {
    const node = await startScriptedNode('fra-1')
    closers.push(() => node.close())
    const { store, remove } = await sqlite.create()
    closers.push(remove)
    let seq = 1
    const live: LivePublisher = {
      hub: 'hub',
      get seq() {
        return seq
      },
      event: () => undefined,
      samples: () => undefined,
      changed() {
        seq += 1
      },
    }
    const collector = new Collector({
      store: changedStore(store, change(store)),
      live,
      log,
      regions: [{ id: 'fra', name: 'fra' }],
      nodes: [{ ...node, id: 'fra-1', region: 'fra', kind: 'tidegate', embedded: false }],
      polling: { intervalMs: 250, timeoutMs: 200, allow: [] },
      demo: true,
      version: '0.1.0',
    })
    closers.push(() => collector.close())
    await collector.start()
    await eventually(() => expect(collector.node('fra-1')?.streamState).toBe('live'))
    return { node, collector, store }
  }

  it('says within two intervals that events stand still, on every page and in the verdict, and that they go on', async () => {
    let gate: PromiseWithResolvers<void> | null = null
    const { node, collector } = await start((store) => ({
      async appendEvents(events) {
        await gate?.promise
        return store.appendEvents(events)
      },
    }))
    await eventually(() => expect(collector.overview().verdict.level).toBe('ok'))
    const closed = Promise.withResolvers<void>()
    gate = closed
    node.emit('node.problem_found', { problem: 'made up' })
    await eventually(() =>
      expect(collector.room().problems.map(({ code }) => code)).toEqual(['events_stand_still']),
    )
    const { verdict, problems } = collector.overview()
    expect(verdict).toMatchObject({
      level: 'attention',
      text: expect.stringMatching(/but events stand still: 1 event waits/),
    })
    expect(problems).toEqual(collector.room().problems)
    expect(collector.room().events.oldestAgeMs).toBeGreaterThan(2_000)
    gate = null
    closed.resolve()
    await eventually(() => expect(collector.overview().problems).toEqual([]))
    expect(collector.room().events).toMatchObject({ queued: 0, oldestAgeMs: null })
  })

  it('says that a clock is wrong, at the node and for the room, while the node does its job', async () => {
    const { node, collector } = await start(() => ({}))
    node.skewMs = -62_000
    await eventually(() => expect(collector.overview().problems[0]?.code).toBe('clock_skew'))
    expect(collector.overview().problems[0]?.text).toMatch(/^The clock of fra-1 is wrong: 6[0-3] s behind\.$/)
    expect(collector.node('fra-1')?.problems[0]).toMatch(
      /^its clock is 6[0-3] s behind; its times are corrected$/,
    )
    expect(collector.node('fra-1')?.state).toBe('up')
    node.skewMs = 0
    await eventually(() => expect(collector.overview().problems).toEqual([]))
  })
})
