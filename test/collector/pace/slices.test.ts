import { describe, expect, it } from 'vitest'
import { Slices } from '../../../server/collector/pace/slices.ts'

describe('Slices', () => {
  it('is over once its time has passed, and not before', async () => {
    const forever = new Slices(Number.MAX_SAFE_INTEGER)
    expect(forever.isOver).toBe(false)
    const none = new Slices(0)
    expect(none.isOver).toBe(true)
    await none.rest()
    expect(none.isOver).toBe(true)
  })

  it('lets timers that are due have their turn in a rest, and begins anew', async () => {
    const slices = new Slices(20)
    let came = false
    setTimeout(() => {
      came = true
    }, 1)
    while (!slices.isOver) Math.sqrt(performance.now())
    expect(came, 'nobody else has a turn within a slice').toBe(false)
    // Which phase of the loop comes first is not said.
    await slices.rest()
    await slices.rest()
    expect(came).toBe(true)
  })
})
