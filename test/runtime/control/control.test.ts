import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { eventEnvelopeSchema } from '../../../server/contract/events.ts'
import { healthSchema } from '../../../server/contract/health.ts'
import { nodeConfigSchema } from '../../../server/contract/node-config.ts'
import { NODE_METRICS } from '../../../server/runtime/control/node-metrics.ts'
import { buildNode } from '../../../server/runtime/node/tidegate-node.ts'
import { eventOf, registerHost, silent, tinyBudget } from '../drain/drain-rig.ts'
import { CONTROL_TOKEN, type NodeRig, readEvents, startNodeRig } from '../node/node-rig.ts'

let rig: NodeRig
beforeAll(async () => {
  rig = await startNodeRig({ hosts: ['host-a', 'host-b'] })
})
afterAll(async () => {
  await rig.end()
})

const ALL_PATHS: [string, string][] = [
  ['GET', '/events'],
  ['GET', '/tunnels'],
  ['DELETE', '/tunnels/host-a'],
  ['GET', '/connections'],
  ['DELETE', '/connections/c1'],
  ['GET', '/routes'],
  ['PUT', '/routes'],
  ['POST', '/drain'],
  ['POST', '/resume'],
  ['POST', '/cordon'],
  ['POST', '/push'],
  ['POST', '/push/session/invalidate'],
  ['POST', '/push/breaker'],
  ['GET', '/tokens'],
  ['PUT', '/tokens/abc'],
  ['DELETE', '/tokens/abc'],
  ['GET', '/tokens/quarantine'],
  ['POST', '/tokens/quarantine/restore'],
]

describe('a stranger with a thousand silent connections', () => {
  it('keeps neither the collector nor an operator from the node, and ends no stream of events', async () => {
    const { port, hostname } = new URL(rig.url)
    const stream = new WebSocket(`ws://${hostname}:${port}/events`, {
      headers: { authorization: `Bearer ${CONTROL_TOKEN}` },
    })
    await once(stream, 'open')
    const strangers = Array.from({ length: 1_100 }, () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      return socket
    })
    await vi.waitFor(() => expect(strangers.every((socket) => !socket.connecting)).toBe(true), {
      timeout: 10_000,
    })
    for (let times = 0; times < 5; times += 1) {
      const response = await fetch(`${rig.url}/health`, { headers: { connection: 'close' } })
      expect(response.status).toBe(200)
      await response.arrayBuffer()
    }
    expect(stream.readyState).toBe(WebSocket.OPEN)
    stream.terminate()
    for (const socket of strangers) socket.destroy()
  })
})

describe('an offer to upgrade', () => {
  const raw = async (head: string): Promise<string> => {
    const { port, hostname } = new URL(rig.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(head)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    await once(socket, 'close')
    return text
  }

  it('to h2c is ignored: curl --http2 gets its health', async () => {
    const answer = await raw(
      'GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('that brings a body is answered as a plain request and ends nothing', async () => {
    const answer = await raw(
      `GET /events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${CONTROL_TOKEN}\r\nContent-Length: 5\r\n\r\nhello`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect((await rig.call('GET', '/health', undefined, {})).status).toBe(200)
  })
})

describe('access', () => {
  it('answers health and metrics to anybody', async () => {
    for (const path of ['/health', '/healthz/live', '/healthz/ready', '/metrics']) {
      expect((await rig.call('GET', path, undefined, {})).status, path).toBe(200)
    }
  })

  it.each(ALL_PATHS)('%s %s needs the control token', async (method, path) => {
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: `Basic ${CONTROL_TOKEN}` },
    ]) {
      const answer = await rig.call(method, path, undefined, headers as Record<string, string>)
      expect(answer.status).toBe(401)
      expect(answer.body).toMatchObject({ error: { code: 'ERR_UNAUTHENTICATED', facts: {} } })
    }
  })

  it('refuses every request that carries an Origin', async () => {
    for (const path of ['/health', '/tunnels']) {
      const answer = await rig.call('GET', path, undefined, {
        origin: rig.url,
        authorization: `Bearer ${CONTROL_TOKEN}`,
      })
      expect(answer).toMatchObject({ status: 403, body: { error: { code: 'ERR_ORIGIN' } } })
    }
  })

  it('tells which paths exist only to those who hold the token', async () => {
    expect((await rig.call('GET', '/nothing', undefined, {})).status).toBe(401)
    expect(await rig.call('GET', '/nothing')).toMatchObject({
      status: 404,
      body: { error: { code: 'ERR_NOT_FOUND' } },
    })
    const wrongMethod = await rig.call('DELETE', '/routes')
    expect(wrongMethod).toMatchObject({ status: 405, body: { error: { code: 'ERR_METHOD' } } })
    expect(wrongMethod.headers.get('allow')).toBe('GET, PUT')
  })

  it('tells every problem of new routes by its path, also where they come as a bare list', async () => {
    const routes = [{ name: 'a', match: { ports: 1, no: 1 }, action: { type: 'x' } }, { name: 'b' }]
    for (const body of [routes, { routes }]) {
      const answer = await rig.call('PUT', '/routes', body)
      expect(answer.status).toBe(400)
      const { error } = answer.body as { error: { facts: { problems: { path: string }[] } } }
      expect(error.facts.problems.map((problem) => problem.path)).toEqual([
        'routes[0].match.no',
        // What else an action of no known type lacks, nobody can say.
        'routes[0].action.type',
        'routes[1].match',
        'routes[1].action',
      ])
    }
  })

  it('writes a token for a node without one, for its owner alone, and keeps it', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tidegate-control-'))
    const start = async () => {
      const node = buildNode(nodeConfigSchema.parse({ id: 'fra-1', region: 'fra', control: { port: 0 } }), {
        log: silent,
        budget: tinyBudget(),
        dataDir,
        makeParts: () => ({}),
      })
      await node.start()
      const control = node.control
      await node.close()
      return control?.token
    }
    const token = await start()
    const path = join(dataDir, 'control-token')
    expect((await readFile(path, 'utf8')).trim()).toBe(token)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await start()).toBe(token)
    await rm(dataDir, { recursive: true })
  })
})

