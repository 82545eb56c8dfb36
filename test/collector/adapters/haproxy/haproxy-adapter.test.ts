import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { HaproxyAdapter } from '../../../../server/collector/adapters/haproxy/adapter.ts'
import { readAnswer } from '../../../../server/collector/adapters/haproxy/answer.ts'
import { serverState } from '../../../../server/collector/adapters/haproxy/server-state.ts'
import { readStatistics, type StatRow } from '../../../../server/collector/adapters/haproxy/statistics.ts'
import type { HaproxyTarget } from '../../../../server/collector/adapters/haproxy/target.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { ask, freePort, hasHaproxy, preamble, startHaproxy, startOrigin } from './haproxy.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 50 })
const adapterFor = (allow: string[] = [], timeoutMs = 3_000): HaproxyAdapter => {
  const adapter = new HaproxyAdapter({ timeoutMs, rules: createAddressRules(allow) })
  closers.push(() => adapter.close())
  return adapter
}
const node = (more: Partial<HaproxyTarget>): HaproxyTarget => ({
  id: 'edge-1',
  region: 'fra',
  kind: 'haproxy',
  url: 'unix:/run/haproxy.sock',
  embedded: false,
  ...more,
})

/** An HAProxy with a frontend, one server that answers and one that nobody is behind. */
const startWeb = async (more = '') => {
  const origin = await startOrigin('one')
  closers.push(() => origin.close())
  const [port, api, dead] = [await freePort(), await freePort(), await freePort()]
  const haproxy = await startHaproxy(
    (
      folder,
    ) => `${preamble(folder, `stats socket ipv4@127.0.0.1:${api} level admin\n  stats socket ${folder}/op.sock level operator\n  stats socket ${folder}/user.sock level user`)}
frontend site
  bind 127.0.0.1:${port}
  default_backend web
backend web
  server web-1 127.0.0.1:${origin.port} check inter 100ms
  server web-2 127.0.0.1:${dead} check inter 100ms
${more}`,
  )
  closers.push(() => haproxy.close())
  return { origin, port, api, haproxy }
}

