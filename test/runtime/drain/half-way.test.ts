import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { dialRaw, startHost, startRelay, type TestRelay } from '../relay/fixture.ts'
import {
  doorsOf,
  HOSTS,
  hostAt,
  joinAll,
  order,
  portOf,
  relayBeside,
  sharedDirectory,
  startApp,
  startFleet,
  tokensOf,
  urlOf,
} from './drain-fleet.ts'
import { eventOf, startDrainRig } from './drain-rig.ts'
import { hammer, openEvents, openSocket } from './visitors.ts'

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

/** What `dialRaw` needs of a relay. */
const at = (url: string) => ({ url }) as TestRelay

describe('a drain that is called off half-way', () => {
  it('leaves each host registered once and served, and cuts no stream of those that had moved', async () => {
    const hosts = Array.from({ length: 20 }, (_, index) => `host-${index}`)
    const fleet = await startFleet({ hosts })
    const { memory, rig, iad, fraPort } = fleet
    const clients = await joinAll(fleet)
    const events = await Promise.all(
      hosts.slice(0, 4).map((hostId) => openEvents({ hostId, port: fraPort, name: 'fra' })),
    )
    const visitors = hammer([...doorsOf('fra', fraPort, hosts), ...doorsOf('iad', iad.port, hosts)])
    await rig.drain.begin(order({ tunnelsPerSecond: 8 }))
    await until(() => expect(iad.relay.stats().tunnels.current).toBeGreaterThanOrEqual(4))
    await rig.drain.resume()
    expect(rig.drain.status()).toMatchObject({ state: 'serving', phase: null })
    // Hosts that had heard of it may still go.
    await delay(1_000)
    const owners = await memory.owners()
    expect(Object.keys(owners)).toHaveLength(20)
    const [here, there] = [rig.relay?.tunnels() ?? [], iad.relay.tunnels()]
    expect(new Set([...here, ...there].map(({ hostId }) => hostId)).size).toBe(20)
    expect(here.length + there.length).toBe(20)
    expect(here.length, 'not all of them had been told').toBeGreaterThan(0)
    for (const { hostId } of here) expect(owners[hostId]).toBe('fra-1')
    for (const { hostId } of there) expect(owners[hostId]).toBe('iad-1')
    expect(events.map(({ state }) => state.cut || state.ended)).toEqual([false, false, false, false])
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    for (const client of clients) expect(client.of('lost')).toEqual([])
    await hostAt('host-0', [urlOf(rig)], fleet.to).registered()
  })

  it('in phase 3 puts back what had been taken from the directory already', async () => {
    const fleet = await startFleet({ hosts: ['host-a'], timings: { moveWaitMs: 550, lastStreamsMs: 60_000 } })
    const { memory, rig, iad, fraPort } = fleet
    const [host] = await joinAll(fleet, [urlOf(rig)])
    await rig.drain.begin(order())
    // Opened in phase 2: it does not hold that, and phase 3 waits for it with the entry gone.
    await eventOf(rig.events, 'drain.phase_changed', ({ data }) => data.to === 'connections')
    const events = await openEvents({ hostId: 'host-a', port: fraPort, name: 'fra' })
    await until(async () => expect(await memory.lookup('host-a')).toBeNull())
    await rig.drain.resume()
    expect(await memory.owners()).toEqual({ 'host-a': 'fra-1' })
    const visitors = hammer([...doorsOf('fra', fraPort, ['host-a']), ...doorsOf('iad', iad.port, ['host-a'])])
    await until(() => expect(visitors.asked).toBeGreaterThan(20))
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    expect([events.state.cut, host?.of('lost').length]).toEqual([false, 0])
    events.leave()
    await rig.drain.begin(order({ drainId: 'drain-2' }))
    await rig.drain.settled()
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0, requests: 0 } })
  })
})

