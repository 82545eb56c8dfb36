import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { type Endpoint, startEndpoint, startPush } from './apns-endpoint.ts'

const payload = { aps: { alert: 'hello' } }
let honest: Endpoint
beforeEach(async () => {
  honest = await startEndpoint()
})
afterEach(() => honest.close())

const pemsFor = async () => {
  const pems = await generate([{ name: 'commonName', value: 'hostile push endpoint' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  return { key: pems.private, cert: pems.cert }
}

/** What a hostile or broken push service does with one stream. */
const tricks: ((stream: ServerHttp2Stream, session: ServerHttp2Session, random: () => number) => void)[] = [
  (stream) => stream.respond({ ':status': 200 }, { endStream: true }),
  (stream) => stream.respond({ ':status': 200 }), // and never ends
  (stream) => {
    stream.respond({ ':status': 500 })
    stream.write('x'.repeat(200_000))
  },
  (stream) => {
    stream.respond({ ':status': 410 })
    stream.end(`{"reason":"${'\u0000<script>'.repeat(50)}"}`)
  },
  (stream) => {
    stream.respond({ ':status': 429, 'retry-after': '-1e999' })
    stream.end('{"reason":["a"]}')
  },
  (stream) => {
    for (let i = 0; i < 30; i++) stream.additionalHeaders({ ':status': 103 })
  },
  (stream, _session, random) => stream.close(Math.floor(random() * 14)),
  (_stream, session, random) => session.goaway(Math.floor(random() * 14), Math.floor(random() * 50)),
  (_stream, session) => session.destroy(),
  (_stream, session) => session.close(),
  (_stream, session) => session.settings({ maxConcurrentStreams: 0 }),
  (_stream, session, random) => session.settings({ maxConcurrentStreams: Math.floor(random() * 1e9) }),
  (_stream, session) => {
    for (let i = 0; i < 8; i++) session.ping(() => undefined)
  },
  (stream) =>
    stream.respond({
      ':status': 200,
      ...Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'y'.repeat(200)])),
    }),
  () => undefined, // silence
]

it(
  'a hostile push endpoint costs its own pushes: all are settled, nothing escapes, and memory stays bounded',
  async () => {
    const seed = fuzzSeed('push endpoint')
    const random = seededRandom(seed)
    const { key, cert } = await pemsFor()
    const sockets = new Set<Socket>()
    const h2 = createSecureServer({ key, cert })
    h2.on('connection', (socket: Socket) => sockets.add(socket))
    h2.on('sessionError', () => undefined)
    h2.on('session', (session) => {
      session.on('error', () => undefined)
      if (random() < 0.05) session.goaway(0)
    })
    h2.on('stream', (given) => {
      const stream = given as ServerHttp2Stream
      stream.on('error', () => undefined)
      stream.resume()
      const { session } = stream
      if (!session) return
      try {
        tricks[Math.floor(random() * tricks.length)]?.(stream, session as ServerHttp2Session, random)
      } catch {
        // The session was ended by an earlier trick.
      }
    })
    /** Bytes that are no HTTP/2 at all, or frames of any type, length and flags. */
    const garbage = createTlsServer({ key, cert, ALPNProtocols: ['h2'] }, (socket: TLSSocket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])) // SETTINGS, so that it counts as a session
      const send = (): void => {
        if (socket.destroyed) return
        const body = randomBytes(Math.floor(random() * 60))
        const head = Buffer.from([
          0,
          0,
          body.length,
          Math.floor(random() * 12),
          Math.floor(random() * 256),
          0,
          0,
          0,
          Math.floor(random() * 6),
        ])
        socket.write(random() < 0.3 ? randomBytes(40) : Buffer.concat([head, body]))
        setTimeout(send, 5)
      }
      send()
    })
    // One address, behind which every connection meets another of the two.
    const { caPath } = honest
    await Promise.all(
      [h2, garbage].map(
        (server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve())),
      ),
    )
    await writeFile(caPath, `${await readFile(caPath, 'utf8')}\n${cert}`)
    const good = await startPush(honest)
    const quick = {
      requestTimeoutMs: 60,
      connectTimeoutMs: 300,
      deadlineMs: 400,
      pingIntervalMs: 30,
      pingTimeoutMs: 100,
      maxQueued: 200,
    }
    const victims = await Promise.all(
      [h2, garbage].map((server) =>
        startPush({ ...honest, port: (server.address() as AddressInfo).port }, quick),
      ),
    )
    const escaped: unknown[] = []
    const onEscaped = (error: unknown): void => void escaped.push(error)
    process.on('uncaughtException', onEscaped)
    process.on('unhandledRejection', onEscaped)
    const startRss = process.memoryUsage().rss
    let sent = 0
    let settled = 0
    try {
      const until = performance.now() + FUZZ_SECONDS * 1000
      while (performance.now() < until) {
        const batch = Array.from({ length: 5 }, (_, i) => `t${sent + i}`)
        sent += batch.length * victims.length
        for (const { push } of victims)
          void push.send({ tokens: batch, payload }).then((outcomes) => {
            settled += outcomes.length
          })
        await new Promise((resolve) => setTimeout(resolve, 10))
        if (sent % 500 === 0)
          expect(await good.push.send({ token: 'honest', payload })).toMatchObject([{ outcome: 'delivered' }])
      }
      expect(await good.push.send({ token: 'honest', payload })).toMatchObject([{ outcome: 'delivered' }])
      // Every push has an outcome, at the latest with its deadline and one answer's time.
      await expect
        .poll(() => victims.reduce((sum, { push }) => sum + push.pending(), 0), { timeout: 10_000 })
        .toBe(0)
      await expect.poll(() => settled, { timeout: 2_000 }).toBe(sent)
      for (const { push } of victims) {
        const stats = push.stats()
        const rejected = Object.values(stats.sendRejected).reduce((sum, count) => sum + count, 0)
        expect(stats.sendOk + stats.sendFail + rejected, `seed ${seed}`).toBe(stats.received)
        expect(Object.keys(stats.sendRejected).length).toBeLessThanOrEqual(65)
      }
      expect(escaped, `seed ${seed}`).toEqual([])
      expect(process.memoryUsage().rss - startRss).toBeLessThan(300 * 1024 * 1024)
    } finally {
      process.off('uncaughtException', onEscaped)
      process.off('unhandledRejection', onEscaped)
      await Promise.all([good, ...victims].map(({ push }) => push.destroy()))
      for (const socket of sockets) socket.destroy()
      await Promise.all([h2, garbage].map((server) => new Promise((resolve) => server.close(resolve))))
    }
  },
  60_000 + FUZZ_SECONDS * 1000,
)
