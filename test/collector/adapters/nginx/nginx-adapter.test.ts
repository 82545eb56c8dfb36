import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { NginxAdapter, type NginxTarget } from '../../../../server/collector/adapters/nginx/adapter.ts'
import { readStubStatus } from '../../../../server/collector/adapters/nginx/stub-status.ts'
import { judge, unknownJudgement } from '../../../../server/collector/judgement/judge.ts'
import { type CountedBase, countedBase, sampleOf } from '../../../../server/collector/judgement/sample.ts'
import { nodeTableSchema } from '../../../../server/contract/answers/node-table.ts'
import { startJsonNode } from '../json/json-node.ts'
import { freePort, hasProgram, startProgram } from '../program.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const makeAdapter = (timeoutMs = 2_000): NginxAdapter => {
  const adapter = new NginxAdapter({ timeoutMs, rules: createAddressRules([]) })
  closers.push(() => adapter.close())
  return adapter
}
const target = (url: string, more: Partial<NginxTarget> = {}): NginxTarget => ({
  id: 'nginx-1',
  region: 'iad',
  kind: 'nginx',
  url,
  embedded: false,
  ...more,
})
const answering = async (body: string, status = 200, headers = {}) => {
  const node = await startJsonNode(
    ((_request, response) => void response.writeHead(status, headers).end(body)) satisfies RequestListener,
  )
  closers.push(() => node.close())
  return node.url
}

// The example of nginx's documentation.
const PAGE =
  'Active connections: 291 \nserver accepts handled requests\n 16630948 16630940 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n'

describe('stub_status', () => {
  it.each([
    ['as nginx writes it', PAGE],
    ['with CR LF', PAGE.replaceAll('\n', '\r\n')],
    [
      'with a number more, as Tengine writes it',
      PAGE.replace('requests\n', 'requests request_time\n').replace('31070465', '31070465 5574701'),
    ],
  ])('is read %s', (_title, page) => {
    expect(readStubStatus(page)).toEqual({
      active: 291,
      accepts: 16_630_948,
      handled: 16_630_940,
      requests: 31_070_465,
      reading: 6,
      writing: 179,
      waiting: 106,
    })
  })

  it.each([
    ['', 'it is empty'],
    ['<!DOCTYPE html><title>Welcome to nginx!</title>', 'it is HTML or XML; it begins with "<!DOCTYPE html>'],
    ['{"active":1}', 'it is JSON'],
    [PAGE.slice(0, 60), 'begins with "Active connections: 291'],
    [PAGE.replace('291', '-3'), 'begins with "Active connections: -3'],
    [PAGE.replace('291', '2e9'), 'begins with'],
    [PAGE.replace('291', '9'.repeat(20)), 'begins with'],
    [`${PAGE}${PAGE}`, 'begins with'],
    [`Active connections: ${' '.repeat(60_000)}`, 'begins with'],
  ])('that is %j is none', (page, words) => {
    expect(readStubStatus(page)).toContain('the answer is no stub_status page')
    expect(readStubStatus(page)).toContain(words)
  })
})

describe('a poll of a node of kind nginx', () => {
  it('takes off our own connection and request, and nothing else', async () => {
    const reading = await makeAdapter().probe(target(await answering(PAGE)))
    expect(reading).toMatchObject({
      outcome: 'ok',
      facts: {
        ok: true,
        version: null,
        gauges: { connections: 290, requests_pending: 184 },
        counters: {
          connections_accepted: { nginx: 16_630_947 },
          connections_refused: { nginx: 8 },
          requests: { nginx: 31_070_464 },
        },
      },
    })
    expect(nodeTableSchema.parse(reading.facts?.tables?.[0]).rows).toEqual([
      { doing: 'reading a request', connections: 6 },
      { doing: 'writing an answer', connections: 178 },
      { doing: 'waiting for the next request', connections: 106 },
    ])
    expect(judge(judge(unknownJudgement(0), reading), reading).state).toBe('up')
    expect(makeAdapter().proves(target('http://a'))).toBe('counted')
  })

  it.each<[string, string, number, string, string]>([
    ['HTML', '<html>', 200, 'bad_body', 'no stub_status page: it is HTML'],
    ['a hundred kilobytes', 'x'.repeat(100_000), 200, 'too_large', '65536'],
    [
      '401',
      '',
      401,
      'bad_status',
      'asks for a user and a password (basic auth); give this node auth: { user, password }',
    ],
    ['403', '', 403, 'bad_status', 'allow the address of the collector'],
    ['404', '', 404, 'bad_status', 'no location with stub_status'],
    ['502', '', 502, 'bad_status', 'answered 502'],
    ['a redirect', '', 301, 'redirect', 'answered 301'],
  ])('that answers %s is an outcome with a sentence', async (_title, body, status, outcome, words) => {
    const reading = await makeAdapter().probe(target(await answering(body, status)))
    expect(reading.outcome).toBe(outcome)
    expect(reading.reason).toContain(words)
    expect(reading.facts).toBeUndefined()
  })

  it('that is not there, or silent, is an outcome', async () => {
    expect((await makeAdapter().probe(target(`http://127.0.0.1:${await freePort()}/s`))).outcome).toBe(
      'refused',
    )
    const silent = await startJsonNode((() => undefined) satisfies RequestListener)
    closers.push(() => silent.close())
    expect((await makeAdapter(200).probe(target(silent.url))).outcome).toBe('timeout')
  })
})

