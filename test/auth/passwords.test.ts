import { afterEach, describe, expect, it } from 'vitest'
import { Passwords } from '../../server/auth/passwords.ts'

describe('passwords', () => {
  let passwords: Passwords
  afterEach(() => passwords.close())

  const hold = () => {
    let free: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      free = resolve
    })
    return { held, free }
  }

  it('are worked on one at a time, those of known callers first, and whoever finds no place is told when to come back', async () => {
    passwords = new Passwords({ cost: 16, maxWaiting: 3, maxKnownWaiting: 2 })
    const { held, free } = hold()
    const order: string[] = []
    const turn = (caller: 'known' | 'stranger', name: string) =>
      passwords.inTurn(caller, async () => {
        order.push(name)
        await held
      })
    const all = [
      turn('stranger', 's0'),
      turn('stranger', 's1'),
      turn('stranger', 's2'),
      turn('stranger', 's3'),
    ]
    await expect(turn('stranger', 's4')).rejects.toMatchObject({
      code: 'ERR_CAPACITY',
      retryAfterSeconds: expect.any(Number),
    })
    all.push(turn('known', 'k1'), turn('known', 'k2'))
    await expect(turn('known', 'k3')).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    expect([order, passwords.figures]).toEqual([['s0'], { waiting: 5, refused: 2 }])
    free()
    await Promise.all(all)
    expect(order).toEqual(['s0', 'k1', 'k2', 's1', 's2', 's3'])
    expect(passwords.figures.waiting).toBe(0)
  })

  it('do not wait for ever for a store that hangs', async () => {
    passwords = new Passwords({ cost: 16, turnMs: 50 })
    void passwords.inTurn('stranger', () => new Promise(() => undefined))
    expect(await passwords.inTurn('stranger', async () => 'next')).toBe('next')
    expect(await passwords.inTurn('stranger', async () => 'and the next')).toBe('and the next')
  })

  it('are verified after work that failed, and a stored hash that is none is wrong', async () => {
    passwords = new Passwords({ cost: 16 })
    await expect(passwords.inTurn('known', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const hash = await passwords.hash('pässword')
    expect(await passwords.verify({ hash, password: 'p\u0061\u0308ssword' }), 'in any normal form').toBe(true)
    expect(await passwords.verify({ hash, password: 'other' })).toBe(false)
    for (const bad of ['', ':', 'x:y', `${hash}00`]) {
      expect(await passwords.verify({ hash: bad, password: 'pässword' })).toBe(false)
    }
  })

  it('get a new thread where the old one is stuck', async () => {
    // A cost that takes longer than the deadline stands for whatever holds a thread up.
    passwords = new Passwords({ cost: 2 ** 18, timeoutMs: 20 })
    await expect(passwords.hash('x')).rejects.toThrow('not hashed within 20 ms')
    await expect(passwords.hash('x')).rejects.toThrow()
    await passwords.close()
    await expect(passwords.hash('x')).rejects.toMatchObject({ code: 'ERR_STARTING' })
    passwords = new Passwords({ cost: 16 })
  })
})
