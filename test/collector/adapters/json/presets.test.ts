import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { JsonAdapter, type JsonTarget } from '../../../../server/collector/adapters/json/adapter.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { nodeEntrySchema } from '../../../../server/contract/kinds/node-entry.ts'
import { startRelay } from '../../../runtime/relay/fixture.ts'
import { startJsonNode } from './json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const GATEWAY = JSON.parse(
  readFileSync(new URL('../../../fixtures/push-gateway/health.json', import.meta.url), 'utf8'),
)

const start = async (answer: unknown, more: Partial<JsonTarget> = { preset: 'push-gateway' }) => {
  const node = await startJsonNode(answer)
  const adapter = new JsonAdapter({ timeoutMs: 5_000, rules: createAddressRules([]) })
  closers.push(
    () => node.close(),
    () => adapter.close(),
  )
  const target: JsonTarget = {
    id: 'push-1',
    region: 'iad',
    kind: 'json',
    url: node.url,
    embedded: false,
    ...more,
  }
  return { node, adapter, target, ask: () => adapter.probe(target) }
}
const withApns = (more: object) => ({ ...GATEWAY, apns: { ...GATEWAY.apns, ...more } })

describe('preset push-gateway', () => {
  it('reads the counters, the last delivery and its session', async () => {
    const { ask, adapter, target } = await start(GATEWAY)
    const { facts, partial, outcome } = await ask()
    expect([outcome, partial]).toEqual(['ok', undefined])
    expect(facts).toMatchObject({
      ok: true,
      uptimeMs: 93_000_000,
      lastDeliveryAt: Date.parse('2026-07-29T10:00:03.500Z'),
      counters: {
        push_received: { apns: 8_830 },
        push_delivered: { apns: 8_800 },
        push_rejected: { apns: 20 },
        push_failed: { apns: 5 },
        pushes_without_token: { apns: 10 },
        session_invalidations: { apns: 3 },
        tokens_pruned: { BadDeviceToken: 7, Unregistered: 13, DeviceTokenNotForTopic: 1, other: 0 },
      },
    })
    const tables = facts?.tables?.map((table) => nodeTableSchema.parse(table))
    expect(tables?.map(({ id }) => id)).toEqual(['session', 'rejected', 'ended', 'pruned'])
    expect(tables?.[0]?.rows[0]).toMatchObject({
      session: { tone: 'up', word: 'open' },
      age: 3_600_000,
      connects: 4,
      tokens: 812,
      delivered: Date.parse('2026-07-29T10:00:03.500Z'),
      failed: null,
      failure: 'TooManyRequests',
    })
    expect(tables?.[1]?.rows).toEqual([
      { reason: 'Unregistered', count: 13 },
      { reason: 'BadDeviceToken', count: 7 },
    ])
    expect(adapter.proves(target)).toBe('none')
  })

  it('takes plain numbers and times in seconds, and misses nothing that a gateway need not say', async () => {
    const { ask } = await start({
      ok: true,
      uptime_seconds: 5,
      apns: { received: 10, sendOk: 9, sendRejected: 1, lastOkAt: 1_785_000_000 },
    })
    const { facts, partial } = await ask()
    expect(partial).toBeUndefined()
    expect(facts?.lastDeliveryAt).toBe(1_785_000_000_000)
    expect(facts?.counters.push_rejected).toEqual({ apns: 1 })
    expect(facts?.counters.push_failed).toBeUndefined()
    expect(facts?.tables?.map(({ id }) => id)).toEqual(['session'])
  })

  it('names the pointer of what is missing or wrong, and what stands there', async () => {
    const { node, ask } = await start({ ...GATEWAY, apns: {}, last_event_received_at: null })
    expect((await ask()).partial).toEqual([
      'the answer has no number at /apns/received (push_received of preset push-gateway)',
      'the answer has no number at /apns/sendOk (push_delivered of preset push-gateway)',
    ])
    node.answer = { ...withApns({ sendOk: 'many', sendFail: [1] }), ok: 'yes' }
    expect((await ask()).partial).toEqual([
      'the answer has text instead of true or false at /ok (mapped to ok; it says "yes")',
      'the answer has text instead of a number at /apns/sendOk (push_delivered of preset push-gateway; it says "many")',
      'the answer has a list instead of a number at /apns/sendFail (push_failed of preset push-gateway)',
    ])
  })

  it('counts at least what was seen to come in, of a gateway that does not count it', async () => {
    const silent = (at: string, uptime = 93_000) => ({
      ...withApns({ received: undefined, lastReceivedAt: undefined }),
      uptime_seconds: uptime,
      last_event_received_at: at,
    })
    const { node, ask } = await start(silent('2026-07-29T10:00:05Z'))
    const seen = async (answer: unknown) => {
      node.answer = answer
      return (await ask()).facts?.counters.pushes_seen?.answer
    }
    expect(await seen(silent('2026-07-29T10:00:05Z'))).toBe(0)
    expect(await seen(silent('2026-07-29T10:00:07Z', 93_002))).toBe(1)
    expect(await seen(silent('2026-07-29T10:00:07Z', 93_004))).toBe(1)
    expect(await seen(silent('2026-07-29T10:00:09Z', 93_006))).toBe(2)
    // The process began anew.
    expect(await seen(silent('2026-07-29T10:00:11Z', 1))).toBe(0)
    expect(await seen(GATEWAY)).toBeUndefined()
  })

  it('lets a map add to it and replace single names', async () => {
    const { ask } = await start(
      { ...GATEWAY, healthy: false, open: 7, stats: { delivered: 11 } },
      {
        preset: 'push-gateway',
        map: { ok: '/healthy', connections: '/open', push_delivered: '/stats/delivered' },
      },
    )
    const { facts, partial } = await ask()
    expect(partial).toBeUndefined()
    expect(facts).toMatchObject({
      ok: false,
      gauges: { connections: 7 },
      counters: { push_delivered: { answer: 11 }, push_received: { apns: 8_830 } },
    })
  })

  it.each([
    null,
    [],
    'x',
    7,
    { apns: null },
    { apns: [] },
    { apns: { sendRejected: { a: 'b' }, lastOkAt: -1 } },
  ])('survives %j', async (answer) => {
    const { ask } = await start(answer)
    const { outcome, partial } = await ask()
    expect(outcome).toBe('ok')
    expect(partial?.length).toBeGreaterThan(0)
  })
})

