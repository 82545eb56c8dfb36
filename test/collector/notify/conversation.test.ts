import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ChannelConfig } from '../../../server/contract/index.ts'
import { type Receiver, startReceiver } from './receivers.ts'
import { channels, HOUR, MINUTE, node, Room, SECOND } from './room.ts'

let receiver: Receiver
let room: Room
const opened: Room[] = []

const hook = (more: Record<string, unknown> = {}): ChannelConfig[] =>
  channels({ kind: 'webhook', name: 'hook', url: receiver.url, ...more })
const start = async (...configs: ChannelConfig[]): Promise<void> => {
  room = await Room.open(configs)
  opened.push(room)
}
const kinds = () => receiver.received.map(({ json }) => json.kind)
const headlines = () => receiver.received.map(({ json }) => json.headline)

beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(async () => {
  for (const each of opened.splice(0)) await each.shutdown()
  await receiver.close()
})

describe('what one channel is told of one incident', () => {
  it.each([
    ['just before its wait is over', 29_999, 0],
    ['when its wait is over', 30_000, 1],
  ])('is told of an opening once the group had its time: %s', async (_, ms, count) => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(ms)
    expect(receiver.received).toHaveLength(count)
  })

  it('is told once of signals that come within the wait, with all of them', async () => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(10 * SECOND)
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes are stuck on fra-1')
    await room.pass(20 * SECOND)
    await room.pass(HOUR)
    expect(headlines()).toEqual(['CRITICAL fra: pushes are stuck on fra-1'])
    expect(receiver.received[0]?.json.incident).toMatchObject({ signals: { length: 2 } })
  })

  it('is told nothing of what was over within the wait, and the list says why', async () => {
    await start(...hook({ groupWaitSeconds: 300 }))
    await room.open(node('fra-1'))
    await room.close(node('fra-1'))
    await room.pass(60 * SECOND)
    await room.pass(HOUR)
    expect(receiver.received).toEqual([])
    expect(await room.rows()).toMatchObject([
      { state: 'silenced', reason: 'the incident was over before it was told', nextAttemptAt: null },
    ])
  })

  it('is told of the end where it was told of the beginning, and how long it lasted', async () => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    await room.close(node('fra-1'))
    await room.pass(60 * SECOND)
    expect(headlines()).toEqual(['WARNING fra: fra-1 is down', 'RESOLVED fra after 90 s: fra-1 is down'])
  })

  it('is not told of the end where it wants no recovery', async () => {
    await start(...hook({ recovery: false }))
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    await room.close(node('fra-1'))
    await room.pass(60 * SECOND)
    expect(kinds()).toEqual(['opened'])
  })

  it('is told when it becomes worse and when another signal joins', async () => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    await room.open(node('fra-1', 'push.stuck'), 'warning', 'pushes')
    await room.pass(30 * SECOND)
    await room.open(node('fra-1', 'tunnel.storm'), 'critical', 'tunnels are lost')
    await room.pass(30 * SECOND)
    expect(kinds()).toEqual(['opened', 'updated', 'updated'])
    expect(headlines().at(-1)).toBe('CRITICAL fra: tunnels are lost')
  })

  it('is told at once when a signal that is open becomes worse, with the headline and the words of now', async () => {
    await start(...hook())
    const certificate = node('fra-1', 'certificate.expiring')
    await room.open(certificate, 'warning', 'The certificate for a.example ends soon')
    await room.pass(30 * SECOND)
    await room.open(certificate, 'critical', 'The certificate for a.example has ended')
    await room.pass(30 * SECOND)
    expect(headlines()).toEqual([
      'WARNING fra: The certificate for a.example ends soon',
      'CRITICAL fra: The certificate for a.example has ended',
    ])
    expect(receiver.received[1]?.json.incident).toMatchObject({
      title: 'The certificate for a.example has ended',
    })
  })

  it('is told what is worst first, with what to do about that', async () => {
    await start(...hook())
    await room.open(node('fra-1', 'node.clock_skew'), 'warning', 'The clock of fra-1 is wrong')
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes are stuck on fra-1')
    await room.pass(30 * SECOND)
    const [told] = receiver.received.map(({ json }) => json)
    expect(told).toMatchObject({
      headline: 'CRITICAL fra: pushes are stuck on fra-1',
      incident: { lead: 'push.stuck' },
    })
    expect(JSON.stringify(told?.lines)).toMatch(/push session/)
  })

  it.each([
    ['just before', 4 * HOUR - 1, 1],
    ['after', 4 * HOUR, 2],
  ])('is told again %s the time of a repetition while nobody takes care', async (_, ms, count) => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    await room.pass(ms)
    expect(receiver.received).toHaveLength(count)
    if (count === 2) expect(headlines()[1]).toBe('STILL WARNING fra: fra-1 is down, for 4 h')
  })

  it('is told again of everything that is open, however much that is', { timeout: 60_000 }, async () => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    // Those that are newer, and of which it is not told.
    room.notifications.setChannels(hook({ regions: ['fra'] }))
    for (let index = 0; index < 501; index += 1)
      await room.open({ ...node(`n${index}-1`), region: `n${index}` })
    expect(room.book.open()).toHaveLength(502)
    await room.pass(4 * HOUR)
    expect(kinds()).toEqual(['opened', 'repeated'])
  })

  it('is not told again of what somebody took, and PagerDuty hears of that', async () => {
    await start(
      ...hook(),
      ...channels({ kind: 'pagerduty', name: 'pager', url: receiver.url, routingKey: '0123456789' }),
    )
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    const [incident] = room.book.open()
    await room.book.acknowledge(incident!.id, 'ana@example.com', room.now)
    await room.pass(9 * HOUR)
    expect(kinds().filter((kind) => kind !== undefined)).toEqual(['opened'])
    const events = receiver.received.flatMap(({ json }) => (json.event_action ? [json] : []))
    expect(events.map(({ event_action, dedup_key }) => [event_action, dedup_key])).toEqual([
      ['trigger', incident!.id],
      ['acknowledge', incident!.id],
    ])
  })

  it.each([
    ['severity', { min: 'critical' }, 0],
    ['severity at its bound', { min: 'warning' }, 1],
    ['region', { regions: ['iad'] }, 0],
    ['one of its regions', { regions: ['iad', 'fra'] }, 1],
    ['signal', { signals: ['push.*'] }, 0],
    ['family of signals', { signals: ['push.*', 'node.*'] }, 1],
    ['kind of signal', { signals: ['node.down'] }, 1],
  ])('is told by %s', async (_, route, count) => {
    await start(...hook(route))
    await room.open(node('fra-1'))
    await room.pass(MINUTE)
    expect(receiver.received).toHaveLength(count)
  })

  it('is told of an opening when an incident becomes severe enough for it', async () => {
    await start(...hook({ min: 'critical' }))
    await room.open(node('fra-1'))
    await room.pass(5 * MINUTE)
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes')
    await room.pass(30 * SECOND)
    expect(kinds()).toEqual(['opened'])
  })
})

