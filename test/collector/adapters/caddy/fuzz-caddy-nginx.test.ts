import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  readUpstreams,
  requestsOf,
  upstreamTable,
} from '../../../../server/collector/adapters/caddy/upstreams.ts'
import { readStubStatus } from '../../../../server/collector/adapters/nginx/stub-status.ts'
import { readJson } from '../../../../server/collector/adapters/untrusted-json.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { FUZZ_SECONDS, fuzzSeed } from '../../../fuzz.ts'

const entry = fc.record(
  {
    address: fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.anything()),
    num_requests: fc.oneof(fc.double(), fc.anything()),
    fails: fc.oneof(fc.double(), fc.anything()),
    healthy: fc.oneof(fc.boolean(), fc.anything()),
  },
  { requiredKeys: [] },
)
const near = fc
  .tuple(
    fc.constantFrom('Active connections: ', 'Active connections:', 'server accepts handled requests\n '),
    fc.array(
      fc.constantFrom('1', '9'.repeat(16), ' ', '\n', '-', 'e', '1 1 1 ', 'Reading: 0 Writing: 1 Waiting: 0'),
    ),
  )
  .map(([begin, parts]) => begin + parts.join(''))

it(
  'lists of upstreams and stub_status pages: whatever comes is read, or refused with a sentence',
  () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.array(entry, { maxLength: 20 }), fc.anything()),
        fc.oneof(near, fc.string({ unit: 'binary', maxLength: 200 })),
        (list, text) => {
          const read = readJson(JSON.stringify(list) ?? '')
          const upstreams = read.ok ? readUpstreams(read.value)?.upstreams : undefined
          if (upstreams) {
            nodeTableSchema.parse(upstreamTable(upstreams))
            expect(requestsOf(upstreams) ?? 0).toBeGreaterThanOrEqual(0)
          }
          const status = readStubStatus(text)
          if (typeof status === 'string') expect(status).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
          else for (const count of Object.values(status)) expect(Number.isSafeInteger(count)).toBe(true)
        },
      ),
      {
        seed: fuzzSeed('Caddy and nginx'),
        numRuns: 1_000_000,
        interruptAfterTimeLimit: FUZZ_SECONDS * 1_000,
        markInterruptAsFailure: false,
      },
    )
  },
  FUZZ_SECONDS * 1_000 + 30_000,
)
