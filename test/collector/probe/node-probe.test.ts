import { once } from 'node:events'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import {
  adaptersForOneLook,
  NO_FILES,
  NodeProbe,
  type NodeProbeOptions,
} from '../../../server/collector/probe/node-probe.ts'
import { nodeProbeSchema } from '../../../server/contract/answers/node-probe.ts'
import { log } from '../../store/fixtures.ts'
import { startJsonNode } from '../adapters/json/json-node.ts'
import { startScriptedNode } from '../scripted-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const probeOf = (allow: string[] = [], more: Partial<NodeProbeOptions> = {}) => {
  const rules = createAddressRules(allow)
  return new NodeProbe({
    rules,
    adapters: () => adaptersForOneLook(rules, log),
    known: () => ({ ids: ['json-1'], regions: ['iad', 'fra'] }),
    tlsFiles: () => NO_FILES,
    ...more,
  })
}

const look = async (request: Parameters<NodeProbe['run']>[0], probe = probeOf()) => {
  const found = await probe.run(request)
  expect(nodeProbeSchema.safeParse(found).error?.issues).toBeUndefined()
  return found
}

const startPage = async (answer: unknown) => {
  const node = await startJsonNode(answer)
  closers.push(() => node.close())
  return { url: node.url, origin: new URL(node.url).origin, node }
}

