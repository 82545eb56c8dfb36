import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { expectLaw, RawClient, startProxy, until } from './harness.ts'
import { authority, certificateFor, TlsClient } from './tls-peers.ts'

/** A module with these exports, and a route for each. */
const start = async (
  source: string,
  names: string[],
  more: Partial<Parameters<typeof startProxy>[0]> = {},
) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-socket-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const module = join(folder, 'handler.mjs')
  await writeFile(module, source)
  const routes = names.map(
    (name): RouteConfig => ({ name, match: { ports: 0 }, action: { type: 'socket', module, export: name } }),
  )
  return { module, ...(await startProxy({ routes, ...more })) }
}

describe('a socket route', () => {
  it('hands connections over, with who they are and each half by itself', async () => {
    const { port, proxy, events } = await start(
      `export const upper = async (stream, info) => {
         let text = ''
         for await (const chunk of stream) text += chunk
         stream.end(text.toUpperCase() + ' ' + info.route + ' ' + info.client.ip + ' ' + info.serverName)
       }`,
      ['upper'],
    )
    const client = new RawClient(port())
    client.socket.write('hel')
    client.socket.end('lo')
    await client.over()
    expect(client.text).toBe('HELLO upper 127.0.0.1 null')
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1 })
    expect(proxy.stats().bytes).toEqual({ upstream: 5, downstream: client.text.length })
    expect(events.find(({ type }) => type === 'connection.closed')?.data).toMatchObject({
      route: 'upper',
      target: 'module',
    })
    expectLaw(proxy)
  })

  it('loses no first bytes where its function listens late', async () => {
    const { port } = await start(
      `import { setTimeout as sleep } from 'node:timers/promises'
       export const late = async (stream) => {
         await sleep(300)
         stream.pipe(stream)
       }`,
      ['late'],
    )
    const payload = Buffer.alloc(1_000_000, 'first bytes ')
    const client = new RawClient(port())
    client.socket.end(payload)
    await until(() => client.ended)
    expect(client.bytes.equals(payload)).toBe(true)
  })

  it('pauses a client that is not read, and a function that writes too much', async () => {
    const { port, proxy } = await start(
      `export const deaf = () => {}
       export const flood = (stream) => {
         const chunk = Buffer.alloc(65536)
         const write = () => { while (!stream.destroyed && stream.write(chunk)); }
         stream.on('drain', write)
         write()
       }`,
      ['deaf', 'flood'],
    )
    const sender = new RawClient(port('deaf'))
    const reader = new RawClient(port('flood'))
    reader.socket.pause()
    sender.socket.write(Buffer.alloc(20_000_000))
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(proxy.stats().bytes.upstream).toBeLessThan(10_000_000)
    expect(proxy.stats().bytes.downstream).toBeLessThan(10_000_000)
    sender.socket.resetAndDestroy()
    reader.socket.resetAndDestroy()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ client_reset: 2 })
    expectLaw(proxy)
  })

  it('costs its own connection where it throws, rejects or destroys, and no other', async () => {
    const { port, proxy } = await start(
      `export const throws = () => { throw new Error('at once') }
       export const rejects = async (stream) => { stream.write('some'); await null; throw new Error('later') }
       export const destroys = (stream) => { stream.once('data', () => stream.destroy()) }
       export const errs = (stream) => { stream.destroy(new Error('mine')) }
       export const fine = (stream) => { stream.end('fine') }`,
      ['throws', 'rejects', 'destroys', 'errs', 'fine'],
    )
    for (const name of ['throws', 'rejects', 'destroys', 'errs']) {
      const client = new RawClient(port(name))
      client.socket.write('x')
      await until(() => client.closed)
    }
    const fine = new RawClient(port('fine'))
    await until(() => fine.text === 'fine')
    fine.socket.end()
    await until(() => proxy.stats().connections.active === 0)
    expect(proxy.stats().closedBy).toEqual({ finished: 1, handler_failed: 3, target_reset: 1 })
    expectLaw(proxy)
  })

  it('that never ends is ended by the timeouts of every connection, by an operator and with the proxy', async () => {
    const { port, proxy } = await start(`export const holds = () => new Promise(() => {})`, ['holds'], {
      inactivityTimeoutMs: 300,
    })
    const quiet = new RawClient(port())
    await until(() => quiet.closed)
    expect(proxy.stats().closedBy).toEqual({ inactivity: 1 })
    const client = new RawClient(port())
    await until(() => proxy.stats().connections.active === 1)
    expect(proxy.closeConnection(proxy.connections({ limit: 1 }).items[0]!.id)).toBe(true)
    await until(() => client.closed)
    const last = new RawClient(port())
    await until(() => proxy.stats().connections.active === 1)
    await proxy.destroy()
    await until(() => last.closed)
    expect(proxy.stats().closedBy).toEqual({ inactivity: 1, closed_by_operator: 1, shutdown: 1 })
    expectLaw(proxy)
  })

  it('serves behind TLS that ends here, by its name', async () => {
    const { module, proxy, port } = await start(
      `export const name = (stream, info) => { stream.end(String(info.serverName)) }`,
      ['name'],
    )
    await proxy.setRoutes([
      {
        name: 'name',
        match: { ports: 0, domains: 'echo.test' },
        action: {
          type: 'socket',
          module,
          export: 'name',
          tls: { mode: 'terminate', certificate: await certificateFor('echo.test') },
        },
      },
    ])
    const client = new TlsClient(port(), { servername: 'echo.test', ca: (await authority()).cert })
    await until(() => client.text === 'echo.test')
  })
})