describe('a night with one node that comes and goes', () => {
  it('is a handful of messages with growing gaps, of which the last says how often and that it is over', async () => {
    await start(...hook())
    const times: number[] = []
    const nights = 8 * HOUR
    const began = room.now
    for (let at = 0; at < nights; at += 10 * MINUTE) {
      await room.open(node('fra-1'))
      await room.pass(3 * MINUTE)
      await room.close(node('fra-1'))
      await room.pass(2 * MINUTE)
      for (; times.length < receiver.received.length; ) times.push((room.now - began) / MINUTE)
      await room.pass(5 * MINUTE)
    }
    expect(receiver.received.length).toBeGreaterThanOrEqual(4)
    expect(receiver.received.length).toBeLessThanOrEqual(6)
    await room.pass(16 * MINUTE)
    const last = receiver.received.at(-1)?.json
    expect(last?.kind).toBe('recovered')
    expect(JSON.stringify(last?.lines)).toMatch(/node\.down of node fra-1 opened 48 times in 7 h/)
    expect(receiver.received.length).toBeLessThanOrEqual(7)
  })

  it('tells at once that it became worse, however many messages there were', async () => {
    await start(...hook())
    for (let turn = 0; turn < 6; turn += 1) {
      await room.open(node('fra-1'))
      await room.pass(3 * MINUTE)
      await room.close(node('fra-1'))
      await room.pass(3 * MINUTE)
    }
    const before = receiver.received.length
    await room.open(node('fra-1'))
    await room.pass(SECOND)
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes')
    await room.pass(30 * SECOND)
    expect(receiver.received.length).toBe(before + 1)
    expect(headlines().at(-1)).toBe('CRITICAL fra: pushes')
  })
})

