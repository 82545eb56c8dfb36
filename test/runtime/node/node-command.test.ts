import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const ends: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Line {
  msg: string
  url?: string
  control?: string
  level: number
}

interface Running {
  child: ChildProcess
  lines: Line[]
  line(part: string): Promise<Line>
  ended: Promise<number | null>
  data: string
}

const run = async (
  config: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Promise<Running> => {
  const data = await mkdtemp(join(tmpdir(), 'tidegate-command-'))
  ends.push(() => rm(data, { recursive: true, force: true }))
  const full = {
    id: 'fra-1',
    region: 'fra',
    control: { port: 0 },
    relay: { host: '127.0.0.1', port: 0, tokens: {} },
    ...config,
  }
  const script = fileURLToPath(new URL('./run-node.ts', import.meta.url))
  const environment: NodeJS.ProcessEnv = {
    NODE_ENV: 'test',
    PATH: process.env.PATH ?? '',
    TIDEGATE_DATA: data,
    LOG_LEVEL: 'info',
    SHUTDOWN_PRE_DRAIN_SECS: '0',
    SHUTDOWN_HTTP_DRAIN_SECS: '1',
    SHUTDOWN_TUNNEL_DRAIN_SECS: '1',
    ...env,
  }
  const child = spawn(process.execPath, [script, JSON.stringify(full)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment,
  })
  ends.push(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  const looks = new Set<() => void>()
  const ended = once(child, 'close').then(([code]) => code as number | null)
  createInterface({ input: child.stderr ?? process.stdin }).on('line', (text) => {
    lines.push(JSON.parse(text))
    for (const look of [...looks]) look()
  })
  return {
    child,
    lines,
    ended,
    data,
    line: (part) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(({ msg }) => msg.includes(part))
          if (found !== undefined) resolve(found)
        }
        looks.add(look)
        look()
        void ended.then((code) => reject(new Error(`it ended with ${code} without "${part}"`)))
      }),
  }
}

describe('tidegate node', () => {
  it('says where it listens, drains on SIGTERM sent twice, ends with drain complete and code 0', async () => {
    const node = await run()
    const up = await node.line('node fra-1 (fra) is serving')
    expect(up.msg).toMatch(/control http:\/\/127\.0\.0\.1:\d+, relay 127\.0\.0\.1:\d+$/)
    const token = (await readFile(join(node.data, 'nodes', 'fra-1', 'control-token'), 'utf8')).trim()
    const tunnels = await fetch(`${up.control}/tunnels`, { headers: { authorization: `Bearer ${token}` } })
    expect(tunnels.status).toBe(200)
    node.child.kill('SIGTERM')
    node.child.kill('SIGTERM')
    expect(await node.ended).toBe(0)
    expect(node.lines.at(-1)?.msg).toBe('drain complete')
    expect(node.lines.filter(({ msg }) => msg.startsWith('drain phase')).map(({ msg }) => msg)).toEqual([
      'drain phase pre_drain',
      'drain phase connections',
      'drain phase tunnels',
      'drain phase cleanup',
    ])
  })

  it('ends with code 0 after a drain in mode exit', async () => {
    const node = await run()
    const { control } = await node.line('is serving')
    const token = (await readFile(join(node.data, 'nodes', 'fra-1', 'control-token'), 'utf8')).trim()
    const answer = await fetch(`${control}/drain`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ drainId: 'd', mode: 'exit' }),
    })
    expect(answer.status).toBe(202)
    expect(await node.ended).toBe(0)
    expect(node.lines.at(-1)?.msg).toBe('drain complete')
  })

  it('warns of a budget value that is not one and of phases above the ceiling, and boots all the same', async () => {
    const node = await run({}, { SHUTDOWN_PRE_DRAIN_SECS: '-5', SHUTDOWN_GRACE_PERIOD_CEILING_SECS: '15' })
    await node.line('is serving')
    expect(node.lines.find(({ msg }) => msg.startsWith('SHUTDOWN_PRE_DRAIN_SECS is "-5"'))?.msg).toContain(
      '86400',
    )
    expect(node.lines.find(({ msg }) => msg.includes('10 + 1 + 1 + 10'))?.msg).toContain('ceiling of 15 s')
  })

  it('says in one sentence that a port is taken and ends with code 1', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    ends.push(() => squatter.close())
    const { port } = squatter.address() as AddressInfo
    const node = await run({ control: { port } })
    expect(await node.ended).toBe(1)
    expect(node.lines.at(-1)?.msg).toBe(
      `Port ${port} on 127.0.0.1 is in use by another process; the control listener needs it`,
    )
  })

  it('names every problem of routes that contradict each other, in one line, and ends with code 1', async () => {
    const route = (name: string, ports: number | string) => ({
      name,
      match: { ports },
      action: { type: 'forward' as const, targets: [{ host: '127.0.0.1', port: 1 }] },
    })
    const routes = [route('a', 7001), route('b', 7001), route('a', '9-5')]
    const node = await run({ proxy: { routes } })
    expect(await node.ended).toBe(1)
    expect(node.lines.at(-1)?.msg).toMatch(
      /routes\[1\]\.match\.ports .*; routes\[2\]\.name .*; routes\[2\]\.match\.ports /,
    )
  })
})
