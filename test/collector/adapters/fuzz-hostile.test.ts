import { connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import { deflateSync, gzipSync } from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { POLL_OUTCOMES, type Reading } from '../../../server/collector/adapters/reading.ts'
import { Adapters, type NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { judge, unknownJudgement } from '../../../server/collector/judgement/judge.ts'
import { nodeTableSchema } from '../../../server/contract/answers/node-table.ts'
import { FUZZ_SECONDS, fuzzSeed, seededRandom } from '../../fuzz.ts'
import { log } from '../../store/fixtures.ts'
import { type Certificate, issue, makeAuthority } from './certificates.ts'
import { Servers } from './dial/servers.ts'
import { startEnvoyAdmin } from './envoy/envoy-admin.ts'

const TIMEOUT_MS = 250
/** Beyond its deadline, on a machine that does something else too. */
const GRACE_MS = 3_000
/** The largest answer that is read, and what kernels take in before anybody reads. */
const MOST_BYTES = 4 * 1024 * 1024 + 12 * 1024 * 1024

type Say = (socket: Socket) => void

/** What comes over a connection, made up by `random` from parts that are each wrong in their own way. */
class Hostility {
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T
  }

  /** An answer, and how it ends. `good` is what a well-behaved program would say. */
  say(good: string): Say {
    const text = this.#answer(good)
    const cut = this.#random() < 0.15 ? Math.floor(this.#random() * text.length) : text.length
    const bytes = text.subarray(0, cut)
    return this.pick<(bytes: Buffer) => Say>([
      (all) => (socket) => void socket.write(all),
      (all) => (socket) => void socket.end(all),
      (all) => (socket) => {
        socket.write(all)
        // Over TLS there is no reset of its own.
        setTimeout(() => (socket instanceof TLSSocket ? socket.destroy() : socket.resetAndDestroy()), 20)
      },
      (all) => (socket) => this.#drip(socket, all),
      (all) => (socket) => {
        socket.write(all)
        this.#endlessly(
          socket,
          this.pick([' ', 'x', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', '5\r\n12345\r\n']),
        )
      },
    ])(bytes)
  }

  #answer(good: string): Buffer {
    const body = this.#body(good)
    const head = `${this.#status()}\r\n${this.#headers(body.length).join('\r\n')}\r\n\r\n`
    const before = this.pick(['', '', '', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(50), '\r\n', '\u0000'])
    return this.pick([
      () => Buffer.concat([Buffer.from(before + head, 'latin1'), body]),
      () => Buffer.concat([Buffer.from(before + head, 'latin1'), body]),
      () => body,
      () => Buffer.from(Array.from({ length: 200 }, () => Math.floor(this.#random() * 256))),
      () => Buffer.alloc(0),
    ])()
  }

  #status(): string {
    return this.pick([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200',
      'HTTP/1.0 200 \u0007\u001b[31mred',
      'HTTP/2 200 OK',
      'HTTP/1.1 99 Low',
      'HTTP/1.1 1000 High',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade',
      'HTTP/1.1 204 No Content',
      'HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/',
      'HTTP/1.1 401 Unauthorized',
      'HTTP/1.1 503 \xff\xfe',
    ])
  }

  #headers(length: number): string[] {
    const headers = this.pick<string[]>([
      [`content-length: ${length}`],
      [`content-length: ${length}`],
      [],
      ['transfer-encoding: chunked'],
      [`content-length: ${length}`, `content-length: ${length + 1}`],
      [`content-length: ${length}`, 'transfer-encoding: chunked'],
      ['content-length: -1'],
      ['content-length: 1e999'],
      ['content-length: 99999999999999999999'],
      ['transfer-encoding: gzip, chunked'],
    ])
    const more = this.pick<string[]>([
      [],
      [],
      ['content-type: text/html; charset=utf-16'],
      ['content-type: text/plain; charset="\u0007'],
      ['content-encoding: gzip', 'content-encoding: br'],
      ['date: yesterday', 'date: Thu, 01 Jan 1970 00:00:00 GMT'],
      ['date: Fri, 31 Dec 275760 23:59:59 GMT'],
      ['x-region: fra', 'x-region: \u202eiad'],
      ['x-region: \x1b[2J\x07'],
      ['__proto__: polluted', 'constructor: polluted'],
      Array.from({ length: 1_000 }, (_, index) => `x-${index}: ${index}`),
      [`x-long: ${'y'.repeat(this.pick([8_000, 16_000, 70_000]))}`],
      [': nameless', 'name less: x', 'folded: a\r\n b'],
      ['keep-alive: timeout=0', 'connection: keep-alive, close, upgrade'],
    ])
    return [...headers, ...more]
  }

  /** A good answer with something in it that is not. */
  changed(good: string): Buffer {
    return this.#body(good)
  }

  #body(good: string): Buffer {
    const number = this.pick([
      '-1',
      '1e999',
      '-0',
      '1e-400',
      'NaN',
      '9'.repeat(400),
      '"7"',
      'null',
      '[]',
      '{}',
      'true',
    ])
    return this.pick<() => Buffer>([
      () => Buffer.from(good),
      () => Buffer.from(good),
      () => Buffer.from(good.replace(/\d+/g, (all) => (this.#random() < 0.3 ? number : all))),
      () =>
        Buffer.from(
          good.replace('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},'),
        ),
      () => Buffer.from(good.replace(/[a-z]{4}/g, (all) => (this.#random() < 0.1 ? 'x\u202e\u0000' : all))),
      () => Buffer.from(good.slice(0, Math.floor(this.#random() * good.length))),
      () => Buffer.from(`${'['.repeat(50_000)}${']'.repeat(50_000)}`),
      () => Buffer.from(['{"a":'.repeat(9), '1', '}'.repeat(9)].join('')),
      () => gzipSync(Buffer.alloc(5_000_000)),
      () => deflateSync(good),
      () => Buffer.from(good, 'utf16le'),
      () => Buffer.concat([Buffer.from(good), Buffer.from([0xc3])]),
      () => Buffer.from(`${'z'.repeat(64 * 1024)}`),
      () => Buffer.alloc(this.pick([65_536, 65_537, 1_100_000, 4_500_000]), 32),
    ])()
  }

  #drip(socket: Socket, bytes: Buffer): void {
    let at = 0
    const step = Math.max(1, Math.ceil(bytes.length / 40))
    const timer = setInterval(() => {
      if (socket.destroyed || at >= bytes.length) return clearInterval(timer)
      socket.write(bytes.subarray(at, at + step))
      at += step
    }, 20)
    socket.on('close', () => clearInterval(timer))
  }

  #endlessly(socket: Socket, part: string): void {
    const block = Buffer.from(part.repeat(Math.ceil(65_536 / part.length)))
    const more = (): void => {
      while (!socket.destroyed && socket.write(block)) if (socket.bytesWritten > 64 * 1024 * 1024) return
      if (!socket.destroyed) socket.once('drain', more)
    }
    more()
  }
}

const isSentence = (reason: string): void => {
  expect(reason).not.toBe('')
  expect(reason.length).toBeLessThanOrEqual(500)
  expect(reason).not.toMatch(/[\p{Cc}\p{Bidi_Control}]|\.[ch]c?:\d+|undefined|\[object/u)
}

const checked = (reading: Reading): void => {
  const { outcome, reason, facts, raw } = reading
  expect(POLL_OUTCOMES).toContain(outcome)
  isSentence(reason)
  expect(reading.durationMs).toBeLessThan(TIMEOUT_MS + GRACE_MS)
  expect(facts !== undefined).toBe(outcome === 'ok')
  expect(JSON.stringify(raw ?? null).length).toBeLessThan(200_000)
  for (const each of [...(reading.partial ?? []), ...(facts?.problems ?? [])]) isSentence(each)
  const counts = [facts?.gauges ?? {}, ...Object.values(facts?.counters ?? {})].flatMap((part) =>
    Object.values(part),
  )
  for (const count of counts) expect(Number.isFinite(count) && count >= 0, String(count)).toBe(true)
  for (const table of facts?.tables ?? []) {
    expect(nodeTableSchema.safeParse(table).error?.issues).toBeUndefined()
    expect(table.rows.length).toBeLessThanOrEqual(500)
  }
  judge(unknownJudgement(0), reading)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
}

/** A TLS server of which the bytes are held back, changed or cut on their way, at whatever byte. */
const tampered = (inner: number, random: () => number) =>
  createServer((socket) => {
    const to = connect(inner, '127.0.0.1')
    to.on('error', () => socket.destroy())
    socket.on('error', () => to.destroy())
    socket.on('close', () => to.destroy())
    to.on('close', () => socket.end())
    socket.pipe(to)
    let passed = 0
    const spot = Math.floor(random() * 2_000)
    const how = Math.floor(random() * 5)
    const pass = (bytes: Buffer): void => {
      if (!socket.write(bytes)) to.pause()
    }
    socket.on('drain', () => to.resume())
    to.on('data', (chunk: Buffer) => {
      const bytes = Buffer.from(chunk)
      const at = spot - passed
      passed += bytes.length
      if (at < 0 || at >= bytes.length) {
        if (at >= bytes.length || how > 2) pass(bytes)
        return
      }
      socket.write(bytes.subarray(0, at))
      if (how === 0) socket.resetAndDestroy()
      else if (how === 1) socket.end()
      else if (how === 2) to.pause()
      else if (how === 3)
        pass(Buffer.concat([Buffer.from([(bytes[at] ?? 0) ^ 0x55]), bytes.subarray(at + 1)]))
      else pass(bytes.subarray(at))
    })
  })

const POINTERS = {
  ok: '/ok',
  region: '/region',
  version: '/version',
  connections: '/stats/open',
  requests: '/stats/requests',
}
const SERIES = {
  ok: { metric: 'up' },
  region: { metric: 'up', label: 'region' },
  connections: { metric: 'open' },
  requests: { metric: 'requests_total', own: 1 },
}
const KINDS = ['json', 'http', 'envoy', 'tls', 'tcp', 'nginx', 'prometheus', 'caddy', 'haproxy'] as const

const GOOD: Readonly<Record<string, string>> = {
  json: '{"ok":true,"region":"fra","version":"1.2","stats":{"open":7,"requests":40}}',
  http: 'HTTP is spoken here: Sign in',
  tls: 'anything',
  tcp: 'anything',
  nginx:
    'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n',
  prometheus:
    '# TYPE up gauge\nup{region="fra"} 1\n# TYPE requests_total counter\nrequests_total{code="200"} 40\nopen 7\n',
  caddy: '[{"address":"127.0.0.1:1","num_requests":3,"fails":1}]',
  haproxy:
    'Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 90\n\n# pxname,svname,qcur,scur,stot,bin,bout,status,weight,type,mode,\nweb,FRONTEND,,3,9,10,20,OPEN,,0,http,\nweb,web-1,0,1,9,10,20,UP,1,2,http,\n\nadmin\n\n',
}

it(
  'whatever comes over a socket, a poll is a reading with an outcome and one clean sentence, in its time and within its bounds',
  async () => {
    const random = seededRandom(fuzzSeed('hostile answers'))
    const hostility = new Hostility(random)
    const servers = new Servers()
    onTestFinished(() => servers.close())
    const authority: Certificate = await makeAuthority('Ops')
    const certificate = await issue(authority)
    const admin = await startEnvoyAdmin()
    onTestFinished(() => admin.close())
    const goodOf = async (path: string): Promise<string> => (await fetch(`${admin.url}${path}`)).text()
    const envoy = [await goodOf('/server_info'), await goodOf('/stats'), await goodOf('/clusters')] as const
    const open = new Set<Socket>()
    const sent: Record<string, number> = {}
    const watched = (kind: string, socket: Socket): void => {
      open.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => {
        open.delete(socket)
        sent[kind] = Math.max(sent[kind] ?? 0, socket.bytesWritten - socket.writableLength)
      })
    }
    const goodFor = (kind: string, request: string): string => {
      if (kind !== 'envoy') return GOOD[kind] ?? ''
      return request.includes('/stats') ? envoy[1] : request.includes('/clusters') ? envoy[2] : envoy[0]
    }
    const whole = (body: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`), body])
    const take = (kind: string) => (socket: Socket) => {
      watched(kind, socket)
      socket.on('data', (request) => {
        const good = goodFor(kind, request.toString('latin1'))
        // One connection, one answer, and no HTTP at all.
        if (kind === 'haproxy' && random() < 0.7) return void socket.end(hostility.changed(good))
        // An Envoy that is wrong from its first answer on would never be asked for its second.
        if (kind === 'envoy' && random() < 0.6) socket.write(whole(Buffer.from(good)))
        // Of what is wrong already by its head nothing would be read.
        else if (random() < 0.5) socket.write(whole(hostility.changed(good)))
        else hostility.say(good)(socket)
      })
    }
    const plain: Record<string, number> = {}
    const secured: Record<string, number> = {}
    for (const kind of KINDS) {
      plain[kind] = await servers.listen(createServer(take(kind)))
      const server = createTlsServer(certificate, take(kind))
      server.on('tlsClientError', () => undefined)
      secured[kind] = await servers.listen(server)
    }
    const broken = await servers.listen(tampered(secured.http ?? 0, random))

    const targetOf = (kind: string): NodeTarget => {
      const isTls = random() < 0.4
      const isBroken = kind !== 'tcp' && random() < 0.3
      const port = isBroken ? broken : ((isTls ? secured : plain)[kind] ?? 0)
      const scheme = isBroken || isTls ? 'https' : 'http'
      const entry = {
        id: `${kind}-${Math.floor(random() * 1e9)}`,
        region: 'fra',
        kind,
        embedded: false,
        url: `${scheme}://127.0.0.1:${port}/`,
        address: `127.0.0.1:${kind === 'tls' && !isBroken ? secured.tls : port}`,
        tls: random() < 0.9 ? { ca: authority.cert } : undefined,
        map: kind === 'prometheus' ? SERIES : POINTERS,
        expect: hostility.pick([
          undefined,
          { status: [200, 401, 503] },
          { body: 'Sign in' },
          { headers: { 'x-region': 'fra', date: 'never' } },
        ]),
        auth: hostility.pick([undefined, { user: 'ada', password: 'horse' }]),
      }
      return entry as unknown as NodeTarget
    }

    const end = performance.now() + FUZZ_SECONDS * 1_000
    const outcomes: Record<string, number> = {}
    while (performance.now() < end) {
      const adapters = new Adapters({
        timeoutMs: TIMEOUT_MS,
        rules: createAddressRules([]),
        store: { position: async () => null },
        log,
        maxBackoffMs: 1_000,
        now: Date.now,
      })
      const readings = await Promise.all(
        [...KINDS, 'http', 'envoy'].map((kind) => {
          const target = targetOf(kind)
          return adapters.of(target.kind).probe(target)
        }),
      )
      for (const reading of readings) {
        outcomes[reading.outcome] = (outcomes[reading.outcome] ?? 0) + 1
        checked(reading)
      }
      await adapters.close()
    }
    await expect.poll(() => open.size, { timeout: 5_000 }).toBe(0)
    for (const [kind, bytes] of Object.entries(sent)) expect(bytes, kind).toBeLessThan(MOST_BYTES)
    // Hostility that never lets anything through, or always, would show nothing.
    expect(outcomes.ok).toBeGreaterThan(0)
    expect(Object.keys(outcomes).length).toBeGreaterThan(2)
  },
  FUZZ_SECONDS * 1_000 + 40_000,
)
