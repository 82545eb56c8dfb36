import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { Directory } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { dialRaw, startRelay, tokenOf } from './fixture.ts'

describe('a tunnel handshake', () => {
  it('ends in `registered`, and the registration is told with what the host reports', async () => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a', { protocols: ['tidegate.v1'], query: 'hostId=a&v=1,2' })
    const message = await host.registered
    expect(message).toEqual({
      type: 'registered',
      protocol: 1,
      node: 'fra-1',
      region: 'fra',
      hostId: 'a',
      fence: 1,
      pingIntervalMs: 30_000,
    })
    expect(relay.of('tunnel.registered')).toEqual([])
    host.ws.send('{"type":"something new"}')
    host.ws.send('not json')
    const report = { gapMs: 120, previousNode: 'iad-1', previousCloseCode: 4001, attempt: 2 }
    host.ws.send(JSON.stringify({ type: 'report', ...report }))
    await vi.waitFor(() => expect(relay.of('tunnel.registered')).toHaveLength(1))
    expect(relay.of('tunnel.registered')[0]).toEqual({ hostId: 'a', fence: 1, ...report })
    expect(relay.relay.tunnels()[0]).toMatchObject({ hostId: 'a', fence: 1, gapMs: 120, pending: 0 })
    expect(relay.relay.stats().tunnels).toMatchObject({ current: 1, registered: 1, reconnected: 1 })
  })

  it('is told without a report after a while, and before the loss where that comes first', async () => {
    const relay = await startRelay({ timings: { reportWaitMs: 30 } })
    const silent = dialRaw(relay, 'a')
    await vi.waitFor(() => expect(relay.of('tunnel.registered')).toHaveLength(1))
    expect(relay.of('tunnel.registered')[0]).toMatchObject({ hostId: 'a', gapMs: null, previousNode: null })
    silent.ws.close(1000, 'enough')
    await vi.waitFor(() => expect(relay.of('tunnel.lost')).toHaveLength(1))
    expect(relay.of('tunnel.lost')[0]).toMatchObject({ hostId: 'a', code: 1000, reason: 'enough' })

    const patient = await startRelay({ timings: { reportWaitMs: 60_000 } })
    const brief = dialRaw(patient, 'b')
    await brief.registered
    brief.ws.close(1000)
    await vi.waitFor(() => expect(patient.of('tunnel.lost')).toHaveLength(1))
    expect(patient.events.map((event) => event.type)).toEqual(['tunnel.registered', 'tunnel.lost'])
  })

  it('takes the token from the subprotocol list and never echoes it', async () => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a', { token: null, protocols: ['tidegate.v1', tokenOf('a')] })
    await host.registered
    expect(host.ws.protocol).toBe('tidegate.v1')
  })

  it.each([
    ['a bad id', { query: 'hostId=Not_An_Id' }, 1008],
    ['no id', { query: 'x=1' }, 1008],
    ['two ids', { query: 'hostId=a&hostId=b' }, 1008],
    ['a version that nobody speaks', { query: 'hostId=a&v=99' }, 1008],
    ['no token', { token: null }, 4401],
    ['an unknown token', { token: 'something-else' }, 4401],
    ["another host's token", { token: tokenOf('b') }, 4403],
  ])('with %s is completed and then closed with the code that says so', async (_name, options, code) => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a', options)
    const opened = new Promise((resolve) => host.ws.on('open', resolve))
    await opened
    const closed = await host.closed
    expect(closed.code).toBe(code)
    expect(closed.reason.length).toBeGreaterThan(5)
    expect(Buffer.byteLength(closed.reason)).toBeLessThanOrEqual(123)
    expect(relay.relay.stats().tunnels.refused).toEqual({ [String(code)]: 1 })
    expect(relay.of('tunnel.refused')[0]).toMatchObject({ code })
    expect(JSON.stringify(relay.events)).not.toContain(tokenOf('b'))
  })

  it('is refused with 1013 at the ceiling, but a host that is there already may replace itself', async () => {
    const relay = await startRelay({ config: { maxTunnels: 1 } })
    await dialRaw(relay, 'a').registered
    expect((await dialRaw(relay, 'b').closed).code).toBe(1013)
    await dialRaw(relay, 'a').registered
    expect(relay.relay.stats().tunnels.current).toBe(1)
  })

  it('is refused with 4001 while cordoned, and tunnels that stand stay', async () => {
    const relay = await startRelay()
    await dialRaw(relay, 'a').registered
    relay.relay.setCordon(true)
    expect((await dialRaw(relay, 'b').closed).code).toBe(4001)
    expect(relay.relay.stats()).toMatchObject({ cordoned: true, tunnels: { current: 1 } })
    relay.relay.setCordon(false)
    await dialRaw(relay, 'b').registered
  })

  it('is refused with 4001 when the cordon comes while the directory is asked, and leaves no entry behind', async () => {
    const memory = createMemoryDirectory()
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let asked = false
    const slow: Directory = {
      ...memory,
      register: async (hostId, owner) => {
        asked = true
        const answer = await memory.register(hostId, owner)
        await gate
        return answer
      },
    }
    const relay = await startRelay({ directory: slow })
    const host = dialRaw(relay, 'a')
    await vi.waitFor(() => expect(asked).toBe(true))
    relay.relay.setCordon(true)
    release()
    expect((await host.closed).code).toBe(4001)
    await vi.waitFor(async () => expect(await memory.lookup('a')).toBeNull())
    expect(host.texts).toEqual([])
  })

  it('is let in when the cordon comes while the directory takes the host from another relay, and told to go on: refused, it would be nowhere', async () => {
    const memory = createMemoryDirectory()
    const first = await startRelay({ directory: memory })
    const host = dialRaw(first, 'a')
    await host.registered
    const relay = await startRelay({ directory: memory, node: 'iad-1' })
    const register = memory.register
    memory.register = async (...given) => {
      const answer = await register(...given)
      relay.relay.setCordon(true)
      return answer
    }
    const moved = dialRaw(relay, 'a')
    await moved.registered
    await vi.waitFor(() => expect(moved.texts.at(-1)).toEqual({ type: 'drain' }))
    expect(await memory.owners()).toEqual({ a: 'iad-1' })
    expect(relay.relay.stats().tunnels).toMatchObject({ current: 1, refused: {} })
  })

  it('ends with 1011 after three tries at a directory that fails, and says when it is back', async () => {
    const memory = createMemoryDirectory()
    let tries = 0
    let broken = true
    const failing: Directory = {
      ...memory,
      register: async (hostId, owner) => {
        tries += 1
        if (broken) throw new Error('no directory')
        return await memory.register(hostId, owner)
      },
    }
    const relay = await startRelay({ directory: failing, timings: { registerRetryMs: [1, 1] } })
    expect((await dialRaw(relay, 'a').closed).code).toBe(1011)
    expect(tries).toBe(3)
    expect(relay.relay.stats().directory.reachable).toBe(false)
    broken = false
    await dialRaw(relay, 'a').registered
    expect(relay.events.map((event) => event.type).filter((type) => type.startsWith('directory.'))).toEqual([
      'directory.unreachable',
      'directory.recovered',
    ])
  })
})

