import { setImmediate as tick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DeadlineError, within } from '../../server/time/deadline.ts'
import type { Timers } from '../../server/time/timers.ts'

/** Timers that pass when the test says so. */
class HeldTimers implements Timers {
  readonly armed: { act: () => void; ms: number }[] = []

  set(act: () => void, ms: number): unknown {
    const timer = { act, ms }
    this.armed.push(timer)
    return timer
  }

  clear(timer: unknown): void {
    const at = this.armed.indexOf(timer as { act: () => void; ms: number })
    if (at >= 0) this.armed.splice(at, 1)
  }

  pass(): void {
    for (const { act } of [...this.armed]) act()
  }
}

const never = (): Promise<never> => new Promise(() => undefined)

describe('within', () => {
  it.each<[string, Promise<string> | (() => Promise<string>)]>([
    ['a promise', Promise.resolve('done')],
    ['a function', async () => 'done'],
  ])('answers what %s answers in time and leaves no timer behind', async (_kind, work) => {
    const timers = new HeldTimers()
    await expect(within(50, work, { timers })).resolves.toBe('done')
    expect(timers.armed).toHaveLength(0)
  })

  it.each<[string, () => Promise<string>]>([
    ['rejects', () => Promise.reject(new Error('refused'))],
    [
      'throws at once',
      () => {
        throw new Error('refused')
      },
    ],
  ])('passes on the failure of work that %s and leaves no timer behind', async (_how, work) => {
    const timers = new HeldTimers()
    await expect(within(50, work, { timers, late: () => 'late' })).rejects.toThrow('refused')
    expect(timers.armed).toHaveLength(0)
  })

  it('rejects late work with its limit, and aborts the signal of the work', async () => {
    const timers = new HeldTimers()
    let given: AbortSignal | undefined
    const result = within(
      250,
      (signal) => {
        given = signal
        return never()
      },
      { timers },
    )
    result.catch(() => undefined)
    expect(given?.aborted).toBe(false)
    timers.pass()
    await expect(result).rejects.toMatchObject({ name: 'DeadlineError', limitMs: 250 })
    expect(given?.reason).toBeInstanceOf(DeadlineError)
    expect(timers.armed).toHaveLength(0)
  })

  it('answers or throws what `late` does', async () => {
    const timers = new HeldTimers()
    const answered = within(10, never(), { timers, late: ({ limitMs }) => limitMs })
    const thrown = within(10, never(), {
      timers,
      late: () => {
        throw new Error('the store has not answered')
      },
    })
    thrown.catch(() => undefined)
    timers.pass()
    await expect(answered).resolves.toBe(10)
    await expect(thrown).rejects.toThrow('the store has not answered')
  })

  it('takes the deadline of something inside the work for a failure, not for its own', async () => {
    const inner = new DeadlineError(1)
    await expect(within(50, Promise.reject(inner), { late: () => 'late' })).rejects.toBe(inner)
  })

  it('ends with the reason of an outer signal, which the work hears too', async () => {
    const timers = new HeldTimers()
    const outer = new AbortController()
    let given: AbortSignal | undefined
    const result = within(
      50,
      (signal) => {
        given = signal
        return never()
      },
      { timers, signal: outer.signal, late: () => 'late' },
    )
    result.catch(() => undefined)
    outer.abort(new Error('the node stops'))
    await expect(result).rejects.toThrow('the node stops')
    expect(given?.aborted).toBe(true)
    expect(timers.armed).toHaveLength(0)
  })

  it('does not begin work whose outer signal has aborted', async () => {
    let began = false
    const work = async (): Promise<void> => {
      began = true
    }
    await expect(within(50, work, { signal: AbortSignal.abort(new Error('over')) })).rejects.toThrow('over')
    expect(began).toBe(false)
  })

  it('keeps the rejection of late work from everybody', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const timers = new HeldTimers()
    const work = Promise.withResolvers<void>()
    const result = within(10, work.promise, { timers, late: () => 'late' })
    timers.pass()
    await expect(result).resolves.toBe('late')
    work.reject(new Error('too late to matter'))
    await tick()
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  it('never lets a limit above 24.8 days pass at once', async () => {
    const timers = new HeldTimers()
    void within(Number.MAX_SAFE_INTEGER, never(), { timers })
    expect(timers.armed.map(({ ms }) => ms)).toEqual([2 ** 31 - 1])
  })
})
