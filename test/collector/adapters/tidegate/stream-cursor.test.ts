import { describe, expect, it } from 'vitest'
import { FrameQueue } from '../../../../server/collector/adapters/tidegate/frame-queue.ts'
import { type Standing, StreamCursor } from '../../../../server/collector/adapters/tidegate/stream-cursor.ts'

const hello = (newest: number, oldest = 1, epoch = 'run1') => ({ epoch, newest, oldest })
const at = (seq: number, epoch = 'run1') => ({ epoch, seq })
/** Read up to `seq` of `run1`, of which the node had `newest` when it greeted. */
const cursorAt = (seq: number, newest = seq): StreamCursor => {
  const cursor = new StreamCursor()
  cursor.resumeAt(at(seq))
  cursor.greet(hello(newest), false)
  return cursor
}

describe('where an event stands', () => {
  it.each<[string, { epoch: string; seq: number }, Standing]>([
    ['the next', at(11), 'next'],
    ['one further', at(12), 'ahead'],
    ['as far as a leap may be', at(20 + 100_000), 'ahead'],
    ['further', at(21 + 100_000), 'leap'],
    ['the newest that was taken', at(10), 'repeat'],
    ['the first', at(1), 'repeat'],
    ['of another run', at(11, 'run2'), 'foreign'],
  ])('%s', (_title, place, standing) => {
    expect(cursorAt(10, 20).standingOf(place)).toBe(standing)
  })

  it('is foreign before the first greeting', () => {
    expect(new StreamCursor().standingOf(at(1))).toBe('foreign')
  })

  it('is the second leap in a row only where it goes on from the first', () => {
    const cursor = cursorAt(10)
    expect([9e8, 10, 9e8 + 5, 9e8 + 6].map((seq) => cursor.standingOf(at(seq)))).toEqual([
      'leap',
      'repeat',
      'leap',
      'leapt',
    ])
  })

  it('is late once for each number of a hole that was given up', () => {
    const cursor = cursorAt(10)
    cursor.giveUpTo(15)
    expect(cursor.standingOf(at(12))).toBe('late')
    cursor.takeLate(12)
    expect([11, 12, 13, 15, 16].map((seq) => cursor.standingOf(at(seq)))).toEqual([
      'repeat',
      'repeat',
      'late',
      'late',
      'next',
    ])
  })
})

describe('a greeting', () => {
  it.each<
    [string, { epoch: string; seq: number } | null, ReturnType<typeof hello>, boolean, object | null, object]
  >([
    ['at the first contact begins at the oldest', null, hello(9, 4), false, null, at(3)],
    ['goes on', at(5), hello(9, 4), false, null, at(5)],
    ['goes on at the edge of the ring', at(3), hello(9, 4), false, null, at(3)],
    ['tells what the ring forgot', at(2), hello(9, 4), false, { fromSeq: 3, toSeq: 3 }, at(3)],
    ['of a node that counts less than was read', at(12), hello(9, 4), false, null, at(9)],
    ['of a new run', at(5, 'run0'), hello(9), false, { fromSeq: 6, toSeq: null }, at(0)],
    ['of a new run that came at once', at(5, 'run0'), hello(9), true, null, at(0)],
    ['of a new run that forgot its beginning', at(5, 'run0'), hello(9, 2), true, { fromSeq: 6 }, at(1)],
  ])('%s', (_title, before, greeting, isQuick, lost, after) => {
    const cursor = new StreamCursor()
    cursor.resumeAt(before)
    const told = cursor.greet(greeting, isQuick)
    if (lost === null) expect(told).toBeNull()
    else expect(told).toMatchObject(lost)
    expect(cursor.position).toEqual(after)
    expect([cursor.isLive(9), cursor.isLive(10)]).toEqual([false, true])
  })
})

describe('what waits for its turn', () => {
  const frame = (text: string) => ({ text })

  it('keeps its order over any mixture of coming and going', () => {
    const queue = new FrameQueue()
    const taken: string[] = []
    for (let number = 0; number < 3_000; number += 1) {
      queue.push(frame(String(number)))
      if (number % 3 === 0) continue
      const next = queue.take()
      if (next && 'text' in next) taken.push(next.text)
      if (next) queue.done(next)
    }
    for (let next = queue.take(); next !== null; next = queue.take()) {
      if ('text' in next) taken.push(next.text)
      queue.done(next)
    }
    expect(taken).toEqual(Array.from({ length: 3_000 }, (_, number) => String(number)))
    expect([queue.length, queue.isEmpty]).toEqual([0, true])
  })

  it.each([
    ['2 000 frames', 2_000, 1],
    ['a mebibyte', 16, 65_536],
  ])('is full at %s, and has room again at half of it; what is in hand counts', (_title, count, size) => {
    const queue = new FrameQueue()
    for (let number = 1; number < count; number += 1) queue.push(frame('x'.repeat(size)))
    expect(queue.isFull).toBe(false)
    queue.push(frame('x'.repeat(size)))
    expect(queue.isFull).toBe(true)
    for (let number = 1; number < count / 2; number += 1) {
      const next = queue.take()
      if (next) queue.done(next)
    }
    const inHand = queue.take()
    expect(queue.hasRoom).toBe(false)
    if (inHand) queue.done(inHand)
    expect(queue.hasRoom).toBe(true)
  })
})