describe('a registered tunnel', () => {
  it('is closed 4409 by a newer one of its host, whose entry its late close leaves alone', async () => {
    const relay = await startRelay()
    const older = dialRaw(relay, 'a')
    await older.registered
    const newer = dialRaw(relay, 'a')
    const { fence } = (await newer.registered) as { fence: number }
    expect((await older.closed).code).toBe(4409)
    older.ws.terminate()
    expect(relay.relay.tunnels()).toMatchObject([{ hostId: 'a', fence }])
    expect(await relay.directory.lookup('a')).toMatchObject({ fence, node: 'fra-1' })
    const { tunnels, closedBy } = relay.relay.stats()
    expect(tunnels).toMatchObject({ current: 1, registered: 2, lost: 1 })
    expect(closedBy).toEqual({ '4409': 1 })
    expect(relay.of('tunnel.replaced')).toHaveLength(1)
    // An unregistration with the older fence, however late, is compare-and-delete.
    expect(await relay.directory.unregister('a', 1)).toBe(false)
    expect(await relay.directory.lookup('a')).not.toBeNull()
  })

  it('loses to the higher fence when two register at once and the answers come in the other order', async () => {
    const memory = createMemoryDirectory()
    const gates: (() => void)[] = []
    const shuffled: Directory = {
      ...memory,
      register: async (hostId, owner) => {
        const answer = await memory.register(hostId, owner)
        await new Promise<void>((resolve) => gates.push(resolve))
        return answer
      },
    }
    const relay = await startRelay({ directory: shuffled })
    const first = dialRaw(relay, 'a')
    await vi.waitFor(() => expect(gates).toHaveLength(1))
    const second = dialRaw(relay, 'a')
    await vi.waitFor(() => expect(gates).toHaveLength(2))
    gates[1]?.()
    expect(await second.registered).toMatchObject({ fence: 2 })
    gates[0]?.()
    expect((await first.closed).code).toBe(4409)
    expect(second.ws.readyState).toBe(WebSocket.OPEN)
    expect(await memory.lookup('a')).toMatchObject({ fence: 2 })
  })

  it('is closed 4408 when another relay registers its host', async () => {
    const directory = createMemoryDirectory()
    const fra = await startRelay({ directory })
    const iad = await startRelay({ directory, node: 'iad-1', region: 'iad' })
    const old = dialRaw(fra, 'a')
    await old.registered
    await dialRaw(iad, 'a').registered
    expect((await old.closed).code).toBe(4408)
    expect(await directory.lookup('a')).toMatchObject({ node: 'iad-1' })
  })

  it('ends with 1001 after three pings without an answer, and lives while they are answered', async () => {
    const relay = await startRelay({ config: { pingIntervalMs: 25 } })
    const deaf = dialRaw(relay, 'a', { autoPong: false })
    const alive = dialRaw(relay, 'b')
    await Promise.all([deaf.registered, alive.registered])
    expect((await deaf.closed).code).toBe(1001)
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.lastPongAt).not.toBeNull())
    expect(relay.relay.tunnels()).toMatchObject([{ hostId: 'b' }])
    expect(relay.relay.stats().closedBy).toEqual({ '1001': 1 })
  })

  it('can be closed by an operator, with a reason cut to what a close frame carries', async () => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a')
    await host.registered
    expect(relay.relay.closeTunnel('nobody', 4404, 'x')).toBe(false)
    expect(relay.relay.closeTunnel('a', 4404, 'ä'.repeat(200))).toBe(true)
    const { code, reason } = await host.closed
    expect(code).toBe(4404)
    expect(reason).toBe('ä'.repeat(61))
    expect(relay.relay.tunnels()).toEqual([])
    expect(await relay.directory.lookup('a')).toBeNull()
  })

  it('ends with 1008 when it sends what is not a frame', async () => {
    const relay = await startRelay()
    const host = dialRaw(relay, 'a')
    await host.registered
    host.ws.send(Buffer.from([1, 2]))
    expect((await host.closed).code).toBe(1008)
  })

  it('is registered anew when its directory entry has vanished', async () => {
    const relay = await startRelay({ config: { pingIntervalMs: 20 } })
    await dialRaw(relay, 'a').registered
    await relay.directory.clearNode('fra-1')
    await vi.waitFor(async () =>
      expect(await relay.directory.lookup('a')).toMatchObject({ node: 'fra-1', fence: 2 }),
    )
    expect(relay.relay.tunnels()).toMatchObject([{ hostId: 'a', fence: 2 }])
  })
})
