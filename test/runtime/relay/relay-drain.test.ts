import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Holding } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { ask, dialRaw, errorCode, noSignal, startHost, startRelay, startTarget, valuesOf } from './fixture.ts'

describe('phase 2 of a drain', () => {
  it('serves hosts that have not moved and refuses tunnels with a reason, while what is in flight goes on', async () => {
    let finish: () => void = () => undefined
    const to = await startTarget(
      (req, res) => {
        if (req.url === '/page') {
          res.end('a page')
          return
        }
        res.write('first ')
        finish = () => res.end('last')
      },
      (server) => {
        new WebSocketServer({ server })
      },
    )
    const { relay, ...rest } = await startRelay()
    const test = { relay, ...rest }
    await startHost({ relays: [test.url], to }).registered()
    const running = ask(test, '/hosts/a/')
    await vi.waitFor(() => expect(relay.inFlight()).toEqual({ connections: 0, requests: 1 }))
    await relay.stopAccepting()
    const served = await ask(test, '/hosts/a/page', { headers: { connection: 'keep-alive' } })
    expect([served.status, served.body.toString(), valuesOf(served, 'connection')]).toEqual([
      200,
      'a page',
      ['close'],
    ])
    const nowhere = await ask(test, '/hosts/c/')
    expect([nowhere.status, errorCode(nowhere)]).toEqual([503, 'ERR_HOST_OFFLINE'])
    const unknown = await ask(test, '/other')
    expect([unknown.status, errorCode(unknown)]).toEqual([503, 'ERR_DRAINING'])
    expect((await ask(test, '/health')).status).toBe(200)
    const upgrade = new WebSocket(`ws://127.0.0.1:${test.port}/hosts/a/`)
    await once(upgrade, 'open')
    upgrade.close()
    await once(upgrade, 'close')
    expect((await dialRaw(test, 'b').closed).code).toBe(4001)
    const idle = relay.whenIdle(noSignal())
    finish()
    expect((await running).body.toString()).toBe('first last')
    await idle
    expect(relay.inFlight()).toEqual({ connections: 0, requests: 0 })
    expect(relay.stats().requests.failed).toEqual({ offline: 1 })
  })

  it('cuts the rest and counts it: a request without an answer gets 503, a WebSocket 1001', async () => {
    const to = await startTarget(
      () => undefined,
      (server) => {
        new WebSocketServer({ server })
      },
    )
    const test = await startRelay()
    await startHost({ relays: [test.url], to }).registered()
    const hanging = ask(test, '/hosts/a/')
    const ws = new WebSocket(`ws://127.0.0.1:${test.port}/hosts/a/`)
    await once(ws, 'open')
    await vi.waitFor(() => expect(test.relay.inFlight()).toEqual({ connections: 1, requests: 1 }))
    await test.relay.stopAccepting()
    await test.relay.whenIdle(AbortSignal.timeout(20))
    const closed = once(ws, 'close') as Promise<[number]>
    expect(await test.relay.abortRest()).toEqual({ connections: 1, requests: 1 })
    expect(test.relay.inFlight()).toEqual({ connections: 0, requests: 0 })
    const answer = await hanging
    expect([answer.status, errorCode(answer)]).toEqual([503, 'ERR_DRAINING'])
    expect((await closed)[0]).toBe(1001)
    expect(test.relay.stats().requests.failed).toEqual({ draining: 2 })
    expect(await test.relay.abortRest()).toEqual({ connections: 0, requests: 0 })
  })
})

