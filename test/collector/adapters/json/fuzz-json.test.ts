import type { RequestListener } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { JsonAdapter } from '../../../../server/collector/adapters/json/adapter.ts'
import { judge, unknownJudgement } from '../../../../server/collector/judgement/judge.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { JSON_MAP_NAMES, type JsonMap, jsonMapSchema } from '../../../../server/contract/json-map.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../../fuzz.ts'
import { startJsonNode } from './json-node.ts'

const NAMES = ['ok', 'a', 'b/c', 'd~e', '', '0', '__proto__', 'constructor', 'toString', 'n']
const KEYS = [...NAMES, '\u202e', '\u0000ok']

it(
  'survives whatever a program answers to whatever map: an outcome with a sentence, and no number that counts nothing',
  async () => {
    const random = seededRandom(fuzzSeed('json nodes'))
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
    const text = () =>
      pick(['', 'fra', 'x'.repeat(Math.floor(random() ** 4 * 5_000)), '\u0000\u202e\ud800', '12'])
    const value = (depth = 0): unknown =>
      pick([
        () => null,
        () => random() < 0.5,
        () => pick([0, -0, 1, -1, 1.5, 1e308, 5e-324, 2 ** 53, Math.floor(random() * 1e6)]),
        text,
        () => (depth > 9 ? 1 : Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1))),
        () =>
          depth > 9
            ? 1
            : Object.fromEntries(Array.from({ length: 5 }, () => [pick(KEYS), value(depth + 1)] as const)),
        () => Object.fromEntries(KEYS.map((key) => [key, Math.floor(random() * 1e6)])),
      ])()
    const body = (): string | Buffer => {
      const json = JSON.stringify(value()) ?? ''
      return pick([
        () => json,
        () => json,
        () => json,
        () => json.slice(0, Math.floor(random() * json.length)),
        () => json.replace(/\d+/, () => pick(['1e999', '-0', '00', 'NaN', '1e-400'])),
        () => json.replace('{', '{"__proto__":{"ok":true,"n":7},'),
        () => '['.repeat(Math.floor(random() * 40_000)),
        () => ' '.repeat(Math.floor(random() * 80_000)),
        () => Buffer.from(Array.from({ length: 50 }, () => Math.floor(random() * 256))),
      ])()
    }
    const pointer = (): string =>
      Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(NAMES))
        .map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
        .join('')
    const map = (): JsonMap =>
      jsonMapSchema.parse(
        Object.fromEntries(
          Array.from({ length: 6 }, () => pick(JSON_MAP_NAMES))
            .filter((name) => name !== 'region' || random() < 0.2)
            .concat('requests')
            .map((name) => [name, pointer()] as const),
        ),
      )
    const node = await startJsonNode(((_request, response) => {
      const headers: Record<string, string> = random() < 0.05 ? { 'content-encoding': 'gzip' } : {}
      response.writeHead(random() < 0.05 ? pick([204, 301, 404, 500]) : 200, headers).end(body())
    }) satisfies RequestListener)
    onTestFinished(() => node.close())
    const adapter = new JsonAdapter({ timeoutMs: 2_000, rules: createAddressRules([]) })
    onTestFinished(() => adapter.close())

    const outcomes = new Map<string, number>()
    let judgement = unknownJudgement(0)
    let base: CountedBase | null = null
    let current = map()
    for (const end = performance.now() + FUZZ_SECONDS * 1_000; performance.now() < end; ) {
      if (random() < 0.2) current = map()
      const target = {
        id: 'any-1',
        region: 'fra',
        kind: 'json',
        url: node.url,
        map: current,
        embedded: false,
      } as const
      const reading = await adapter.probe(target)
      outcomes.set(reading.outcome, (outcomes.get(reading.outcome) ?? 0) + 1)
      expect(reading.facts !== undefined).toBe(reading.outcome === 'ok')
      for (const sentence of [reading.reason, ...(reading.partial ?? [])]) {
        expect(sentence.length).toBeLessThan(600)
        expect(sentence).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      }
      judgement = judge(judgement, reading)
      expect(judgement.problems.length).toBeLessThan(40)
      const { facts } = reading
      if (!facts) continue
      expect(facts.epoch.length).toBeLessThanOrEqual(256)
      const values = sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false })
      base = countedBase(base, facts)
      for (const number of [...Object.values(facts.gauges), ...Object.values(values)]) {
        expect(Number.isFinite(number)).toBe(true)
        expect(number).toBeGreaterThanOrEqual(0)
      }
    }
    // What is tried has to reach behind the first check.
    expect(outcomes.get('ok') ?? 0).toBeGreaterThan(5)
    expect(outcomes.get('bad_body') ?? 0).toBeGreaterThan(5)
  },
  FUZZ_SECONDS * 1_000 + 30_000,
)
