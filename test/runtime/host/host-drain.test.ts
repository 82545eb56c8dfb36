import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request, type ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { leavesBase } from '../../../server/runtime/host/base-path.ts'
import { createHostClient } from '../../../server/runtime/host/host-client.ts'
import * as library from '../../../server/runtime/index.ts'
import { ask, errorCode, startHost, startRelay, startTarget, tokenOf } from '../relay/fixture.ts'

describe('a host that stops', () => {
  it('lets requests in flight finish whole, takes no new ones, and tells WebSockets that it is going away', async () => {
    const held: ServerResponse[] = []
    const to = await startTarget(
      (req, res) => {
        req.resume()
        if (req.url === '/late') res.end()
        else req.on('end', () => held.push(res))
      },
      (server) => {
        new WebSocketServer({ server })
      },
    )
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url], to })
    await host.registered()
    const slow = ask(relay, '/hosts/a/slow')
    const upload = request({
      host: '127.0.0.1',
      port: relay.port,
      path: '/hosts/a/up',
      method: 'POST',
      agent: false,
    })
    upload.write('one')
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/hosts/a/`)
    await once(ws, 'open')
    const closed = once(ws, 'close')
    await vi.waitFor(() => expect(held).toHaveLength(1))

    const drained = host.client.drain({ budgetMs: 15_000 })
    expect(host.client.state()).toBe('draining')
    await vi.waitFor(async () => {
      const late = await ask(relay, '/hosts/a/late')
      expect([late.status, errorCode(late)]).toEqual([503, 'ERR_HOST_OFFLINE'])
    })
    expect(relay.relay.tunnels(), 'the tunnel stands').toHaveLength(1)
    upload.end('two')
    await vi.waitFor(() => expect(held).toHaveLength(2))
    const body = Buffer.alloc(2 * 1024 * 1024, 'x')
    for (const res of held) res.end(body)
    const [answer] = (await once(upload, 'response')) as [import('node:http').IncomingMessage]
    let bytes = 0
    for await (const chunk of answer) bytes += (chunk as Buffer).length
    expect(bytes).toBe(body.length)
    expect((await slow).body.length).toBe(body.length)
    const [code] = (await closed) as [number]
    expect(code).toBe(1001)
    await drained
    await host.client.drain()
    expect(host.client.state()).toBe('closed')
    await vi.waitFor(() => expect(relay.of('tunnel.lost')).toMatchObject([{ code: 1000 }]))
    expect(relay.relay.stats().requests.byStatus['5xx'] ?? 0).toBe(
      relay.relay.stats().requests.failed?.offline,
    )
    expect(await relay.directory.owners()).toEqual({})
  })

  it('cuts what does not finish within its budget, and stops all the same', async () => {
    const relay = await startRelay()
    const host = startHost({ relays: [relay.url], to: await startTarget(() => undefined) })
    await host.registered()
    const never = ask(relay, '/hosts/a/')
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(1))
    await host.client.drain({ budgetMs: 100 })
    expect((await never).status).toBe(502)
  })

  it('stops at once where it has no tunnel, and does not dial any more', async () => {
    const client = createHostClient({
      relays: ['ws://127.0.0.1:1'],
      hostId: 'a',
      token: tokenOf('a'),
      to: 'http://127.0.0.1:9',
      log: (await import('../relay/fixture.ts')).log,
    })
    client.start()
    await client.drain()
    expect(client.state()).toBe('closed')
  })

  it('serves the host that starts while it stops: a deploy without loss', async () => {
    const relay = await startRelay()
    let finish: () => void = () => undefined
    const old = startHost({
      relays: [relay.url],
      to: await startTarget((req, res) => {
        if (req.url === '/late') res.end()
        else finish = () => res.end('old')
      }),
    })
    await old.registered()
    const slow = ask(relay, '/hosts/a/')
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(1))
    const drained = old.client.drain({ budgetMs: 15_000 })
    await vi.waitFor(async () => expect((await ask(relay, '/hosts/a/late')).status).toBe(503))
    finish()
    expect((await slow).body.toString()).toBe('old')
    await drained
    const next = startHost({ relays: [relay.url], to: await startTarget((_req, res) => res.end('new')) })
    await next.registered()
    expect((await ask(relay, '/hosts/a/')).body.toString()).toBe('new')
  })
})

const command = (relayUrl: string, to: string, env: Record<string, string> = {}) => {
  const cli = fileURLToPath(new URL('../../../server/cli.ts', import.meta.url))
  const child = spawn(process.execPath, [cli, 'host', '--relay', relayUrl, '--id', 'a', '--to', to], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { NODE_ENV: 'test', PATH: process.env.PATH ?? '', TIDEGATE_HOST_TOKEN: tokenOf('a'), ...env },
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return { child, text: () => text, ended: once(child, 'close').then(([code]) => code as number | null) }
}

describe('the command `tidegate host`', () => {
  it.each(['SIGTERM', 'SIGHUP'] as const)(
    'finishes what is in flight on %s, ignores a second signal, and ends with 0',
    async (signal) => {
      const held: ServerResponse[] = []
      const to = await startTarget((req, res) => {
        if (req.url === '/late') res.end()
        else held.push(res)
      })
      const relay = await startRelay()
      const host = command(relay.url, to)
      await vi.waitFor(() => expect(relay.relay.tunnels()).toHaveLength(1), { timeout: 15_000 })
      const slow = ask(relay, '/hosts/a/')
      await vi.waitFor(() => expect(held).toHaveLength(1))
      host.child.kill(signal)
      await vi.waitFor(async () => expect((await ask(relay, '/hosts/a/late')).status).toBe(503), {
        timeout: 10_000,
      })
      host.child.kill(signal)
      held[0]?.end('whole')
      expect((await slow).body.toString()).toBe('whole')
      expect(await host.ended).toBe(0)
      await vi.waitFor(() => expect(relay.of('tunnel.lost')).toMatchObject([{ code: 1000 }]))
    },
  )

  it('ends once, with 1 and the reason last, when an error escapes', async () => {
    const relay = await startRelay()
    const defect = `process.on('SIGUSR2', () => setInterval(() => { throw new Error('the defect of this test') }, 1))`
    const preload = `--import=data:text/javascript,${encodeURIComponent(defect)}`
    const host = command(relay.url, 'http://127.0.0.1:9', { NODE_OPTIONS: preload })
    await vi.waitFor(() => expect(relay.relay.tunnels()).toHaveLength(1), { timeout: 15_000 })
    host.child.kill('SIGUSR2')
    expect(await host.ended).toBe(1)
    const last = JSON.parse(host.text().trim().split('\n').at(-1) ?? '{}') as { msg: string }
    expect(last.msg).toMatch(/^host a ended because an error escaped: Error: the defect of this test/)
  })

  it.each([
    ['a target that is none', 'ws://127.0.0.1:1', 'ftp://x', {}],
    ['a relay that is none', 'relay', 'http://127.0.0.1:1', {}],
    ['no token', 'ws://127.0.0.1:1', 'http://127.0.0.1:1', { TIDEGATE_HOST_TOKEN: '' }],
  ])('ends with 2 where its command line is wrong: %s', async (_what, relay, to, env) => {
    const host = command(relay, to, env)
    expect(await host.ended).toBe(2)
    expect(host.text()).toMatch(/ERR_INVALID: /)
  })
})

describe('a target with a path', () => {
  it.each([
    ['/x', false],
    ['/', false],
    ['/a/../b?../../..', false],
    ['/a/b/../../c', false],
    ['/..x/...', false],
    ['/%2e%2e.html', false],
    ['/../z', true],
    ['/..', true],
    ['/a/../../z', true],
    ['/%2e%2e/z', true],
    ['/%2E./z', true],
    ['/..%2fz', true],
    ['/..%5cz', true],
    ['/..\\z', true],
    ['/%252e%252e%252fz', true],
    ['/..;x=1/z', true],
    ['/..%3bx/z', true],
    ['/a//../../z', true],
    ['//../z', true],
    ['/./../z', true],
    ['/%25252525252e', true],
  ])('is not left by %s: %s', (path, leaves) => {
    expect(leavesBase(path)).toBe(leaves)
  })

  it('is all that strangers reach', async () => {
    const seen: (string | undefined)[] = []
    const to = await startTarget(
      (req, res) => {
        seen.push(req.url)
        res.end(req.url)
      },
      (server) =>
        server.on('upgrade', (req, socket) => {
          seen.push(req.url)
          socket.destroy()
        }),
    )
    const relay = await startRelay()
    await startHost({ relays: [relay.url], to: `${to}/app` }).registered()
    expect((await ask(relay, '/hosts/a/x?y')).body.toString()).toBe('/app/x?y')
    for (const path of ['/../secret', '/%2e%2e/secret', '/x/..%2f..%2fsecret', '/..;/secret']) {
      const answer = await ask(relay, `/hosts/a${path}`, { method: 'POST', body: Buffer.from('x') })
      expect(answer.status, path).toBe(400)
      const req = request({
        host: '127.0.0.1',
        port: relay.port,
        path: `/hosts/a${path}`,
        agent: false,
        headers: {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        },
      })
      req.end()
      const [refused] = (await once(req, 'response')) as [import('node:http').IncomingMessage]
      refused.resume()
      expect(refused.statusCode, path).toBe(400)
    }
    expect(seen).toEqual(['/app/x?y'])
    await vi.waitFor(() => expect(relay.relay.tunnels()[0]?.pending).toBe(0))
  })
})

it('is a library too: the host client comes with `tidegate/runtime`', () => {
  expect(library.createHostClient).toBe(createHostClient)
})
