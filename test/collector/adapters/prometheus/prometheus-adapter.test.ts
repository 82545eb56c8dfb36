import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import {
  PrometheusAdapter,
  type PrometheusTarget,
} from '../../../../server/collector/adapters/prometheus/adapter.ts'
import type { Reading } from '../../../../server/collector/adapters/reading.ts'
import { judge, unknownJudgement } from '../../../../server/collector/judgement/judge.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import {
  PROMETHEUS_PRESETS,
  type PrometheusMap,
  type PrometheusPreset,
} from '../../../../server/contract/prometheus-map.ts'
import { type JsonNode, startJsonNode } from '../json/json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const makeAdapter = (timeoutMs = 2_000): PrometheusAdapter => {
  const adapter = new PrometheusAdapter({ timeoutMs, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const page =
  (body: string | Buffer, headers: Record<string, string> = {}, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4', ...headers }).end(body)
const makeNode = async (answer: RequestListener): Promise<JsonNode> => {
  const node = await startJsonNode(answer)
  closers.push(() => node.close())
  return node
}
const target = (url: string, more: Partial<PrometheusTarget>): PrometheusTarget => ({
  id: 'any-1',
  region: 'fra',
  kind: 'prometheus',
  url,
  embedded: false,
  ...more,
})
const read = async (body: string | RequestListener, map: PrometheusMap): Promise<Reading> => {
  const node = await makeNode(typeof body === 'string' ? page(body) : body)
  return makeAdapter().probe(target(node.url, { map }))
}
const fixture = (name: string): string =>
  readFileSync(new URL(`../../../fixtures/${name}`, import.meta.url), 'utf8')

const POOL = `# TYPE pgbouncer_clients gauge
pgbouncer_clients{state="active",database="a"} 7
pgbouncer_clients{state="active",database="b"} 5
pgbouncer_clients{state="waiting",database="a"} 2
# TYPE queries_total counter
queries_total{database="a"} 1000
queries_total{database="b"} 500
build_info{version="1.22\u202e.0",branch="x"} 1
`

describe('a poll of a node of kind prometheus', () => {
  it('adds up the series that match, by the address as it is written, and holds no more of the page', async () => {
    const asked: (string | undefined)[] = []
    const node = await makeNode((request, response) => {
      asked.push(request.url, request.headers.accept, request.headers.authorization)
      page(POOL)(request, response as never)
    })
    const reading = await makeAdapter().probe(
      target(`${node.url}?target=a`, {
        auth: { user: 'ada', password: 'pässword' },
        map: {
          connections: { metric: 'pgbouncer_clients', labels: { state: 'active' } },
          requests: { metric: 'queries_total', as: 'counter' },
          version: { metric: 'build_info' },
        },
      }),
    )
    expect(asked[0]).toBe('/status/json?target=a')
    expect(asked[1]).toContain('text/plain;version=0.0.4')
    expect(asked[2]).toBe(`Basic ${Buffer.from('ada:pässword').toString('base64')}`)
    expect(reading).toMatchObject({ outcome: 'ok', status: 200 })
    expect(reading.partial).toBeUndefined()
    expect(reading.facts).toMatchObject({
      ok: true,
      problems: [],
      version: '1.22.0',
      uptimeMs: null,
      newestSeq: null,
      gauges: { connections: 12 },
      counters: { requests: { page: 1_500 } },
      drain: null,
    })
    expect(reading.raw).toEqual({
      'pgbouncer_clients{state="active",database="a"}': 7,
      'pgbouncer_clients{state="active",database="b"}': 5,
      'queries_total{database="a"}': 1_000,
      'queries_total{database="b"}': 500,
      'build_info{version="1.22.0",branch="x"}': 1,
    })
    const [table] = reading.facts?.tables ?? []
    expect(nodeTableSchema.parse(table).rows).toContainEqual({
      name: 'connections',
      series: 'pgbouncer_clients{state="active"}',
      count: 2,
      value: '12',
    })
  })

  it.each<[string, RequestListener | string, string, string]>([
    [
      'HTML',
      page('<!doctype html><h1>hi</h1>\n'),
      'bad_body',
      'is HTML or XML; it begins with "<!doctype html>',
    ],
    ['a page of words', page('Not found\nplease go away\n'), 'bad_body', 'it begins with "Not found'],
    ['JSON', page('{"status":"success","up":1}\n'), 'bad_body', 'is JSON; it begins with'],
    ['a list of JSON', page('[\n1,\n2\n]'), 'bad_body', 'is JSON; it begins with'],
    ['nothing', page(''), 'bad_body', 'it is empty'],
    ['comments alone', page('# HELP up it is up\n'), 'bad_body', 'has comments, and no series'],
    ['gzip without saying so', page(gzipSync('up 1\n')), 'bad_body', 'is gzip'],
    ['gzip', page(gzipSync('up 1\n'), { 'content-encoding': 'gzip' }), 'bad_body', 'content encoding gzip'],
    ['bytes that are no text', page(Buffer.from([0xff, 0xfe, 0, 1])), 'bad_body', 'is in UTF-16'],
    [
      'more lines of another kind than series',
      page('up 1\n<a>\n<b>\n'),
      'bad_body',
      '2 of 3 lines are no series; line 2',
    ],
    [
      'twenty megabytes',
      page(Buffer.alloc(20 << 20, 'up 1\n'), { 'content-length': '20971520' }),
      'too_large',
      'announces 20971520 bytes',
    ],
    [
      'twenty megabytes that it does not announce',
      (_request, response) => void response.writeHead(200).end(Buffer.alloc(20 << 20, 'x_total 1\n')),
      'too_large',
      '4194304',
    ],
    ['a redirect', page('', { location: '/elsewhere' }, 302), 'redirect', 'answered 302'],
    ['500', page('up 1\n', {}, 500), 'bad_status', 'answered 500'],
    ['401', page('', {}, 401), 'bad_status', 'give this node auth: { user, password }'],
    [
      'another program’s page',
      page('# TYPE xup gauge\nxup 1\n'),
      'bad_body',
      'no series up in the answer (mapped to ok); near: xup',
    ],
  ])('that answers %s is an outcome with a sentence', async (_title, answer, outcome, words) => {
    const reading = await read(answer, { ok: { metric: 'up' }, connections: { metric: 'conns' } })
    expect(reading.reason).toContain(words)
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason.length).toBeLessThanOrEqual(500)
    expect(reading.facts).toBeUndefined()
  })

  it('closes the connection to an exporter that writes without end, and asks anew', async () => {
    let closed = 0
    const node = await makeNode((request, response) => {
      request.socket.on('close', () => {
        closed += 1
      })
      response.writeHead(200)
      const more = () => {
        while (response.write('some_total{a="b"} 1\n'.repeat(1_000)));
      }
      response.on('drain', more)
      more()
    })
    const adapter = makeAdapter()
    const asked = target(node.url, { map: { ok: { metric: 'up' } } })
    expect((await adapter.probe(asked)).outcome).toBe('too_large')
    await expect.poll(() => closed).toBe(1)
    node.answer = page('up 1\n')
    expect((await adapter.probe(asked)).outcome).toBe('ok')
  })

  it('says that a password is not taken', async () => {
    const node = await makeNode(page('', {}, 401))
    const reading = await makeAdapter().probe(
      target(node.url, { map: { ok: { metric: 'up' } }, auth: { user: 'ada', password: 'hunter22' } }),
    )
    expect(reading.reason).toBe('answered 401: it does not take the user "ada" with the password of auth')
  })

  it.each<[string, string, string]>([
    ['is not there', 'conn 1\nup 1\n', 'no series conns in the answer (mapped to connections); near: conn'],
    [
      'has other labels',
      'conns{state="idle"} 1\nup 1\n',
      'no series conns{state="on"} in the answer (mapped to connections); near: conns{state="idle"}',
    ],
    ['is not a number', 'conns{state="on"} NaN\nup 1\n', 'NaN, which counts nothing, at conns{state="on"}'],
    ['is infinite', 'conns{state="on"} +Inf\nup 1\n', 'Infinity, which counts nothing, at conns{state="on"}'],
    [
      'counts more than there is',
      'conns{state="on"} 1.7e308\nup 1\n',
      '1.7e+308, which counts nothing, at conns',
    ],
    ['is negative', 'conns{state="on"} -1\nup 1\n', '-1, which counts nothing, at conns{state="on"}'],
    ['is there twice', 'conns{state="on"} 1\nconns{state="on"} 2\nup 1\n', 'line 2 says a series again'],
    [
      'is a counter',
      '# TYPE conns counter\nconns{state="on"} 1\nup 1\n',
      'conns is a counter by its # TYPE, and connections is drawn as it is now; say as: gauge',
    ],
    ['cannot be read', 'conns{state="on} 1\nup 1\n', 'line 1 cannot be read as a series'],
    [
      'has too many series',
      `${Array.from({ length: 2_100 }, (_, at) => `conns{state="on",at="${at}"} 1\n`).join('')}up 1\n`,
      'too many series of conns to add up',
    ],
  ])(
    'leaves a number out whose series %s, and the node is degraded with a sentence',
    async (_title, body, words) => {
      const labels = words.includes('no series conns in') ? {} : { labels: { state: 'on' } }
      const reading = await read(body, { ok: { metric: 'up' }, connections: { metric: 'conns', ...labels } })
      expect(reading.outcome).toBe('ok')
      expect(reading.partial?.join(' | ')).toContain(words)
      if (!words.includes('again')) expect(reading.facts?.gauges).toEqual({})
      const judged = judge(judge(unknownJudgement(0), reading), reading)
      expect(judged.state).toBe('degraded')
    },
  )

  it('tells near names with every poll while something is missing', async () => {
    const node = await makeNode(page('requests_totl 1\nup 1\n'))
    const adapter = makeAdapter()
    const asked = target(node.url, { map: { ok: { metric: 'up' }, requests: { metric: 'requests_total' } } })
    for (let poll = 0; poll < 3; poll += 1)
      expect((await adapter.probe(asked)).partial).toEqual([
        'no series requests_total in the answer (mapped to requests); near: requests_totl',
      ])
  })

  it.each<[string, string, string, string | undefined]>([
    ['1', 'up 1\n', 'up', undefined],
    ['0', 'up 0\n', 'degraded', undefined],
    ['1 and 0', 'up{a="1"} 1\nup{a="2"} 0\n', 'degraded', undefined],
    ['NaN', 'up NaN\n', 'degraded', undefined],
    ['of its own region', 'up{region="fra"} 1\n', 'up', 'fra'],
  ])('with an ok that is %s is %s', async (_title, body, state, region) => {
    const reading = await read(body, {
      ok: { metric: 'up' },
      ...(region ? { region: { metric: 'up' } } : {}),
    })
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe(state)
  })

  it.each([
    ['up{region="iad"} 1\n', 'answers for region iad, configured is fra'],
    ['up 1\n', 'answers for no region, configured is fra'],
  ])('that answers %j is of another region', async (body, reason) => {
    expect(await read(body, { ok: { metric: 'up' }, region: { metric: 'up' } })).toMatchObject({
      outcome: 'wrong_region',
      reason,
    })
  })

  it('counts what appears with its first event as zero until then, where that is said', async () => {
    const node = await makeNode(page('up 1\n'))
    const adapter = makeAdapter()
    const asked = target(node.url, {
      map: {
        ok: { metric: 'up' },
        requests_failed: { metric: 'failed_total', labels: { code: '500' }, optional: true },
      },
    })
    let base: CountedBase | null = null
    const rose: (number | undefined)[] = []
    for (const body of [
      'up 1\n',
      'up 1\nfailed_total{code="500"} 3\n',
      'up 1\nfailed_total{code="500"} 4\n',
    ]) {
      node.answer = page(body)
      const { facts, partial } = await adapter.probe(asked)
      if (!facts) throw new Error('no facts')
      expect(partial).toBeUndefined()
      rose.push(sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false }).requests_failed)
      base = countedBase(base, facts)
    }
    expect(rose).toEqual([undefined, 3, 1])
  })

  it('proves that it is empty only where its connections are counted', () => {
    const adapter = makeAdapter()
    expect(adapter.proves(target('http://a', { map: { connections: { metric: 'x' } } }))).toBe('counted')
    expect(adapter.proves(target('http://a', { map: { ok: { metric: 'x' } } }))).toBe('none')
    expect(adapter.proves(target('http://a', { preset: 'cloudflared' }))).toBe('counted')
  })
})

