import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createHostClient } from '../../../server/runtime/host/host-client.ts'
import { EXIT_REPLACED, runHost } from '../../../server/runtime/host/host-command.ts'
import { HOST_TIMINGS, hostBackoff } from '../../../server/runtime/host/host-timings.ts'
import { RelayChoice, tunnelUrl } from '../../../server/runtime/host/relay-choice.ts'
import {
  dialRaw,
  log,
  noSignal,
  sayRegistered,
  startFakeRelay,
  startHost,
  startRelay,
  tokenOf,
} from '../relay/fixture.ts'

/** Short waits, so that what the product does in minutes is seen in milliseconds. */
const quick = { backoffBaseMs: 20, backoffMaxMs: 80, drainJitterMs: 5 }

describe('the backoff', () => {
  it('is min(1 s · 2ⁿ, 5 s) × [0.5, 1)', () => {
    const waits = (random: number): number[] => {
      const backoff = hostBackoff(HOST_TIMINGS, () => random)
      return Array.from({ length: 51 }, () => backoff.next()).filter((_wait, n) => n < 4 || n === 50)
    }
    const lower = waits(0)
    const upper = waits(0.999_999)
    expect(lower).toEqual([500, 1_000, 2_000, 2_500, 2_500])
    for (const [index, full] of [1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
      expect(upper[index]).toBeLessThan(full)
      expect(upper[index]).toBeGreaterThan(full * 0.99)
    }
  })

  it('and its neighbours have the promised defaults', () => {
    expect(HOST_TIMINGS).toMatchObject({
      connectTimeoutMs: 20_000,
      watchdogMs: 75_000,
      watchdogCheckMs: 10_000,
      stuckClosingMs: 30_000,
      avoidMs: 30_000,
      drainJitterMs: 500,
    })
  })
})

describe('the choice of a relay', () => {
  it('keeps the order, tries each once before any again, and those that drain last', () => {
    let nowMs = 0
    const choice = new RelayChoice(['a', 'b', 'c'], 30_000, () => nowMs)
    expect([choice.next(), choice.next(), choice.next(), choice.next()]).toEqual(['a', 'b', 'c', 'a'])
    choice.restart()
    choice.avoid('a')
    expect([choice.next(), choice.next(), choice.next(), choice.next()]).toEqual(['b', 'c', 'a', 'b'])
    choice.restart()
    nowMs = 30_001
    expect(choice.next()).toBe('a')
    const alone = new RelayChoice(['only'], 30_000, () => nowMs)
    alone.avoid('only')
    expect([alone.next(), alone.next()]).toEqual(['only', 'only'])
  })

  it('appends /tunnel where it is missing and refuses what is not an address', () => {
    expect(tunnelUrl('ws://relay:81', 'a')).toBe('ws://relay:81/tunnel?hostId=a&v=1')
    expect(tunnelUrl('https://relay.example/tunnel', 'a')).toBe('wss://relay.example/tunnel?hostId=a&v=1')
    expect(tunnelUrl('wss://relay.example/edge/', 'a')).toBe('wss://relay.example/edge/tunnel?hostId=a&v=1')
    expect(() => tunnelUrl('relay.example:81', 'a')).toThrow(/not the address of a relay/)
    const options = { relays: ['ws://x'], hostId: 'a', token: 't', to: 'http://localhost', log }
    expect(() => createHostClient({ ...options, hostId: 'A b' })).toThrow(/not a host id/)
    expect(() => createHostClient({ ...options, to: 'ftp://x' })).toThrow(/not a target/)
    expect(() => createHostClient({ ...options, relays: [] })).toThrow(/At least one relay/)
  })
})

describe('a host', () => {
  it('counts as connected only from `registered` on, and reports its first registration', async () => {
    const relay = await startFakeRelay(() => undefined)
    const host = startHost({ relays: [relay.url] })
    await vi.waitFor(() => expect(relay.connections).toHaveLength(1))
    const [connection] = relay.connections
    if (!connection) throw new Error('no connection')
    expect(connection.request.headers.authorization).toBe(`Bearer ${tokenOf('a')}`)
    expect(connection.request.url).toBe('/tunnel?hostId=a&v=1')
    connection.ws.send('{"type":"hello from the future"}')
    connection.ws.send('{"type":"drain"}')
    expect(host.client.state()).toBe('connecting')
    sayRegistered(connection, 'n1')
    await host.registered()
    expect(host.client.state()).toBe('registered')
    await vi.waitFor(() => expect(connection.reports).toHaveLength(1))
    expect(connection.reports[0]).toEqual({
      type: 'report',
      gapMs: null,
      previousNode: null,
      previousCloseCode: null,
      attempt: 1,
    })
  })

  it('goes on to the next relay when one answers with an HTTP error, refuses, or cannot be reached', async () => {
    const http = createServer((_req, res) => res.writeHead(503).end())
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    onTestFinished(() => {
      http.close()
    })
    const refusing = await startFakeRelay(({ ws }) => ws.close(4401, 'who are you'))
    const good = await startFakeRelay((connection) => sayRegistered(connection, 'good'))
    const host = startHost({
      relays: [
        'ws://127.0.0.1:1',
        `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
        refusing.url,
        good.url,
      ],
      timings: quick,
    })
    await host.registered()
    expect(host.of('attempt_failed').map(({ code }) => code)).toEqual([1006, 1006, 4401])
    expect(host.of('attempt_failed')[1]?.reason).toContain('503')
    expect(host.of('attempt_failed')[2]?.reason).toBe('who are you')
    expect(host.of('registered')[0]).toMatchObject({ node: 'good', attempt: 4, gapMs: null })
  })

  it('makes the new tunnel first when it is told of a drain: no gap, elsewhere, and the drained relay is avoided', async () => {
    const old = await startFakeRelay((connection) => sayRegistered(connection, 'old'))
    const next = await startFakeRelay((connection) => sayRegistered(connection, 'next'))
    const host = startHost({ relays: [old.url, next.url], timings: { drainJitterMs: 20 } })
    await host.registered()
    old.connections[0]?.ws.send('{"type":"drain"}')
    await host.registered(2)
    expect(old.connections[0]?.ws.readyState).toBe(1)
    await vi.waitFor(() => expect(next.connections[0]?.reports).toHaveLength(1))
    const report = { type: 'report', gapMs: 0, previousNode: 'old', previousCloseCode: 4001, attempt: 1 }
    expect(next.connections[0]?.reports[0]).toEqual(report)
    old.connections[0]?.ws.close(4001, 'drained')
    await old.connections[0]?.closed
    expect(host.client.state()).toBe('registered')
    expect(host.of('lost')).toEqual([])
    next.connections[0]?.ws.close(1001, 'restart')
    // The first in order drained less than 30 s ago: the other one comes first, although it has just gone.
    await vi.waitFor(() => expect(next.connections).toHaveLength(2), { timeout: 5_000 })
    expect(old.connections).toHaveLength(1)
  })

  it('that is told to leave tries one relay after the other without long pauses, and tells the old one when it has moved', async () => {
    const told: unknown[] = []
    const old = await startFakeRelay((connection) => {
      connection.ws.on('message', (data, isBinary) => {
        if (!isBinary) told.push(JSON.parse(data.toString()))
      })
      sayRegistered(connection, 'old')
    })
    const refusing = await startFakeRelay(({ ws }) => ws.close(4001, 'draining too'))
    const next = await startFakeRelay((connection) => sayRegistered(connection, 'next'))
    const host = startHost({
      relays: [old.url, 'ws://127.0.0.1:1', refusing.url, next.url],
      timings: { drainJitterMs: 20, backoffBaseMs: 60_000, backoffMaxMs: 60_000 },
    })
    await host.registered()
    old.connections[0]?.ws.send('{"type":"drain"}')
    await host.registered(2)
    expect(host.of('registered')[1]).toMatchObject({ node: 'next', gapMs: 0, attempt: 3 })
    await vi.waitFor(() => expect(told.at(-1)).toEqual({ type: 'moved', node: 'next' }))
  })

  it('dials within 500 ms after a 4001 without notice, elsewhere, and measures the gap', async () => {
    const old = await startFakeRelay((connection) => sayRegistered(connection, 'old'))
    const next = await startFakeRelay((connection) => sayRegistered(connection, 'next'))
    const host = startHost({ relays: [old.url, next.url] })
    await host.registered()
    const before = performance.now()
    old.connections[0]?.ws.close(4001, 'drain')
    await host.registered(2)
    // A promise of the product: first attempt within 0–500 ms; the rest is scheduling.
    expect(performance.now() - before).toBeLessThan(1_500)
    const registered = host.of('registered')[1]
    expect(registered).toMatchObject({
      node: 'next',
      previousNode: 'old',
      previousCloseCode: 4001,
      attempt: 1,
    })
    expect(registered?.gapMs).toBeGreaterThanOrEqual(0)
    expect(host.of('lost')).toMatchObject([{ code: 4001, reason: 'drain', node: 'old' }])
  })

  it('lets the backoff grow through refusals with 4001 and losses with 1001, and begins anew after a drain', async () => {
    const script: ('refuse' | 'lose' | 'drain')[] = ['refuse', 'lose', 'lose', 'drain', 'lose', 'lose']
    const relay = await startFakeRelay((connection, index) => {
      const act = script[index]
      if (act === 'refuse') connection.ws.close(4001, 'not now')
      else {
        sayRegistered(connection, 'n')
        if (act === 'lose') connection.ws.close(1001, 'restart')
        if (act === 'drain') connection.ws.close(4001, 'drain')
      }
    })
    const timings = { backoffBaseMs: 40, backoffMaxMs: 10_000, drainJitterMs: 0 }
    startHost({ relays: [relay.url], timings, random: () => 0 })
    await vi.waitFor(() => expect(relay.connections).toHaveLength(7), { timeout: 5_000 })
    const times = relay.connections.map((connection) => connection.atMs)
    const waits = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    // At least what the formula says (timers never fire more than a millisecond early); 40, 80, 160 halved by random = 0.
    for (const [index, least] of [20, 40, 80, 0, 20, 40].entries()) {
      expect(waits[index], `wait ${index}`).toBeGreaterThanOrEqual(least - 2)
    }
    // After the drain it begins anew: had it gone on, these two would be at least 160 and 320.
    expect((waits[4] ?? 0) + (waits[5] ?? 0)).toBeLessThan(480)
  })

  it('stops when it is replaced by a stranger', async () => {
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url], timings: quick })
    await host.registered()
    await dialRaw(relay, 'a').registered
    await vi.waitFor(() => expect(host.client.state()).toBe('replaced'))
    expect(host.events.at(-1)).toMatchObject({ type: 'replaced', node: 'fra-1' })
    expect(host.of('lost')).toMatchObject([{ code: 4409 }])
    expect(relay.relay.stats().tunnels).toMatchObject({ current: 1, registered: 2 })
  })

  it('does not take its own new tunnel for a stranger’s when that one replaces the old one', async () => {
    const first: { close?: () => void } = {}
    const relay = await startFakeRelay((connection, index) => {
      if (index === 0) {
        sayRegistered(connection, 'n')
        first.close = () => connection.ws.close(4409, 'replaced')
        return
      }
      // The old tunnel's close overtakes the new one's registration.
      first.close?.()
      setTimeout(() => sayRegistered(connection, 'n', { fence: 2 }), 50)
    })
    const host = startHost({ relays: [relay.url], timings: quick })
    await host.registered()
    relay.connections[0]?.ws.send('{"type":"drain"}')
    await host.registered(2)
    expect(host.client.state()).toBe('registered')
    expect(host.of('replaced')).toEqual([])
  })

  it('gives up an attempt whose token never comes, and asks again', async () => {
    let asked = 0
    const relay = await startFakeRelay((connection) => sayRegistered(connection, 'n'))
    const token = async (): Promise<string> => {
      asked += 1
      if (asked === 1) return await new Promise<string>(() => undefined)
      if (asked === 2) throw new Error('the vault is closed')
      return 'third time lucky'
    }
    const host = startHost({ relays: [relay.url], token, timings: { ...quick, connectTimeoutMs: 40 } })
    await host.registered()
    expect(host.of('attempt_failed')).toMatchObject([
      { code: 4008, attempt: 1 },
      { code: 1006, reason: 'the vault is closed', attempt: 2 },
    ])
    expect(relay.connections[0]?.request.headers.authorization).toBe('Bearer third time lucky')
  })

  it('closes a relay that never says `registered` with 4008', async () => {
    const relay = await startFakeRelay((connection, index) => {
      if (index > 0) sayRegistered(connection, 'n')
    })
    const host = startHost({ relays: [relay.url], timings: { ...quick, connectTimeoutMs: 60 } })
    await host.registered()
    expect(await relay.connections[0]?.closed).toMatchObject({ code: 4008 })
  })

  it('closes a silent tunnel with 4002 and finds its way back, with the gap in its report', async () => {
    const relay = await startFakeRelay((connection) => sayRegistered(connection, 'n'))
    const host = startHost({
      relays: [relay.url],
      timings: { ...quick, watchdogMs: 60, watchdogCheckMs: 10 },
    })
    await host.registered(2)
    expect(await relay.connections[0]?.closed).toMatchObject({ code: 4002 })
    expect(host.of('lost')[0]).toMatchObject({ code: 4002, node: 'n' })
    expect(host.of('registered')[1]).toMatchObject({ previousCloseCode: 4002, attempt: 1 })
    expect(host.of('registered')[1]?.gapMs).toBeGreaterThan(0)
  })

  it('abandons a socket that is stuck closing', async () => {
    const sockets: Socket[] = []
    const server = createServer()
    server.on('upgrade', (req, socket) => {
      sockets.push(socket as Socket)
      socket.on('error', () => undefined)
      socket.resume()
      const key = `${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
      const accept = createHash('sha1').update(key).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: tidegate.v1\r\n\r\n`,
      )
      const text = Buffer.from('{"type":"registered","node":"stuck"}')
      socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
      // A close frame (1001), after which this relay never ends the connection.
      if (sockets.length === 1) socket.write(Buffer.from([0x88, 2, 0x03, 0xe9]))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    const host = startHost({
      relays: [`ws://127.0.0.1:${(server.address() as AddressInfo).port}`],
      timings: { ...quick, stuckClosingMs: 50, watchdogCheckMs: 10 },
    })
    await host.registered(2)
    expect(host.of('lost')).toHaveLength(1)
    expect(sockets).toHaveLength(2)
  })

  it('pings the relay, and closes 1001 when three pings stay without an answer', async () => {
    const server = await startFakeRelay((connection, index) => {
      sayRegistered(connection, 'n', { pingIntervalMs: 15 })
      // @ts-expect-error `ws` has no public way to stop answering pings on a server's socket.
      if (index === 0) connection.ws._autoPong = false
    })
    const host = startHost({ relays: [server.url], timings: quick })
    await host.registered(2)
    expect(await server.connections[0]?.closed).toMatchObject({ code: 1001 })
  })

  it('dials at once after 4408, but not when it was held for an instant only', async () => {
    const relay = await startFakeRelay((connection, index) => {
      sayRegistered(connection, 'n')
      if (index < 2) connection.ws.close(4408, 'stale')
    })
    const timings = { backoffBaseMs: 60_000, backoffMaxMs: 60_000, drainJitterMs: 1 }
    const patient = startHost({ relays: [relay.url], timings: { ...timings, flappingMs: 60_000 } })
    await vi.waitFor(() => expect(patient.of('lost')).toHaveLength(1))
    expect(patient.client.state()).toBe('waiting')
    const eager = startHost({ relays: [relay.url], timings: { ...timings, flappingMs: 0 } })
    await eager.registered(2)
    expect(eager.client.state()).toBe('registered')
  })

  it('closes with 1000 and does not come back', async () => {
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url] })
    await host.registered()
    await vi.waitFor(() => expect(relay.of('tunnel.registered')).toHaveLength(1))
    await host.client.close()
    await host.client.close()
    expect(host.client.state()).toBe('closed')
    await vi.waitFor(() => expect(relay.of('tunnel.lost')).toMatchObject([{ code: 1000 }]))
    expect(relay.relay.tunnels()).toEqual([])
  })

  it('comes back to the only relay there is, once that one serves again', async () => {
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url], timings: quick })
    await host.registered()
    await relay.relay.stopAccepting()
    await relay.relay.drainTunnels({ signal: noSignal() })
    await relay.relay.unbind()
    await vi.waitFor(() => expect(host.of('lost')).toHaveLength(1))
    await vi.waitFor(() => expect(host.of('attempt_failed').length).toBeGreaterThan(1))
    await relay.relay.resume()
    await host.registered(2)
    expect(host.of('registered')[1]).toMatchObject({ previousCloseCode: 4001, previousNode: 'fra-1' })
    expect(host.of('registered')[1]?.gapMs).toBeGreaterThan(0)
  })
})

describe('the command `tidegate host`', () => {
  const options = (relay: { url: string }) => ({
    ...{ relays: [relay.url], hostId: 'a', token: tokenOf('a'), to: 'http://127.0.0.1:9', log },
  })

  it('exits with 9 when it is replaced', async () => {
    const relay = await startRelay()
    const exit = runHost(options(relay))
    await vi.waitFor(() => expect(relay.relay.tunnels()).toHaveLength(1))
    await dialRaw(relay, 'a').registered
    expect(await exit).toBe(EXIT_REPLACED)
    expect(EXIT_REPLACED).toBe(9)
  })

  it('closes with 1000 and exits with 0 on SIGTERM', async () => {
    const relay = await startRelay()
    const exit = runHost(options(relay))
    await vi.waitFor(() => expect(relay.relay.tunnels()).toHaveLength(1))
    process.emit('SIGTERM')
    expect(await exit).toBe(0)
    await vi.waitFor(() => expect(relay.of('tunnel.lost')).toMatchObject([{ code: 1000 }]))
  })
})
