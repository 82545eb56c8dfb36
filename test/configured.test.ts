import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ConfigInForceAnswer } from '../server/contract/answers/config.ts'
import type { AuditRow, Drain, Node, Overview, Page } from '../server/contract/index.ts'

const cli = fileURLToPath(new URL('../server/cli.ts', import.meta.url))
const API_TOKEN = 'a-token-of-an-administrator-0123456789'
const CONTROL_TOKEN = 'a-control-token-0123456789'
const WAIT = { timeout: 20_000, interval: 50 }

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

interface Line {
  level: number
  msg: string
  problems?: { path: string; message: string }[]
}

describe('a configured server', { timeout: 60_000 }, () => {
  let folder: string
  let file: string
  let echo: Server
  let server: ChildProcess
  let remote: ChildProcess
  let port: number
  let ports: { a: number; b: number; c: number; control: number; remote: number }
  const lines: Line[] = []

  const routes = (listen: number): string =>
    `proxy: { host: 127.0.0.1, routes: [ { name: echo, match: { ports: ${listen} }, action: { type: forward, targets: [ { host: 127.0.0.1, port: ${(echo.address() as AddressInfo).port} } ] } } ] }`
  const embedded = (id: string, listen: number): string => `  - { id: ${id}, region: fra, ${routes(listen)} }`

  /** The file as it is at first, and what a test changes in it. */
  const yaml = (change: { server?: string; polling?: string; nodes?: string; embedded?: string[] } = {}) =>
    `server: { port: ${port}${change.server ?? ''} }
polling: ${change.polling ?? '{ intervalMs: 1000, timeoutMs: 900 }'}
regions: [ { id: fra, name: Frankfurt }, { id: iad } ]
nodes:
${change.nodes ?? remoteEntry()}
embedded:
${(change.embedded ?? [embedded('fra-1', ports.a), embedded('fra-2', ports.b)]).join('\n')}
`
  const remoteEntry = () =>
    '  - { id: iad-1, region: iad, kind: tidegate, url: "http://127.0.0.1:' +
    `${ports.control}", token: \${REMOTE_TOKEN} }`
  const write = (text: string) => writeFileSync(file, text)
  const hangUp = () => server.kill('SIGHUP')

  const api = async <T>(path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${API_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return (await response.json()) as T
  }
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await api<Page<Node>>('/nodes')).items.map(({ id, state, streamState }) => [
        id,
        `${state} ${streamState}`,
      ]),
    )
  const problemCodes = async () => (await api<Overview>('/overview')).problems.map(({ code }) => code)
  const refusal = async () => (await api<ConfigInForceAnswer>('/config')).refused
  const ATFIRST = { 'fra-1': 'up live', 'fra-2': 'up live', 'iad-1': 'up live' }

  /** A connection through a proxy, and whether it still carries. */
  const open = async (listen: number) => {
    const socket: Socket = connect(listen, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    const carries = async (text: string): Promise<boolean> => {
      socket.write(text)
      const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })
      return String(chunk) === text
    }
    return { socket, carries }
  }
  const serves = (listen: number) =>
    open(listen)
      .then(async ({ socket, carries }) => {
        const did = await carries('hello')
        socket.destroy()
        return did
      })
      .catch(() => false)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-configured-'))
    file = join(folder, 'tidegate.yaml')
    echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    port = await freePort()
    const [a, b, c, control, remotePort] = await Promise.all([1, 2, 3, 4, 5].map(freePort))
    ports = { a: a ?? 0, b: b ?? 0, c: c ?? 0, control: control ?? 0, remote: remotePort ?? 0 }
    const nodeFile = join(folder, 'node.yaml')
    writeFileSync(
      nodeFile,
      `id: iad-1\nregion: iad\ncontrol: { port: ${ports.control}, token: ${CONTROL_TOKEN} }\n${routes(ports.remote)}\n`,
    )
    const env = {
      NODE_ENV: 'production' as const,
      PATH: process.env.PATH ?? '',
      LOG_LEVEL: 'info',
      SHUTDOWN_PRE_DRAIN_SECS: '0',
      SHUTDOWN_HTTP_DRAIN_SECS: '1',
      SHUTDOWN_TUNNEL_DRAIN_SECS: '0',
    }
    remote = spawn(process.execPath, [cli, 'node', '--config', nodeFile], {
      stdio: 'ignore',
      env: { ...env, TIDEGATE_DATA: join(folder, 'remote') },
    })
    write(yaml())
    server = spawn(process.execPath, [cli, 'start'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...env,
        TIDEGATE_CONFIG: file,
        TIDEGATE_DATA: join(folder, 'data'),
        TIDEGATE_API_TOKEN: API_TOKEN,
        REMOTE_TOKEN: CONTROL_TOKEN,
      },
    })
    createInterface({ input: server.stderr! }).on('line', (text) => {
      if (text.startsWith('{')) lines.push(JSON.parse(text) as Line)
    })
    await vi.waitFor(async () => expect(await states()).toEqual(ATFIRST), { timeout: 50_000, interval: 100 })
  }, 60_000)

  afterAll(async () => {
    for (const child of [server, remote]) {
      if (child === undefined || child.exitCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'close')
    }
    echo?.close()
    rmSync(folder, { recursive: true, force: true })
  }, 30_000)

  it('takes in a node and lets one go on SIGHUP, and no connection of the others ends', async () => {
    const kept = await open(ports.a)
    expect(await kept.carries('before')).toBe(true)
    const { startedAt } = await api<{ startedAt: string }>('/system')
    write(yaml({ embedded: [embedded('fra-1', ports.a), embedded('fra-3', ports.c)] }))
    hangUp()
    await expect.poll(states, WAIT).toEqual({ 'fra-1': 'up live', 'fra-3': 'up live', 'iad-1': 'up live' })
    expect(await serves(ports.c)).toBe(true)
    await expect.poll(() => serves(ports.b), WAIT).toBe(false)
    expect(await kept.carries('after')).toBe(true)
    kept.socket.destroy()
    expect(await api('/system')).toMatchObject({ startedAt })
    const { items } = await api<Page<AuditRow>>('/audit')
    expect(items[0]).toMatchObject({
      actor: 'tidegate.yaml',
      action: 'config.reload',
      after: { summary: '1 node added (fra-3), 1 node removed (fra-2)' },
    })

    write(yaml())
    hangUp()
    // A process group gets it twice.
    hangUp()
    await expect.poll(states, WAIT).toEqual(ATFIRST)
    expect(await problemCodes()).toEqual([])
  })

  it('says all mistakes of a file at once, in the log, the API and on every page, and changes nothing', async () => {
    const kept = await open(ports.a)
    const before = (await api<ConfigInForceAnswer>('/config')).config
    lines.length = 0
    write(
      yaml({
        polling: '{ intervalMs: 1000, timeoutMs: 2000 }',
        nodes: `  - { id: iad-1, region: nowhere, kind: tidegate, url: "http://127.0.0.1:1", token: \${NOT_SET} }`,
        embedded: [embedded('fra-1', ports.a)],
      }),
    )
    hangUp()
    await expect
      .poll(async () => (await refusal())?.problems.map(({ path }) => path).sort(), WAIT)
      .toEqual(['nodes[0].region', 'nodes[0].token', 'polling.timeoutMs'])
    const { problems, verdict } = await api<Overview>('/overview')
    expect(problems).toMatchObject([{ code: 'config_refused' }])
    expect(problems[0]?.text).toMatch(/3 problems.*NOT_SET.*polling\.timeoutMs.*nowhere/)
    expect(verdict.level).toBe('attention')
    const said = lines.filter(({ problems: all }) => all?.length === 3)
    expect(said.length).toBeGreaterThan(0)
    expect(await states()).toEqual(ATFIRST)
    expect((await api<ConfigInForceAnswer>('/config')).config).toEqual(before)
    expect(await kept.carries('still')).toBe(true)
    kept.socket.destroy()

    for (const text of ['regions: [ { id: fra', '']) {
      write(text)
      hangUp()
      await expect.poll(async () => (await refusal())?.problems[0]?.path, WAIT).not.toBe('nodes[0].region')
    }
    unlinkSync(file)
    hangUp()
    await expect.poll(async () => (await refusal())?.problems[0]?.message, WAIT).toContain('does not exist')
    expect(await states()).toEqual(ATFIRST)
    // Nobody has to say that it is mended.
    write(yaml())
    await expect.poll(problemCodes, WAIT).toEqual([])
    expect(await refusal()).toBeNull()
  })

  it('reads a file that was replaced, once it stands still: by a rename, and by a link that leads elsewhere', async () => {
    const nodes = `${remoteEntry()}\n  - { id: iad-2, region: iad, kind: tidegate, url: "http://127.0.0.1:9", token: \${REMOTE_TOKEN} }`
    const next = join(folder, 'next.yaml')
    writeFileSync(next, yaml({ nodes }))
    renameSync(next, file)
    await expect.poll(async () => Object.keys(await states()).sort(), WAIT).toContain('iad-2')
    writeFileSync(next, yaml())
    const link = join(folder, 'link.yaml')
    symlinkSync(next, link)
    renameSync(link, file)
    await expect.poll(states, WAIT).toEqual(ATFIRST)
    writeFileSync(next, yaml({ nodes }))
    writeFileSync(next, yaml())
    await new Promise((done) => setTimeout(done, 2_500))
    expect(await states()).toEqual(ATFIRST)
    unlinkSync(file)
    write(yaml())
  })

  it('reads the file again when a file that it lacked is there, without waiting for a pipe in its place', async () => {
    const secret = join(folder, 'secret')
    write(yaml({ nodes: remoteEntry().replace('${REMOTE_TOKEN}', '${file:secret}') }))
    await vi.waitFor(async () => expect((await refusal())?.problems).toHaveLength(1), WAIT)
    execFileSync('mkfifo', [secret])
    hangUp()
    await vi.waitFor(
      async () => expect((await refusal())?.problems[0]?.message).toContain('cannot be read'),
      WAIT,
    )
    rmSync(secret)
    writeFileSync(secret, CONTROL_TOKEN)
    await vi.waitFor(async () => expect(await refusal()).toBeNull(), WAIT)
    await vi.waitFor(async () => expect(await states()).toEqual(ATFIRST), WAIT)
    write(yaml())
    hangUp()
  })

  it('names what needs a restart, calmly, and puts everything else of the file in force', async () => {
    const change = {
      server: ', hosts: [ gate.internal ]',
      polling: '{ intervalMs: 2000, timeoutMs: 800, allow: [ 127.0.0.0/8 ] }',
      embedded: [embedded('fra-1', ports.c), embedded('fra-2', ports.b)],
    }
    write(`${yaml(change)}detect: { push.stuck: { received: 7 } }\nretention: { raw: 24h }\n`)
    hangUp()
    await expect
      .poll(async () => (await api<ConfigInForceAnswer>('/config')).needsRestart, WAIT)
      .toEqual(['server.hosts', 'polling.intervalMs', 'embedded[0] (fra-1)'])
    const { problems, verdict } = await api<Overview>('/overview')
    expect(problems).toMatchObject([{ code: 'config_needs_restart' }])
    expect(verdict.text).not.toContain('restart')
    expect((await api<ConfigInForceAnswer>('/config')).config).toMatchObject({
      polling: { intervalMs: 1000, timeoutMs: 800, allow: ['127.0.0.0/8'] },
      detect: { 'push.stuck': { received: 7 } },
      nodes: [{ id: 'iad-1', token: '[redacted]' }],
    })
    expect(await api('/system')).toMatchObject({ retention: { raw: '24h' } })
    expect([await serves(ports.a), await serves(ports.c)]).toEqual([true, false])
    write(yaml())
    hangUp()
    await expect.poll(problemCodes, WAIT).toEqual([])
  })

  it('refuses a file that lacks a node which a drain has, names the drain, and takes everything else', async () => {
    const drain = await api<Drain>('/drains', { node: 'fra-2', reason: 'kernel', confirm: 'fra-2' })
    await expect.poll(async () => (await api<Drain>(`/drains/${drain.id}`)).state, WAIT).toBe('drained')
    write(yaml({ embedded: [embedded('fra-1', ports.a)] }))
    hangUp()
    await expect.poll(async () => (await refusal())?.problems[0]?.message, WAIT).toContain(drain.id)
    expect(Object.keys(await states())).toContain('fra-2')
    write(
      yaml({
        embedded: [embedded('fra-1', ports.a), embedded('fra-2', ports.b), embedded('fra-3', ports.c)],
      }),
    )
    await expect.poll(async () => (await states())['fra-3'], WAIT).toBe('up live')
    expect(await refusal()).toBeNull()
    write(yaml({ embedded: [embedded('fra-1', ports.a)] }))
    await expect.poll(async () => (await refusal())?.problems[0]?.message, WAIT).toContain(drain.id)
    const { version } = await api<Drain>(`/drains/${drain.id}`)
    await api(`/drains/${drain.id}/resume`, { version })
    // Nobody touches the file or asks: the drain's end is enough.
    await expect.poll(async () => Object.keys(await states()), WAIT).not.toContain('fra-2')
    expect(await refusal()).toBeNull()
    write(yaml())
    await expect.poll(states, WAIT).toEqual(ATFIRST)
  })

  it('checks a text before it becomes the file, and repeats no value that only the server knows', async () => {
    const text = yaml({
      nodes:
        '  - { id: x, region: "${REMOTE_TOKEN}", kind: tidegate, url: "http://a", token: "${file:/dev/zero}" }',
    })
    const answer = await api<{ ok: boolean; problems: { path: string; message: string }[] }>(
      '/config/check',
      { text },
    )
    expect(answer.ok).toBe(false)
    expect(answer.problems.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['nodes[0].region', 'nodes[0].token']),
    )
    expect(JSON.stringify(answer)).not.toContain(CONTROL_TOKEN)
    expect(JSON.stringify(answer)).toContain('REMOTE_TOKEN')
    expect(await api('/config/check', { text: yaml() })).toEqual({ ok: true, problems: [] })
  })

  it('stops on SIGTERM, whatever is reloaded meanwhile', async () => {
    write(yaml({ embedded: [embedded('fra-1', ports.a), embedded('fra-3', ports.c)] }))
    hangUp()
    server.kill('SIGTERM')
    hangUp()
    expect(await once(server, 'close')).toEqual([0, null])
    expect([await serves(ports.a), await serves(ports.b), await serves(ports.c)]).toEqual([
      false,
      false,
      false,
    ])
  })
})
