import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed } from '../../fuzz.ts'
import { NODES, op, World } from './drain-world.ts'
import { ScriptedProxies } from './scripted-proxies.ts'

const own = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('refuse' as const),
      node: fc.constantFrom(...NODES),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  // An abort or a crash may come at any tick.
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 900 }) }),
  },
)

it('drains of other programs never take everything out, nor leave one out in silence', {
  timeout: FUZZ_SECONDS * 1_000 + 60_000,
}, async () => {
  const seed = fuzzSeed('led drains')
  const began = performance.now()
  let tried = 0
  const ops = fc.array(fc.oneof({ weight: 6, arbitrary: op }, { weight: 1, arbitrary: own }), {
    minLength: 3,
    maxLength: 14,
  })
  await fc.assert(
    fc.asyncProperty(ops, async (each) => {
      // One at least, however loaded the machine is.
      if (tried > 0 && performance.now() - began > FUZZ_SECONDS * 1_000) return
      tried += 1
      const fleet = new ScriptedProxies(['fra', 'iad'])
      const world = new World(fleet)
      fleet.clock = world.bench.monotonic
      fleet.endsEmpty = true
      fleet.standing = (id) => world.bench.desk.standing(id)
      world.onRestart = () => fleet.renameRuns()
      await world.bench.open()
      try {
        for (const one of each) {
          if (one.op === 'refuse') fleet.program(one.node).refuses = one.count
          else await world.do(one)
          await world.look()
        }
        for (const id of NODES) fleet.program(id).refuses = 0
        await world.calmDown()
        await world.look()
        await expect.poll(() => world.hidden(), { timeout: 5_000, interval: 20 }).toEqual([])
        expect(world.broken).toEqual([])
      } finally {
        await world.bench.close()
      }
    }),
    { seed, numRuns: 2_000, endOnFailure: true },
  )
  process.stdout.write(`fuzz led drains: ${tried} worlds\n`)
})
