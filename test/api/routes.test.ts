import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { event, iso, start } from '../store/fixtures.ts'
import { startServer, type TestServer } from './server.ts'

describe('the API', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.close())

  const get = (path: string) => server.asAdmin('GET', `/api/v1${path}`)
  const post = (path: string, body?: unknown) => server.asAdmin('POST', `/api/v1${path}`, body)

  it('answers single objects bare and lists as items with a cursor', async () => {
    expect((await get('/overview')).json).toMatchObject({ verdict: { level: 'ok' }, live: { seq: 1 } })
    expect((await get('/nodes/fra-1')).json).toMatchObject({ id: 'fra-1', state: 'up' })
    expect((await get('/regions/fra')).json).toMatchObject({ id: 'fra', nodeList: [{ id: 'fra-1' }] })
    expect((await get('/regions')).json).toMatchObject({
      items: [{ id: 'fra' }, { id: 'iad' }],
      nextCursor: null,
    })
    expect((await get('/heartbeats')).json).toMatchObject({
      cellMs: 6_000,
      strips: [{ scope: 'region:fra' }],
    })
    expect((await get('/heartbeats?region=fra')).json).toMatchObject({ strips: [{ scope: 'node:fra-1' }] })
    expect((await get('/nodes?region=iad')).json.items).toHaveLength(1)
    expect((await get('/me')).json).toEqual({ email: 'token:environment', role: 'admin', demo: false })
    expect((await get('/system')).json).toMatchObject({
      version: '1.2.3',
      store: { ok: true, reason: null },
      live: { hub: 'h', seq: 7 },
    })
  })

  it.each([
    '/regions/nope',
    '/nodes/nope',
    '/nodes/nope/health',
    '/nodes/iad-1/health',
    '/connections?node=nope',
    '/heartbeats?region=nope',
    '/incidents/nope',
    '/incidents/nope/timeline',
    '/drains/nope',
    '/series?metric=tunnels&scope=node:nope',
  ])('answers 404 at %s', async (path) => {
    expect((await get(path)).json.error.code).toBe('ERR_NOT_FOUND')
  })

  it('pages through hosts, the lost ones too', async () => {
    const first = await get('/tunnels?limit=2')
    expect(first.json.items.map((tunnel: { hostId: string }) => tunnel.hostId)).toEqual(['host-1', 'host-2'])
    const second = await get(`/tunnels?limit=2&cursor=${first.json.nextCursor}`)
    expect(second.json).toMatchObject({ items: [{ hostId: 'host-3', state: 'lost' }], nextCursor: null })
  })

  it.each([
    ['/tunnels?limit=0', 'limit'],
    ['/tunnels?limit=1001', 'limit'],
    ['/tunnels?limit=many', 'limit'],
    ['/tunnels?cursor=abc', 'cursor'],
    ['/events?cursor=abc', 'cursor'],
    ['/audit?cursor=!', 'cursor'],
    ['/events?from=yesterday', 'from'],
    ['/events?what=ever', 'what'],
    ['/series', 'metric'],
    ['/series?metric=tunnels,nope', 'metric[1]'],
    ['/series?metric=tunnels&scope=planet', 'scope'],
    ['/series?metric=tunnels&points=0', 'points'],
    ['/series?metric=tunnels&from=2026-01-02&to=2026-01-01', 'from'],
    ['/incidents?status=broken', 'status'],
    ['/incidents/i1/export?format=pdf', 'format'],
    ['/drains?active=perhaps', 'active'],
  ])('answers 400 at %s and names %s', async (path, field) => {
    const answer = await get(path)
    expect([answer.status, answer.json.error.code]).toEqual([400, 'ERR_INVALID'])
    expect(answer.json.error.facts.problems.map((problem: { path: string }) => problem.path)).toContain(field)
  })

  it('lists the connections of the whole fleet where no node is named', async () => {
    const answer = await get('/connections')
    expect([answer.status, answer.json]).toEqual([
      200,
      { items: [], nextCursor: null, total: 0, unknown: [] },
    ])
  })

  it('draws series in the documented shape', async () => {
    const now = Date.now()
    const t = Math.floor(now / 60_000) * 60_000 - 300_000
    server.place.store.writeSamples([
      { node: 'fra-1', region: 'fra', at: t + 1_000, values: { tunnels: 4, reconnects: 2 } },
      { node: 'iad-1', region: 'iad', at: t + 2_000, values: { tunnels: 6, reconnects: 1 } },
    ])
    await server.place.store.flush()
    const { json } = await get(
      `/series?metric=tunnels,reconnects&from=${iso(t - 600_000)}&to=${t + 300_000}&points=15`,
    )
    expect(json).toMatchObject({ step: 60_000, level: 'raw' })
    expect(json.series).toEqual([
      { scope: 'fleet', metric: 'tunnels', unit: 'tunnels', points: [[t, 10, 10, 10]] },
      { scope: 'fleet', metric: 'reconnects', unit: 'reconnects', points: [[t, 3, 3, 3]] },
    ])
    expect(json.gaps.length).toBeGreaterThan(0)
    const node = await get(`/series?scope=node:fra-1&metric=tunnels&from=${t}&to=${now}&points=5000`)
    expect(node.json.series[0].scope).toBe('node:fra-1')
  })

  it('answers events as JSON and as CSV, with formulas disarmed', async () => {
    await server.place.store.appendEvents([
      event(1, { node: '=cmd()', data: { text: 'say "hi", then' } }),
      event(2, { type: 'push.rejected' }),
    ])
    const json = await get('/events?type=push.*,nothing.here&region=fra')
    expect(json.json).toMatchObject({
      items: [{ seq: 2, type: 'push.rejected', at: iso(start + 2_000) }],
      nextCursor: null,
    })
    const csv = await server.call('GET', '/api/v1/events?order=asc&limit=1', {
      token: server.authOptions.apiToken!,
      headers: { accept: 'text/csv' },
    })
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(csv.headers.get('x-next-cursor')).toBeTruthy()
    const lines = csv.text.split('\r\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe('"id","at","receivedAt","region","node","type","source","epoch","seq","data"')
    expect(lines[1]).toContain(`"'=cmd()"`)
    expect(lines[1]).toContain('"{""text"":""say \\""hi\\"", then""}"')
  })

  it('passes on what operators do, with a reason where they gave one', async () => {
    server.collector.calls.length = 0
    expect((await server.asAdmin('DELETE', '/api/v1/tunnels/host-1', { reason: 'stuck' })).status).toBe(204)
    expect((await server.asAdmin('DELETE', '/api/v1/tunnels/nope')).status).toBe(404)
    expect((await server.asAdmin('DELETE', '/api/v1/connections/fra-1/c1')).status).toBe(204)
    expect((await post('/nodes/fra-1/push/invalidate')).json).toMatchObject({ id: 'fra-1' })
    expect((await post('/incidents/i1/acknowledge', { reason: 'mine' })).json).toMatchObject({ id: 'i1' })
    expect(server.collector.calls).toEqual([
      'kick host-1: stuck',
      'close fra-1/c1: closed by an operator',
      'invalidate fra-1: closed by an operator',
      'acknowledge i1: mine',
    ])
  })

  it('answers 201 with what was created and 200 with what was changed', async () => {
    expect((await post('/drains/preview', { region: 'fra' })).json).toMatchObject({ totalSeconds: 9 })
    const created = await post('/drains', { region: 'fra', reason: 'kernel', confirm: 'fra' })
    expect([created.status, created.json.id]).toEqual([201, 'd2'])
    expect((await post('/drains/d1/abort', { version: 1 })).status).toBe(200)
    expect((await post('/drains/d1/abort', { version: 2 })).json.error).toMatchObject({
      code: 'ERR_VERSION_CONFLICT',
      facts: { by: 'ben', version: 1 },
    })
    expect((await post('/drains/nope/abort', { version: 1 })).status).toBe(404)
    expect((await post('/drains', { region: 'fra', reason: 'kernel', confirm: 'iad' })).status).toBe(422)
    expect((await post('/incidents/i1/acknowledge')).json).toMatchObject({ id: 'i1' })
    expect((await post('/incidents/i1/notes', { text: 'seen' })).status).toBe(201)
    expect((await server.asAdmin('PATCH', '/api/v1/incidents/i1', { title: 'x' })).status).toBe(200)
    expect((await post('/annotations', { title: 'deploy 1', kind: 'deploy' })).status).toBe(201)
  })

  it('exports an incident as Markdown and as JSON', async () => {
    const md = await get('/incidents/i1/export')
    expect([md.text, md.headers.get('content-type')]).toEqual(['# i1\n', 'text/markdown; charset=utf-8'])
    expect((await get('/incidents/i1/export?format=json')).json).toEqual({ id: 'i1' })
  })

  it('reports every problem of a body at once', async () => {
    const answer = await post('/drains', {
      region: 'fra',
      node: 'fra-1',
      strategy: { mode: 'gone' },
      colour: 'red',
    })
    expect(answer.status).toBe(400)
    const paths = answer.json.error.facts.problems.map((problem: { path: string }) => problem.path)
    expect(paths).toEqual(expect.arrayContaining(['reason', 'confirm', 'strategy.mode', 'colour']))
    for (const problem of answer.json.error.facts.problems) expect(problem.message).toBeTruthy()
  })

  it('never answers a bad password with another field of an example, nor with one to copy', async () => {
    const answer = await post('/users', { email: 'ana@example.com', password: 'short', role: 'viewer' })
    expect([answer.status, answer.json.error.facts.problems]).toEqual([
      400,
      [{ path: 'password', message: 'must have at least 8 characters' }],
    ])
  })

  it('refuses what is not JSON, not declared as JSON, or too large', async () => {
    const token = server.authOptions.apiToken!
    expect(
      (await server.call('POST', '/api/v1/drains', { token, body: '{ not json' })).json.error,
    ).toMatchObject({
      code: 'ERR_INVALID',
      facts: { problems: [{ path: '', message: 'must be JSON' }] },
    })
    const plain = await server.call('POST', '/api/v1/drains', {
      token,
      body: '{}',
      headers: { 'content-type': 'text/plain' },
    })
    expect([plain.status, plain.json.error.code]).toEqual([415, 'ERR_MEDIA_TYPE'])
    const large = await server.call('POST', '/api/v1/annotations', {
      token,
      body: JSON.stringify({ title: 'x'.repeat(1_100_000) }),
    })
    expect([large.status, large.json.error.code]).toEqual([413, 'ERR_TOO_LARGE'])
  })

  it.each([
    ['POST', '/nodes/fra-1/push/breaker'],
    ['POST', '/nodes/fra-1/tokens/restore'],
  ])('says of %s %s that it is not there yet', async (method, path) => {
    expect((await server.asAdmin(method, `/api/v1${path}`)).json.error.code).toBe('ERR_UNSUPPORTED')
  })

  it('has no game days where no demo fleet runs', async () => {
    expect((await get('/demo')).status).toBe(404)
    expect((await post('/demo/scenarios/push-stuck')).status).toBe(404)
  })

  it('answers health and metrics without credentials', async () => {
    expect((await server.call('GET', '/healthz/live')).status).toBe(200)
    expect((await server.call('GET', '/healthz/ready')).json).toEqual({ ready: true, reason: null })
    const metrics = await server.call('GET', '/metrics')
    expect(metrics.text).toMatch(/^tidegate_store_up 1$/m)
    expect(metrics.text).toMatch(/^tidegate_nodes\{state="up"\} 2$/m)
  })

  it('keeps its own faults to itself, under a reference that the log has too', async () => {
    const said: unknown[] = []
    const faulty = await startServer({
      api: { log: { error: (facts: unknown) => said.push(facts), warn: () => undefined } as never },
    })
    faulty.collector.fail = new Error('secret detail')
    const answer = await faulty.asAdmin('GET', '/api/v1/overview')
    expect([answer.status, answer.json.error.code]).toEqual([500, 'ERR_INTERNAL'])
    expect(answer.text).not.toContain('secret detail')
    expect(said).toMatchObject([{ ref: answer.json.error.facts.ref }])
    await faulty.close()
  })

  it('gives up a handler that takes too long', async () => {
    const slow = await startServer({ api: { deadlineMs: 100 } })
    let release = (): void => undefined
    slow.collector.hold = new Promise((done) => {
      release = done
    })
    const answer = await slow.asAdmin('POST', '/api/v1/drains/preview', { region: 'fra' })
    expect([answer.status, answer.json.error.code]).toEqual([503, 'ERR_CAPACITY'])
    release()
    await slow.close()
  })
})