describe('phase 3 of a drain', () => {
  it('tells every tunnel at least 500 ms before its 4001, and removes the entries of a slice in one call before it', async () => {
    const memory = createMemoryDirectory()
    const calls: Holding[][] = []
    const directory = {
      ...memory,
      removeMany: async (holdings: readonly Holding[]) => {
        calls.push([...holdings])
        return await memory.removeMany(holdings)
      },
    }
    const hosts = Array.from({ length: 60 }, (_, index) => `h${index}`)
    const test = await startRelay({ directory, hosts, timings: { moveWaitMs: 800 } })
    const raws = hosts.map((hostId) => dialRaw(test, hostId))
    await Promise.all(raws.map((raw) => raw.registered))
    const notices = raws.map(
      (raw) =>
        new Promise<number>((resolve) => {
          let toldMs = 0
          raw.ws.on('message', (data) => {
            if (data.toString() === '{"type":"drain"}') toldMs = performance.now()
          })
          raw.ws.on('close', (code) => resolve(code === 4001 && toldMs > 0 ? performance.now() - toldMs : -1))
        }),
    )
    const result = await test.relay.drainTunnels({ signal: noSignal() })
    expect(result).toEqual({ moved: 60, left: 0 })
    // Measured at the client: the two messages may be read a little closer together than they were sent.
    for (const noticeMs of await Promise.all(notices)) expect(noticeMs).toBeGreaterThan(490)
    expect(calls.map((holdings) => holdings.length).sort((a, b) => b - a)).toEqual([50, 10])
    expect(memory.entries()).toBe(0)
    expect(test.relay.stats().closedBy).toEqual({ '4001': 60 })
    expect((await dialRaw(test, 'h0').closed).code).toBe(4001)
  })

  it('at the end of its budget takes what is left from the directory in one call, and what visitors lose by that is counted', async () => {
    const memory = createMemoryDirectory()
    const calls: number[] = []
    const directory = {
      ...memory,
      removeMany: async (holdings: readonly Holding[]) => {
        calls.push(holdings.length)
        return await memory.removeMany(holdings)
      },
    }
    const test = await startRelay({ directory })
    const hosts = ['a', 'b', 'c'].map((hostId) => dialRaw(test, hostId))
    await Promise.all(hosts.map((host) => host.registered))
    // These hosts never answer.
    const asked = ask(test, '/hosts/a/')
    const ws = new WebSocket(`ws://127.0.0.1:${test.port}/hosts/b/`)
    ws.on('error', () => undefined)
    await vi.waitFor(() => expect(test.relay.inFlight()).toEqual({ connections: 1, requests: 1 }))
    await test.relay.drainTunnels({ signal: AbortSignal.timeout(50) })
    await test.relay.endTunnels()
    expect(calls).toEqual([3])
    expect(memory.entries()).toBe(0)
    expect(await Promise.all(hosts.map(async ({ closed }) => (await closed).code))).toEqual([
      4001, 4001, 4001,
    ])
    const answer = await asked
    expect([answer.status, errorCode(answer)]).toEqual([503, 'ERR_DRAINING'])
    await vi.waitFor(() => expect(test.relay.inFlight()).toEqual({ connections: 0, requests: 0 }))
    expect(test.relay.stats().requests.failed).toEqual({ draining: 2 })
  })

  it('keeps the pace, and stops where it is when its signal says so', async () => {
    const hosts = Array.from({ length: 10 }, (_, index) => `h${index}`)
    const test = await startRelay({ hosts })
    const raws = hosts.map((hostId) => dialRaw(test, hostId))
    await Promise.all(raws.map((raw) => raw.registered))
    const controller = new AbortController()
    const told = (): number => raws.filter((raw) => raw.texts.some((text) => text.type === 'drain')).length
    const draining = test.relay.drainTunnels({ tunnelsPerSecond: 5, signal: controller.signal })
    await vi.waitFor(() => expect(told()).toBe(3), { timeout: 5_000, interval: 5 })
    controller.abort()
    const { moved, left } = await draining
    expect(moved).toBeLessThan(3)
    expect(left).toBe(10 - moved)
    expect(told()).toBe(3)
    await test.relay.resume()
    await dialRaw(test, 'h9').registered
  })

  it('leaves no gap for a host that can go elsewhere, and what is in flight on the old tunnel finishes there', async () => {
    let finish: () => void = () => undefined
    const to = await startTarget((_req, res) => {
      res.write('one ')
      finish = () => res.end('two')
    })
    const directory = createMemoryDirectory()
    const fra = await startRelay({ directory })
    const iad = await startRelay({ directory, node: 'iad-1', region: 'iad' })
    const host = startHost({ relays: [fra.url, iad.url], to, timings: { drainJitterMs: 50 } })
    await host.registered()
    expect(host.client.node()).toBe('fra-1')
    const running = ask(fra, '/hosts/a/')
    await vi.waitFor(() => expect(fra.relay.inFlight().requests).toBe(1))
    const draining = fra.relay.drainTunnels({ signal: noSignal() })
    await host.registered(2)
    // Registered elsewhere already, and still not lost here: the old tunnel was told to leave, so nobody closes it with 4408.
    await vi.waitFor(() => expect(fra.relay.stats().tunnels).toMatchObject({ current: 0, kept: 1, lost: 0 }))
    finish()
    expect((await running).body.toString()).toBe('one two')
    expect(await draining).toMatchObject({ left: 0 })
    expect(host.of('registered')[1]).toMatchObject({
      gapMs: 0,
      previousNode: 'fra-1',
      previousCloseCode: 4001,
      node: 'iad-1',
      attempt: 1,
    })
    expect(host.of('lost')).toEqual([])
    expect(iad.of('tunnel.registered')[0]).toMatchObject({
      hostId: 'a',
      gapMs: 0,
      previousNode: 'fra-1',
      previousCloseCode: 4001,
    })
    expect(fra.of('tunnel.lost')[0]).toMatchObject({ hostId: 'a', code: 4001, movedTo: 'iad-1' })
    expect(await directory.lookup('a')).toMatchObject({ node: 'iad-1' })
    expect(iad.relay.stats().tunnels.reconnected).toBe(1)
  })
})

describe('the port of a relay', () => {
  it('is given back by unbind and bound again by resume, the same one, and a stranger on it is ERR_PORT_TAKEN', async () => {
    const test = await startRelay()
    await test.relay.stopAccepting()
    await test.relay.unbind()
    await test.relay.unbind()
    expect(test.relay.listeners()).toEqual([])
    const refused = connect(test.port, '127.0.0.1')
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    const stranger = createServer()
    stranger.listen(test.port, '127.0.0.1')
    await once(stranger, 'listening')
    await expect(test.relay.resume()).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN' })
    expect(test.relay.listeners()).toEqual([])
    stranger.close()
    await once(stranger, 'close')
    await test.relay.resume()
    expect(test.relay.listeners()).toEqual([{ part: 'relay', host: '127.0.0.1', port: test.port }])
    await dialRaw(test, 'a').registered
    await test.relay.resume()
  })

  it('is free after close, which ends tunnels with 1001, or with 4001 where a drain was under way', async () => {
    const plain = await startRelay()
    const one = dialRaw(plain, 'a')
    await one.registered
    await plain.relay.close()
    expect((await one.closed).code).toBe(1001)
    await plain.relay.close()
    const draining = await startRelay()
    const two = dialRaw(draining, 'a')
    await two.registered
    draining.relay.setCordon(true)
    await draining.relay.destroy()
    expect((await two.closed).code).toBe(4001)
    expect(draining.relay.stats().tunnels).toMatchObject({ current: 0, registered: 1, lost: 1 })
  })
})
