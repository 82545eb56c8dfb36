import { afterEach, describe, expect, it } from 'vitest'
import type { FleetEvent } from '../../server/contract/events.ts'
import { Budget } from '../../server/live/budget.ts'
import { Hub } from '../../server/live/hub.ts'
import { parseTopic, type Topic } from '../../server/live/topic.ts'
import { createLog } from '../../server/observe/log.ts'

const log = createLog('test', 'silent')
let nextId = 1

const event = (over: Partial<FleetEvent> = {}): FleetEvent => ({
  id: nextId++,
  source: 'node',
  seq: 1,
  epoch: 'e1',
  node: 'fra-1',
  region: 'fra',
  type: 'tunnel.lost',
  at: '2026-01-01T00:00:00.000Z',
  receivedAt: '2026-01-01T00:00:00.000Z',
  data: { hostId: 'host-1', code: 1006, reason: '', heldMs: 1 },
  ...over,
})

const topics = (...names: string[]): Topic[] =>
  names.map((name) => {
    const topic = parseTopic(name)
    if (topic === null) throw new Error(`${name} is not a topic`)
    return topic
  })

type Frame = {
  type: string
  seq: number
  topic: string
  topics?: string[]
  event?: FleetEvent
  data?: unknown
}

const collect = () => {
  const frames: Frame[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  return {
    frames,
    send: (text: string) => {
      frames.push(JSON.parse(text) as Frame)
      for (const entry of waiting) if (frames.length >= entry.count) entry.resolve()
    },
    until: (count: number) =>
      new Promise<void>((resolve) => {
        if (frames.length >= count) resolve()
        else waiting.push({ count, resolve })
      }),
  }
}

describe('the live hub', () => {
  let hub: Hub
  afterEach(() => hub.close())

  it('sends samples to those who draw them, in the same numbers, and keeps none where nobody does', async () => {
    hub = new Hub({ snapshot: () => Promise.resolve({}), log })
    const point = { node: 'fra-1', region: 'fra', at: 1, values: { connections: 3 } }
    const draws = collect()
    const looks = collect()
    const looker = hub.join(looks.send)
    looker.drawSamples(false)
    looker.subscribe(topics('overview', 'node:fra-1'))
    await looks.until(2)
    hub.samples([point])
    expect(hub.figures.ringFrames).toBe(0)

    const drawer = hub.join(draws.send)
    drawer.subscribe(topics('node:fra-1'))
    await draws.until(1)
    hub.samples([point])
    hub.event(event())
    await Promise.all([draws.until(3), looks.until(3)])
    expect(draws.frames.map(({ type }) => type)).toEqual(['snapshot', 'sample', 'event'])
    expect(looks.frames.map(({ type }) => type)).toEqual(['snapshot', 'snapshot', 'event'])

    // Whoever lost the connection a moment ago still finds what came meanwhile.
    const last = draws.frames.at(-1)?.seq ?? 0
    drawer.close()
    hub.samples([point])
    const again = collect()
    hub.join(again.send).subscribe(topics('node:fra-1'), { hub: hub.hub, seq: last })
    await again.until(1)
    expect(again.frames[0]?.type).toBe('sample')
  })

  it('replays nothing to one that draws samples where some were not kept, and all to one that does not', async () => {
    hub = new Hub({ snapshot: () => Promise.resolve({}), log })
    hub.event(event())
    const after = { hub: hub.hub, seq: hub.seq }
    hub.samples([{ node: 'fra-1', region: 'fra', at: 1, values: { connections: 3 } }])
    hub.event(event())
    const [draws, looks, reads] = [collect(), collect(), collect()]
    hub.join(draws.send).subscribe(topics('node:fra-1'), after)
    const looker = hub.join(looks.send)
    looker.drawSamples(false)
    looker.subscribe(topics('node:fra-1'), after)
    hub.join(reads.send).subscribe(topics('events'), after)
    await Promise.all([draws.until(1), looks.until(1), reads.until(1)])
    expect([draws, looks, reads].map(({ frames }) => frames[0]?.type)).toEqual(['snapshot', 'event', 'event'])
  })

  it('sends a snapshot first, then what follows, with ascending numbers', async () => {
    hub = new Hub({ log, snapshot: async (topic) => ({ topic }) })
    const client = collect()
    hub.join(client.send).subscribe(topics('overview', 'events'))
    await client.until(2)
    hub.event(event())
    await client.until(3)
    expect(client.frames.map((frame) => frame.type)).toEqual(['snapshot', 'snapshot', 'event'])
    const numbers = client.frames.map((frame) => frame.seq)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(new Set(numbers).size).toBe(3)
    expect(client.frames[2]?.topics).toEqual(['overview', 'events'])
  })

  it('holds back events published while a snapshot is read, and loses none', async () => {
    let release: (value: unknown) => void = () => undefined
    hub = new Hub({
      log,
      snapshot: () =>
        new Promise((resolve) => {
          release = resolve
        }),
    })
    const client = collect()
    hub.join(client.send).subscribe(topics('events'))
    hub.event(event({ seq: 7 }))
    hub.event(event({ seq: 8 }))
    expect(client.frames).toEqual([])
    release({ items: [] })
    await client.until(3)
    expect(client.frames.map((frame) => frame.event?.seq ?? frame.type)).toEqual(['snapshot', 7, 8])
  })

  it('resumes after a dropped socket without a gap or a repeat', async () => {
    hub = new Hub({ log, snapshot: async () => ({}) })
    const first = collect()
    const subscriber = hub.join(first.send)
    subscriber.subscribe(topics('events'))
    await first.until(1)
    hub.event(event({ seq: 1 }))
    await first.until(2)
    const lastSeen = first.frames.at(-1)?.seq ?? 0
    subscriber.close()
    hub.event(event({ seq: 2 }))
    hub.event(event({ seq: 3 }))
    const second = collect()
    hub.join(second.send).subscribe(topics('events'), { hub: hub.hub, seq: lastSeen })
    hub.event(event({ seq: 4 }))
    await second.until(3)
    expect(second.frames.map((frame) => frame.event?.seq)).toEqual([2, 3, 4])
  })

  it('answers a snapshot where the ring has forgotten, or another hub is named', async () => {
    hub = new Hub({ log, snapshot: async () => ({}), ringSize: 10 })
    for (let index = 0; index < 50; index++) hub.event(event())
    for (const after of [
      { hub: hub.hub, seq: 1 },
      { hub: 'another', seq: 49 },
    ]) {
      const client = collect()
      hub.join(client.send).subscribe(topics('events'), after)
      await client.until(1)
      expect(client.frames[0]?.type).toBe('snapshot')
    }
  })

  it('sends an object that changed while a client was away', async () => {
    hub = new Hub({ log, snapshot: async () => ({ state: 'running' }) })
    const after = { hub: hub.hub, seq: hub.seq }
    hub.changed('drain:D1')
    const client = collect()
    hub.join(client.send).subscribe(topics('drain:D1'), after)
    await client.until(1)
    expect(client.frames[0]).toMatchObject({
      type: 'snapshot',
      topic: 'drain:D1',
      data: { state: 'running' },
    })
  })

  it('sends at most one snapshot per interval, and always the last state', async () => {
    let state = 0
    hub = new Hub({ log, snapshot: async () => state, changeIntervalMs: 20 })
    const client = collect()
    hub.join(client.send).subscribe(topics('overview'))
    await client.until(1)
    for (state = 1; state < 100; state++) hub.changed('overview')
    await expect.poll(() => client.frames.at(-1)?.data).toBe(100)
    expect(client.frames.length).toBeLessThan(10)
  })

  it('filters events by type prefix, region and node', async () => {
    hub = new Hub({ log, snapshot: async () => null })
    const client = collect()
    hub.join(client.send).subscribe(topics('events?type=tunnel.*&region=fra'))
    await client.until(1)
    hub.event(event({ type: 'push.retried' }))
    hub.event(event({ region: 'iad', node: 'iad-1' }))
    hub.event(event({ seq: 42 }))
    await client.until(2)
    expect(client.frames[1]?.event?.seq).toBe(42)
    expect(client.frames).toHaveLength(2)
  })

  it('sends a client that comes back what changed, however many topics changed meanwhile', async () => {
    hub = new Hub({ log, snapshot: async (topic) => topic })
    hub.changed('overview')
    const after = { hub: hub.hub, seq: hub.seq }
    hub.changed('overview')
    for (let index = 0; index < 3_000; index++) hub.changed(`node:n-${index}`)
    const client = collect()
    hub.join(client.send).subscribe(topics('overview', 'node:n-7'), after)
    await client.until(2)
    expect(client.frames.map((frame) => frame.topic)).toEqual(['overview', 'node:n-7'])
    const nothing = collect()
    hub.join(nothing.send).subscribe(topics('overview', 'node:n-2999'), { hub: hub.hub, seq: hub.seq })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(nothing.frames, 'and nothing to one that missed nothing').toEqual([])
  })

  it('does not keep thousands of large events for clients that may come back', async () => {
    hub = new Hub({ log, snapshot: async () => null })
    const reason = 'x'.repeat(256 * 1024)
    for (let index = 0; index < 100; index++) {
      hub.event(event({ seq: index, data: { hostId: 'host-1', code: 1006, reason, heldMs: 1 } }))
    }
    expect(hub.figures.ringBytes).toBeLessThanOrEqual(16 * 1024 * 1024)
    expect(hub.figures.ringFrames).toBe(63)
    const client = collect()
    hub.join(client.send).subscribe(topics('events'), { hub: hub.hub, seq: hub.seq - 3 })
    await client.until(3)
    expect(client.frames.map((frame) => frame.event?.seq)).toEqual([97, 98, 99])
    const late = collect()
    hub.join(late.send).subscribe(topics('events'), { hub: hub.hub, seq: 1 })
    await late.until(1)
    expect(late.frames[0]?.type).toBe('snapshot')
  })

  it('replays some seconds of 1 200 events a second, and sends snapshots where a replay would be a megabyte', async () => {
    hub = new Hub({ log, snapshot: async () => null })
    const after = { hub: hub.hub, seq: hub.seq }
    for (let index = 0; index < 12_000; index++)
      hub.event(event({ seq: index, node: index % 10 === 0 ? 'iad-1' : 'fra-1' }))
    const few = collect()
    hub.join(few.send).subscribe(topics('node:iad-1'), after)
    await few.until(1_200)
    expect(few.frames.map((frame) => frame.event?.seq)).toEqual(
      Array.from({ length: 1_200 }, (_, index) => index * 10),
    )
    const many = collect()
    hub.join(many.send).subscribe(topics('events'), after)
    await many.until(1)
    expect(many.frames[0]?.type).toBe('snapshot')
  })

  it('sends a large snapshot at most once a second while its object changes, and then the last state', async () => {
    const large = 'x'.repeat(100 * 1024)
    let state = 0
    hub = new Hub({ log, snapshot: async () => ({ state, large }), changeIntervalMs: 20 })
    const client = collect()
    hub.join(client.send).subscribe(topics('tunnels'))
    await client.until(1)
    const began = Date.now()
    while (Date.now() - began < 1_500) {
      state++
      hub.changed('tunnels')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(client.frames.length - 1).toBeLessThanOrEqual(Math.ceil((Date.now() - began) / 1_000))
    await expect
      .poll(() => (client.frames.at(-1)?.data as { state: number } | undefined)?.state, { timeout: 5_000 })
      .toBe(state)
  })

  it('reads a topic once for all who wait for it, and in turn between callers', async () => {
    const asked: string[] = []
    const free: (() => void)[] = []
    hub = new Hub({
      log,
      snapshot: (topic) => {
        asked.push(topic)
        return new Promise((resolve) => free.push(() => resolve(null)))
      },
    })
    const caller = () => ({ reads: new Budget(1_000, 1_000) })
    const greedy = caller()
    const many = Array.from({ length: 60 }, (_, index) => `node:n-${index}`)
    hub.join(collect().send, greedy).subscribe(topics(...many))
    hub.join(collect().send, greedy).subscribe(topics(...many))
    const modest = collect()
    hub.join(modest.send, caller()).subscribe(topics('overview'))
    while (free.length > 0) {
      free.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(modest.frames.map((frame) => frame.topic)).toEqual(['overview'])
    expect(asked.indexOf('overview'), 'after the four that had begun, not after sixty').toBeLessThan(6)
    expect(asked.filter((topic) => topic === 'node:n-50')).toHaveLength(1)
  })

  it('does not read what nobody waits for any more', async () => {
    let reads = 0
    hub = new Hub({
      log,
      snapshot: async () => {
        reads++
        await new Promise((resolve) => setTimeout(resolve, 5))
      },
    })
    const subscriber = hub.join(collect().send)
    const many = Array.from({ length: 64 }, (_, index) => `node:n-${index}`)
    for (let round = 0; round < 100; round++) {
      subscriber.subscribe(topics(...many))
      subscriber.unsubscribe(many)
    }
    await expect.poll(() => hub.figures.readsWaiting).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(reads).toBeLessThan(10)
  })

  it.each(['', 'everything', 'region:', 'region:fra/../x', 'events?<script>', `node:${'x'.repeat(65)}`])(
    'takes %j for no topic',
    (name) => {
      hub = new Hub({ log, snapshot: async () => null })
      expect(parseTopic(name)).toBeNull()
    },
  )
})