describe('preset relay', () => {
  it('reads one of our own relays, whole', async () => {
    const relay = await startRelay({ region: 'iad' })
    const adapter = new JsonAdapter({ timeoutMs: 5_000, rules: createAddressRules([]) })
    closers.push(() => adapter.close())
    const url = `http://127.0.0.1:${relay.port}/health`
    const entry = { id: 'relay-9', kind: 'json', preset: 'relay', url, embedded: false } as const
    const reading = await adapter.probe({ ...entry, region: 'iad' })
    expect(reading).toMatchObject({ outcome: 'ok', facts: { ok: true } })
    expect(reading.partial).toBeUndefined()
    expect((await adapter.probe({ ...entry, region: 'fra' })).outcome).toBe('wrong_region')
  })

  it('reads ok, and compares the region', async () => {
    const { node, ask } = await start({ ok: true, region: 'iad' }, { preset: 'relay' })
    expect(await ask()).toMatchObject({ outcome: 'ok', facts: { ok: true } })
    node.answer = { ok: false, region: 'iad' }
    expect((await ask()).facts?.ok).toBe(false)
    node.answer = { ok: true, region: 'fra' }
    expect(await ask()).toMatchObject({
      outcome: 'wrong_region',
      reason: 'answers for region fra, configured is iad',
    })
    node.answer = { ok: true }
    expect((await ask()).outcome).toBe('wrong_region')
  })
})

it('an entry has a preset, or a map, or both', () => {
  const parse = (more: object) =>
    nodeEntrySchema.safeParse({ id: 'a', region: 'iad', kind: 'json', url: 'https://a/health', ...more })
  expect(parse({ preset: 'relay' }).success).toBe(true)
  expect(parse({ preset: 'push-gateway', map: { connections: '/open' } }).success).toBe(true)
  expect(parse({}).error?.issues[0]).toMatchObject({
    path: ['map'],
    message: expect.stringContaining('presets are push-gateway, relay'),
  })
  expect(parse({ preset: 'gateway' }).success).toBe(false)
})