describe('bodies', () => {
  it('answers 400 with every problem of a body', async () => {
    const answer = await rig.call('POST', '/drain', { reason: 7, mode: 'never', extra: 1 })
    expect(answer.status).toBe(400)
    const { error } = answer.body as {
      error: { code: string; facts: { problems: { path: string; message: string }[] } }
    }
    expect(error.code).toBe('ERR_INVALID')
    expect(error.facts.problems.map((problem) => problem.path).sort()).toEqual([
      'drainId',
      'extra',
      'mode',
      'reason',
    ])
  })

  it('answers 400 for what is not JSON, 415 for another type and 413 for more than 1 MiB', async () => {
    expect(await rig.call('POST', '/drain', '{"drainId":')).toMatchObject({
      status: 400,
      body: { error: { code: 'ERR_INVALID' } },
    })
    const authorization = `Bearer ${CONTROL_TOKEN}`
    const form = await fetch(`${rig.url}/drain`, {
      method: 'POST',
      headers: { authorization },
      body: 'drainId=1',
    })
    expect(form.status).toBe(415)
    const huge = await fetch(`${rig.url}/drain`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'x'.repeat(1024 * 1024) }),
    }).then(
      (response) => response.status,
      () => 413, // The connection may be cut while the rest is still being sent.
    )
    expect(huge).toBe(413)
    expect((await rig.call('GET', '/health')).body, 'nothing of it drained the node').toMatchObject({
      state: 'serving',
    })
  })

  it('survives bytes that are not HTTP', async () => {
    const { port } = new URL(rig.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('\x16\x03\x01 hello\r\n\r\n')
    let text = ''
    socket.on('data', (data) => {
      text += String(data)
    })
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect((await rig.call('GET', '/health')).status).toBe(200)
  })

  it.each(['garbage', 'a:b', ':', '01ABC:-1', '01ABC:1:2', '%00:1', '01ABC:99999999999999999999'])(
    'answers 400 for after=%s',
    async (after) => {
      expect(await rig.call('GET', `/events?after=${after}`)).toMatchObject({
        status: 400,
        body: { error: { code: 'ERR_INVALID', facts: { problems: [{ path: 'after' }] } } },
      })
    },
  )

  it('answers 400 for a limit that is not a number from 1 to 1 000', async () => {
    for (const limit of ['0', '-1', 'x', '1001']) {
      expect((await rig.call('GET', `/events?limit=${limit}`)).status, limit).toBe(400)
    }
  })
})

