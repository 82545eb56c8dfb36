import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CourierTimes } from '../../../server/collector/notify/courier.ts'
import type { ChannelConfig } from '../../../server/contract/index.ts'
import { storedIncident } from '../../store/fixtures.ts'
import { type Receiver, startReceiver } from './receivers.ts'
import { channels, HOUR, MINUTE, node, Room, SECOND } from './room.ts'

let receiver: Receiver
let room: Room
const closers: (() => Promise<void> | void)[] = []

const hook = (more: Record<string, unknown> = {}): ChannelConfig[] =>
  channels({ kind: 'webhook', name: 'hook', url: receiver.url, groupWaitSeconds: 0, ...more })
const start = async (configs = hook(), times: Partial<CourierTimes> = {}): Promise<void> => {
  room = await Room.open(configs, times)
  closers.push(() => room.shutdown())
}
const ids = () => receiver.received.map(({ headers }) => headers['tidegate-notification-id'])
const timeline = async () => {
  const [incident] = room.book.open()
  return (await room.store.timelineItems(incident!.id)).map(({ title, data }) => [
    title,
    data.state,
    data.attempts,
  ])
}

beforeEach(async () => {
  receiver = await startReceiver()
  closers.push(() => receiver.close())
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describe('a receiver that does not take a message', () => {
  it('is asked again with the same message and the same id, and the timeline says how it went', async () => {
    await start()
    receiver.next = [{ status: 500, body: 'oh no' }]
    await room.open(node('fra-1'))
    await room.deliver()
    expect(await room.rows()).toMatchObject([
      { state: 'waiting', attempts: 1, lastError: expect.stringContaining('500 oh no'), sentAt: null },
    ])
    expect(await timeline()).toMatchObject([[expect.stringContaining('tried again in'), 'waiting', 1]])
    await room.pass(5 * SECOND)
    expect(new Set(ids()).size).toBe(1)
    expect(receiver.received[0]?.body).toBe(receiver.received[1]?.body)
    expect(await room.rows()).toMatchObject([{ state: 'sent', attempts: 2, lastError: null }])
    expect(await timeline()).toMatchObject([[expect.stringContaining('hook (webhook) was told'), 'sent', 2]])
  })

  it.each([
    ['just before', 119 * SECOND, 1],
    ['after', 120 * SECOND, 2],
  ])('is not asked before the time that it names: %s', async (_, ms, count) => {
    await start()
    receiver.next = [{ status: 429, headers: { 'Retry-After': '120' } }]
    await room.open(node('fra-1'))
    await room.deliver()
    await room.pass(ms)
    expect(receiver.received).toHaveLength(count)
  })

  it('is not asked for every message that waits: one after the other finds out', async () => {
    await start()
    receiver.always = { status: 503 }
    for (const id of ['fra-1', 'iad-1', 'sfo-1']) await room.open(node(id))
    await room.deliver()
    await room.deliver()
    expect(receiver.received).toHaveLength(1)
    receiver.always = { status: 200 }
    await room.pass(10 * SECOND)
    await room.pass(SECOND)
    expect(new Set(ids()).size).toBe(3)
  })

  it('costs one message where it refuses that alone, and the next one arrives', async () => {
    await start()
    receiver.next = [{ status: 400, body: 'no' }]
    await room.open(node('fra-1'))
    await room.open(node('iad-1'))
    await room.deliver()
    expect((await room.rows()).map(({ state }) => state)).toEqual(['failed', 'sent'])
    await room.pass(HOUR)
    expect(receiver.received).toHaveLength(2)
  })

  it('is given up after a day of attempts, and not before', async () => {
    await start()
    receiver.always = { status: 503 }
    await room.open(node('fra-1'))
    for (let hours = 0; hours < 24; hours += 0.5) await room.pass(HOUR / 2)
    expect(await room.rows()).toMatchObject([{ state: 'failed', nextAttemptAt: null }])
    const attempts = receiver.received.length
    expect(attempts).toBeGreaterThan(40)
    await room.pass(HOUR)
    expect(receiver.received).toHaveLength(attempts)
    expect(room.notifications.problems()).toMatchObject([{ code: 'notifications_failing' }])
  })

  it.each([
    ['just below five minutes', 5 * MINUTE - 1, 0],
    ['five minutes', 5 * MINUTE, 1],
  ])('is on every page after %s, until it takes something', async (_, ms, count) => {
    await start()
    receiver.always = { status: 503, body: 'busy' }
    await room.open(node('fra-1'))
    await room.deliver()
    room.now += ms
    const problems = room.notifications.problems()
    expect(problems).toHaveLength(count)
    if (count === 0) return
    expect(problems[0]?.text).toMatch(
      /^hook \(webhook\) has not taken a notification since 2026-04-27 18:00 UTC: .*503 busy\.$/,
    )
    expect(problems[0]?.brief).toBe('hook does not take notifications')
    receiver.always = { status: 200 }
    await room.pass(MINUTE)
    expect(room.notifications.problems()).toEqual([])
  })

  it('is overtaken by the end of the incident, which it is told whatever came of the beginning', async () => {
    await start()
    receiver.always = { status: 503 }
    await room.open(node('fra-1'))
    await room.deliver()
    await room.close(node('fra-1'))
    await room.pass(MINUTE)
    receiver.always = { status: 200 }
    await room.pass(15 * MINUTE)
    expect(receiver.received.at(-1)?.json.kind).toBe('recovered')
    expect((await room.rows()).map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      'opened failed',
      'recovered sent',
    ])
  })

  it('is told in a message of its own what changed while the first one was tried in vain', async () => {
    await start()
    receiver.always = { status: 503 }
    await room.open(node('fra-1'))
    await room.deliver()
    await room.open(node('fra-1', 'push.stuck'), 'critical', 'pushes')
    await room.open(node('fra-1', 'tunnel.storm'), 'critical', 'tunnels')
    receiver.always = { status: 200 }
    await room.pass(MINUTE)
    expect(receiver.received.slice(1).map(({ json }) => json.headline)).toEqual([
      'WARNING fra: fra-1 is down',
      // What took the pushes along.
      'CRITICAL fra: tunnels',
    ])
  })

  it('holds up neither the incident nor another channel', async () => {
    const silent = await startReceiver()
    closers.push(() => silent.close())
    silent.always = () => undefined
    const both = [
      ...hook(),
      ...channels({ kind: 'webhook', name: 'silent', url: silent.url, groupWaitSeconds: 0 }),
    ]
    await start(both, { attemptMs: 2_000 })
    await room.open(node('fra-1'))
    await room.notifications.look()
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1))
    await room.open(node('iad-1'))
    expect(room.book.open()).toHaveLength(2)
    await room.notifications.look()
    await vi.waitFor(() => expect(receiver.received).toHaveLength(2))
    expect(silent.received).toHaveLength(1)
    await room.notifications.idle()
    expect(
      (await room.rows()).find(({ attempts, state }) => attempts === 1 && state === 'waiting')?.lastError,
    ).toContain('did not answer within 2 s')
  })
})

