import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Directory, LostHolding } from '../../../server/runtime/directory/directory.ts'
import { createMemoryDirectory } from '../../../server/runtime/directory/memory.ts'
import { connectDirectory, DirectoryServer } from '../../../server/runtime/directory/shared.ts'
import { dialRaw, startRelay } from '../relay/fixture.ts'

const fra = { node: 'fra-1', region: 'fra', internalUrl: 'http://127.0.0.1:1' }
const iad = { node: 'iad-1', region: 'iad', internalUrl: null }

/** A directory in this thread, seen through two ports like those of two workers. */
const shared = (): { memory: Directory; one: Directory; two: Directory } => {
  const memory = createMemoryDirectory()
  const connectOne = (): Directory => {
    const { port1, port2 } = new MessageChannel()
    const server = new DirectoryServer(memory, port1)
    const client = connectDirectory(port2)
    onTestFinished(() => {
      client.close()
      server.close()
    })
    return client
  }
  onTestFinished(() => memory.close())
  return { memory, one: connectOne(), two: connectOne() }
}

describe.each([
  [
    'in memory',
    () => {
      const memory = createMemoryDirectory()
      onTestFinished(() => memory.close())
      return memory
    },
  ],
  ['over a port', () => shared().one],
])('a directory %s', (_name, make) => {
  it('gives every registration a higher fence and deletes only what is compared', async () => {
    const directory = make()
    const first = await directory.register('a', fra)
    const second = await directory.register('a', iad)
    expect(first.previous).toBeNull()
    expect(second.previous).toEqual({ node: 'fra-1', fence: first.fence })
    expect(second.fence).toBeGreaterThan(first.fence)
    expect(await directory.unregister('a', first.fence)).toBe(false)
    expect(await directory.lookup('a')).toEqual({ ...iad, fence: second.fence })
    expect(await directory.unregister('a', second.fence)).toBe(true)
    expect(await directory.lookup('a')).toBeNull()
  })

  it('removes many in one call, each by its fence, and a whole node', async () => {
    const directory = make()
    const holdings = []
    for (const hostId of ['a', 'b', 'c']) {
      holdings.push({ hostId, fence: (await directory.register(hostId, fra)).fence })
    }
    await directory.register('c', iad)
    expect(await directory.removeMany(holdings)).toBe(2)
    expect(await directory.owners()).toEqual({ c: 'iad-1' })
    expect(directory.entries()).toBe(1)
    expect(await directory.clearNode('iad-1')).toBe(1)
    expect(await directory.clearNode('iad-1')).toBe(0)
  })

  it('remembers for a minute who owned a host whose entry is gone', async () => {
    const directory = make()
    const { fence } = await directory.register('a', fra)
    expect(await directory.formerOwner('a')).toBeNull()
    await directory.unregister('a', fence)
    expect(await directory.formerOwner('a')).toBe('fra-1')
    await directory.register('a', iad)
    expect(await directory.formerOwner('a')).toBeNull()
    await directory.clearNode('iad-1')
    expect([await directory.formerOwner('a'), await directory.formerOwner('b')]).toEqual(['iad-1', null])
  })

  it('tells the owner of a superseded registration, and says at a refresh what is missing or lost', async () => {
    const directory = make()
    const lost: LostHolding[] = []
    const end = directory.onLost((holding) => lost.push(holding))
    const { fence } = await directory.register('a', fra)
    const newer = await directory.register('a', iad)
    const by = { node: 'iad-1', region: 'iad', fence: newer.fence }
    await vi.waitFor(() => expect(lost).toEqual([{ hostId: 'a', fence, by }]))
    expect(
      await directory.refresh([
        { hostId: 'a', fence },
        { hostId: 'b', fence: 7 },
      ]),
    ).toEqual({
      missing: ['b'],
      lost: [{ hostId: 'a', fence, by }],
    })
    end()
    await directory.register('a', fra)
    expect(lost).toHaveLength(1)
  })
})