describe('two nodes that drain at once', () => {
  it('send their hosts to the third without a gap, and requests that were on their way between them arrive', async () => {
    const fleet = await startFleet()
    const { memory, connect, rig, iad, to, fraPort } = fleet
    const second = await startDrainRig({ hosts: HOSTS, directory: connect(), node: 'fra-2' })
    onTestFinished(() => second.end())
    const relays = [urlOf(rig), urlOf(second), iad.url]
    const clients = HOSTS.map((hostId, index) =>
      hostAt(hostId, index % 2 === 0 ? relays : [urlOf(second), urlOf(rig), iad.url], to),
    )
    await Promise.all(clients.map((client) => client.registered()))
    const sockets = await Promise.all(
      HOSTS.map((hostId) => openSocket({ hostId, port: fraPort, name: 'fra' })),
    )
    const visitors = hammer([
      ...doorsOf('fra', fraPort),
      ...doorsOf('fra-2', portOf(second)),
      ...doorsOf('iad', iad.port),
    ])
    await Promise.all([rig.drain.begin(order()), second.drain.begin(order())])
    await until(() => expect(iad.relay.stats().tunnels.current).toBe(HOSTS.length))
    expect(await Promise.all(sockets.map((socket) => socket.echo('here')))).toEqual(HOSTS.map(() => 'here'))
    for (const socket of sockets) socket.state.ws.close(1000)
    await visitors.stop()
    await Promise.all([rig.drain.settled(), second.drain.settled()])
    expect(visitors.failures).toEqual([])
    for (const client of clients) {
      expect(client.of('lost')).toEqual([])
      expect(client.of('registered').at(-1)).toMatchObject({ node: 'iad-1', gapMs: 0 })
    }
    expect(new Set(Object.values(await memory.owners()))).toEqual(new Set(['iad-1']))
    expect([rig.drain.health().requestsFailed, second.drain.health().requestsFailed]).toEqual([0, 0])
  })
})

describe('a signal', () => {
  it("in an operator's drain goes on with the same move, cuts at its own deadline, and loses no host", async () => {
    const fleet = await startFleet({ budget: { httpSeconds: 1.5 } })
    const { memory, rig, iad, fraPort } = fleet
    const clients = await joinAll(fleet)
    const socket = await openSocket({ hostId: 'host-a', port: fraPort, name: 'fra' })
    const visitors = hammer([...doorsOf('fra', fraPort), ...doorsOf('iad', iad.port)])
    await rig.drain.begin(order({ tunnelsPerSecond: 2 }))
    await until(() => expect(iad.relay.stats().tunnels.current).toBeGreaterThanOrEqual(1))
    const ended = rig.drain.signal('SIGTERM')
    await until(() => expect(iad.relay.stats().tunnels.current).toBe(HOSTS.length))
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    await ended
    expect(socket.state.code).toBe(1001)
    expect(rig.drain.health().requestsFailed).toBe(1)
    for (const client of clients) expect(client.of('lost')).toEqual([])
    expect(Object.keys(await memory.owners())).toHaveLength(HOSTS.length)
  })
})

