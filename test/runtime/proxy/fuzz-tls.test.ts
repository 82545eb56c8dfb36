import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { expect, it } from 'vitest'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { expectLaw, httpTarget, startProxy, tcpTarget, until } from './harness.ts'
import { authority, certificateFor, helloBytes, TlsClient, tlsTarget } from './tls-peers.ts'

const HOSTILE = 16
type Random = () => number
const noise = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))

const mutated = (random: Random, bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  for (let times = Math.floor(random() * 4); times > 0; times -= 1)
    copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256)
  return random() < 0.3 ? copy.subarray(0, Math.floor(random() * copy.length)) : copy
}

/** A target that begins TLS, or does not, and breaks off at any moment. */
const brokenTarget = async (random: Random, hello: Buffer) =>
  await tcpTarget((socket) => {
    const roll = random()
    if (roll < 0.2) socket.resetAndDestroy()
    else if (roll < 0.4) socket.end(noise(random, 200))
    else if (roll < 0.6) socket.end(hello)
    else if (roll < 0.8) socket.once('data', () => socket.resetAndDestroy())
    else setTimeout(() => socket.destroy(), random() * 300)
  })

it('hostile clients and targets of TLS end their own connections, and no other', {
  timeout: (FUZZ_SECONDS + 40) * 1_000,
}, async () => {
  const random = seededRandom(fuzzSeed('proxy TLS'))
  const [ca, web] = [(await authority()).cert, await httpTarget((_request, response) => response.end('fine'))]
  const echo = await tcpTarget((socket) => socket.pipe(socket))
  const through = await tlsTarget(await certificateFor('p.test'))
  const hellos = await Promise.all(
    ['h.test', 't.test', 'p.test', 'r.test', 'x.test'].flatMap((servername) =>
      (['TLSv1.2', 'TLSv1.3'] as const).map((maxVersion) => helloBytes({ servername, maxVersion })),
    ),
  )
  const broken = await brokenTarget(random, hellos[0]!)
  const route = (
    name: string,
    port: number,
    tlsOf: NonNullable<RouteConfig['action']['tls']>,
    protocol?: 'tcp',
  ): RouteConfig => ({
    name,
    match: { ports: 0, domains: `${name}.test` },
    action: {
      type: 'forward',
      tls: tlsOf,
      targets: [{ host: '127.0.0.1', port }],
      ...(protocol ? { protocol } : {}),
    },
  })
  const end = async (name: string, mode: 'terminate' | 'terminate-and-reencrypt' = 'terminate') => ({
    mode,
    certificate: await certificateFor(`${name}.test`),
  })
  const { proxy, port } = await startProxy({
    routes: [
      route('h', web.port, await end('h')),
      route('t', echo.port, await end('t'), 'tcp'),
      route('r', broken.port, await end('r', 'terminate-and-reencrypt')),
      route('p', through.port, { mode: 'passthrough' }),
    ],
    initialDataTimeoutMs: 400,
    connectTimeoutMs: 400,
    headersTimeoutMs: 400,
    socketCleanupGracePeriodMs: 200,
    keepAliveTimeoutMs: 500,
    proxyProtocol: { ports: [0], from: ['127.0.0.9'] },
  })
  const endAt = performance.now() + FUZZ_SECONDS * 1_000
  let good = 0

  const raw = async (): Promise<void> => {
    const socket = net.connect({
      port: port(),
      host: '127.0.0.1',
      ...(random() < 0.2 ? { localAddress: '127.0.0.9' } : {}),
    })
    socket.on('error', () => undefined)
    const hello = hellos[Math.floor(random() * hellos.length)]!
    const bytes = random() < 0.15 ? noise(random, 600) : mutated(random, hello)
    if (random() < 0.2) socket.write('PROXY TCP4 192.0.2.7 10.0.0.1 4242 443\r\n')
    const size = random() < 0.3 ? 1 + Math.floor(random() * 40) : bytes.length
    for (let at = 0; at < bytes.length; at += size) {
      socket.write(bytes.subarray(at, at + size))
      if (random() < 0.1) await sleep(random() * 3)
    }
    await sleep(random() * 20)
    if (random() < 0.5) socket.write(noise(random, Math.floor(random() * 2_000)))
    const roll = random()
    if (roll < 0.3) socket.end()
    else if (roll < 0.6) socket.resetAndDestroy()
    await sleep(random() * 30)
    socket.destroy()
  }

  const spoken = async (): Promise<void> => {
    const name = ['h', 't', 'p', 'r', 'x'][Math.floor(random() * 5)]!
    const socket = tls.connect({
      port: port(),
      host: '127.0.0.1',
      servername: `${name}.test`,
      rejectUnauthorized: false,
    })
    socket.on('error', () => undefined)
    socket.on('data', () => undefined)
    socket.write(random() < 0.5 ? `GET / HTTP/1.1\r\nHost: ${name}.test\r\n\r\n` : noise(random, 3_000))
    await sleep(random() * 40)
    if (random() < 0.3) socket.end()
    await sleep(random() * 10)
    socket.destroy()
  }

  const hostile = async (): Promise<void> => {
    while (performance.now() < endAt) await (random() < 0.5 ? raw() : spoken())
  }
  const honest = async (): Promise<void> => {
    while (performance.now() < endAt) {
      const client = new TlsClient(port(), { servername: 'h.test', ca })
      client.socket.write('GET / HTTP/1.1\r\nHost: h.test\r\n\r\n')
      await until(() => client.text.endsWith('fine'), 'an honest answer')
      client.socket.destroy()
      good += 1
    }
  }
  const changing = async (): Promise<void> => {
    while (performance.now() < endAt) {
      await sleep(150)
      await proxy.setRoutes(proxy.routes())
    }
  }
  await Promise.all([...Array.from({ length: HOSTILE }, hostile), honest(), changing()])
  expect(good).toBeGreaterThan(3)
  await until(() => proxy.stats().connections.active === 0, 'every connection over')
  expect(proxy.stats().closedBy.internal_error).toBeUndefined()
  expectLaw(proxy)
})
