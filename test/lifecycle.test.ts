import { describe, expect, it } from 'vitest'
import { OpenRooms } from '../server/lifecycle.ts'
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