describe('health', () => {
  it('is the documented document, with no field outside the schema', async () => {
    const { body } = await rig.call('GET', '/health')
    expect(healthSchema.strict().parse(body)).toEqual(body)
    expect(body).toMatchObject({
      ok: true,
      state: 'serving',
      node: 'fra-1',
      region: 'fra',
      epoch: rig.node.events.epoch,
      drain: { drainId: null, phase: null, ceilingSeconds: 120, fits: true },
      listeners: [{ part: 'relay', host: '127.0.0.1', port: expect.any(Number) }],
    })
    expect(body, 'absent parts are absent').not.toHaveProperty('push')
    expect((body as { process: { rssBytes: number } }).process.rssBytes).toBeGreaterThan(1_000_000)
  })

  it('answers calls to parts that the node does not have with ERR_UNSUPPORTED, and what comes later likewise', async () => {
    for (const [method, path, body] of [
      ['GET', '/connections'],
      ['GET', '/routes'],
      ['GET', '/tokens'],
      ['POST', '/push', { token: 'abc', payload: {} }],
      ['POST', '/push/breaker', { state: 'closed' }],
      ['GET', '/tokens/quarantine'],
    ] as const) {
      expect(await rig.call(method, path, body), path).toMatchObject({
        status: 422,
        body: { error: { code: 'ERR_UNSUPPORTED' } },
      })
    }
  })
})