const hasNginx = hasProgram('nginx')

describe.skipIf(!hasNginx)('a real nginx', () => {
  const start = async () => {
    const [port, guarded] = [await freePort(), await freePort()]
    const program = await startProgram({
      command: 'nginx',
      args: (folder) => ['-p', folder, '-e', 'error.log', '-c', 'nginx.conf'],
      files: {
        passwords: 'ada:{PLAIN}correct horse\n',
        'nginx.conf': `daemon off;
pid nginx.pid;
error_log error.log;
worker_processes 2;
worker_shutdown_timeout 20s;
events { worker_connections 64; }
http {
  access_log off;
  keepalive_timeout 60s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:${port}; location /stub_status { stub_status; } location / { return 200 hi; } }
  server { listen 127.0.0.1:${guarded}; auth_basic status; auth_basic_user_file passwords; location / { stub_status; } }
}
`,
      },
      answersAt: `http://127.0.0.1:${port}/`,
    })
    closers.push(() => program.stop())
    const adapter = makeAdapter(500)
    let base: CountedBase | null = null
    const ask = (path = '/stub_status') => adapter.probe(target(`http://127.0.0.1:${port}${path}`))
    const poll = async () => {
      const reading = await ask()
      const { facts } = reading
      if (!facts) throw new Error(reading.reason)
      const rose = sampleOf(base, facts, { latencyMs: 1, gapMs: null, freshProcess: false })
      base = countedBase(base, facts)
      return { facts, rose }
    }
    const visit = async (times: number) => {
      for (let more = 0; more < times; more += 1)
        await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text()
    }
    return { port, guarded, program, ask, poll, visit }
  }
  const open = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    closers.push(() => void socket.destroy())
    socket.on('error', () => socket.destroy())
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }

  it('says what it holds and counts, without us who ask', async () => {
    const { port, poll, visit } = await start()
    const first = await poll()
    expect(first.facts.gauges).toEqual({ connections: 0, requests_pending: 0 })
    await visit(20)
    expect((await poll()).rose).toMatchObject({
      connections_accepted: 20,
      connections_refused: 0,
      requests: 20,
    })
    for (let more = 0; more < 3; more += 1) await open(port)
    await vi.waitFor(async () => expect((await poll()).facts.gauges.connections).toBe(3))
    expect((await poll()).rose).toMatchObject({
      connections_accepted: 0,
      connections_refused: 0,
      requests: 0,
    })
  })

  it('counts no poll of ours as traffic, whatever became of its answer', async () => {
    const { program, ask, poll, visit } = await start()
    await poll()
    for (const path of ['/', '/', '/']) expect((await ask(path)).reason).toMatch(/is no stub_status page/)
    expect((await poll()).rose).toMatchObject({ connections_accepted: 0, requests: 0 })
    const workers = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number)
    // Connections are taken by the kernel meanwhile, and counted once somebody works again.
    for (const worker of workers) process.kill(worker, 'SIGSTOP')
    for (let more = 0; more < 3; more += 1) expect((await ask()).outcome).toBe('timeout')
    for (const worker of workers) process.kill(worker, 'SIGCONT')
    await visit(4)
    const [first, second] = [await poll(), await poll()]
    const sum = (name: 'requests' | 'connections_accepted') =>
      (first.rose[name] ?? 0) + (second.rose[name] ?? 0)
    expect([sum('connections_accepted'), sum('requests')]).toEqual([4, 4])
    expect((await poll()).rose).toMatchObject({ connections_accepted: 0, requests: 0 })
  })

  it('goes on counting over a reload under traffic, also what old workers still hold', async () => {
    const { port, program, poll, visit } = await start()
    const held = await open(port)
    const before = await poll()
    let asked = 0
    let isOver = false
    const traffic = (async () => {
      while (!isOver) {
        await visit(1).catch(() => undefined)
        asked += 1
      }
    })()
    program.signal('SIGHUP')
    let requests = 0
    for (let polls = 0; polls < 20; polls += 1) {
      const { facts, rose } = await poll()
      expect(facts.epoch).toBe(before.facts.epoch)
      requests += rose.requests ?? 0
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    isOver = true
    await traffic
    expect(requests).toBeGreaterThan(0)
    expect(requests).toBeLessThanOrEqual(asked)
    expect(held.destroyed || (await poll()).facts.gauges.connections !== undefined).toBe(true)
  })

  it('counts from zero after a restart, and adds nothing that was counted before', async () => {
    const { program, poll, visit } = await start()
    await visit(200)
    const before = await poll()
    await program.restart()
    await visit(5)
    const after = await poll()
    expect(after.facts.epoch).not.toBe(before.facts.epoch)
    expect(after.rose.requests).toBeGreaterThanOrEqual(5)
    expect(after.rose.requests).toBeLessThan(20)
  })

  it('that asks for a password is told the right one', async () => {
    const { guarded } = await start()
    const url = `http://127.0.0.1:${guarded}/`
    const ask = (auth?: { user: string; password: string }) => makeAdapter().probe(target(url, { auth }))
    expect((await ask()).reason).toContain('give this node auth: { user, password }')
    expect((await ask({ user: 'ada', password: 'wrong' })).reason).toContain('does not take the user "ada"')
    expect((await ask({ user: 'ada', password: 'correct horse' })).outcome).toBe('ok')
  })
})
