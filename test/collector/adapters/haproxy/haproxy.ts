import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = ['/usr/sbin/haproxy', '/usr/local/sbin/haproxy', '/usr/bin/haproxy'].find((path) =>
  existsSync(path),
)

/** Whether these tests can run here; where not, the reason is printed. */
export const hasHaproxy = PROGRAM !== undefined
if (!hasHaproxy)
  process.stderr.write(
    'haproxy is not installed here (apt-get install haproxy): tests against it are skipped\n',
  )

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A server behind HAProxy: answers `name` to each HTTP request at once, or holds it until it is released. */
export const startOrigin = async (name: string) => {
  const sockets = new Set<Socket>()
  let isHolding = false
  const held: (() => void)[] = []
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', () => {
      const answer = () =>
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\nconnection: close\r\n\r\n${name}`)
      if (isHolding) held.push(answer)
      else answer()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    hold() {
      isHolding = true
    },
    release() {
      isHolding = false
      for (const answer of held.splice(0)) answer()
    },
    get held() {
      return held.length
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

/** A real HAProxy in a folder of its own; `config` is given the folder. */
export const startHaproxy = async (config: (folder: string) => string) => {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-haproxy-'))
  const children = new Set<ChildProcess>()
  let current: ChildProcess
  const run = async (...more: string[]): Promise<ChildProcess> => {
    await writeFile(join(folder, 'haproxy.cfg'), config(folder))
    const child = spawn(PROGRAM ?? 'haproxy', ['-db', '-f', join(folder, 'haproxy.cfg'), ...more], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    children.add(child)
    let said = ''
    child.stderr?.on('data', (chunk) => {
      said += chunk
    })
    child.on('exit', () => children.delete(child))
    for (let tries = 0; tries < 200; tries += 1) {
      if (child.exitCode !== null) throw new Error(`haproxy ended: ${said}`)
      const answer = await command(join(folder, 'admin.sock'), 'show info').catch(() => '')
      if (answer.includes(`\nPid: ${child.pid}\n`)) return child
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error(`haproxy does not answer: ${said}`)
  }
  const stop = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  const close = async (): Promise<void> => {
    await Promise.all([...children].map((child) => stop(child, 'SIGKILL')))
    await rm(folder, { recursive: true, force: true })
  }
  current = await run().catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    folder,
    socket: join(folder, 'admin.sock'),
    path: (name: string) => join(folder, name),
    get pid() {
      return current.pid ?? 0
    },
    /** What somebody else types into it. */
    type: (text: string) => command(join(folder, 'admin.sock'), text),
    /** A new process takes over while the old one finishes its sessions. */
    async reload() {
      const old = current
      current = await run('-sf', String(old.pid))
      return old
    },
    kill: (signal: NodeJS.Signals = 'SIGKILL') => stop(current, signal),
    async start() {
      current = await run()
    },
    close,
  }
}

export type Haproxy = Awaited<ReturnType<typeof startHaproxy>>

const command = async (path: string, text: string): Promise<string> => {
  const socket = connect(path)
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => socket.destroy())
  socket.setTimeout(3_000, () => socket.destroy())
  socket.write(`${text}\n`)
  await new Promise((resolve) => socket.on('close', resolve))
  return answer
}

/** One request over a connection of its own; resolves with all that was answered, `''` where nobody answered. */
export const ask = async (port: number): Promise<string> => {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => socket.destroy())
  socket.setTimeout(5_000, () => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
  await new Promise((resolve) => socket.on('close', resolve))
  return answer.split('\r\n\r\n')[1] ?? answer
}

/** What every configuration here begins with. */
export const preamble = (folder: string, more = ''): string => `
global
  stats socket ${folder}/admin.sock level admin expose-fd listeners
  ${more}
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
`