/** Whatever is connected to gets this answer. */
const startFake = async (answer: string | ((socket: Socket) => void)) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    if (typeof answer === 'string') socket.once('data', () => socket.end(answer))
    else answer(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const HEAD =
  '# pxname,svname,qcur,scur,stot,bin,bout,status,weight,act,bck,lastchg,type,check_status,check_code,last_chk,mode,'
const INFO = 'Name: HAProxy\nVersion: 2.2.9\nPid: 7\nUptime_sec: 60\nStopping: 0\n\n'
const rowOf = (status: string, more: Partial<StatRow> = {}): StatRow => ({
  sort: 'server',
  proxy: 'web',
  name: 'web-1',
  status,
  mode: 'http',
  checkStatus: '',
  lastCheck: '',
  numbers: {},
  ...more,
})

describe('the statistics of HAProxy', () => {
  it('are read by the names of the header, with quotes, commas and ends of lines in what a check said', () => {
    const text = `${INFO}${HEAD}\nweb,web-1,0,2,9,10,20,DOWN,1,1,0,180,2,L7STS,503,"said ""no"", and\n\nwent",http,\nweb,BACKEND,1,2,9,10,20,UP,1,1,0,180,1,,,,http,\n\n`
    const read = readStatistics(text)
    if ('fault' in read) throw new Error(read.fault)
    expect(read.rows).toHaveLength(2)
    expect(read.rows[0]).toMatchObject({
      sort: 'server',
      lastCheck: 'said "no", andwent',
      numbers: { scur: 2, check_code: 503, lastchg: 180 },
    })
    expect(read.rows[1]?.numbers.check_code).toBeUndefined()
  })

  it.each<[string, string, string]>([
    ['nothing', '', 'are missing'],
    [
      'no column that is needed',
      '# pxname,svname,qcur,\nweb,web-1,0,\n\n',
      'have no column status, type, scur',
    ],
    ['a row that ends half-way', `${HEAD}\nweb,web-1,0,2`, 'end half-way'],
  ])('that hold %s are refused with a sentence', (_title, text, words) => {
    expect((readStatistics(text) as { fault: string }).fault).toContain(words)
  })

  it.each<[string, number | undefined, string]>([
    ['UP', 0, 'up'],
    ['UP 1/3', 0, 'up'],
    ['no check', 0, 'up'],
    ['DRAIN', 0x08, 'drain'],
    ['DRAIN', undefined, 'drain'],
    ['DRAIN (agent)', 0, 'drain'],
    ['NOLB', 0, 'drain'],
    ['MAINT', 0x01, 'maintenance'],
    ['MAINT (via web/web-2)', undefined, 'maintenance'],
    ['MAINT (resolution)', 0x20, 'down'],
    ['DOWN', 0, 'down'],
    ['DOWN 1/2', undefined, 'down'],
    // It is drained, and its machine is off: the status alone would not tell.
    ['DOWN', 0x08, 'drain'],
  ])('say of a server with status %s and admin state %s that it is %s', (status, admin, expected) => {
    const state = serverState(rowOf(status), admin)
    expect(state.kind === 'out' ? state.how : state.kind).toBe(expected)
  })

  it('of two thousand servers are read whole', () => {
    const rows = Array.from(
      { length: 2_000 },
      (_, index) => `web,web-${index},0,1,9,10,20,UP,1,1,0,180,2,L4OK,,"Layer4, fine",http,`,
    )
    const answer = readAnswer(`${INFO}${HEAD}\n${rows.join('\n')}\n\n`, undefined)
    expect('rows' in answer && answer.rows).toHaveLength(2_000)
  })
})

describe('a poll of what is no runtime API', () => {
  it.each<[string, string, string, string]>([
    ['HTTP', 'HTTP/1.1 400 Bad request\r\n\r\n', 'bad_body', 'a web server answers here'],
    [
      'a statistics page that asks for a password',
      'HTTP/1.0 401 Unauthorized\r\nwww-authenticate: Basic\r\n\r\n<html>',
      'bad_body',
      'not the statistics page',
    ],
    ['HTML', '<html><body><h1>hi', 'bad_body', 'a web server answers here'],
    ['nothing', '', 'bad_body', 'closed the connection without an answer'],
    ['half an answer', `${INFO}${HEAD}\nweb,web-1,0`, 'bad_body', 'the answer ends half-way'],
    ['other words', 'ERR no such thing\n\nadmin\n\n', 'bad_body', 'there is no `show info` in the answer'],
    ['no statistics', `${INFO}admin\n\n`, 'bad_body', 'the statistics are missing'],
    ['five megabytes', 'x'.repeat(5_000_000), 'too_large', '4194304'],
  ])('that answers %s is an outcome with a sentence', async (_title, answer, outcome, words) => {
    const reading = await adapterFor().probe(node({ address: await startFake(answer) }))
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason).toContain(words)
    expect(reading.facts).toBeUndefined()
  })

  it('times out where nothing comes, and where the answer trickles', async () => {
    const trickle = (socket: Socket) => {
      const drip = setInterval(() => socket.write('Name'), 20)
      socket.on('close', () => clearInterval(drip))
    }
    for (const answer of [() => undefined, trickle]) {
      const reading = await adapterFor([], 200).probe(node({ address: await startFake(answer) }))
      expect(reading.outcome).toBe('timeout')
    }
  })

  it('ends in the sentence that helps: no socket, a file, a port where nobody listens', async () => {
    const { folder, remove } = await folderWithFile()
    closers.push(remove)
    const adapter = adapterFor()
    const port = await freePort()
    for (const [place, words] of [
      [{ socket: `${folder}/none.sock` }, `there is no socket at ${folder}/none.sock`],
      [{ socket: `${folder}/file` }, 'is not a socket'],
      [{ address: `127.0.0.1:${port}` }, 'ECONNREFUSED'],
    ] as const) {
      const reading = await adapter.probe(node(place))
      expect(reading.outcome).toBe('refused')
      expect(reading.reason).toContain(words)
      expect(await adapter.drains(() => node(place)).observe()).toEqual({
        facts: null,
        silent: true,
        refused: true,
      })
    }
  })

  it('says where this process may not open the socket', async (context) => {
    const { folder, remove } = await folderWithFile()
    closers.push(remove)
    const server = createServer().listen(`${folder}/closed.sock`)
    await once(server, 'listening')
    closers.push(() => void server.close())
    await chmod(`${folder}/closed.sock`, 0)
    if (process.getuid?.() === 0) {
      process.stderr.write(
        'this runs as root, whom no socket is closed to: what others are told is not tested here\n',
      )
      context.skip()
    }
    const reading = await adapterFor().probe(node({ socket: `${folder}/closed.sock` }))
    expect(reading.outcome).toBe('refused')
    expect(reading.reason).toContain('this process may not open')
  })

  it.each(['169.254.169.254:80', '[fe80::1]:9999', '10.9.9.9:9999'])('never dials %s', async (address) => {
    const reading = await adapterFor(['127.0.0.0/8'], 500).probe(node({ address }))
    expect(reading.outcome).toBe('blocked_address')
  })
})

