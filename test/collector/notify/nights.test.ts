import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Receiver, startReceiver } from './receivers.ts'
import { channels, HOUR, MINUTE, node, Room, SECOND } from './room.ts'

// Whole nights on a clock that runs ahead, with the real outbox, its database and a receiver.

let receiver: Receiver
let room: Room

beforeEach(async () => {
  receiver = await startReceiver()
  room = await Room.open(channels({ kind: 'webhook', name: 'hook', url: receiver.url }))
})
afterEach(async () => {
  await room.shutdown()
  await receiver.close()
})
const kinds = () => receiver.received.map(({ json }) => String(json.kind))
const minutes = async (count: number) => {
  for (let minute = 0; minute < count; minute += 1) await room.pass(MINUTE)
}
/** Away for so long, and back for the rest of a period. */
const away = async (awayMinutes: number, period: number) => {
  await room.open(node('fra-1'))
  await minutes(awayMinutes)
  await room.close(node('fra-1'))
  await minutes(period - awayMinutes)
}

describe('a night with one node that comes and goes', { timeout: 60_000 }, () => {
  it.each([2, 5, 10, 15, 17, 20, 30, 60, 120])(
    'every %i minutes is a handful of messages',
    async (period) => {
      for (let at = 0; at < 8 * 60; at += period) await away(1, period)
      await minutes(30)
      expect(receiver.received.length).toBeGreaterThanOrEqual(4)
      expect(receiver.received.length).toBeLessThanOrEqual(7)
      // Whoever was told last that something is wrong was told that it is over.
      expect(kinds().at(-1)).toBe('recovered')
    },
  )

  it('is told of the next time when that lasts, at the latest after a quarter of an hour', async () => {
    for (let turn = 0; turn < 5; turn += 1) await away(1, 30)
    expect(kinds()).toEqual(['opened', 'recovered', 'opened', 'recovered'])
    await room.open(node('fra-1'))
    await room.pass(15 * MINUTE - 1)
    expect(receiver.received).toHaveLength(4)
    await room.pass(1)
    expect(kinds().slice(4)).toEqual(['opened'])
    await room.close(node('fra-1'))
    await minutes(2)
    expect(kinds().slice(4)).toEqual(['opened', 'recovered'])
  })

  it('is told of a critical one that comes again when it lasts for two minutes', async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      await room.open(node('fra-1'), 'critical')
      await minutes(1)
      await room.close(node('fra-1'))
      await minutes(29)
    }
    expect(kinds()).toEqual(['opened', 'recovered', 'opened', 'recovered'])
    await room.open(node('fra-1'), 'critical')
    await room.pass(2 * MINUTE - 1)
    expect(receiver.received).toHaveLength(4)
    await room.pass(1)
    expect(kinds().slice(4)).toEqual(['opened'])
  })

  it('is told at once of what is worse than what came before, becomes worse, or is something else', async () => {
    for (let turn = 0; turn < 3; turn += 1) await away(1, 30)
    receiver.received.length = 0
    await room.open(node('iad-1'))
    await room.open(node('fra-1'), 'critical')
    await room.pass(30 * SECOND)
    expect(kinds()).toEqual(['opened', 'opened'])
    await room.close(node('fra-1'))
    await minutes(30)
    receiver.received.length = 0
    await room.open(node('fra-1'))
    await room.pass(MINUTE)
    expect(kinds()).toEqual([])
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes')
    await room.pass(30 * SECOND)
    expect(kinds()).toEqual(['opened'])
  })

  it('is told as it comes by a channel that was told of none before', async () => {
    const both = [
      ...channels({ kind: 'webhook', name: 'hook', url: receiver.url, groupWaitSeconds: 300 }),
      ...channels({ kind: 'webhook', name: 'other', url: receiver.url, groupWaitSeconds: 0 }),
    ]
    room.notifications.setChannels(both)
    for (let turn = 0; turn < 4; turn += 1) await away(1, 30)
    expect(receiver.received.map(({ json }) => json.channel)).toEqual(
      Array.from({ length: 4 }, () => 'other'),
    )
    await room.open(node('fra-1'))
    await minutes(5)
    expect(receiver.received.at(-1)?.json).toMatchObject({ channel: 'hook', kind: 'opened' })
  })

  it('is told twice of two nodes that come and go together, and then when that lasts', async () => {
    const both = async (minutesAway: number) => {
      await room.open(node('fra-1'))
      await room.pass(SECOND)
      await room.open(node('fra-2'))
      await minutes(minutesAway)
    }
    for (let turn = 0; turn < 5; turn += 1) {
      await both(1)
      await room.close(node('fra-1'))
      await room.close(node('fra-2'))
      await minutes(29)
    }
    expect(kinds()).toEqual(['opened', 'recovered', 'opened', 'recovered'])
    await both(15)
    expect(kinds().slice(4)).toEqual(['opened'])
  })

  it('is told at once where something else joins what comes again', async () => {
    for (let turn = 0; turn < 3; turn += 1) await away(1, 30)
    receiver.received.length = 0
    await room.open(node('fra-1'))
    await room.open(node('fra-3'))
    await room.pass(30 * SECOND)
    expect(kinds()).toEqual(['opened'])
  })

  it('is a handful of messages by a channel without ends too', async () => {
    room.notifications.setChannels(
      channels({ kind: 'webhook', name: 'hook', url: receiver.url, recovery: false }),
    )
    for (let turn = 0; turn < 5; turn += 1) await away(1, 30)
    expect(kinds()).toEqual(['opened', 'opened'])
    await room.open(node('fra-1'))
    await minutes(15)
    expect(kinds()).toEqual(['opened', 'opened', 'opened'])
  })

  it('is told anew when nothing came for a night', async () => {
    for (let turn = 0; turn < 3; turn += 1) await away(1, 30)
    await room.pass(8 * HOUR)
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    expect(kinds()).toHaveLength(5)
  })
})

describe('a receiver that is down for a night', { timeout: 120_000 }, () => {
  it('gets a digest when it is back: what was told and is over, what is open, and not what came and went', async () => {
    const each = async (name: string, count: number, work: (id: string) => Promise<void>) => {
      for (let index = 0; index < count; index += 1) await work(`${name}${index}-1`)
    }
    const open = (id: string) => room.open(node(id))
    const close = (id: string) => room.close(node(id))
    await each('t', 20, open)
    await room.pass(MINUTE)
    expect(receiver.received).toHaveLength(20)
    receiver.always = { status: 503 }
    await each('t', 20, close)
    for (let turn = 0; turn < 24; turn += 1) {
      await each('n', 60, open)
      for (let step = 0; step < 4; step += 1) await room.pass(2.5 * MINUTE)
      await each('n', 60, close)
      for (let step = 0; step < 4; step += 1) await room.pass(2.5 * MINUTE)
    }
    await each('n', 60, open)
    await room.pass(MINUTE)
    expect((await room.rows()).length).toBeGreaterThan(900)

    receiver.received.length = 0
    receiver.always = { status: 200 }
    await minutes(60)
    const counts = Map.groupBy(kinds(), (kind) => kind)
    expect(counts.get('recovered')).toHaveLength(20)
    expect(counts.get('summary')).toHaveLength(1)
    expect(receiver.received.length).toBeLessThanOrEqual(31)
    // Every one of the sixty that are open is in one of them.
    const alone = receiver.received.filter(
      ({ json }) => json.kind === 'opened' || json.kind === 'updated',
    ).length
    const summary = receiver.received.find(({ json }) => json.kind === 'summary')?.json.summary
    expect(summary).toMatchObject({ incidents: 60 - alone, open: 60 - alone })
  })
})