describe('who is killed, and who is not alone', () => {
  const child = (lease: number): ChildProcess =>
    spawn(
      process.execPath,
      [
        fileURLToPath(new URL('killed-sender.ts', import.meta.url)),
        room.store.health().path ?? '',
        JSON.stringify(hook()),
        String(lease),
      ],
      { stdio: 'ignore' },
    )

  it('sends a message again, with the same id, that a process had claimed when it was killed', {
    timeout: 30_000,
  }, async () => {
    await start(hook(), { leaseMs: 500 })
    room.now = Date.now()
    await room.open(node('fra-1'))
    receiver.always = () => undefined
    const first = child(500)
    const ended = once(first, 'exit')
    await vi.waitFor(() => expect(receiver.received).toHaveLength(1), 15_000)
    first.kill('SIGKILL')
    await ended
    expect(await room.rows()).toMatchObject([{ state: 'sending', attempts: 1 }])
    receiver.always = { status: 200 }
    const second = child(500)
    await vi.waitFor(() => expect(receiver.received).toHaveLength(2), 15_000)
    await vi.waitFor(
      async () => expect(await room.rows()).toMatchObject([{ state: 'sent', attempts: 2 }]),
      5_000,
    )
    second.kill('SIGKILL')
    expect(new Set(ids()).size).toBe(1)
  })

  it('sends each message once where two collectors have one store', async () => {
    await start()
    const other = room.more(hook())
    closers.push(() => other.close())
    for (let index = 0; index < 20; index += 1) await room.open(node(`n${index}-1`))
    for (let turn = 0; turn < 5; turn += 1) {
      await Promise.all([room.notifications.look(), other.look()])
      await Promise.all([room.notifications.idle(), other.idle()])
    }
    expect(ids()).toHaveLength(20)
    expect(new Set(ids()).size).toBe(20)
    const sums = [room.notifications, other].map((each) => each.counts()[0]?.sent ?? 0)
    expect(sums[0]! + sums[1]!).toBe(20)
  })

  it('writes what is to be told with the incident, or neither', async () => {
    await start()
    const plan = () => {
      throw new Error('no room')
    }
    await expect(room.store.saveIncident(storedIncident('i9'), 0, plan)).rejects.toThrow('no room')
    expect(await room.store.incident('i9')).toBeNull()
    await room.open(node('fra-1'))
    expect(await room.rows()).toMatchObject([{ state: 'waiting', attempts: 0 }])
  })

  it('goes on with what waited when it starts again', async () => {
    await start(hook({ groupWaitSeconds: 30 }))
    await room.open(node('fra-1'))
    await room.notifications.close()
    await room.restart(hook({ groupWaitSeconds: 30 }))
    await room.pass(30 * SECOND)
    await room.close(node('fra-1'))
    await room.notifications.close()
    await room.restart(hook({ groupWaitSeconds: 30 }))
    await room.pass(MINUTE)
    expect(receiver.received.map(({ json }) => json.kind)).toEqual(['opened', 'recovered'])
  })
})