/** A server of bytes that are no HTTP. */
const startBytes = async (onConnect: (socket: Socket) => void) => {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onConnect(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

describe('A look at a system that is not watched', () => {
  it('finds a JSON answer at an address without a path, maps what it can, and gives the entry', async () => {
    const { origin } = await startPage({ ok: true, stats: { open: 7, requests: 40 } })
    const found = await look({ url: origin })
    expect(found).toMatchObject({ kind: 'json', guesses: [{ kind: 'json' }], reading: { outcome: 'ok' } })
    expect(found.understood.map(({ name }) => name)).toEqual(['ok', 'connections', 'requests'])
    expect(found.understood.map(({ label }) => label)).toEqual([
      'Does its job',
      'Connections',
      'Requests since its start',
    ])
    const mapped = await look({ url: `${origin}/status`, kind: 'json', map: { connections: '/stats/open' } })
    expect(mapped.understood).toContainEqual({
      name: 'connections',
      label: 'Connections',
      value: 7,
      unit: 'connections',
    })
    expect(mapped.entry).toBe(
      `- { id: json-2, region: iad, kind: json, url: ${origin}/status, map: { connections: /stats/open } }`,
    )
    expect(mapped.verbs).toMatchObject({ drain: null, proof: 'counted' })
  })

  it('knows a Tidegate node by its health document, and asks for its token in the entry alone', async () => {
    const node = await startScriptedNode('fra-1')
    closers.push(() => node.close())
    const found = await look({ url: node.url, id: 'fra-1', region: 'fra' })
    expect(found).toMatchObject({ kind: 'tidegate', reading: { outcome: 'ok' } })
    expect(found.verbs.drain).toContain('drain')
    expect(found.entry).toContain('FRA_1_CONTROL_TOKEN')
    // Another id than it has is what the configuration would be refused for at run time: it is said.
    const other = await look({ url: node.url, id: 'fra-9', region: 'fra' })
    expect(other.reading?.outcome).toBe('wrong_node')
    expect(other.notUnderstood[0]).toContain('fra-1')
  })

  it('names the pointer of a map that leads nowhere, and what stood there', async () => {
    const { url } = await startPage({ ok: 'yes', stats: { open: [] } })
    const found = await look({ url, kind: 'json', map: { ok: '/ok', connections: '/stats/open' } })
    expect(found.notUnderstood).toEqual([
      'the answer has text instead of true or false at /ok (mapped to ok; it says "yes")',
      'the answer has a list instead of a number at /stats/open (mapped to connections)',
    ])
  })

  it('lists the numbers of an answer that nobody has mapped, also where none has a name that says something', async () => {
    const { url } = await startPage({ a: { b: 1 }, c: [2, 3] })
    const found = await look({ url, kind: 'json' })
    expect(found.choices.map(({ at }) => at)).toEqual(['/a/b', '/c/0', '/c/1'])
    expect(found.understood).toEqual([])
    expect(found.entry).toContain('kind: json')
  })

  it('offers nothing to map of a kind that has no map, and says of what did not answer that its drain is not known', async () => {
    const text =
      'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n'
    const { url } = await startPage((_: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(text)
    })
    const found = await look({ url })
    expect(found).toMatchObject({ kind: 'nginx', guesses: [{ kind: 'nginx' }], choices: [] })
    expect(found.guesses).toHaveLength(1)
    const silent = await look({ socket: '/nowhere/at/all.sock' })
    expect(silent).toMatchObject({ kind: 'haproxy', understood: [] })
    expect(silent.verbs.words).toBe('Nothing is known of how it could be drained.')
  })

  it('says in one sentence why there is nothing: nobody listens, a password, a redirect, silence, too much', async () => {
    const gone = await startPage({})
    await gone.node.close()
    expect((await look({ url: gone.url })).reading).toMatchObject({ outcome: 'refused' })
    const locked = await startPage((_: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    })
    expect(await look({ url: locked.url })).toMatchObject({
      wants: 'password',
      reading: { outcome: 'bad_status', status: 401 },
    })
    const moved = await startPage((_: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    })
    expect((await look({ url: moved.url })).reading).toMatchObject({ outcome: 'redirect', status: 302 })
    const endless = await startPage((_: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(200)
      const more = setInterval(() => response.write('x'.repeat(1_000_000)), 5)
      response.on('close', () => clearInterval(more))
    })
    expect((await look({ url: endless.url })).reading).toMatchObject({ outcome: 'too_large' })
  })

  it('asks nothing of addresses that are never asked, nor of those outside polling.allow', async () => {
    expect((await look({ url: 'http://169.254.169.254/latest/meta-data' })).reading).toMatchObject({
      outcome: 'blocked_address',
    })
    const { url } = await startPage({ ok: true })
    expect((await look({ url }, probeOf(['10.0.0.0/8']))).reading).toMatchObject({
      outcome: 'blocked_address',
    })
  })

  it('refuses an entry with mistakes at their paths, without asking anybody', async () => {
    const { url, node } = await startPage({ ok: true })
    await expect(
      probeOf().run({ kind: 'json', url, map: { nope: '/a' }, id: 'No Such Id' }),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID',
      facts: { problems: expect.arrayContaining([expect.objectContaining({ path: 'id' })]) },
    })
    expect(node.paths).toEqual([])
    await expect(probeOf().run({ url: 'ftp://127.0.0.1/' })).rejects.toMatchObject({ code: 'ERR_INVALID' })
  })

  it('says how an address is written, whatever stands there, without asking anybody', async () => {
    for (const address of [
      ':::',
      '127.0.0.1',
      '127.0.0.1:0',
      '127.0.0.1:80/path',
      'user@127.0.0.1:80',
      '[::1',
    ])
      await expect(probeOf().run({ address })).rejects.toMatchObject({
        code: 'ERR_INVALID',
        message: 'address must be host:port, for example db.internal:5432 or [::1]:5432',
        facts: { problems: [expect.objectContaining({ path: 'address' })] },
      })
  })

  it('knows a port that takes connections and says nothing, within its time', {
    timeout: 30_000,
  }, async () => {
    const silent = await startBytes((socket) => socket.resume())
    expect(await look({ address: silent })).toMatchObject({
      kind: 'tcp',
      reading: { outcome: 'ok', reason: 'took the connection' },
    })
  })

  it('says of an answer that drips without end that it is not complete', { timeout: 30_000 }, async () => {
    const dripping = await startPage((_: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(200)
      const more = setInterval(() => response.write('x'), 100)
      response.on('close', () => clearInterval(more))
    })
    expect(await look({ url: `${dripping.origin}/` })).toMatchObject({
      kind: null,
      reading: { outcome: 'timeout', status: 200 },
    })
  })

  it('says what is wrong with an entry in plain words', async () => {
    await expect(
      probeOf().run({ kind: 'http', url: 'http://127.0.0.1/', method: 'POST', intervalMs: 1e99 }),
    ).rejects.toMatchObject({
      message: expect.not.stringMatching(/Invalid|Too big|expected/),
    })
  })

  it.each<[string, object]>([
    ['a page', { kind: 'http' }],
    ['JSON', { kind: 'json', map: { ok: '/ok' } }],
    ['anything', {}],
  ])('that is over by its deadline lets go of its sockets: %s', async (_, more) => {
    const open = new Set<Socket>()
    const silent = await startBytes((socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.resume()
    })
    const probe = probeOf([], { limitMs: 250 })
    await expect(probe.run({ url: `http://${silent}/`, ...more })).rejects.toMatchObject({
      code: 'ERR_NODE_UNREACHABLE',
      message: 'There was no complete answer within 0.25 s',
    })
    await vi.waitFor(() => expect(open.size).toBe(0))
    const { url } = await startPage({ ok: true })
    expect((await probe.run({ url, kind: 'json', map: { ok: '/ok' } })).reading?.outcome).toBe('ok')
  })

  it('keeps its place of four for as long as it goes on, also when nobody waits for it any more', async () => {
    const open = new Set<Socket>()
    const silent = await startBytes((socket) => {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
      socket.resume()
    })
    const probe = probeOf([], {
      limitMs: 200,
      adapters: () => {
        const adapters = adaptersForOneLook(createAddressRules([]), log)
        // As where something does not end when it is told to.
        adapters.close = async () => undefined
        return adapters
      },
    })
    const look = () => probe.run({ url: `http://${silent}/`, kind: 'http', timeoutMs: 1_200 })
    const four = await Promise.allSettled([look(), look(), look(), look()])
    expect(four.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    expect(open.size).toBe(4)
    await expect(look()).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 10_000 })
    await vi.waitFor(() => expect(look()).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' }))
  })

  it('learns the name and the region of a Tidegate node from itself, and says whether a token is taken', async () => {
    const node = await startScriptedNode('fra-1')
    closers.push(() => node.close())
    for (const kind of [undefined, 'tidegate'] as const) {
      const found = await look({ url: node.url, kind, token: node.token })
      expect(found).toMatchObject({ kind: 'tidegate', reading: { outcome: 'ok' }, notUnderstood: [] })
      expect(found.entry).toContain('id: fra-1, region: fra, kind: tidegate')
      expect(JSON.stringify(found)).not.toContain(node.token)
    }
    const wrong = await look({ url: node.url, token: 'another-token-0123456789' })
    expect(wrong.reading?.outcome).toBe('ok')
    expect(wrong.notUnderstood).toEqual([expect.stringMatching(/token/)])
    expect(JSON.stringify(wrong)).not.toContain('another-token')
  })

  it('is one of four at most, and a place is free again when one has ended', async () => {
    const silent = await startBytes(() => undefined)
    const probe = probeOf()
    const four = Array.from({ length: 4 }, () => probe.run({ url: `http://${silent}/` }))
    await expect(probe.run({ url: `http://${silent}/` })).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    for (const each of await Promise.all(four)) expect(each.reading).toMatchObject({ outcome: 'timeout' })
    const { url } = await startPage({ ok: true })
    expect((await probe.run({ url, kind: 'json', map: { ok: '/ok' } })).reading).toMatchObject({
      outcome: 'ok',
    })
  })
})