describe('a drain of a relay', () => {
  it('without a host is over at once', async () => {
    const rig = await startDrainRig({ hosts: HOSTS })
    onTestFinished(() => rig.end())
    const beganMs = performance.now()
    await rig.drain.begin(order())
    await rig.drain.settled()
    expect(performance.now() - beganMs).toBeLessThan(3_000)
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0 } })
    expect(rig.drain.health().requestsFailed).toBe(0)
  })

  it('of hundreds of hosts moves each of them once, and nobody is missing or double', async () => {
    const hosts = Array.from({ length: 300 }, (_, index) => `host-${index}`)
    const { memory, rig, iad, to } = await startFleet({
      hosts,
      budget: { httpSeconds: 15, tunnelsSeconds: 15 },
    })
    const clients = hosts.map((hostId) => hostAt(hostId, [urlOf(rig), iad.url], to))
    await until(() => expect(rig.relay?.stats().tunnels.current).toBe(300))
    const door = { hostId: 'host-7', port: iad.port, name: 'iad' }
    const visitors = hammer([door])
    await rig.drain.begin(order())
    await rig.drain.settled()
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    expect(rig.drain.status()).toMatchObject({ state: 'drained', remaining: { tunnels: 0 } })
    expect(rig.relay?.stats()).toMatchObject({
      tunnels: { current: 0, kept: 0, lost: 300 },
      closedBy: { '4001': 300 },
    })
    expect(iad.relay.stats().tunnels).toMatchObject({ current: 300, registered: 300 })
    expect(new Set(Object.values(await memory.owners()))).toEqual(new Set(['iad-1']))
    const gaps = clients.flatMap((client) =>
      client
        .of('registered')
        .slice(1)
        .map(({ gapMs }) => gapMs),
    )
    expect(gaps).toHaveLength(300)
    expect(new Set(gaps)).toEqual(new Set([0]))
  })

  it('that shares no directory with the others ends when its hosts say that they stand elsewhere, and serves them until then', async () => {
    const rig = await startDrainRig({ hosts: ['host-a'] })
    onTestFinished(() => rig.end())
    const iad = await startRelay({
      directory: createMemoryDirectory(),
      node: 'iad-1',
      config: { tokens: tokensOf(['host-a']) },
    })
    const host = hostAt('host-a', [urlOf(rig), iad.url], await startApp())
    await host.registered()
    const socket = await openSocket({ hostId: 'host-a', port: portOf(rig), name: 'fra' })
    const visitors = hammer(doorsOf('fra', portOf(rig), ['host-a']))
    await rig.drain.begin(order())
    await host.registered(2)
    await delay(300)
    expect(await socket.echo('here')).toBe('here')
    expect(visitors.failures).toEqual([])
    await visitors.stop()
    const leftMs = performance.now()
    socket.state.ws.close(1000)
    await rig.drain.settled()
    expect(performance.now() - leftMs, 'nobody is waited for who has said that it moved').toBeLessThan(3_300)
    expect(host.of('lost')).toEqual([])
    expect((await eventOf(rig.events, 'tunnel.lost')).data).toMatchObject({ code: 4001, movedTo: 'iad-1' })
    expect(rig.drain.health().requestsFailed).toBe(0)
  })
})

describe('a request between relays', () => {
  it('goes on to the new owner where the host has moved while it was on its way, and never twice by the same entry', async () => {
    const { memory, connect } = sharedDirectory()
    const to = await startApp()
    const hosts = { config: { tokens: tokensOf(['host-a']) } }
    const fra = await startRelay({ ...hosts, directory: connect(), node: 'fra-1' })
    const iad = await relayBeside(connect(), 'iad-1', ['host-a'])
    // This one believes for ever what the directory said first.
    const behind = connect()
    const nrt = await startRelay({ ...hosts, directory: behind, node: 'nrt-1' })
    const raw = dialRaw(at(fra.url), 'host-a', { token: 'token-of-host-a' })
    await raw.registered
    const stale = await memory.lookup('host-a')
    behind.lookup = async () => stale
    const door = { hostId: 'host-a', port: nrt.port, name: 'nrt' }
    await hostAt('host-a', [iad.url], to).registered()
    await raw.closed
    const visitors = hammer([door])
    await until(() => expect(visitors.asked).toBeGreaterThan(5))
    await visitors.stop()
    expect(visitors.failures).toEqual([])
    // The entry that was passed on by is the one that stands: the same again would circle.
    const now = await memory.lookup('host-a')
    behind.lookup = async () => (now === null ? null : { ...now, internalUrl: stale?.internalUrl ?? null })
    const again = hammer([door])
    await until(() => expect(again.asked).toBeGreaterThan(0))
    await again.stop()
    expect(again.failures[0]?.what).toContain('ERR_LOOP')
  })

  it('waits for a host whose registration is under way at the relay that owns it', async () => {
    const { connect } = sharedDirectory()
    const directory = connect()
    const register = directory.register.bind(directory)
    const relay = await startRelay({ directory, node: 'fra-1', config: { tokens: tokensOf(['host-a']) } })
    // The directory has it; this relay hears of that a little later.
    directory.register = async (...given: Parameters<typeof register>) => {
      const answer = await register(...given)
      await delay(200)
      return answer
    }
    startHost({ hostId: 'host-a', token: 'token-of-host-a', relays: [relay.url], to: await startApp() })
    await until(async () => expect((await directory.lookup('host-a'))?.node).toBe('fra-1'))
    const visitors = hammer([{ hostId: 'host-a', port: relay.port, name: 'fra' }])
    await until(() => expect(visitors.asked).toBeGreaterThan(3))
    await visitors.stop()
    expect(visitors.failures).toEqual([])
  })
})