describe('the API of a demo fleet', () => {
  it('starts and ends game days', async () => {
    const calls: string[] = []
    const scenario = {
      name: 'push-stuck',
      title: 't',
      does: 'd',
      running: true,
      startedAt: null,
      node: null,
    } as const
    const server = await startServer({
      api: {
        demoMode: true,
        demo: {
          info: () => ({ relays: [], spareHosts: [] }),
          scenarios: () => [scenario],
          startScenario: async (name) => {
            calls.push(`start ${name}`)
            return scenario
          },
          endScenario: async (name) => calls.push(`end ${name}`),
        },
      },
    })
    expect((await server.asAdmin('GET', '/api/v1/demo')).json).toEqual({ relays: [], spareHosts: [] })
    expect((await server.asAdmin('GET', '/api/v1/demo/scenarios')).json.items).toHaveLength(1)
    expect((await server.asAdmin('POST', '/api/v1/demo/scenarios/push-stuck')).status).toBe(202)
    expect((await server.asAdmin('DELETE', '/api/v1/demo/scenarios/push-stuck')).status).toBe(204)
    expect((await server.asAdmin('POST', '/api/v1/demo/scenarios/nope')).status).toBe(404)
    expect(calls).toEqual(['start push-stuck', 'end push-stuck'])
    await server.close()
  })
})
