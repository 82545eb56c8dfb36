import { once } from 'node:events'
import { createServer, connect as dialTcp } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { dialRaw, startHost, startRelay } from '../relay/fixture.ts'
import {
  doorsOf,
  HOSTS,
  hostAt,
  joinAll,
  order,
  relayBeside,
  startFleet,
  tokensOf,
  urlOf,
} from './drain-fleet.ts'
import { eventOf } from './drain-rig.ts'
import { hammer, openEvents, openSocket } from './visitors.ts'

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

describe('hosts of a node that drains', () => {
  it('are served by way of every relay while an idle WebSocket and an event stream hold the drain, and move without a gap', async () => {
    const fleet = await startFleet()
    const { memory, rig, iad, fraPort } = fleet
    const clients = await joinAll(fleet)
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const events = await openEvents({ hostId: 'host-b', port: fraPort, name: 'fra' })
    const distant = await openEvents({ hostId: 'host-c', port: iad.port, name: 'iad' })
    const visitors = hammer([...doorsOf('fra', fraPort), ...doorsOf('iad', iad.port)])
    await rig.drain.begin(order())
    // Long enough for a drain that refuses, cuts or forgets to be seen doing so.
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(visitors.failures).toEqual([])
    await Promise.all(clients.map((client) => client.registered(2)))
    expect(rig.drain.status()).toMatchObject({ state: 'draining', phase: 'connections' })
    expect(visitors.asked).toBeGreaterThan(100)
    expect(await socket.echo('still there')).toBe('still there')
    expect([socket.state.code, events.state.cut, distant.state.cut]).toEqual([null, false, false])
    for (const client of clients) {
      expect(client.of('registered')[1]).toMatchObject({ gapMs: 0, previousNode: 'fra-1', node: 'iad-1' })
      expect(client.of('lost')).toEqual([])
    }
    expect(await memory.owners()).toEqual(Object.fromEntries(HOSTS.map((hostId) => [hostId, 'iad-1'])))
    expect(rig.drain.status().remaining.tunnels).toBe(0)

    socket.state.ws.close(1000)
    events.leave()
    distant.leave()
    await visitors.stop()
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({
      state: 'drained',
      remaining: { connections: 0, requests: 0, tunnels: 0 },
    })
    expect(visitors.failures).toEqual([])
    expect(rig.drain.health().requestsFailed).toBe(0)
    expect(rig.relay?.stats().closedBy).toEqual({ '4001': HOSTS.length })
    const after = hammer(doorsOf('iad', iad.port))
    await vi.waitFor(() => expect(after.asked).toBeGreaterThan(20))
    expect(after.failures).toEqual([])
  })

  it("keep their visitors' streams until the deadline, and only what is cut then counts as failed", async () => {
    const fleet = await startFleet()
    const { rig, iad, fraPort } = fleet
    await joinAll(fleet)
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const events = await openEvents({ hostId: 'host-b', port: fraPort, name: 'fra' })
    const visitors = hammer([...doorsOf('fra', fraPort), ...doorsOf('iad', iad.port)])
    await rig.drain.begin(order({ deadlineSeconds: 2, onDeadline: 'force' }))
    const exceeded = await eventOf(rig.events, 'drain.budget_exceeded')
    expect(exceeded.data.phase).toBe('connections')
    expect(visitors.failures, 'before the deadline').toEqual([])
    await visitors.stop()
    await rig.drain.settled()
    expect([socket.state.code, events.state.cut || events.state.ended]).toEqual([1001, true])
    expect(rig.drain.health().requestsFailed).toBe(2)
    expect(rig.relay?.stats().requests.failed).toEqual({ draining: 2 })
    expect(rig.drain.status().state).toBe('drained')
    const phases = (await eventOf(rig.events, 'drain.completed')).data.phases
    const connections = phases.find(({ phase }) => phase === 'connections')
    expect(connections).toMatchObject({ budgetMs: 2_000 })
    expect(connections?.actualMs).toBeGreaterThanOrEqual(1_990)
  })

  it('that know no other relay, or ignore the drain, are served until phase 3; who asks for them afterwards is counted, here and elsewhere', async () => {
    const fleet = await startFleet({ timings: { moveWaitMs: 900 } })
    const { memory, rig, iad, fraPort, to } = fleet
    const only = hostAt('host-a', [urlOf(rig)], to)
    const deaf = dialRaw({ url: urlOf(rig) } as never, 'host-b', { token: 'token-of-host-b' })
    await Promise.all([only.registered(), deaf.registered])
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const doors = [...doorsOf('fra', fraPort, ['host-a']), ...doorsOf('iad', iad.port, ['host-a'])]
    const visitors = hammer(doors)
    await rig.drain.begin(order())
    await delay(1_500)
    expect(visitors.failures).toEqual([])
    expect(rig.drain.status()).toMatchObject({ phase: 'connections', remaining: { tunnels: 2 } })
    expect(await memory.owners()).toEqual({ 'host-a': 'fra-1', 'host-b': 'fra-1' })
    socket.state.ws.close(1000)
    expect((await deaf.closed).code).toBe(4001)
    await until(() => expect(visitors.failures.some(({ door }) => door.endsWith('iad'))).toBe(true))
    await visitors.stop()
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0 } })
    expect(await memory.owners()).toEqual({})
    expect(only.of('lost')[0]).toMatchObject({ code: 4001 })
    // Each failure was counted once: where it was refused, however the request had come there.
    const refused = visitors.failures.filter(({ what }) => /^50[23]/.test(what))
    const elsewhere = iad.relay.stats().requests
    expect(elsewhere.failedByFormerOwner?.['fra-1']).toBeGreaterThan(0)
    const failed = Object.values(elsewhere.failed ?? {}).reduce((sum, count) => sum + count, 0)
    expect(failed).toBe(elsewhere.failedByFormerOwner?.['fra-1'])
    const lost = (rig.drain.health().requestsFailed ?? 0) + (elsewhere.failedByFormerOwner?.['fra-1'] ?? 0)
    expect(lost).toBe(refused.length)
  })

  it('move without a gap although the dial elsewhere takes two seconds', async () => {
    const fleet = await startFleet({ hosts: ['host-a'] })
    const { rig, iad, to, fraPort } = fleet
    // Every byte to the other relay comes late.
    const slow = createServer((near) => {
      const far = dialTcp(iad.port, '127.0.0.1')
      setTimeout(() => near.pipe(far).pipe(near), 2_000)
      for (const socket of [near, far]) socket.on('error', () => socket.destroy())
      onTestFinished(() => {
        near.destroy()
      })
    }).listen(0, '127.0.0.1')
    await once(slow, 'listening')
    onTestFinished(() => {
      slow.close()
    })
    const { port } = slow.address() as import('node:net').AddressInfo
    const host = hostAt('host-a', [urlOf(rig), `ws://127.0.0.1:${port}`], to)
    await host.registered()
    const visitors = hammer([...doorsOf('fra', fraPort, ['host-a']), ...doorsOf('iad', iad.port, ['host-a'])])
    await rig.drain.begin(order())
    await host.registered(2)
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    expect(host.of('registered')[1]).toMatchObject({ gapMs: 0, node: 'iad-1' })
    await rig.drain.settled()
    expect(host.of('lost')).toEqual([])
  })

  it('move as soon as another relay can be had, while a WebSocket holds the drain', async () => {
    const fleet = await startFleet({ hosts: ['host-a'], timings: { moveWaitMs: 600 } })
    const { rig, connect, to, fraPort } = fleet
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as import('node:net').AddressInfo
    free.close()
    const host = hostAt('host-a', [urlOf(rig), `ws://127.0.0.1:${port}`], to)
    await host.registered()
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const visitors = hammer(doorsOf('fra', fraPort, ['host-a']))
    await rig.drain.begin(order())
    await delay(1_200)
    expect(rig.drain.status()).toMatchObject({ phase: 'connections', remaining: { tunnels: 1 } })
    await startRelay({
      directory: connect(),
      node: 'nrt-1',
      region: 'nrt',
      config: { port, tokens: tokensOf(['host-a']) },
    })
    await host.registered(2)
    await until(() => expect(rig.drain.status().remaining.tunnels).toBe(0))
    expect(await socket.echo('not cut')).toBe('not cut')
    socket.state.ws.close(1000)
    await visitors.stop()
    await rig.drain.settled()
    expect(visitors.failures).toEqual([])
    expect(host.of('registered')[1]).toMatchObject({ gapMs: 0, node: 'nrt-1' })
  })

  it('are taken back where the relay to which they moved dies at once', async () => {
    const fleet = await startFleet({ hosts: ['host-a'], timings: { moveWaitMs: 600 } })
    const { memory, rig, to, fraPort } = fleet
    const directory = fleet.connect()
    const frail = await relayBeside(directory, 'nrt-1', ['host-a'])
    const host = startHost({
      hostId: 'host-a',
      token: 'token-of-host-a',
      relays: [urlOf(rig), frail.url],
      to,
      // Nothing brings it back within this test: what serves it is the old tunnel.
      timings: { backoffBaseMs: 60_000, backoffMaxMs: 60_000 },
    })
    await host.registered()
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    await rig.drain.begin(order())
    await host.registered(2)
    await until(() => expect(rig.relay?.stats().tunnels).toMatchObject({ current: 0, kept: 1 }))
    directory.vanish()
    await frail.relay.destroy()
    await until(async () => expect(await memory.lookup('host-a')).toBeNull())
    const visitors = hammer(doorsOf('fra', fraPort, ['host-a']))
    await until(() => expect(visitors.asked).toBeGreaterThan(10))
    expect(visitors.failures, 'served on the tunnel that stands').toEqual([])
    await visitors.stop()
    socket.state.ws.close(1000)
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0 } })
    expect(await memory.owners()).toEqual({})
  })
})
