import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a program of the system is there; where it is not, says so once, so that a skipped test is seen. */
export const hasProgram = (name: string): boolean => {
  // Daemons live in sbin, which is not on everybody's path.
  const found = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${name}`]).status === 0
  if (!found) process.stdout.write(`skipped: the tests against a real ${name}, which is not installed here\n`)
  return found
}

/** A port of the loopback that nobody listens on just now. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface Program {
  readonly folder: string
  readonly pid: number
  signal(name: NodeJS.Signals): void
  /** Starts it again after it ended. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface ProgramOptions {
  readonly command: string
  /** Of the folder in which it runs and keeps what it writes. */
  readonly args: (folder: string) => readonly string[]
  /** Files that it reads, by their names in that folder. */
  readonly files?: Readonly<Record<string, string>>
  /** Something that answers, with whatever status, once it runs. */
  readonly answersAt: string
}

/** Runs a program of the system in a folder of its own until it answers. */
export const startProgram = async ({
  command,
  args,
  files = {},
  answersAt,
}: ProgramOptions): Promise<Program> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-program-'))
  // Some give up the rights they began with, and read their files after that.
  chmodSync(folder, 0o755)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  let child: ChildProcess
  let said = ''
  const start = async (): Promise<void> => {
    child = spawn(command, args(folder), {
      cwd: folder,
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        HOME: folder,
        XDG_DATA_HOME: folder,
        XDG_CONFIG_HOME: folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        said = `${said}${chunk}`.slice(-4_000)
      })
    const begun = child
    for (let tries = 0; tries < 400; tries += 1) {
      if (begun.exitCode !== null) throw new Error(`${command} ended with ${begun.exitCode}: ${said}`)
      const answered = await fetch(answersAt, { headers: { connection: 'close' } }).then(
        (response) => response.arrayBuffer().then(() => true),
        () => false,
      )
      if (answered) return
      await sleep(25)
    }
    throw new Error(`${command} does not answer: ${said}`)
  }
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const hurry = setTimeout(() => child.kill('SIGKILL'), 3_000)
    await ended
    clearTimeout(hurry)
  }
  await start()
  return {
    folder,
    get pid() {
      return child.pid as number
    },
    signal: (name) => void child.kill(name),
    async restart() {
      await end()
      await start()
    },
    async stop() {
      await end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
