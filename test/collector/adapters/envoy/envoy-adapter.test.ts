import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { EnvoyAdapter } from '../../../../server/collector/adapters/envoy/adapter.ts'
import { readServerInfo } from '../../../../server/collector/adapters/envoy/server-info.ts'
import type { EnvoyTarget } from '../../../../server/collector/adapters/envoy/target.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { startJsonNode } from '../json/json-node.ts'
import { startEnvoyAdmin } from './envoy-admin.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const adapterFor = (timeoutMs = 3_000): EnvoyAdapter => {
  const adapter = new EnvoyAdapter({ timeoutMs, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const start = async () => {
  const admin = await startEnvoyAdmin()
  closers.push(() => admin.close())
  return admin
}
const node = (url: string): EnvoyTarget => ({
  id: 'envoy-1',
  region: 'iad',
  kind: 'envoy',
  url,
  embedded: false,
})
const ORDER = { drainId: 'd1', reason: 'kernel', mode: 'hold', onDeadline: 'wait', initiator: 'ana' } as const
const plain =
  (body: string, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body)

describe('a poll of an Envoy', () => {
  it('reads what its listeners hold and count, without the admin interface and without counting workers twice', async () => {
    const admin = await start()
    const reading = await adapterFor().probe(node(admin.url))
    expect(reading.facts, reading.reason).toMatchObject({
      ok: true,
      problems: [],
      state: 'serving',
      version: '1.37.2',
      epoch: expect.stringMatching(/^0-seen-/),
      uptimeMs: 5_114_000,
      gauges: { connections: 5, requests_pending: 3, rss_bytes: 50_000_000 },
      counters: {
        connections_accepted: { listener: 42 },
        connections_refused: { overflow: 5, overload: 0, global: 0 },
        requests: { http: 120 },
        requests_failed: { http: 2 },
        bytes_up: { http: 1_000, tcp: 10 },
        bytes_down: { http: 2_000, tcp: 20 },
      },
      drain: null,
    })
    expect(admin.calls).toEqual(['GET /server_info', 'GET /stats', 'GET /clusters'])
    expect(JSON.stringify(reading.raw)).not.toContain('metadata')
    for (const table of reading.facts?.tables ?? []) expect(nodeTableSchema.parse(table)).toEqual(table)
    const rows = (id: string) => reading.facts?.tables?.find((table) => table.id === id)?.rows
    expect(rows('listeners')).toEqual([
      { name: '0.0.0.0_10000', active: 4, total: 40 },
      { name: '[__]_10001', active: 1, total: 2 },
    ])
    expect(rows('clusters')).toMatchObject([
      { name: 'web', hosts: 2, healthy: 1, connections: 3, state: { tone: 'degraded' } },
      { name: 'local', hosts: 1, healthy: 1 },
      { name: 'empty', hosts: 0, state: { tone: 'unknown' } },
    ])
    expect(rows('hosts')).toMatchObject([
      { name: '10.1.0.7:8080', requests: 2, total: 118, failed: 2, why: null },
      {
        name: '[fd00::7]:8080',
        connections: 0,
        why: 'fails its health checks, is UNHEALTHY by its discovery service',
      },
      { name: '/run/app.sock' },
    ])
  })

  it('asks only for statistics that it reads, and for clusters once in a while', async () => {
    const admin = await start()
    let asked = ''
    admin.answers['/stats'] = (request, response) => {
      asked = request.url ?? ''
      response.end(JSON.stringify({ stats: [{ name: 'server.live', value: 1 }] }))
    }
    const adapter = adapterFor()
    await adapter.probe(node(admin.url))
    const { facts } = await adapter.probe(node(admin.url))
    expect(admin.calls.filter((call) => call === 'GET /clusters')).toHaveLength(1)
    const query = new URL(asked, 'http://admin').searchParams
    expect([query.get('format'), query.has('usedonly')]).toEqual(['json', true])
    const filter = new RegExp(query.get('filter') ?? '')
    expect(filter.test('listener.0.0.0.0_80.downstream_cx_active')).toBe(true)
    expect(filter.test('cluster.web.upstream_cx_active')).toBe(false)
    // Nobody has ever come: that is nothing, and known.
    expect(facts?.gauges).toEqual({ connections: 0, requests_pending: 0 })
  })

  it.each([
    ['LIVE', 'serving'],
    ['DRAINING', 'draining'],
    ['PRE_INITIALIZING', 'starting'],
    ['INITIALIZING', 'starting'],
  ])('with state %s is %s', async (said, state) => {
    const admin = await start()
    admin.info.state = said
    expect((await adapterFor().probe(node(admin.url))).facts?.state).toBe(state)
  })

  it('is drained only when nothing is open, and says what the process before a hot restart still holds', async () => {
    const admin = await start()
    admin.info.state = 'DRAINING'
    admin.empty()
    admin.set('server.parent_connections', 2)
    const adapter = adapterFor()
    expect((await adapter.probe(node(admin.url))).facts).toMatchObject({
      state: 'draining',
      gauges: { connections: 2 },
      problems: ['the process before a hot restart still holds 2 connections'],
    })
    admin.set('server.parent_connections', 0)
    expect((await adapter.probe(node(admin.url))).facts).toMatchObject({ state: 'drained', problems: [] })
  })

  it('leaves out what is kept, for example a listener for health checks alone', async () => {
    const admin = await start()
    const { facts } = await adapterFor().probe({ ...node(admin.url), keep: ['[__]_10001', 'ingress_http'] })
    expect(facts).toMatchObject({
      gauges: { connections: 4, requests_pending: 0 },
      counters: { connections_accepted: { listener: 40 }, requests: { http: 0 } },
    })
  })

  it('is degraded where a cluster has no healthy host', async () => {
    const admin = await start()
    const host = { address: { pipe: { path: '/a' } }, health_status: { failed_outlier_check: true } }
    admin.clusters = { cluster_statuses: [{ name: 'web', host_statuses: [host, host, host] }] }
    expect((await adapterFor().probe(node(admin.url))).facts).toMatchObject({
      ok: false,
      problems: ['cluster web has no healthy host: all 3 cannot be used'],
    })
  })

  it('counts anew after a hot restart and after a start, and never less than nothing', async () => {
    const admin = await start()
    const adapter = adapterFor()
    let base: CountedBase | null = null
    const rises: (number | undefined)[] = []
    const poll = async () => {
      const { facts, reason } = await adapter.probe(node(admin.url))
      if (facts === undefined) throw new Error(reason)
      rises.push(sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false }).requests)
      base = countedBase(base, facts)
      return facts.epoch
    }
    const first = await poll()
    admin.set('http.ingress_http.downstream_rq_total', 125)
    expect(await poll()).toBe(first)
    // It ran longer than the one before had at our last look: its number tells it.
    admin.restart(1, '9000s')
    admin.set('http.ingress_http.downstream_rq_total', 7)
    const second = await poll()
    admin.restart(1, '2s')
    admin.set('http.ingress_http.downstream_rq_total', 3)
    const third = await poll()
    expect(new Set([first, second, third]).size).toBe(3)
    // One that nobody had used before.
    admin.set('http.new.downstream_rq_total', 4)
    await poll()
    expect(rises).toEqual([undefined, 5, 7, 3, 4])
  })

  it.each<[string, string, RequestListener, string, string]>([
    ['HTML', '/server_info', plain('<!doctype html><h1>hi'), 'bad_body', 'is not JSON'],
    ['another JSON', '/server_info', plain('{"ok":true}'), 'bad_body', 'not that of an Envoy'],
    [
      'a state that there is not',
      '/server_info',
      plain('{"version":"1","uptime_all_epochs":"1s","state":"ODD"}'),
      'bad_body',
      '"ODD"',
    ],
    ['JSON a hundred thousand deep', '/server_info', plain('['.repeat(100_000)), 'bad_body', 'is not JSON'],
    ['403', '/server_info', plain('', 403), 'bad_status', 'answered 403'],
    ['404 for a wrong port', '/server_info', plain('', 404), 'bad_status', 'answered 404'],
    ['a redirect', '/server_info', plain('', 302), 'redirect', 'answered 302'],
    ['no statistics', '/stats', plain('{}'), 'bad_body', 'no list of statistics'],
    ['empty statistics', '/stats', plain('{"stats":[]}'), 'bad_body', 'lack server.live'],
    ['403 for statistics', '/stats', plain('', 403), 'bad_status', '/stats: answered 403'],
    ['twenty megabytes of statistics', '/stats', plain('x'.repeat(20_000_000)), 'too_large', '4194304'],
  ])('that answers %s is an outcome with a sentence', async (_title, path, answer, outcome, words) => {
    const admin = await start()
    admin.answers[path] = answer
    const reading = await adapterFor().probe(node(admin.url))
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason).toContain(words)
    expect(reading.facts).toBeUndefined()
  })

  it('does its job without clusters, and says why they are not shown', async () => {
    const admin = await start()
    admin.answers['/clusters'] = plain('x'.repeat(5_000_000))
    expect((await adapterFor().probe(node(admin.url))).facts).toMatchObject({
      ok: true,
      problems: ['its clusters are not shown: the answer is larger than 4194304 bytes'],
    })
  })

  it('is one deadline for all that it asks', async () => {
    const admin = await start()
    const late: RequestListener = (_request, response) =>
      void setTimeout(() => response.end(JSON.stringify(admin.info)), 200)
    admin.answers['/server_info'] = late
    admin.answers['/stats'] = () => undefined
    const reading = await adapterFor(400).probe(node(admin.url))
    expect(reading.outcome).toBe('timeout')
    expect(reading.durationMs).toBeLessThan(600)
  })

  it('reads a version that is no number of a release', () => {
    expect(readServerInfo('{"version":"custom","uptime_all_epochs":"1s"}')).toMatchObject({
      version: 'custom',
      state: 'LIVE',
      restartEpoch: null,
      uptimeMs: null,
    })
  })
})

