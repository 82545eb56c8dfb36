import { describe, expect, it } from 'vitest'
import { OpenRooms, StopWish } from '../server/lifecycle.ts'
import { createLog } from '../server/observe/log.ts'

const log = createLog('test', 'silent')

describe('open rooms', () => {
  it('close in reverse order, each awaited before the next', async () => {
    const rooms = new OpenRooms(log)
    const closed: string[] = []
    for (const name of ['store', 'collector', 'web']) {
      rooms.add(name, async () => {
        closed.push(`${name} begins`)
        await new Promise((resolve) => setTimeout(resolve, 5))
        closed.push(`${name} ends`)
      })
    }
    expect(await rooms.closeAll()).toEqual([])
    expect(closed).toEqual([
      'web begins',
      'web ends',
      'collector begins',
      'collector ends',
      'store begins',
      'store ends',
    ])
  })

  it('go on closing when one fails or hangs, and say which', async () => {
    const rooms = new OpenRooms(log, 20)
    const closed: string[] = []
    rooms.add('first', () => closed.push('first'))
    rooms.add('hangs', () => new Promise(() => undefined))
    rooms.add('fails', () => Promise.reject(new Error('no')))
    expect(await rooms.closeAll()).toEqual(['fails', 'hangs'])
    expect(closed).toEqual(['first'])
  })

  it('close once, however often they are asked', async () => {
    const rooms = new OpenRooms(log)
    let count = 0
    rooms.add('one', () => {
      count += 1
    })
    await rooms.closeAll()
    await rooms.closeAll()
    expect(count).toBe(1)
  })
})

describe('the wish to stop', () => {
  it('is remembered when it comes before anybody waits for it, and a second signal changes nothing', async () => {
    const before = new Set(process.listeners('SIGTERM'))
    const wish = new StopWish()
    try {
      expect(wish.isAsked).toBe(false)
      process.emit('SIGTERM', 'SIGTERM')
      process.emit('SIGINT', 'SIGINT')
      expect(wish.isAsked).toBe(true)
      expect(await wish.asked).toBe('SIGTERM')
    } finally {
      wish.release()
      for (const listener of process.listeners('SIGTERM'))
        if (!before.has(listener)) process.off('SIGTERM', listener)
    }
  })

  it.each([
    ['a wish to stop where nothing can be read again', null, ['SIGHUP'], 0],
    ['a call where something can be read again', 'reload', [], 2],
  ] as const)(
    'takes SIGHUP for %s, also one that came before that was known',
    async (_, means, reasons, calls) => {
      const before = new Set(process.listeners('SIGHUP'))
      const wish = new StopWish()
      const said: string[] = []
      let called = 0
      void wish.asked.then((reason) => said.push(reason))
      try {
        process.emit('SIGHUP', 'SIGHUP')
        expect(wish.isAsked).toBe(false)
        wish.onHangUp(means === null ? null : () => void called++)
        process.emit('SIGHUP', 'SIGHUP')
        await Promise.resolve()
        expect(said).toEqual(reasons)
        expect(called).toBe(calls)
        wish.ask('enough')
        process.emit('SIGHUP', 'SIGHUP')
        expect(called).toBe(calls)
      } finally {
        wish.release()
        for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
          for (const listener of process.listeners(signal))
            if (signal !== 'SIGHUP' || !before.has(listener)) process.off(signal, listener)
      }
    },
  )
})
