import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import type { NodeTarget } from '../../server/collector/adapters/registry.ts'
import { Collector } from '../../server/collector/collector.ts'
import type { LivePublisher } from '../../server/contract/index.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { type Certificate, issue, makeAuthority } from './adapters/certificates.ts'
import { startJsonNode } from './adapters/json/json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

const collectorOf = async (nodes: NodeTarget[]): Promise<Collector> => {
  const { store, remove } = await sqlite.create({ expectedIntervalMs: 200 })
  closers.push(remove)
  const live: LivePublisher = {
    hub: 'hub',
    seq: 0,
    event: () => undefined,
    samples: () => undefined,
    changed: () => undefined,
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: [{ id: 'fra', name: 'Frankfurt' }],
    nodes,
    // Longer than any pause of a busy machine: what is looked at here is connections.
    polling: { intervalMs: 200, timeoutMs: 10_000, allow: [] },
    demo: false,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  return collector
}
const json = (id: string, url: string, more: Partial<NodeTarget> = {}) =>
  ({ id, region: 'fra', kind: 'json', url, map: { ok: '/ok' }, embedded: false, ...more }) as NodeTarget

it('asks each node at its own interval, takes another one while it runs, and opens no connection anew for that', async () => {
  const [quick, slow] = [await startJsonNode({ ok: true }), await startJsonNode({ ok: true })]
  closers.push(
    () => quick.close(),
    () => slow.close(),
  )
  const collector = await collectorOf([
    json('quick-1', quick.url),
    json('slow-1', slow.url, { intervalMs: 60_000 }),
  ])
  await collector.start()
  const settled = slow.paths.length
  await eventually(() => expect(quick.paths.length).toBeGreaterThan(12))
  // Its turn lies somewhere within the minute.
  expect(slow.paths.length).toBeLessThanOrEqual(settled + 1)
  expect(collector.overview().nodes.map(({ id, pollIntervalMs }) => [id, pollIntervalMs])).toEqual([
    ['quick-1', 200],
    ['slow-1', 60_000],
  ])
  const before = slow.paths.length
  const change = await collector.setTargets(
    [{ id: 'fra', name: 'Frankfurt' }],
    [json('quick-1', quick.url), json('slow-1', slow.url)],
  )
  expect(change.changed.map(({ id }) => id)).toEqual(['slow-1'])
  await eventually(() => expect(slow.paths.length).toBeGreaterThan(before + 5))
  expect(slow.connections).toBe(1)
})

it('connects anew to the one node whose certificates changed, and to nobody else', async () => {
  const [authority, stranger] = await Promise.all([makeAuthority('ops'), makeAuthority('somebody else')])
  const serve = async (certificate: Certificate) => {
    const sockets = new Set<Socket>()
    const server = createServer(certificate, (_request, response) => response.end('{"ok":true}'))
    let connections = 0
    server.on('secureConnection', () => {
      connections += 1
    })
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return {
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      connections: () => connections,
    }
  }
  const certificate = await issue(authority)
  const [a, b] = [await serve(certificate), await serve(certificate)]
  const trusted = { ca: authority.cert }
  const collector = await collectorOf([
    json('a', a.url, { tls: trusted }),
    json('b', b.url, { tls: trusted }),
  ])
  await collector.start()
  const states = () => collector.overview().nodes.map(({ state }) => state)
  await eventually(() => expect(states()).toEqual(['up', 'up']))
  const set = (ca: string) =>
    collector.setTargets(
      [{ id: 'fra', name: 'Frankfurt' }],
      [json('a', a.url, { tls: { ca } }), json('b', b.url, { tls: { ca: authority.cert } })],
    )
  expect((await set(`${authority.cert}\n${stranger.cert}`)).changed.map(({ id }) => id)).toEqual(['a'])
  await eventually(() => expect(a.connections()).toBe(2))
  expect(states()).toEqual(['up', 'up'])
  await set(stranger.cert)
  await eventually(() => expect(states()).toEqual(['down', 'up']))
  expect(collector.node('a')?.problems[0]).toMatch(/^tls: .*in the file that ca of this entry names$/)
  expect(b.connections()).toBe(1)
})