describe('runs of a program by its series', () => {
  const START = 1_700_000_000
  const sequence = async (map: PrometheusMap, answers: readonly string[]) => {
    const node = await makeNode(page(''))
    const adapter = makeAdapter()
    let base: CountedBase | null = null
    const epochs: string[] = []
    const rose: (number | undefined)[] = []
    for (const answer of answers) {
      node.answer = page(answer, { date: new Date((START + 100 + epochs.length * 5) * 1_000).toUTCString() })
      const { facts, reason } = await adapter.probe(target(node.url, { map }))
      // A poll that brought nothing was sent all the same.
      if (!facts && answer === NO_PAGE) continue
      if (!facts) throw new Error(reason)
      epochs.push(facts.epoch)
      rose.push(sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false }).requests)
      base = countedBase(base, facts)
    }
    return { rose, runs: new Set(epochs).size }
  }
  const NO_PAGE = '<html>\n'
  const two = (a: number, b: number) => `n{x="1"} ${a}\nn{x="2"} ${b}\n`
  const MAP: PrometheusMap = { requests: { metric: 'n' } }
  const OWN: PrometheusMap = { ...MAP, started_seconds: { metric: 'process_start_time_seconds' } }
  const since = (seconds: number, rest: string) => `process_start_time_seconds ${seconds}\n${rest}`

  it.each<[string, PrometheusMap, readonly string[], (number | undefined)[], number]>([
    ['counts on within one run', MAP, ['n 100', 'n 103', 'n 103'], [undefined, 3, 0], 1],
    [
      'counts from zero where everything fell',
      MAP,
      [two(100, 50), two(7, 2), two(9, 2)],
      [undefined, 9, 2],
      2,
    ],
    [
      'takes one series that fell for no restart',
      MAP,
      [two(100, 50), two(100, 3), two(101, 4)],
      [undefined, 0, 2],
      1,
    ],
    [
      'loses nothing where a series goes',
      MAP,
      [two(100, 50), 'n{x="1"} 101', two(102, 51)],
      [undefined, 1, 2],
      1,
    ],
    ['counts a series that is new from zero', MAP, ['n{x="1"} 100', two(100, 4)], [undefined, 4], 1],
    [
      'counts from zero where a process began after the last answer, though its counter is higher',
      OWN,
      [since(START, 'n 100'), since(START + 103, 'n 140')],
      [undefined, 140],
      2,
    ],
    [
      'adds nothing where the clock of the node was set, and its beginning with it',
      OWN,
      [since(START, 'n 100'), since(START + 60, 'n 104'), since(START - 3_600, 'n 105')],
      [undefined, 4, 1],
      1,
    ],
    [
      'adds nothing where the kernel’s word for the beginning wobbles',
      OWN,
      [since(START, 'n 100'), since(START + 1, 'n 101'), since(START, 'n 103')],
      [undefined, 1, 2],
      1,
    ],
    [
      'counts on where an exporter began anew, which wrote the page for another',
      MAP,
      [since(START, 'n 1000'), since(START + 102, 'n 1004')],
      [undefined, 4],
      1,
    ],
    [
      'takes it for another run where one counter fell and the process began anew',
      MAP,
      [since(START, two(100, 1)), since(START + 102, two(7, 3))],
      [undefined, 10],
      2,
    ],
    [
      'takes off what our own polls count',
      { requests: { metric: 'n', own: 1 } },
      ['n 100', 'n 101', 'n 105', 'n 1', 'n 4'],
      [undefined, 0, 3, 0, 2],
      2,
    ],
    [
      'takes off what our own polls count, also those that brought no page',
      { requests: { metric: 'n', own: 1 } },
      ['n 100', NO_PAGE, NO_PAGE, 'n 103', 'n 104', 'n 110'],
      [undefined, 0, 0, 5],
      1,
    ],
    [
      'trusts the name of a run where one is mapped',
      { ...MAP, epoch: { metric: 'run', label: 'id' } },
      ['run{id="a"} 1\nn 100', 'run{id="b"} 1\nn 140', 'run{id="b"} 1\nn 150'],
      [undefined, 140, 10],
      2,
    ],
    [
      'trusts how long it runs where that is mapped',
      { ...MAP, uptime_seconds: { metric: 'up_s' } },
      ['up_s 50\nn 100', 'up_s 2\nn 140', 'up_s 7\nn 130'],
      [undefined, 140, 0],
      2,
    ],
    [
      'does not bring a counter that was missing once back as all it ever counted',
      { ...MAP, ok: { metric: 'up' } },
      ['up 1\nn 1000000', 'up 1', 'up 1\nn 1000005'],
      [undefined, undefined, 5],
      1,
    ],
  ])('%s', async (_title, map, answers, rose, runs) => {
    const told = await sequence(
      map,
      answers.map((answer) => `${answer.trim()}\n`),
    )
    expect(told.rose).toEqual(rose)
    expect(told.runs).toBe(runs)
  })
})

