import type { RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { JsonAdapter, type JsonTarget } from '../../../../server/collector/adapters/json/adapter.ts'
import { readFacts } from '../../../../server/collector/adapters/json/facts.ts'
import { valueAt } from '../../../../server/collector/adapters/json/pointer.ts'
import { judge, unknownJudgement } from '../../../../server/collector/judgement/judge.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import type { JsonMap } from '../../../../server/contract/json-map.ts'
import { type JsonNode, startJsonNode } from './json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const makeAdapter = (timeoutMs = 2_000): JsonAdapter => {
  const adapter = new JsonAdapter({ timeoutMs, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const makeNode = async (answer: unknown): Promise<JsonNode> => {
  const node = await startJsonNode(answer)
  closers.push(() => node.close())
  return node
}
const target = (url: string, map: JsonMap): JsonTarget => ({
  id: 'any-1',
  region: 'fra',
  kind: 'json',
  url,
  map,
  embedded: false,
})
const read = async (answer: unknown, map: JsonMap) => {
  const node = await makeNode(answer)
  return makeAdapter().probe(target(node.url, map))
}
const raw =
  (body: string | Buffer, headers: Record<string, string> = {}, status = 200): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body)

const PUSH_GATEWAY = {
  ok: true,
  total_tokens: 5_120,
  uptime_seconds: 9_300,
  region: 'fra',
  build: { version: '2.4.1' },
  apns: { received: 900, delivered: [880, 1], open: 12.5 },
}

describe('a JSON Pointer', () => {
  // The document and the examples of RFC 6901 §5.
  const document = {
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'e^f': 3,
    'g|h': 4,
    'i\\j': 5,
    'k"l': 6,
    ' ': 7,
    'm~n': 8,
  }
  it.each([
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
    ['/foo/-', undefined],
    ['/foo/00', undefined],
    ['/foo/2', undefined],
    ['/foo/length', undefined],
    ['/foo/0/length', undefined],
    ['/nowhere/at/all', undefined],
    ['/constructor', undefined],
    ['/__proto__', undefined],
    ['/~01', undefined],
  ])('%j names what it should', (pointer, value) => {
    expect(valueAt(document, pointer)).toEqual(value)
  })
})

describe('a poll of a node of kind json', () => {
  it('reads what is mapped, by the address as it is written, and sends no token', async () => {
    let authorization: string | undefined
    const node = await makeNode(((request, response) => {
      authorization = request.headers.authorization
      response.end(JSON.stringify(PUSH_GATEWAY))
    }) satisfies RequestListener)
    const reading = await makeAdapter().probe(
      target(`${node.url}?verbose=1`, {
        ok: '/ok',
        region: '/region',
        version: '/build/version',
        uptime_seconds: '/uptime_seconds',
        connections: '/apns/open',
        push_received: '/apns/received',
        push_delivered: '/apns/delivered/0',
      }),
    )
    expect(node.paths).toEqual(['GET /status/json?verbose=1'])
    expect(authorization).toBeUndefined()
    expect(reading).toMatchObject({ outcome: 'ok', status: 200, raw: PUSH_GATEWAY })
    expect(reading.partial).toBeUndefined()
    expect(reading.facts).toEqual({
      ok: true,
      problems: [],
      version: '2.4.1',
      epoch: expect.stringContaining(`seen-${reading.at}`),
      uptimeMs: 9_300_000,
      newestSeq: null,
      gauges: { connections: 12.5 },
      counters: { push_received: { answer: 900 }, push_delivered: { answer: 880 } },
      listeners: [],
      lastDeliveryAt: null,
      drain: null,
    })
  })

  it.each<[string, unknown, string, string]>([
    ['HTML', raw('<!doctype html><h1>hi</h1>'), 'bad_body', 'is not JSON'],
    ['broken JSON', raw('{"ok":tru'), 'bad_body', 'is not JSON'],
    ['nothing', raw(''), 'bad_body', 'is not JSON'],
    ['bytes that are no text', raw(Buffer.from([0xff, 0xfe, 0x00])), 'bad_body', 'is in UTF-16'],
    ['JSON nine deep', raw(`${'['.repeat(9)}${']'.repeat(9)}`), 'bad_body', '9 levels deep'],
    ['JSON a hundred thousand deep', raw('['.repeat(65_000)), 'bad_body', '65000 levels deep'],
    ['a megabyte', raw(`"${'x'.repeat(1_000_000)}"`), 'too_large', '65536'],
    ['a gzip bomb', raw(gzipSync('0'.repeat(1e6)), { 'content-encoding': 'gzip' }), 'bad_body', 'gzip'],
    ['a redirect', raw('', { location: '/elsewhere' }, 302), 'redirect', 'answered 302'],
    ['500', raw('{"ok":true}', {}, 500), 'bad_status', 'answered 500'],
    ['401', raw('{}', {}, 401), 'bad_status', 'answered 401'],
    [
      'another region',
      { ok: true, region: 'iad' },
      'wrong_region',
      'answers for region iad, configured is fra',
    ],
    ['no region', { ok: true }, 'wrong_region', 'answers for no region at /region, configured is fra'],
    ['a region that is a list', { ok: true, region: ['fra'] }, 'wrong_region', 'no region at /region'],
  ])('that answers %s is an outcome with a sentence', async (_title, answer, outcome, words) => {
    const reading = await read(answer, { ok: '/ok', region: '/region' })
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason).toContain(words)
    expect(reading.reason.length).toBeLessThan(400)
    expect(reading.facts).toBeUndefined()
    expect(reading.raw).toBeUndefined()
  })

  it('times out where nothing comes, and where the answer trickles', async () => {
    const silent = await makeNode((() => undefined) satisfies RequestListener)
    const slow = await makeNode(((_request, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    }) satisfies RequestListener)
    for (const node of [silent, slow])
      expect((await makeAdapter(200).probe(target(node.url, { ok: '/ok' }))).outcome).toBe('timeout')
  })

  it.each(['http://169.254.169.254/latest', 'http://[fe80::1]/', 'ftp://10.0.0.1/', 'nonsense'])(
    'never dials %s',
    async (url) => {
      const reading = await makeAdapter(500).probe(target(url, { ok: '/ok' }))
      expect(reading.outcome).toBe('blocked_address')
    },
  )

  it.each<[string, unknown, string]>([
    ['is missing', { stats: {} }, 'the answer has no number at /stats/open (mapped to connections)'],
    ['leads nowhere', { other: 1 }, 'the answer has no number at /stats/open (mapped to connections)'],
    ['is null', { stats: { open: null } }, 'the answer has no number at /stats/open (mapped to connections)'],
    ['is text', { stats: { open: '12' } }, 'text instead of a number at /stats/open'],
    ['is a list', { stats: { open: [] } }, 'a list instead of a number at /stats/open'],
    ['is an object', { stats: { open: {} } }, 'an object instead of a number at /stats/open'],
    ['is true', { stats: { open: true } }, 'true instead of a number at /stats/open'],
    ['is negative', { stats: { open: -1 } }, '-1, which counts nothing, at /stats/open'],
    ['counts more than there is', raw('{"stats":{"open":1.7e308}}'), '1.7e+308, which counts nothing, at'],
    ['is beyond all numbers', raw('{"stats":{"open":1e999}}'), 'Infinity, which counts nothing, at'],
    ['lies in plain text', 'fine', 'the answer has no number at /stats/open (mapped to connections)'],
    ['lies in null', null, 'the answer has no number at /stats/open (mapped to connections)'],
  ])(
    'leaves a number out that %s, never as zero, and the node is degraded with a sentence',
    async (_title, answer, words) => {
      const reading = await read(answer, { connections: '/stats/open' })
      expect(reading.outcome).toBe('ok')
      expect(reading.facts?.gauges).toEqual({})
      expect(reading.partial?.[0]).toContain(words)
      const judged = judge(judge(unknownJudgement(0), reading), reading)
      expect(judged.state).toBe('degraded')
      expect(judged.problems).toEqual(reading.partial)
    },
  )

  it.each<[string, unknown, string]>([
    ['true', { ok: true }, 'up'],
    ['false', { ok: false }, 'degraded'],
    ['text', { ok: 'yes' }, 'degraded'],
    ['missing', {}, 'degraded'],
  ])('with ok %s is %s', async (_title, answer, state) => {
    const reading = await read(answer, { ok: '/ok' })
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe(state)
  })

  it('is up by its status where ok is not mapped', async () => {
    const reading = await read({ open: 3 }, { connections: '/open' })
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe('up')
  })

  it('proves that it is empty only where its connections are counted', () => {
    const adapter = makeAdapter()
    expect(adapter.proves(target('http://a', { connections: '/open' }))).toBe('counted')
    expect(adapter.proves(target('http://a', { ok: '/ok' }))).toBe('none')
  })

  it('strips what hides in text, also from what is shown of the answer, and cuts it', async () => {
    const hostile = `\u202e2\u200b.\ufeff0\u0007${'x'.repeat(1_000)}`
    const reading = await read({ version: hostile }, { version: '/version' })
    expect(reading.facts?.version?.startsWith('2.0xxx')).toBe(true)
    expect(reading.facts?.version?.length).toBeLessThanOrEqual(256)
    expect(JSON.stringify(reading.raw)).not.toMatch(/\u202e|\\u0007/)
  })

  it('reads versions and names of runs that are numbers, and nothing that an object inherits', () => {
    expect(readFacts({ version: 12 }, { version: '/version' }).version).toBe('12')
    expect(readFacts(JSON.parse('{"__proto__":{"ok":true}}'), { ok: '/ok' }).ok).toBeUndefined()
  })
})

describe('runs of a program that does not name them', () => {
  const sequence = async (map: JsonMap, answers: unknown[]) => {
    const node = await makeNode(null)
    const adapter = makeAdapter()
    let base: CountedBase | null = null
    const rose: (number | undefined)[] = []
    for (const answer of answers) {
      node.answer = answer
      const { facts } = await adapter.probe(target(node.url, map))
      if (!facts) throw new Error('no facts')
      rose.push(sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false }).requests)
      base = countedBase(base, facts)
    }
    return rose
  }

  it.each<[string, JsonMap, unknown[], (number | undefined)[]]>([
    ['counts on within one run', { requests: '/n' }, [{ n: 100 }, { n: 103 }, { n: 103 }], [undefined, 3, 0]],
    [
      'counts from zero where a counter fell',
      { requests: '/n' },
      [{ n: 100 }, { n: 7 }, { n: 9 }],
      [undefined, 7, 2],
    ],
    [
      'counts from zero where the uptime fell, though the counter is higher',
      { requests: '/n', uptime_seconds: '/up' },
      [
        { n: 100, up: 50 },
        { n: 140, up: 2 },
      ],
      [undefined, 140],
    ],
    [
      'adds nothing where a counter fell but the process ran on',
      { requests: '/n', uptime_seconds: '/up' },
      [
        { n: 100, up: 50 },
        { n: 90, up: 51 },
        { n: 95, up: 52 },
      ],
      [undefined, 0, 5],
    ],
    [
      'does not take a value that wobbles for a restart of everything',
      { requests: '/n', push_received: '/wobbles' },
      [
        { n: 1_000_000, wobbles: 5 },
        { n: 1_000_003, wobbles: 4 },
        { n: 1_000_004, wobbles: 6 },
      ],
      [undefined, 3, 1],
    ],
    [
      'does not bring a counter that was missing once back as all it ever counted',
      { requests: '/n' },
      [{ n: 1_000_000 }, {}, { n: 1_000_005 }],
      [undefined, undefined, 5],
    ],
    [
      'trusts the name of a run where one is mapped',
      { requests: '/n', epoch: '/started' },
      [
        { n: 100, started: 1 },
        { n: 140, started: 2 },
        { n: 150, started: 2 },
      ],
      [undefined, 140, 10],
    ],
  ])('%s', async (_title, map, answers, rose) => {
    expect(await sequence(map, answers)).toEqual(rose)
  })
})
