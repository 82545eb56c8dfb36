import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { CaddyAdapter, type CaddyTarget } from '../../../../server/collector/adapters/caddy/adapter.ts'
import { judge, unknownJudgement } from '../../../../server/collector/judgement/judge.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { startJsonNode } from '../json/json-node.ts'
import { freePort, hasProgram, startProgram } from '../program.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const makeAdapter = (timeoutMs = 2_000): CaddyAdapter => {
  const adapter = new CaddyAdapter({ timeoutMs, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const target = (url: string): CaddyTarget => ({
  id: 'caddy-1',
  region: 'iad',
  kind: 'caddy',
  url,
  embedded: false,
})

const METRICS = `process_start_time_seconds 1.7e+09
process_open_fds 12
process_resident_memory_bytes 3.5e+07
caddy_reverse_proxy_upstreams_healthy{upstream="a:1"} 1
caddy_reverse_proxy_upstreams_healthy{upstream="b:2"} 0
caddy_http_requests_total{handler="subroute",server="srv0"} 40
caddy_http_requests_total{handler="encode",server="srv0"} 40
`
const UPSTREAMS = [
  { address: 'a:1', num_requests: 3, fails: 0 },
  { address: 'b:2', num_requests: 1, fails: 2 },
]

/** A server that answers both paths as Caddy does, or as somebody who is none. */
const startAdmin = async (upstreams: unknown, metrics: string | number | null = METRICS) => {
  const node = await startJsonNode(((request, response) => {
    if (request.url !== '/metrics') {
      if (typeof upstreams === 'number') return void response.writeHead(upstreams).end()
      return void response.end(typeof upstreams === 'string' ? upstreams : JSON.stringify(upstreams))
    }
    if (metrics === null) return
    if (typeof metrics === 'number') return void response.writeHead(metrics).end()
    response.end(metrics)
  }) satisfies RequestListener)
  closers.push(() => node.close())
  return { ...node, url: new URL(node.url).origin, paths: node.paths }
}

describe('a poll of a node of kind caddy', () => {
  it('reads upstreams and what is counted, and says which may not be asked', async () => {
    const admin = await startAdmin(UPSTREAMS)
    const reading = await makeAdapter().probe(target(`${admin.url}/`))
    expect(admin.paths).toEqual(['GET /reverse_proxy/upstreams', 'GET /metrics'])
    expect(reading.partial).toBeUndefined()
    expect(reading).toMatchObject({
      outcome: 'ok',
      facts: {
        ok: true,
        problems: ['1 of 2 upstreams are unhealthy: b:2'],
        gauges: { requests_pending: 4, open_fds: 12, rss_bytes: 3.5e7 },
        // By the handler that answered, not by the one that passed on.
        counters: { requests: { page: 40 } },
      },
    })
    expect(reading.facts?.gauges.connections).toBeUndefined()
    expect(nodeTableSchema.parse(reading.facts?.tables?.[0]).rows).toEqual([
      { address: 'a:1', state: { tone: 'up', word: 'healthy' }, requests: 3, fails: 0 },
      { address: 'b:2', state: { tone: 'down', word: 'unhealthy' }, requests: 1, fails: 2 },
    ])
    expect(makeAdapter().proves(target('http://a'))).toBe('none')
  })

  it('is degraded where none of its upstreams may be asked', async () => {
    const admin = await startAdmin([UPSTREAMS[1]])
    const reading = await makeAdapter().probe(target(admin.url))
    expect(reading.facts).toMatchObject({ ok: false, problems: ['none of its 1 upstreams is healthy'] })
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe('degraded')
  })

  it.each<[string, unknown, string, string]>([
    ['an object', { error: 'no' }, 'bad_body', 'no list of upstreams; is this the admin endpoint of Caddy?'],
    ['HTML', '<html>', 'bad_body', 'is not JSON'],
    ['nothing', '', 'bad_body', 'is not JSON'],
    ['403', 403, 'bad_status', 'name it in admin { origins … } of Caddy'],
    ['404', 404, 'bad_status', 'is not the admin endpoint'],
    ['401', 401, 'bad_status', 'give this node auth'],
    ['500', 500, 'bad_status', 'answered 500'],
    ['two megabytes', `"${'x'.repeat(2e6)}"`, 'too_large', '1048576'],
  ])('that answers %s is an outcome with a sentence', async (_title, upstreams, outcome, words) => {
    const admin = await startAdmin(upstreams)
    const reading = await makeAdapter().probe(target(admin.url))
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason).toContain(words)
    expect(reading.facts).toBeUndefined()
  })

  it.each<[string, unknown, string | number | null, string]>([
    ['has no metrics', UPSTREAMS, 404, '/metrics: answered 404'],
    ['keeps silent about them', UPSTREAMS, null, '/metrics: no complete answer within'],
    ['answers them with HTML', UPSTREAMS, '<html>\n', '/metrics is no page for Prometheus'],
    [
      'lists what is no upstream',
      [...UPSTREAMS, null, 7, {}, { address: '' }],
      METRICS,
      '4 entries of /reverse_proxy/upstreams are no upstreams',
    ],
  ])('is read in part where it %s, within one deadline', async (_title, upstreams, metrics, words) => {
    const admin = await startAdmin(upstreams, metrics)
    const began = performance.now()
    const reading = await makeAdapter(400).probe(target(admin.url))
    expect(performance.now() - began).toBeLessThan(1_500)
    expect(reading.outcome).toBe('ok')
    expect(reading.partial?.join()).toContain(words)
    expect(reading.facts?.gauges.requests_pending).toBe(4)
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe('degraded')
  })

  it('makes nothing up of what an entry does not say', async () => {
    const admin = await startAdmin(
      [
        { address: 'a\u202e:1', num_requests: -1 },
        { address: 'c:3', fails: 'x' },
      ],
      'up 1\n',
    )
    const reading = await makeAdapter().probe(target(admin.url))
    expect(reading.facts?.gauges.requests_pending).toBeUndefined()
    expect(reading.facts?.tables?.[0]?.rows).toEqual([
      { address: 'a:1', state: null, requests: null, fails: null },
      { address: 'c:3', state: null, requests: null, fails: null },
    ])
  })
})

describe.skipIf(!hasProgram('caddy'))('a real Caddy', () => {
  const start = async (admin: (port: number) => string) => {
    const [web, port, dead] = [await freePort(), await freePort(), await freePort()]
    // Answers when it is told to.
    let release: () => void = () => undefined
    const upstream = await startJsonNode(((request, response) => {
      if (request.url === '/wait') release = () => void response.end('late')
      else response.end('hi')
    }) satisfies RequestListener)
    closers.push(() => upstream.close())
    const site = `http://127.0.0.1:${web}`
    const program = await startProgram({
      command: 'caddy',
      args: () => ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
      files: {
        Caddyfile: `{
  ${admin(port)}
  servers {
    metrics
  }
}
${site} {
  reverse_proxy /dead 127.0.0.1:${dead} {
    fail_duration 30s
  }
  reverse_proxy ${new URL(upstream.url).host}
}
`,
      },
      answersAt: site,
    })
    closers.push(() => program.stop())
    const adapter = makeAdapter(5_000)
    let base: CountedBase | null = null
    const poll = async () => {
      const reading = await adapter.probe(target(`http://127.0.0.1:${port}`))
      if (!reading.facts) throw new Error(reading.reason)
      const rose = sampleOf(base, reading.facts, { latencyMs: 1, gapMs: null, freshProcess: false })
      base = countedBase(base, reading.facts)
      return { reading, facts: reading.facts, rose }
    }
    const visit = async (path: string, times = 1) => {
      for (let more = 0; more < times; more += 1) await (await fetch(`${site}${path}`)).text()
    }
    return { port, web, dead, site, program, poll, visit, adapter, release: () => release() }
  }

  it('says what it holds for upstreams and has counted, under traffic and over a restart', async () => {
    const { poll, visit, program, dead, release } = await start((port) => `admin 127.0.0.1:${port}`)
    const first = await poll()
    expect(first.reading.partial).toBeUndefined()
    expect(first.facts.gauges.requests_pending).toBe(0)
    await visit('/', 20)
    expect((await poll()).rose.requests).toBe(20)
    const waiting = visit('/wait')
    await vi.waitFor(async () => expect((await poll()).facts.gauges.requests_pending).toBe(1))
    release()
    await waiting
    await visit('/dead', 2)
    const sick = await poll()
    expect(sick.facts.gauges.requests_pending).toBe(0)
    expect(
      sick.facts.tables?.[0]?.rows.find(({ address }) => String(address).endsWith(`:${dead}`)),
    ).toMatchObject({
      state: expect.objectContaining({ tone: expect.stringMatching(/^(down|degraded)$/) }),
    })
    await program.restart()
    const after = await poll()
    expect(after.facts.epoch).not.toBe(first.facts.epoch)
    await visit('/', 3)
    expect((await poll()).rose.requests ?? 0).toBeLessThan(10)
  })

  it('says what is wrong where the admin endpoint is off, elsewhere, or takes other names', async () => {
    const off = await start(() => 'admin off')
    const reading = await off.adapter.probe(target(`http://127.0.0.1:${off.port}`))
    expect(reading).toMatchObject({ outcome: 'refused' })
    expect(reading.reason).toContain('may be off, or listen elsewhere')
    // The site instead of the admin endpoint.
    const site = await off.adapter.probe({ ...target(off.site), id: 'other' })
    expect(site).toMatchObject({ outcome: 'bad_body' })
    expect(site.reason).toContain('is this the admin endpoint of Caddy?')
    const other = await start(
      (port) => `admin 127.0.0.1:${port} {
    origins caddy.internal
    enforce_origin
  }`,
    )
    const refused = await other.adapter.probe(target(`http://127.0.0.1:${other.port}`))
    expect(refused).toMatchObject({ outcome: 'bad_status', status: 403 })
    expect(refused.reason).toContain('name it in admin { origins … } of Caddy')
  })
})
