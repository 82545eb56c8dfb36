import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed } from '../../fuzz.ts'
import { op, World } from './drain-world.ts'
import { ScriptedFleet } from './scripted-fleet.ts'

it('two operators, dying nodes, lost answers and a bad store never take everything out, nor hide what is out', {
  timeout: FUZZ_SECONDS * 1_000 + 60_000,
}, async () => {
  const seed = fuzzSeed('drains')
  const began = performance.now()
  let tried = 0
  await fc.assert(
    fc.asyncProperty(fc.array(op, { minLength: 3, maxLength: 14 }), async (ops) => {
      // One at least, however loaded the machine is.
      if (tried > 0 && performance.now() - began > FUZZ_SECONDS * 1_000) return
      tried += 1
      const world = new World(new ScriptedFleet(['fra', 'iad']))
      await world.bench.open()
      try {
        for (const each of ops) {
          await world.do(each)
          await world.look()
        }
        await world.calmDown()
        await world.look()
        await expect.poll(() => world.hidden(), { timeout: 5_000, interval: 20 }).toEqual([])
        expect(world.broken).toEqual([])
      } finally {
        await world.bench.close()
      }
    }),
    {
      seed,
      numRuns: 2_000,
      endOnFailure: true,
    },
  )
  process.stdout.write(`fuzz drains: ${tried} worlds\n`)
})