const folderWithFile = async () => {
  const folder = await mkdtemp(`${tmpdir()}/tidegate-haproxy-`)
  writeFileSync(`${folder}/file`, 'no socket')
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

describe.skipIf(!hasHaproxy)('a poll of the real HAProxy', () => {
  it('reads the process over its socket and over TCP, and not its own connection', async () => {
    const { haproxy, port, api } = await startWeb()
    const adapter = adapterFor()
    expect(await ask(port)).toBe('one')
    await eventually(async () =>
      expect((await adapter.probe(node({ socket: haproxy.socket }))).facts?.problems).toEqual([
        expect.stringMatching(/^server web\/web-2 is DOWN for \d+.*: L4CON Connection refused$/),
      ]),
    )
    for (const place of [
      { socket: haproxy.socket },
      { address: `127.0.0.1:${api}` },
      { address: `localhost:${api}` },
    ]) {
      const reading = await adapter.probe(node(place))
      expect(reading.facts, reading.reason).toMatchObject({
        ok: true,
        state: 'serving',
        version: expect.stringMatching(/^\d+\.\d+/),
        epoch: expect.stringMatching(new RegExp(`^${haproxy.pid}-`)),
        gauges: { connections: 0, requests_pending: 0 },
        counters: {
          connections_accepted: { 'site/FRONTEND': 1 },
          requests: { 'site/FRONTEND': 1 },
          requests_failed: { 'site/FRONTEND': 0 },
          bytes_down: { 'site/FRONTEND': expect.any(Number) },
        },
        drain: null,
      })
      for (const table of reading.facts?.tables ?? []) expect(nodeTableSchema.parse(table)).toEqual(table)
      expect(reading.facts?.tables?.map(({ id, total }) => [id, total])).toEqual([
        ['frontends', 1],
        ['backends', 1],
        ['servers', 2],
      ])
      expect(reading.raw).toMatchObject({ Name: 'HAProxy', Pid: String(haproxy.pid) })
    }
  })

  it('is degraded where a backend has no server left, and says which', async () => {
    const { haproxy, origin } = await startWeb()
    await origin.close()
    await eventually(async () => {
      const { facts } = await adapterFor().probe(node({ socket: haproxy.socket }))
      expect(facts?.ok).toBe(false)
      expect(facts?.problems[0]).toBe('backend web is DOWN: none of its 2 servers serves')
    })
  })

  it('reads one server: what it serves, that it is down, that there is none of that name', async () => {
    const { haproxy, port } = await startWeb()
    const adapter = adapterFor()
    const server = (name: string, backend = 'web') =>
      adapter.probe(node({ socket: haproxy.socket, backend, server: name }))
    expect(await ask(port)).toBe('one')
    expect((await server('web-1')).facts).toMatchObject({
      ok: true,
      problems: [],
      state: 'serving',
      gauges: { connections: 0, requests_pending: 0 },
      counters: { connections_accepted: { 'web/web-1': 1 }, requests: { 'web/web-1': 1 } },
    })
    await eventually(async () => {
      const down = await server('web-2')
      expect(down.outcome).toBe('bad_status')
      expect(down.reason).toMatch(/^server web\/web-2 is DOWN for \d.*: L4CON Connection refused$/)
    })
    expect((await server('web-3')).reason).toBe('HAProxy has no server web-3 in backend web')
    expect((await server('web-1', 'shop')).reason).toBe('HAProxy has no backend shop')
  })

  it('takes every name that HAProxy takes, for servers and backends', async () => {
    const origin = await startOrigin('odd')
    closers.push(() => origin.close())
    const haproxy = await startHaproxy(
      (folder) => `${preamble(folder)}
backend a.b:c_d-e
  server w.1:x_-2 127.0.0.1:${origin.port}
`,
    )
    closers.push(() => haproxy.close())
    const reading = await adapterFor().probe(
      node({ socket: haproxy.socket, backend: 'a.b:c_d-e', server: 'w.1:x_-2' }),
    )
    expect(reading.facts, reading.reason).toMatchObject({ ok: true, state: 'serving' })
  })

  it('finds the server of a backend that has the name of a frontend, and drains it', async () => {
    const origin = await startOrigin('one')
    closers.push(() => origin.close())
    const front = await freePort()
    const haproxy = await startHaproxy(
      (folder) => `${preamble(folder)}
frontend web
  bind 127.0.0.1:${front}
  default_backend web
backend web
  server web-1 127.0.0.1:${origin.port}
  server web-2 127.0.0.1:${origin.port}
`,
    )
    closers.push(() => haproxy.close())
    const adapter = adapterFor()
    const target = node({ socket: haproxy.socket, backend: 'web', server: 'web-1' })
    expect(await ask(front)).toBe('one')
    const reading = await adapter.probe(target)
    expect(reading.facts, reading.reason).toMatchObject({ ok: true, state: 'serving' })
    expect(reading.facts?.counters.connections_accepted).toEqual({ 'web/web-1': 1 })
    const verbs = adapter.drains(() => target)
    const order = {
      drainId: 'd1',
      reason: 'kernel',
      mode: 'hold',
      onDeadline: 'wait',
      initiator: 'ana',
    } as const
    expect((await verbs.drain(order)).kind).toBe('accepted')
    expect((await adapter.probe(target)).facts?.state).toBe('drained')
    expect((await adapter.probe({ ...target, server: 'web-3' })).reason).toBe(
      'HAProxy has no server web-3 in backend web',
    )
  })

  it('tells a reload under traffic: counts anew, never less than nothing, and says what it no longer sees', async () => {
    const { haproxy, origin, port } = await startWeb()
    const adapter = adapterFor()
    const target = node({ socket: haproxy.socket })
    let base: CountedBase | null = null
    const rises: (number | undefined)[] = []
    const poll = async () => {
      const { facts, reason } = await adapter.probe(target)
      if (facts === undefined) throw new Error(reason)
      rises.push(sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false }).requests)
      base = countedBase(base, facts)
      return facts
    }
    for (let count = 0; count < 3; count += 1) await ask(port)
    await poll()
    origin.hold()
    const held = ask(port)
    await eventually(() => expect(origin.held).toBe(1))
    const before = await poll()
    expect(before.gauges.connections).toBe(1)
    const old = await haproxy.reload()
    const after = await poll()
    expect(after.epoch).not.toBe(before.epoch)
    expect(after.gauges.connections).toBe(0)
    expect(after.problems).toContainEqual(
      expect.stringMatching(
        /^HAProxy was reloaded or started again .* ago; 1 session that the process before it held may still be open there/,
      ),
    )
    // The old process finishes what it has, where no socket speaks of it.
    expect(old.exitCode).toBeNull()
    origin.release()
    expect(await held).toBe('one')
    expect(await ask(port)).toBe('one')
    await poll()
    expect(rises.slice(0, 1)).toEqual([undefined])
    expect(rises.slice(1).every((rise) => rise !== undefined && rise >= 0)).toBe(true)
    expect(rises.at(-1)).toBe(1)
  })

  it('is refused where HAProxy has died, and read again when it is back, by another run', async () => {
    const { haproxy } = await startWeb()
    const adapter = adapterFor()
    const target = node({ socket: haproxy.socket })
    const first = (await adapter.probe(target)).facts?.epoch
    await haproxy.kill()
    const gone = await adapter.probe(target)
    expect(gone.outcome).toBe('refused')
    expect(gone.reason).toBe(`nobody listens at ${haproxy.socket}; HAProxy does not run`)
    await haproxy.start()
    expect((await adapter.probe(target)).facts?.epoch).not.toBe(first)
  })

  it('says that the socket of a master process is not the one to read', async () => {
    const answer =
      'Unknown command, but maybe one of the following ones is a better match:\n  show proc\n\nadmin\n\n'
    const reading = await adapterFor().probe(node({ address: await startFake(answer) }))
    expect(reading.reason).toContain('the socket of the master process (-S) is not read')
  })

  it('says of its own statistics page what it is', async () => {
    const page = await freePort()
    const { haproxy } = await startWeb(
      `frontend stats\n  bind 127.0.0.1:${page}\n  stats enable\n  stats uri /\n  stats auth a:b\n`,
    )
    expect(haproxy.pid).toBeGreaterThan(0)
    const reading = await adapterFor().probe(node({ address: `127.0.0.1:${page}` }))
    expect(reading.outcome).toBe('bad_body')
    expect(reading.reason).toContain('a web server answers here')
  })

  it('reads two thousand servers', async () => {
    const haproxy = await startHaproxy(
      (folder) => `${preamble(folder)}
backend web
  server-template web- 2000 127.0.0.1:9
`,
    )
    closers.push(() => haproxy.close())
    const { facts, reason } = await adapterFor().probe(node({ socket: haproxy.socket }))
    expect(facts, reason).toBeDefined()
    const servers = facts?.tables?.find(({ id }) => id === 'servers')
    expect([servers?.total, servers?.rows.length]).toEqual([2_000, 500])
  })
})
