import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { HttpProbe } from '../../../server/collector/adapters/http-probe.ts'
import { type Lookup, Names } from '../../../server/collector/adapters/names.ts'
import { startNameServer } from './name-server.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 10 })

/** The system's resolver, as far as it answers: of a name that is not here it says nothing, for ever. */
const systemOf = (names: Record<string, string | string[]>) => {
  const asked: string[] = []
  const lookup = ((name: string, _options: unknown, done: (error: null, found: LookupAddress[]) => void) => {
    asked.push(name)
    const found = names[name]
    if (found !== undefined)
      setImmediate(() =>
        done(
          null,
          [found].flat().map((address) => ({ address, family: 4 })),
        ),
      )
  }) as unknown as Lookup
  return { asked, lookup, names }
}
const find = (names: Names, name: string): Promise<string> =>
  new Promise((resolve, reject) =>
    names.find(name, (error, found) =>
      error ? reject(error) : resolve(found.map((each) => each.address).join()),
    ),
  )

describe('names', () => {
  it('are looked up once for all who ask at the same time', async () => {
    const system = systemOf({ 'a.test': '192.0.2.1' })
    const names = new Names(system.lookup)
    const found = await Promise.all(Array.from({ length: 100 }, () => find(names, 'a.test')))
    expect(new Set(found)).toEqual(new Set(['192.0.2.1']))
    expect(system.asked).toEqual(['a.test'])
  })

  it('whose lookups hang keep nobody else waiting: their name servers are asked directly', async () => {
    const system = systemOf({ 'good.test': '192.0.2.9' })
    const server = await startNameServer({ 'good.test': '192.0.2.9', 'hung-1.test': '192.0.2.1' })
    closers.push(() => server.close())
    const names = new Names(system.lookup, server.resolver)
    const hung = ['hung-1.test', 'hung-2.test', 'hung-3.test'].map((name) => find(names, name))
    for (const each of hung.slice(1)) each.catch(() => undefined)
    // Both places of the system are taken, by names of which it says nothing.
    expect(system.asked).toEqual(['hung-1.test', 'hung-2.test'])
    expect(await find(names, 'good.test')).toBe('192.0.2.9')
    expect(await hung[0]).toBe('192.0.2.1')
    await eventually(() => expect(names.figures.hung).toBe(2))
    expect(system.asked).not.toContain('good.test')
  })

  it('that are known to the system alone are not denied because name servers do not have them', async () => {
    const server = await startNameServer({})
    closers.push(() => server.close())
    let answer: (() => void) | undefined
    const slow = ((_name: string, _options: unknown, done: (error: null, found: LookupAddress[]) => void) => {
      answer = () => done(null, [{ address: '192.0.2.7', family: 4 }])
    }) as unknown as Lookup
    const names = new Names(slow, server.resolver)
    const found = find(names, 'in-a-file.test')
    await eventually(() => expect(server.asked).toContain('in-a-file.test'))
    setTimeout(() => answer?.(), 700)
    expect(await found).toBe('192.0.2.7')
  })

  it('that nobody knows are an error of the system, and not kept', async () => {
    let asked = 0
    const lookup = ((_name: string, _options: unknown, done: (error: Error) => void) => {
      asked += 1
      setImmediate(() => done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })))
    }) as unknown as Lookup
    const names = new Names(lookup)
    await expect(find(names, 'x.test')).rejects.toThrow('ENOTFOUND')
    await expect(find(names, 'x.test')).rejects.toThrow('ENOTFOUND')
    expect(asked).toBe(2)
  })
})

describe('a poll of a node by its name', () => {
  const serve = async (address: string, port = 0) => {
    const sockets = new Set<Socket>()
    const seen = { requests: 0, connections: 0, open: sockets }
    const server = createServer((_request, response) => {
      seen.requests += 1
      response.end('{"ok":true}')
    })
    server.on('connection', (socket) => {
      seen.connections += 1
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    server.listen(port, address)
    await once(server, 'listening')
    closers.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return { seen, port: (server.address() as AddressInfo).port }
  }
  const makeProbe = (lookup: Lookup, timeoutMs = 2_000) => {
    const probe = new HttpProbe({
      timeoutMs,
      lookUpAgainMs: 50,
      rules: createAddressRules(['127.0.0.0/8'], lookup),
    })
    closers.push(() => probe.close())
    return (port: number, id = 'any-1') =>
      probe.ask({ id, url: `http://node.test:${port}/`, embedded: false }, '/')
  }
  /** Longer than what was found is kept, and than the pause between two looks. */
  const later = () => new Promise((done) => setTimeout(done, 1_100))

  it('ends as dns within its own deadline where no resolver answers', async () => {
    const ask = makeProbe(systemOf({}).lookup, 300)
    const { outcome, reason, durationMs } = await ask(9)
    expect({ outcome, reason }).toEqual({
      outcome: 'dns',
      reason: 'the name node.test was not resolved within 300 ms',
    })
    expect(durationMs).toBeLessThan(2_000)
  })

  it('moves to another address when the one that it is connected to has left the answer', async () => {
    const system = systemOf({ 'node.test': '127.0.0.1' })
    const first = await serve('127.0.0.1')
    const second = await serve('127.0.0.2', first.port)
    const ask = makeProbe(system.lookup)
    expect((await ask(first.port)).outcome).toBe('ok')
    await later()
    expect((await ask(first.port)).outcome).toBe('ok')
    expect([first.seen.connections, second.seen.requests]).toEqual([1, 0])
    system.names['node.test'] = ['127.0.0.3', '127.0.0.2']
    system.names['node.test'] = ['127.0.0.2']
    await later()
    await ask(first.port)
    await eventually(() => expect(first.seen.open.size).toBe(0))
    expect((await ask(first.port)).outcome).toBe('ok')
    expect(second.seen.requests).toBeGreaterThan(0)
  })

  it('keeps its connection while its address is one of several, and where nobody answers for the name any more', async () => {
    const system = systemOf({ 'node.test': '127.0.0.1' })
    const { seen, port } = await serve('127.0.0.1')
    const ask = makeProbe(system.lookup)
    await ask(port)
    system.names['node.test'] = ['127.0.0.9', '127.0.0.1']
    await later()
    await ask(port)
    delete system.names['node.test']
    await later()
    expect((await ask(port)).outcome).toBe('ok')
    await later()
    expect((await ask(port)).outcome).toBe('ok')
    expect(seen.connections).toBe(1)
  })

  it('is blocked when its name flips to an address that is never asked, and nothing stays open', async () => {
    const system = systemOf({ 'node.test': '127.0.0.1' })
    const { seen, port } = await serve('127.0.0.1')
    const ask = makeProbe(system.lookup)
    expect((await ask(port)).outcome).toBe('ok')
    system.names['node.test'] = ['127.0.0.1', '169.254.169.254']
    await later()
    await ask(port)
    await eventually(() => expect(seen.open.size).toBe(0))
    const { outcome, reason } = await ask(port)
    expect(outcome).toBe('blocked_address')
    expect(reason).toContain('169.254.169.254')
  })
})