describe('another configuration while messages wait', () => {
  it('keeps what waits for a channel that left, and sends it once it is back', async () => {
    await start(hook({ groupWaitSeconds: 30 }))
    await room.open(node('fra-1'))
    room.notifications.setChannels([])
    await room.pass(HOUR)
    expect(receiver.received).toEqual([])
    room.notifications.setChannels(hook({ groupWaitSeconds: 30 }))
    await room.pass(SECOND)
    await room.pass(SECOND)
    expect(receiver.received).toHaveLength(1)
  })

  it('tries a channel at once that was mended, and tells nothing twice', async () => {
    const right = await startReceiver()
    closers.push(() => right.close())
    await start()
    receiver.always = { status: 404 }
    await room.open(node('fra-1'))
    await room.deliver()
    for (let turn = 0; turn < 5; turn += 1) await room.pass(5 * MINUTE)
    room.notifications.setChannels(hook({ url: right.url }))
    await vi.waitFor(async () => {
      await room.deliver()
      expect(right.received).toHaveLength(1)
    })
    await room.pass(HOUR)
    expect(right.received).toHaveLength(1)
    expect(right.received[0]?.headers['tidegate-notification-id']).toBe(ids()[0])
  })
})

describe('a channel that left the configuration', () => {
  it('keeps nothing for longer than a day, also what was silenced or on its way', async () => {
    await start()
    room.silence = 'maintenance'
    await room.open(node('fra-1'))
    await room.deliver()
    await room.open(node('iad-1'))
    const { id } = (await room.rows()).at(-1)!
    const claim = { id, owner: 'killed', now: room.now, leaseMs: 30_000, message: '{}' }
    expect(await room.store.claimNotification(claim)).toBe(true)
    expect((await room.rows()).map(({ state }) => state)).toEqual(['silenced', 'sending'])
    await room.notifications.close()
    room.notifications = room.more(channels({ kind: 'webhook', name: 'other', url: receiver.url }))
    room.now += 24 * HOUR
    await room.notifications.tidy()
    expect((await room.rows()).map(({ state }) => state)).toEqual(['silenced', 'sending'])
    room.now += 1
    await room.notifications.tidy()
    expect((await room.rows()).map(({ state, nextAttemptAt }) => [state, nextAttemptAt])).toEqual([
      ['failed', null],
      ['failed', null],
    ])
  })

  it('of one that is there a silence may last for longer', async () => {
    await start()
    room.silence = 'maintenance'
    await room.open(node('fra-1'))
    await room.deliver()
    await room.pass(25 * HOUR)
    await room.notifications.tidy()
    expect(await room.rows()).toMatchObject([{ state: 'silenced' }])
    room.silence = null
    await room.pass(15 * SECOND)
    expect(receiver.received).toHaveLength(1)
  })
})