describe('silence', () => {
  it('tells later what outlives it, with why it comes late', async () => {
    await start(...hook())
    room.silence = 'maintenance "kernel update"'
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    expect(await room.rows()).toMatchObject([
      { state: 'silenced', reason: 'silenced by maintenance "kernel update"' },
    ])
    await room.pass(10 * MINUTE)
    expect(receiver.received).toEqual([])
    room.silence = null
    await room.pass(15 * SECOND)
    expect(kinds()).toEqual(['opened'])
    expect(JSON.stringify(receiver.received[0]?.json.lines)).toContain(
      'told later: it was silenced by maintenance',
    )
    expect(await room.rows()).toMatchObject([{ state: 'sent' }])
  })

  it('tells nothing of what was over before it ended', async () => {
    await start(...hook())
    room.silence = 'maintenance "kernel update"'
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    await room.close(node('fra-1'))
    await room.pass(60 * SECOND)
    room.silence = null
    await room.pass(HOUR)
    expect(receiver.received).toEqual([])
    expect(await room.rows()).toMatchObject([{ state: 'silenced', nextAttemptAt: null }])
  })
})

describe('a storm', () => {
  it('is thirty messages and one summary, and every message is accounted for', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 100; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    expect(receiver.received).toHaveLength(30)
    await room.pass(MINUTE)
    expect(receiver.received).toHaveLength(31)
    expect(receiver.received.at(-1)?.json).toMatchObject({ kind: 'summary' })
    expect(headlines().at(-1)).toMatch(/^WARNING .*: 70 more incidents, 70 open$/)
    expect(room.notifications.counts()).toMatchObject([{ sent: 31, heldBack: 70 }])
    await room.pass(30 * MINUTE)
    expect(receiver.received).toHaveLength(31)
    const states = Map.groupBy(await room.rows(), ({ state }) => state)
    expect([...states].map(([state, rows]) => [state, rows.length]).sort()).toEqual([
      ['sent', 31],
      ['silenced', 70],
    ])
  })
})

describe('what only a summary told', () => {
  /** So many incidents at once; the first thirty are told one by one, the others in a summary. */
  const storm = async (count: number, ...configs: ChannelConfig[]) => {
    await start(...configs)
    for (let index = 0; index < count; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    await room.pass(MINUTE)
  }
  const calm = async (from: number, to: number) => {
    for (let index = from; index < to; index += 1) await room.close(node(`n${index}-1`))
    await room.pass(MINUTE)
  }
  const recovered = () => kinds().filter((kind) => kind === 'recovered').length

  it('has an end: one by one for those that were, in a summary for the others', async () => {
    await storm(100, ...hook({ groupWaitSeconds: 0 }))
    expect(receiver.received).toHaveLength(31)
    await calm(0, 100)
    for (let minute = 0; minute < 20; minute += 1) await room.pass(MINUTE)
    expect(recovered()).toBe(30)
    expect(receiver.received).toHaveLength(62)
    expect(receiver.received.at(-1)?.json).toMatchObject({
      kind: 'summary',
      severity: 'info',
      headline: expect.stringMatching(/^RESOLVED .*: 70 more incidents are over$/),
      summary: { incidents: 70, open: 0, stillOpen: 0 },
    })
    await room.pass(9 * HOUR)
    expect(receiver.received).toHaveLength(62)
  })

  it('is told as over by the same summary where it was before that was sent, and by no other', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 40; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    for (let index = 30; index < 35; index += 1) await room.close(node(`n${index}-1`))
    room.now += 60 * SECOND
    room.monotonic += 60 * SECOND
    await room.book.settle(room.now)
    await room.deliver()
    expect(headlines().at(-1)).toMatch(/: 10 more incidents, 5 open$/)
    for (let minute = 0; minute < 30; minute += 1) await room.pass(MINUTE)
    expect(receiver.received).toHaveLength(31)
    await calm(35, 40)
    for (let minute = 0; minute < 20; minute += 1) await room.pass(MINUTE)
    expect(headlines().slice(31)).toEqual([expect.stringMatching(/^RESOLVED .*: 5 more incidents are over$/)])
  })

  it('has an end also where the summary arrived after it', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 32; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    receiver.always = { status: 503 }
    await room.pass(MINUTE)
    await calm(30, 32)
    receiver.always = { status: 200 }
    for (let minute = 0; minute < 40; minute += 1) await room.pass(MINUTE)
    const told = receiver.received
      .filter(({ json }) => json.kind === 'summary')
      .map(({ json }) => json.headline)
    expect(told[0]).toMatch(/^WARNING .*: 2 more incidents, 2 open$/)
    expect(told.at(-1)).toMatch(/^RESOLVED .*: 2 more incidents are over$/)
  })

  it('has no end where the summary was refused: nobody was told that it began', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 31; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    receiver.next = [{ status: 400 }]
    await room.pass(MINUTE)
    await calm(30, 31)
    for (let minute = 0; minute < 20; minute += 1) await room.pass(MINUTE)
    expect(receiver.received).toHaveLength(31)
  })

  it('has no end where the summary was given up after a day: nobody was told that it began', async () => {
    await start(...hook({ groupWaitSeconds: 0, repeatHours: 168 }))
    for (let index = 0; index < 31; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    receiver.always = { status: 503 }
    for (let quarter = 0; quarter < 95; quarter += 1) await room.pass(15 * MINUTE)
    room.now += 16 * MINUTE
    room.monotonic += 16 * MINUTE
    await room.notifications.tidy()
    expect((await room.rows()).filter(({ state }) => state === 'failed').map(({ kind }) => kind)).toEqual([
      'summary',
    ])
    receiver.always = { status: 200 }
    receiver.received.length = 0
    await calm(30, 31)
    for (let minute = 0; minute < 30; minute += 1) await room.pass(MINUTE)
    expect(kinds()).toEqual([])
  })

  it('is open again where it came back before its end was told', async () => {
    await storm(31, ...hook({ groupWaitSeconds: 0 }))
    await calm(30, 31)
    await room.pass(MINUTE)
    await room.open(node('n30-1'))
    for (let minute = 0; minute < 15; minute += 1) await room.pass(MINUTE)
    expect(headlines().filter((each) => /RESOLVED/.test(String(each)))).toEqual([])
    await calm(30, 31)
    for (let minute = 0; minute < 30; minute += 1) await room.pass(MINUTE)
    expect(headlines().at(-1)).toMatch(/^RESOLVED/)
  })

  it('loses nothing that was held back in the same breath in which a summary was sent', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 31; index += 1) await room.open(node(`n${index}-1`))
    await room.deliver()
    room.now += MINUTE
    room.monotonic += MINUTE
    await room.open(node('late-1'))
    await room.deliver()
    for (let minute = 0; minute < 12; minute += 1) await room.pass(MINUTE)
    const told = headlines().filter((each) => /more incident/.test(String(each)))
    expect(told).toEqual([
      expect.stringContaining('n30: 1 more incident'),
      expect.stringContaining('lat: 1 more incident'),
    ])
  })

  it('is one alert of PagerDuty, which is closed when all of it is over', async () => {
    const pager = channels({
      ...{ kind: 'pagerduty', name: 'pager', url: receiver.url, routingKey: '0123456789' },
      groupWaitSeconds: 0,
    })
    await storm(33, ...pager)
    const ofSummary = () =>
      receiver.received
        .filter(({ json }) => json.dedup_key === 'tidegate-summary-pager')
        .map(({ json }) => json.event_action)
    expect(ofSummary()).toEqual(['trigger'])
    await calm(30, 32)
    for (let minute = 0; minute < 20; minute += 1) await room.pass(MINUTE)
    expect(ofSummary()).toEqual(['trigger', 'trigger'])
    await calm(32, 33)
    for (let minute = 0; minute < 20; minute += 1) await room.pass(MINUTE)
    expect(ofSummary()).toEqual(['trigger', 'trigger', 'resolve'])
  })
})

