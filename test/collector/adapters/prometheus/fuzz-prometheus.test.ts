import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readFacts } from '../../../../server/collector/adapters/prometheus/facts.ts'
import { type Page, PageReader } from '../../../../server/collector/adapters/prometheus/page-reader.ts'
import { FUZZ_SECONDS, fuzzSeed } from '../../../fuzz.ts'

const NAMES = ['a', 'requests_total', 'up', 'ü_total']

const read = (chunks: readonly Uint8Array[]): Page => {
  const reader = new PageReader(NAMES, true)
  for (const chunk of chunks) {
    const own = Buffer.from(chunk)
    reader.take(own)
    // Whoever gave the bytes may use them again.
    own.fill(0x7d)
  }
  return reader.end()
}

/** What looks like a page, and what nearly does. */
const line = fc.oneof(
  fc.constantFrom(
    'a 1',
    'requests_total{code="200"} 5 1700000000000',
    'requests_total{code="\\\\\\"\\n"} NaN',
    'up{} +Inf # {id="x"} 1 2',
    '# TYPE requests counter',
    '# TYPE a gauge',
    '# EOF',
    '{"a.b",c="d"} 1',
    'ü_total 1',
    '\r',
    '',
    'a{x="}"} -0',
    'requests_total{code="200"',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .tuple(fc.constantFrom(...NAMES), fc.string({ unit: 'grapheme', maxLength: 40 }))
    .map(([name, rest]) => name + rest),
  fc.integer({ min: 65_500, max: 65_600 }).map((length) => `a{x="${'y'.repeat(length)}"} 1`),
)
const text = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\n\n')), { maxLength: 40 })
  .map((lines) => Buffer.from(lines.flat().join('')))
const anyBytes = fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes))

it(
  'reads any bytes without an error, the same however they are cut, and says no more than it should',
  () => {
    fc.assert(
      fc.property(
        fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: anyBytes }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (bytes, cuts) => {
          const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
          const chunks = [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length))
          const whole = read([bytes])
          expect(read(chunks)).toEqual(whole)
          expect(whole.told.length).toBeLessThanOrEqual(3)
          for (const { why } of whole.told) {
            expect(why.length).toBeLessThan(500)
            expect(why).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
          }
          const facts = readFacts(whole, {
            ok: { metric: 'up' },
            version: { metric: 'a', label: 'x' },
            connections: { metric: 'a' },
            requests: { metric: 'requests_total', labels: { code: '200' } },
          })
          for (const number of Object.values(facts.gauges)) {
            expect(Number.isFinite(number)).toBe(true)
            expect(number).toBeGreaterThanOrEqual(0)
          }
          for (const sentence of facts.missing) expect(sentence.length).toBeLessThan(1_000)
        },
      ),
      {
        seed: fuzzSeed('Prometheus pages'),
        numRuns: 1_000_000,
        interruptAfterTimeLimit: FUZZ_SECONDS * 1_000,
        markInterruptAsFailure: false,
      },
    )
  },
  FUZZ_SECONDS * 1_000 + 30_000,
)
