import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Turn } from '../../server/time/turn.ts'

describe('Turn', () => {
  it('runs one piece at a time, in the order in which they were asked for', async () => {
    const turn = new Turn()
    const story: string[] = []
    let running = 0
    const piece = (name: string, ms: number) =>
      turn.run(async () => {
        running += 1
        expect(running).toBe(1)
        story.push(`${name} begins`)
        await delay(ms)
        story.push(`${name} ends`)
        running -= 1
        return name
      })
    const answers = await Promise.all([piece('a', 5), piece('b', 0), piece('c', 1)])
    expect(answers).toEqual(['a', 'b', 'c'])
    expect(story).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('the disk is full'))],
    [
      'throws at once',
      () => {
        throw new Error('the disk is full')
      },
    ],
  ])('goes on after a piece that %s, whose caller alone gets the failure', async (_how, failing) => {
    const turn = new Turn()
    const failed = turn.run(failing)
    const next = turn.run(() => 'next')
    await expect(failed).rejects.toThrow('the disk is full')
    await expect(next).resolves.toBe('next')
  })

  it('never begins in the tick of the call', async () => {
    const turn = new Turn()
    let began = false
    const done = turn.run(() => {
      began = true
    })
    expect(began).toBe(false)
    await done
    expect(began).toBe(true)
  })

  it('counts what runs or waits, and settles when nothing does', async () => {
    const turn = new Turn()
    const gate = Promise.withResolvers<void>()
    const first = turn.run(() => gate.promise)
    const second = turn.run(() => Promise.reject(new Error('no')))
    second.catch(() => undefined)
    expect(turn.pending).toBe(2)
    gate.resolve()
    await first
    expect(turn.pending).toBe(1)
    await turn.settled()
    expect(turn.pending).toBe(0)
  })
})