describe('the memory directory', () => {
  it('forgets nothing where its time to live is 0', async () => {
    let nowMs = 0
    let sweeps = 0
    const directory = createMemoryDirectory({
      ttlMs: 0,
      sweepMs: 5,
      now: () => {
        sweeps += 1
        return nowMs
      },
    })
    onTestFinished(() => directory.close())
    await directory.register('a', fra)
    nowMs = 1e9
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect([directory.entries(), sweeps > 0]).toEqual([1, true])
  })

  it('forgets what was not refreshed within its time to live', async () => {
    let nowMs = 0
    const directory = createMemoryDirectory({ ttlMs: 90_000, sweepMs: 5, now: () => nowMs })
    onTestFinished(() => directory.close())
    const a = await directory.register('a', fra)
    await directory.register('b', fra)
    nowMs = 60_000
    await directory.refresh([{ hostId: 'a', fence: a.fence }])
    nowMs = 100_000
    await vi.waitFor(async () => expect(await directory.owners()).toEqual({ a: 'fra-1' }))
    nowMs = 151_000
    await vi.waitFor(() => expect(directory.entries()).toBe(0))
    expect(await directory.formerOwner('a')).toBe('fra-1')
    nowMs = 212_000
    expect(await directory.formerOwner('a')).toBeNull()
  })
})

describe('a shared directory', () => {
  it('tells only the relay whose registration was superseded', async () => {
    const { one, two } = shared()
    const heard: string[] = []
    one.onLost(() => heard.push('one'))
    two.onLost(() => heard.push('two'))
    await one.register('a', fra)
    await two.register('a', iad)
    await two.lookup('a')
    await one.lookup('a')
    expect(heard).toEqual(['one'])
    expect(one.passKey).toBe(two.passKey)
    expect(one.passKey).toMatch(/^[0-9a-f]{64}$/)
  })

  it('forgets at once what a worker that ended had registered, and nothing that others took over', async () => {
    const { memory, one, two } = shared()
    await one.register('a', fra)
    await one.register('b', fra)
    await two.register('b', iad)
    one.close()
    await vi.waitFor(async () => expect(await memory.owners()).toEqual({ b: 'iad-1' }))
  })

  it('rejects what is not answered in time, says that it is out of reach, and recovers', async () => {
    const { port1, port2 } = new MessageChannel()
    const client = connectDirectory(port2, { callTimeoutMs: 30 })
    onTestFinished(() => client.close())
    await expect(client.lookup('a')).rejects.toThrow(/did not answer "lookup" within 30 ms/)
    expect(client.reachable()).toBe(false)
    const memory = createMemoryDirectory()
    const server = new DirectoryServer(memory, port1)
    onTestFinished(() => {
      server.close()
      memory.close()
    })
    await vi.waitFor(async () => expect(await client.lookup('a')).toBeNull())
    expect(client.reachable()).toBe(true)
    server.close()
    await vi.waitFor(() => expect(client.reachable()).toBe(false))
    await expect(client.lookup('a')).rejects.toThrow(/closed/)
  })

  it('moves a host between relays of two workers: the first closes 4408, the directory names the second', async () => {
    const { memory, one, two } = shared()
    const first = await startRelay({ directory: one })
    const second = await startRelay({ directory: two, node: 'iad-1', region: 'iad' })
    const host = dialRaw(first, 'a')
    await host.registered
    expect((await memory.lookup('a'))?.internalUrl).toBe(`http://127.0.0.1:${first.port}`)
    await dialRaw(second, 'a').registered
    expect((await host.closed).code).toBe(4408)
    expect(await memory.owners()).toEqual({ a: 'iad-1' })
    expect(second.relay.stats().directory).toMatchObject({ backend: 'shared', reachable: true, entries: 1 })
  })

  it('is cleared of what an earlier life of a node left behind, before the relay listens', async () => {
    const { memory, one } = shared()
    await memory.register('old', fra)
    const relay = await startRelay({ directory: one })
    expect(await memory.lookup('old')).toBeNull()
    expect(relay.of('directory.stale_cleared')).toEqual([{ entries: 1 }])
  })
})
