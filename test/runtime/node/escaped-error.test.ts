import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'

interface Line {
  level: number
  msg: string
  listeners?: { part: string; port: number }[]
}

interface Running {
  child: ChildProcess
  lines: Line[]
  relayPort: number
  ended: Promise<number | null>
}

/** Breaks the process from within, again and again, as a defect would that nobody knows yet. */
const DEFECT = `process.on('SIGUSR2', () => {
  setInterval(() => { throw new Error('the defect of this test') }, 1)
  setInterval(() => void Promise.reject(new Error('another one')), 1)
})`

/** The command itself, `tidegate node`, as a supervisor starts it. */
const startCommand = async (): Promise<Running> => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-escaped-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'node.yaml')
  await writeFile(
    file,
    `id: fra-1
region: fra
control: { port: 0 }
relay: { host: 127.0.0.1, port: 0, tokens: { host-a: token-of-host-a } }
`,
  )
  const cli = fileURLToPath(new URL('../../../server/cli.ts', import.meta.url))
  const preload = `data:text/javascript,${encodeURIComponent(DEFECT)}`
  const child = spawn(process.execPath, ['--import', preload, cli, 'node', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      NODE_ENV: 'test',
      PATH: process.env.PATH ?? '',
      TIDEGATE_DATA: folder,
      LOG_LEVEL: 'info',
      SHUTDOWN_PRE_DRAIN_SECS: '0',
      SHUTDOWN_HTTP_DRAIN_SECS: '1',
      SHUTDOWN_TUNNEL_DRAIN_SECS: '1',
    },
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines: Line[] = []
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const relayPort = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stderr ?? process.stdin }).on('line', (text) => {
      if (!text.startsWith('{')) return
      const line = JSON.parse(text) as Line
      lines.push(line)
      if (line.msg.includes('is serving'))
        resolve(line.listeners?.find(({ part }) => part === 'relay')?.port ?? 0)
    })
    void ended.then((code) => reject(new Error(`it ended with ${code} before it served`)))
  })
  return { child, lines, relayPort, ended }
}

it('an error that escapes ends the node once, with code 1, its ports closed, and the reason in its last line', async () => {
  const node = await startCommand()
  // A tunnel and a client that end nothing by themselves.
  const host = new WebSocket(`ws://127.0.0.1:${node.relayPort}/tunnel?hostId=host-a`, {
    headers: { authorization: 'Bearer token-of-host-a' },
  })
  host.on('error', () => undefined)
  await once(host, 'message')
  const client = connect(node.relayPort, '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET /hosts/host-a/ HTTP/1.1\r\nHost: a\r\n\r\n')
  const before = performance.now()
  node.child.kill('SIGUSR2')
  expect(await node.ended).toBe(1)
  // Its own deadline is 3 s; the rest is a busy machine.
  expect(performance.now() - before).toBeLessThan(8_000)
  expect(node.lines.at(-1)?.msg).toMatch(
    /^node fra-1 ended because an error escaped: Error: the defect of this test/,
  )
  expect(node.lines.length, 'errors that repeat do not fill the log').toBeLessThan(30)
  const late = connect(node.relayPort, '127.0.0.1')
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
})

it('one anonymous packet does not end a relay, and SIGHUP drains it like SIGTERM', async () => {
  const node = await startCommand()
  for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
    const socket = connect(node.relayPort, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(
      `GET /anything HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${framing}\r\n\r\n`,
    )
    await once(socket, 'data')
    socket.destroy()
  }
  expect((await fetch(`http://127.0.0.1:${node.relayPort}/health`)).status).toBe(200)
  node.child.kill('SIGHUP')
  expect(await node.ended).toBe(0)
  expect(node.lines.at(-1)?.msg).toBe('drain complete')
})
