import { afterEach, describe, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import type { LivePublisher } from '../../server/contract/index.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { startJsonNode } from './adapters/json/json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 25 })

/** Some other program's push gateway, which takes pushes and says that all is well, whatever it delivers. */
const start = async (countsIntake: boolean) => {
  const began = Date.now()
  const state = { received: 40, delivered: 40, comes: true, isDelivering: true, lastOkAt: began }
  const gateway = await startJsonNode(null)
  closers.push(() => gateway.close())
  gateway.answer = (_request: unknown, response: { end(text: string): void }) => {
    if (state.comes) state.received += 3
    if (state.isDelivering) {
      state.delivered = state.received
      state.lastOkAt = Date.now()
    }
    const { received, delivered, lastOkAt } = state
    response.end(
      JSON.stringify({
        ok: true,
        total_tokens: 9,
        last_event_received_at: new Date().toISOString(),
        uptime_seconds: (Date.now() - began) / 1_000 + 86_400,
        apns: {
          ...(countsIntake ? { received } : {}),
          sendOk: delivered,
          sendFail: 0,
          lastOkAt: new Date(lastOkAt).toISOString(),
          sessionAlive: true,
          sessionAgeSeconds: 70_000,
        },
      }),
    )
  }
  const { store, remove } = await sqlite.create({ expectedIntervalMs: 200 })
  closers.push(remove)
  const live: LivePublisher = {
    hub: 'hub',
    seq: 0,
    event: () => undefined,
    samples: () => undefined,
    changed: () => undefined,
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: [{ id: 'iad', name: 'Ashburn' }],
    nodes: [
      {
        id: 'push-1',
        region: 'iad',
        kind: 'json',
        preset: 'push-gateway',
        url: gateway.url,
        embedded: false,
      },
    ],
    polling: { intervalMs: 200, timeoutMs: 10_000, allow: [] },
    detect: { 'push.stuck': { received: 20, withinSeconds: 2, forSeconds: 1 } },
    demo: false,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  await collector.start()
  await eventually(() => expect(collector.node('push-1')?.state).toBe('up'))
  const open = () => collector.overview().incidents.flatMap(({ signals }) => signals)
  return { collector, state, open, ends: () => open().filter(({ closedAt }) => closedAt === undefined) }
}

describe.each([
  ['counts what it receives', true],
  ['says only when something came in last', false],
])('a push gateway that %s', (_, countsIntake) => {
  it('opens push.stuck while it answers ok and delivers nothing, and closes it with the next delivery', async () => {
    const { collector, state, ends } = await start(countsIntake)
    expect(ends()).toEqual([])
    state.isDelivering = false
    await eventually(() =>
      expect(ends()).toEqual([expect.objectContaining({ kind: 'push.stuck', scope: 'node:push-1' })]),
    )
    const detail = collector.node('push-1')
    expect(detail?.state).toBe('degraded')
    expect(detail?.problems[0]).toMatch(
      /^push-1 received \d+ pushes and delivered none; the last delivery was/,
    )
    expect(detail?.health).toMatchObject({ ok: true, apns: { sessionAlive: true } })
    expect(detail?.tables[0]).toMatchObject({ id: 'session', rows: [{ session: { word: 'open' } }] })
    state.isDelivering = true
    await eventually(() => expect(ends()).toEqual([]))
  }, 60_000)
})

it('a push gateway to which nothing comes is not stuck', async () => {
  const { state, open } = await start(true)
  state.comes = false
  state.isDelivering = false
  await new Promise((done) => setTimeout(done, 4_000))
  expect(open()).toEqual([])
}, 30_000)