describe('a storm that goes on', () => {
  it('tells in a second summary what was held back after the first one, however long ago it was written', async () => {
    await start(...hook({ groupWaitSeconds: 0 }))
    for (let index = 0; index < 31; index += 1) await room.open(node(`n${index}-1`))
    room.notifications.setChannels(hook({ groupWaitSeconds: 300 }))
    await room.open(node('late-1'))
    await room.deliver()
    await room.pass(MINUTE)
    expect(headlines().at(-1)).toMatch(/: 1 more incident, 1 open$/)
    await room.pass(4 * MINUTE)
    await room.pass(5 * MINUTE + 1)
    await room.pass(MINUTE)
    expect(headlines().at(-1)).toMatch(/^WARNING lat: 1 more incident, 1 open$/)
    expect(receiver.received).toHaveLength(32)
  })
})

describe('the clock', () => {
  it('sends no storm when it is set back, and lets nothing wait for it', async () => {
    await start(...hook())
    for (const id of ['fra-1', 'iad-1', 'sfo-1']) await room.open(node(id))
    await room.pass(30 * SECOND)
    expect(receiver.received).toHaveLength(3)
    await room.open(node('ams-1'))
    await room.deliver()
    room.now -= 6 * HOUR
    await room.deliver()
    expect(receiver.received).toHaveLength(3)
    await room.pass(30 * SECOND)
    expect(receiver.received).toHaveLength(4)
    await room.pass(HOUR)
    expect(receiver.received).toHaveLength(4)
  })

  it('repeats once when it jumps a week ahead', async () => {
    await start(...hook())
    await room.open(node('fra-1'))
    await room.pass(30 * SECOND)
    room.now += 7 * 24 * HOUR
    await room.deliver()
    await room.deliver()
    expect(kinds()).toEqual(['opened', 'repeated'])
  })
})
