import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createIntake } from '../../server/collector/intake.ts'
import type { FleetEvent } from '../../server/contract/index.ts'
import type { EventInput, Store } from '../../server/store/store.ts'
import { event, log, sqlite } from '../store/fixtures.ts'

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
  const intake = createIntake({ store, log, onStored: (stored) => void told.push(stored) })
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
        expect(intake.queued).toBe(0)
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
    expect(turns).toBeGreaterThan(10)
  })

  it('is told of our own event at once, though the pipeline was idle after a burst', async () => {
    const { intake } = start(await makeStore())
    await pushAll(intake, 600)
    await eventually(() => expect(intake.queued).toBe(0))
    await delay(60)
    const stored = await intake.store(event(1, { origin: '@collector', source: 'collector', epoch: 'own' }))
    expect(stored).toMatchObject({ seq: 1, source: 'collector' })
  })
})
