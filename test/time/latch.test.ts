import { setImmediate as tick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Latch } from '../../server/time/latch.ts'

describe('Latch', () => {
  it('answers at once where it holds already, or where the wait is over before it begins', async () => {
    const latch = new Latch()
    await expect(latch.wait(() => true, AbortSignal.abort())).resolves.toBe(true)
    await expect(latch.wait(() => false, AbortSignal.abort())).resolves.toBe(false)
    expect(latch.isAwaited).toBe(false)
  })

  it('lets go those whose condition holds, and keeps the others', async () => {
    const latch = new Latch()
    let open = 2
    const story: string[] = []
    const none = latch.wait(() => open === 0).then(() => story.push('none'))
    const few = latch.wait(() => open <= 1).then(() => story.push('few'))
    latch.look()
    await tick()
    expect(story).toEqual([])
    open = 1
    latch.look()
    await few
    expect(story).toEqual(['few'])
    open = 0
    latch.look()
    await none
    expect(story).toEqual(['few', 'none'])
    expect(latch.isAwaited).toBe(false)
  })

  it('ends a wait with its signal and leaves no listener there', async () => {
    const latch = new Latch()
    const limit = new AbortController()
    const ended = latch.wait(() => false, limit.signal)
    limit.abort()
    await expect(ended).resolves.toBe(false)
    expect(latch.isAwaited).toBe(false)
    // A signal that outlives thousands of waits must not collect their listeners.
    const long = new AbortController()
    let added = 0
    const { addEventListener, removeEventListener } = long.signal
    long.signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      added += 1
      addEventListener.apply(long.signal, given)
    }
    long.signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      added -= 1
      removeEventListener.apply(long.signal, given)
    }
    let holds = false
    const wait = latch.wait(() => holds, long.signal)
    expect(added).toBe(1)
    holds = true
    latch.look()
    await expect(wait).resolves.toBe(true)
    expect(added).toBe(0)
  })

  it('releases everybody when the thing itself ends', async () => {
    const latch = new Latch()
    const waits = [latch.wait(() => false), latch.wait(() => false)]
    latch.release()
    await expect(Promise.all(waits)).resolves.toEqual([false, false])
  })
})