describe('metrics', () => {
  it('gives every family that applies in the Prometheus text format', async () => {
    const { body, headers } = await rig.call('GET', '/metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    expect(body).toMatch(/^tidegate_node_ok 1$/m)
    expect(body).toMatch(/^tidegate_node_state\{state="serving"\} 1$/m)
    expect(body).not.toContain('tidegate_push_')
    const again = await rig.call('GET', '/metrics')
    expect(again.body, 'a scrape adds nothing to counters').toMatch(
      new RegExp(`^tidegate_events_total ${rig.node.events.seq}$`, 'm'),
    )
  })

  it('is listed family by family in docs/metrics.md', async () => {
    const text = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
    const rows = [...text.matchAll(/^\| `(tidegate_[a-z_]+)` \| (counter|gauge) \| ([^|]*) \|/gm)].map(
      ([, name, kind, labels]) => `${name} ${kind} ${labels?.replaceAll('`', '').trim()}`,
    )
    const node = NODE_METRICS.map(({ name, kind, labels }) =>
      `${name} ${kind} ${(labels ?? []).join(', ')}`.trimEnd(),
    )
    expect(
      rows
        .map((row) => row.trimEnd())
        .filter((row) => node.includes(row) || !row.startsWith('tidegate_collector_')),
    ).toEqual(node)
    for (const { name, kind } of NODE_METRICS) expect(name.endsWith('_total'), name).toBe(kind === 'counter')
  })
})

describe('tunnels', () => {
  it('are listed, and closed with a reason', async () => {
    const relay = `ws://127.0.0.1:${rig.node.listeners()[0]?.port}`
    const host = await registerHost(relay, 'host-a')
    const listed = await rig.call('GET', '/tunnels')
    expect(listed).toMatchObject({ status: 200, body: { items: [{ hostId: 'host-a', pending: 0 }] } })
    expect((await rig.call('DELETE', '/tunnels/host-a')).status, 'a reason is needed').toBe(400)
    expect((await rig.call('DELETE', '/tunnels/host-b?reason=gone')).status).toBe(404)
    expect((await rig.call('DELETE', '/tunnels/NOT!AN!ID?reason=x')).status).toBe(400)
    expect((await rig.call('DELETE', '/tunnels/host-a?reason=stuck')).status).toBe(204)
    const lost = await eventOf(rig.node.events, 'tunnel.lost')
    expect(lost.data).toMatchObject({ hostId: 'host-a', code: 4404 })
    await host.close()
  })
})

describe('events', () => {
  const emit = (problem: string) => rig.node.events.emit('node.problem_found', { problem })

  it('are read page by page, each once', async () => {
    for (let count = 0; count < 7; count += 1) emit(`page ${count}`)
    const { epoch } = rig.node.events
    let after = `${epoch}:0`
    const seqs: number[] = []
    for (;;) {
      const { body } = await rig.call('GET', `/events?after=${after}&limit=3`)
      const page = body as { events: { seq: number }[]; next: number; oldest: number }
      expect(page.oldest).toBe(1)
      if (page.events.length === 0) break
      for (const event of page.events) expect(eventEnvelopeSchema.safeParse(event).success).toBe(true)
      seqs.push(...page.events.map((event) => event.seq))
      after = `${epoch}:${page.next}`
    }
    expect(seqs).toEqual(Array.from({ length: rig.node.events.seq }, (_, index) => index + 1))
  })

  it('begin with hello and resume without a gap or a repeat', async () => {
    const first = await readEvents(rig.url)
    const hello = await first.until((frame) => frame.type === 'hello')
    expect(hello).toEqual({
      type: 'hello',
      node: 'fra-1',
      epoch: rig.node.events.epoch,
      seq: expect.any(Number),
      oldest: 1,
    })
    emit('before the break')
    const seen = await first.until(
      (frame) => (frame.data as { problem?: string })?.problem === 'before the break',
    )
    await first.close()
    emit('during the break')
    const second = await readEvents(rig.url, `${rig.node.events.epoch}:${seen.seq}`)
    emit('after the break')
    await second.until((frame) => (frame.data as { problem?: string })?.problem === 'after the break')
    expect(second.frames.map((frame) => frame.type)).toEqual([
      'hello',
      'node.problem_found',
      'node.problem_found',
    ])
    expect(second.frames.slice(1).map((frame) => frame.seq)).toEqual([
      Number(seen.seq) + 1,
      Number(seen.seq) + 2,
    ])
    await second.close()
  })

  it('answer another epoch with a gap and everything there is', async () => {
    const reader = await readEvents(rig.url, '01ANOTHEREPOCH:5')
    await reader.until((frame) => frame.type !== 'hello' && frame.seq === rig.node.events.seq)
    expect(reader.frames[1]).toMatchObject({ type: 'gap', from: expect.any(Number), to: expect.any(Number) })
    expect(reader.frames.slice(2).map((frame) => frame.seq)).toEqual(
      Array.from({ length: rig.node.events.seq }, (_, index) => index + 1),
    )
    await reader.close()
  })

  it('answer what the ring has forgotten with a gap that names it', async () => {
    const { epoch } = rig.node.events
    for (let count = 0; count < 10_005; count += 1) emit('many')
    const { seq, oldest } = rig.node.events
    expect(oldest).toBe(seq - 9_999)
    const reader = await readEvents(rig.url, `${epoch}:2`)
    await reader.until((frame) => frame.type !== 'hello' && frame.seq === seq)
    expect(reader.frames[1]).toEqual({ type: 'gap', from: 3, to: oldest - 1 })
    expect(reader.frames.slice(2).map((frame) => frame.seq)).toEqual(
      Array.from({ length: 10_000 }, (_, index) => oldest + index),
    )
    await reader.close()
    const { body } = await rig.call('GET', `/events?after=${epoch}:2&limit=1`)
    expect(body).toMatchObject({ oldest, gap: { from: 3, to: oldest - 1 }, events: [{ seq: oldest }] })
  })

  it.each([
    [{}, '', 401],
    [{ authorization: 'Bearer wrong' }, '', 401],
    [{ authorization: `Bearer ${CONTROL_TOKEN}`, origin: 'http://evil.example' }, '', 403],
    [{ authorization: `Bearer ${CONTROL_TOKEN}` }, '?after=garbage', 400],
  ])('are refused before 101 with %j %s: %i', async (headers, query, status) => {
    const socket = new WebSocket(`${rig.url.replace(/^http/, 'ws')}/events${query}`, { headers })
    socket.on('error', () => undefined)
    const [, response] = await once(socket, 'unexpected-response')
    expect(response.statusCode).toBe(status)
    socket.terminate()
  })

  it('close a reader that sends more than 64 KiB, and go on for the others', async () => {
    const good = await readEvents(rig.url, `${rig.node.events.epoch}:${rig.node.events.seq}`)
    const bad = await readEvents(rig.url, `${rig.node.events.epoch}:${rig.node.events.seq}`)
    bad.socket.send(Buffer.alloc(70_000))
    const [code] = await once(bad.socket, 'close')
    expect(code).toBe(1009)
    emit('still here')
    await good.until((frame) => (frame.data as { problem?: string })?.problem === 'still here')
    await good.close()
  })

  it('cut off a reader that does not read while the ring overtakes it, with a counter', async () => {
    const reader = await readEvents(rig.url, `${rig.node.events.epoch}:${rig.node.events.seq}`)
    await reader.until((frame) => frame.type === 'hello')
    reader.socket.pause()
    const long = 'x'.repeat(1_000)
    for (let count = 0; count < 25_000; count += 1) emit(long)
    reader.socket.resume()
    const [code] = await once(reader.socket, 'close')
    expect(code).toBe(1013)
    const { body } = await rig.call('GET', '/metrics')
    expect(body).toMatch(/^tidegate_event_streams_cut_off_total [1-9]/m)
  })
})