describe('the list of channels', () => {
  it('says how they do, and writes nothing', async () => {
    await start()
    await room.open(node('fra-1'))
    room.notifications.setChannels([])
    await room.pass(25 * HOUR)
    const before = await room.rows()
    expect(before).toMatchObject([{ state: 'waiting' }])
    const writes = vi.spyOn(room.store, 'expireNotifications')
    room.notifications.setChannels(channels({ kind: 'webhook', name: 'other', url: receiver.url }))
    expect(await room.notifications.channels()).toMatchObject([{ name: 'other', state: 'unused' }])
    expect(writes).not.toHaveBeenCalled()
    expect(await room.rows()).toEqual(before)
    await room.notifications.tidy()
    expect(await room.rows()).toMatchObject([{ state: 'failed' }])
  })
})

describe('a test', () => {
  const ana = { name: 'ana@example.com', role: 'admin', address: '127.0.0.1' } as const

  it('is marked as one, answers what the receiver said, and is audited', async () => {
    await start()
    receiver.always = { status: 200, body: 'thanks' }
    const told = await room.notifications.test('hook', ana)
    expect(told).toMatchObject({
      kind: 'test',
      state: 'sent',
      answer: '200 thanks',
      attempts: 1,
      incidentId: null,
    })
    expect(receiver.received[0]?.json.headline).toBe('TEST Tidegate reaches hook (webhook)')
    expect((await room.store.auditRows({})).items[0]).toMatchObject({
      action: 'notification.test',
      object: 'channel:hook',
      actor: ana.name,
    })
  })

  it('is not repeated where it fails, and a good one brings on its way what waited', async () => {
    await start()
    receiver.always = { status: 503, body: 'busy' }
    expect(await room.notifications.test('hook', ana)).toMatchObject({ state: 'failed', answer: '503 busy' })
    await room.open(node('fra-1'))
    await room.deliver()
    receiver.always = { status: 200 }
    await room.notifications.test('hook', ana)
    await vi.waitFor(async () => {
      await room.deliver()
      expect((await room.rows()).map(({ kind, state }) => `${kind} ${state}`)).toEqual([
        'test failed',
        'opened sent',
        'test sent',
      ])
    })
  })

  it('says that it is one also where its caller was gone before it could be sent', async () => {
    await start()
    const claim = vi.spyOn(room.store, 'claimNotification').mockRejectedValueOnce(new Error('disk full'))
    await expect(room.notifications.test('hook', ana)).rejects.toThrow('disk full')
    claim.mockRestore()
    await room.deliver()
    expect(receiver.received.map(({ json }) => [json.kind, json.headline])).toEqual([
      ['test', 'TEST Tidegate reaches hook (webhook)'],
    ])
    expect(receiver.received[0]?.body).toContain(ana.name)
    expect(await room.rows()).toMatchObject([{ kind: 'test', state: 'sent' }])
  })

  it('knows no channel that is not there', async () => {
    await start()
    await expect(room.notifications.test('nope', ana)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })
})