describe('the drain of an Envoy', () => {
  it('fails its health checks, is empty when nothing is open, and comes back', async () => {
    const admin = await start()
    const adapter = adapterFor()
    const verbs = adapter.drains(() => node(admin.url))
    const facts = async () => (await verbs.observe()).facts
    expect(verbs.verb).toBe('POST /healthcheck/fail')
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect(await verbs.drain(ORDER)).toEqual({ kind: 'accepted' })
    expect(admin.state).toBe('DRAINING')
    expect(await facts()).toMatchObject({ state: 'draining', gauges: { connections: 5 } })
    admin.empty()
    expect(await facts()).toMatchObject({ state: 'drained', gauges: { connections: 0, requests_pending: 0 } })
    expect(await verbs.resume({ drainId: 'd1', version: 1, reason: 'done', initiator: 'ana' })).toEqual({
      kind: 'accepted',
    })
    expect(await facts()).toMatchObject({ state: 'serving', problems: [] })
    // What cannot be undone is never asked of one that is to come back.
    expect(admin.calls).not.toContain('POST /drain_listeners')
  })

  it('lets go of its listeners once where it is to exit, and says that this cannot be undone', async () => {
    const admin = await start()
    const verbs = adapterFor().drains(() => node(admin.url))
    const exit = { ...ORDER, mode: 'exit' } as const
    await verbs.drain(exit)
    await verbs.drain(exit)
    expect(admin.calls.filter((call) => call.startsWith('POST'))).toEqual([
      'POST /healthcheck/fail',
      'POST /drain_listeners',
      'POST /healthcheck/fail',
    ])
    const resume = { drainId: 'd1', version: 1, reason: 'done', initiator: 'ana' }
    expect(await verbs.resume(resume)).toEqual({
      kind: 'refused',
      why: 'envoy-1 has let go of its listeners, which cannot be undone; start that Envoy again',
    })
    admin.restart(0, '1s')
    expect(await verbs.resume(resume)).toEqual({ kind: 'accepted' })
  })

  it('says what somebody else does to it meanwhile', async () => {
    const admin = await start()
    const verbs = adapterFor().drains(() => node(admin.url))
    await verbs.drain(ORDER)
    await verbs.observe()
    await fetch(`${admin.url}/healthcheck/ok`, { method: 'POST' })
    expect((await verbs.observe()).facts).toMatchObject({
      state: 'serving',
      problems: ['it was taken out of service here, and somebody else brought it back'],
    })
  })

  it('is refused in words, or unheard where nobody answers', async () => {
    const admin = await start()
    const verbs = adapterFor().drains(() => node(admin.url))
    admin.answers['/healthcheck/fail'] = plain('', 403)
    expect(await verbs.drain(ORDER)).toEqual({
      kind: 'refused',
      why: 'envoy-1: POST /healthcheck/fail: answered 403; its administration interface does not allow that path',
    })
    admin.answers['/healthcheck/fail'] = (request) => void request.socket.destroy()
    expect((await verbs.drain(ORDER)).kind).toBe('unheard')
    await admin.close()
    expect((await verbs.drain(ORDER)).kind).toBe('unheard')
    expect(await verbs.observe()).toEqual({ facts: null, silent: true, refused: true })
    const other = await startJsonNode('hello')
    closers.push(() => other.close())
    const wrong = adapterFor().drains(() => node(other.url))
    expect((await wrong.drain(ORDER)).kind).toBe('refused')
    expect(await wrong.observe()).toEqual({ facts: null, silent: false })
  })
})
