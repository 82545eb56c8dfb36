import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Intake } from '../../../server/collector/events/intake.ts'
import type { FleetEvent } from '../../../server/contract/index.ts'
import type { EventInput, Store } from '../../../server/store/store.ts'
import { event, log, sqlite } from '../../store/fixtures.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const makeStore = async (): Promise<Store> => {
  const { store, remove } = await sqlite.create()
  closers.push(remove)
  return store
}

/** The same store, with a disk that takes its time. */
const slowed = (store: Store, ms: number): Pick<Store, 'appendEvents'> => ({
  async appendEvents(events: readonly EventInput[]) {
    await delay(ms)
    return store.appendEvents(events)
  },
})

const start = (store: Pick<Store, 'appendEvents'>) => {
  const told: FleetEvent[] = []
  const intake = new Intake({ store, log, onStored: (stored) => void told.push(stored) })
  closers.push(() => intake.close())
  return { intake, told }
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 10 })

const pushAll = async (intake: ReturnType<typeof start>['intake'], count: number): Promise<void> => {
  for (let seq = 1; seq <= count; seq += 1) while (!intake.push(event(seq))) await delay(5)
}

describe('a burst of events', () => {
  for (const count of [499, 500, 501, 520, 5_000, 50_000]) {
    for (const slowMs of count > 5_000 ? [0, 2] : [0, 20]) {
      it(`does not stop the pipeline: ${count} at once into a ${slowMs ? 'slow' : 'fast'} store are stored, and the next one too`, async () => {
        const store = await makeStore()
        const { intake, told } = start(slowMs ? slowed(store, slowMs) : store)

        await pushAll(intake, count)
        await eventually(() => expect(told.length).toBe(count))
        // The timer that was armed before the burst has fired by now.
        await delay(60)
        expect(intake.push(event(count + 1))).toBe(true)

        await eventually(() => expect(told.length).toBe(count + 1))
        expect(intake.figures().queued).toBe(0)
        expect(told.map((one) => one.seq)).toEqual(Array.from({ length: count + 1 }, (_, n) => n + 1))
        expect(await store.position('fra-1')).toMatchObject({ seq: count + 1 })
      }, 40_000)
    }
  }

  it('leaves turns to everybody else while it is being stored', async () => {
    const { intake, told } = start(await makeStore())
    await pushAll(intake, 15_000)
    let turns = 0
    while (told.length < 15_000) {
      turns += 1
      await delay(1)
    }
    expect(turns).toBeGreaterThan(5)
  })

  it('leaves room for the events of others, however much one node sends', async () => {
    const { intake, told } = start(slowed(await makeStore(), 20))
    let taken = 0
    while (intake.push(event(taken + 1))) taken += 1
    expect(taken).toBe(5_000)
    expect(intake.push(event(1, { origin: 'iad-1', node: 'iad-1' }))).toBe(true)
    await intake.room()
    expect(intake.push(event(taken + 1))).toBe(true)
    await eventually(() => expect(told).toHaveLength(taken + 2))
  })

  it('has a ceiling in bytes, and says what waits and since when', async () => {
    const store = await makeStore()
    const gate = Promise.withResolvers<void>()
    const intake = new Intake({
      store: {
        async appendEvents(events: readonly EventInput[]) {
          await gate.promise
          return store.appendEvents(events)
        },
      },
      log,
      onStored: () => undefined,
      maxQueuedBytes: 100_000,
    })
    closers.push(() => intake.close())
    const large = { data: { reason: 'x'.repeat(10_000) } }
    const before = Date.now()
    let taken = 0
    while (intake.push(event(taken + 1, large))) taken += 1
    expect(taken).toBe(9)
    await delay(60)
    expect(intake.figures()).toMatchObject({ queued: 9, stored: 0, lastStoredAt: null })
    expect(intake.figures().oldestAgeMs).toBeGreaterThanOrEqual(50)
    gate.resolve()
    await eventually(() => expect(intake.figures()).toMatchObject({ queued: 0, queuedBytes: 0, stored: 9 }))
    expect(intake.figures().oldestAgeMs).toBeNull()
    expect(intake.figures().lastStoredAt).toBeGreaterThanOrEqual(before)
  })

  it('is told of our own event at once, though the pipeline was idle after a burst', async () => {
    const { intake } = start(await makeStore())
    await pushAll(intake, 600)
    await eventually(() => expect(intake.figures().queued).toBe(0))
    await delay(60)
    const stored = await intake.store(event(1, { origin: '@collector', source: 'collector', epoch: 'own' }))
    expect(stored).toMatchObject({ seq: 1, source: 'collector' })
  })
})

describe('a store that is away for a night', () => {
  it('costs nothing more with every second that somebody waits for room', async () => {
    const { intake } = start({ appendEvents: () => new Promise(() => undefined) })
    const rooms = new Set(Array.from({ length: 1_000 }, () => intake.room()))
    expect(rooms.size).toBe(1)
    await Promise.all(rooms)
    expect(rooms.has(intake.room())).toBe(false)
  })
})