describe('presets', () => {
  const FILES: Record<PrometheusPreset, string> = {
    cloudflared: 'cloudflared/metrics.txt',
    traefik: 'traefik/metrics.txt',
    caddy: 'caddy/metrics.txt',
    envoy: 'envoy/metrics.txt',
    haproxy: 'haproxy/metrics.txt',
    nginx: 'nginx/exporter-metrics.txt',
  }
  const byPreset = async (preset: PrometheusPreset, file: string) => {
    const node = await makeNode(page(fixture(file)))
    return makeAdapter().probe(target(node.url, { preset }))
  }
  const rowsOf = (reading: Reading, id: string) =>
    nodeTableSchema.parse(reading.facts?.tables?.find((table) => table.id === id)).rows

  it.each(PROMETHEUS_PRESETS)(
    '%s reads a page of its program, and finds all that it maps',
    async (preset) => {
      const reading = await byPreset(preset, FILES[preset])
      expect(reading.partial).toBeUndefined()
      expect(reading).toMatchObject({ outcome: 'ok', facts: { ok: true } })
      expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe('up')
      for (const table of reading.facts?.tables ?? []) nodeTableSchema.parse(table)
    },
  )

  it.each(PROMETHEUS_PRESETS)(
    '%s refuses the pages of all other programs, or says what they lack',
    async (preset) => {
      for (const [other, file] of Object.entries(FILES)) {
        if (other === preset) continue
        const reading = await byPreset(preset, file)
        // What is of every Go program is all that Caddy's page is sure to have.
        if (preset === 'caddy' && (other === 'traefik' || other === 'cloudflared')) continue
        expect(
          reading.outcome === 'bad_body' || (reading.partial?.length ?? 0) > 0,
          `${preset} reads ${other}`,
        ).toBe(true)
      }
    },
  )

  it('cloudflared: where its connections to the edge are, and were not any more', async () => {
    const reading = await byPreset('cloudflared', FILES.cloudflared)
    expect(reading.facts).toMatchObject({
      version: '2025.11.1',
      gauges: { connections: 3 },
      counters: { requests: { page: 1_523 }, requests_failed: { page: 4 } },
    })
    expect(rowsOf(reading, 'edge')).toEqual([
      { connection_id: '0', edge_location: 'lax01', state: { tone: 'up', word: 'connected' } },
      { connection_id: '1', edge_location: 'sjc08', state: { tone: 'up', word: 'connected' } },
    ])
  })

  it('traefik: requests by service, without the page itself', async () => {
    const reading = await byPreset('traefik', FILES.traefik)
    expect(reading.facts).toMatchObject({
      gauges: { connections: 0, open_fds: 77 },
      counters: { requests: { page: 70_439 }, requests_failed: { page: 0 } },
    })
    expect(rowsOf(reading, 'services')).toEqual([
      { service: 'readiness@http', requests: 70_424, failed: null, retries: null, up: null },
    ])
  })

  it('envoy: clusters, without the admin listener', async () => {
    const reading = await byPreset('envoy', FILES.envoy)
    expect(reading.facts).toMatchObject({
      uptimeMs: 91_000,
      gauges: { connections: 0 },
      counters: { connections_accepted: { page: 2 }, requests: { page: 2 }, bytes_up: { page: 308 } },
    })
    expect(
      rowsOf(reading, 'clusters').map((row) => [row.envoy_cluster_name, row.healthy, row.connections]),
    ).toEqual([
      ['service1', 1, 1],
      ['service2', 1, 1],
    ])
  })

  it('haproxy: backends and servers with their states, without our own session', async () => {
    const reading = await byPreset('haproxy', FILES.haproxy)
    expect(reading.facts).toMatchObject({
      version: '2.6.12-1+deb12u4',
      gauges: { connections: 0 },
      counters: { requests: { page: 4 }, requests_failed: { page: 4 } },
    })
    expect(rowsOf(reading, 'backends')[0]).toMatchObject({
      proxy: 'app',
      state: { tone: 'down', word: 'DOWN' },
    })
    expect(rowsOf(reading, 'servers')[0]).toMatchObject({
      server: 'a1',
      state: { tone: 'down', word: 'DOWN' },
    })
  })

  it('caddy and nginx: what their pages say', async () => {
    const caddy = await byPreset('caddy', FILES.caddy)
    expect(caddy.facts?.counters).toMatchObject({ requests: { page: 4 } })
    expect(rowsOf(caddy, 'upstreams')).toHaveLength(2)
    const nginx = await byPreset('nginx', FILES.nginx)
    expect(nginx.facts).toMatchObject({ gauges: { connections: 0 }, counters: { requests: { page: 5 } } })
    expect(nginx.facts?.version).toBeNull()
  })

  it('takes single names of a preset from the map', async () => {
    const node = await makeNode(page(fixture(FILES.nginx)))
    const reading = await makeAdapter().probe(
      target(node.url, { preset: 'nginx', map: { connections: { metric: 'nginx_connections_waiting' } } }),
    )
    expect(reading.facts?.gauges.connections).toBe(0)
    expect(reading.facts?.counters.requests).toEqual({ page: 5 })
  })
})
