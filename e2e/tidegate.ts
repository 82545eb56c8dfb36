import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const ADMIN = { email: 'root@example.com', password: 'correct horse battery' }
export const API_TOKEN = 'an-api-token-for-the-end-to-end-tests-0123456789'

/** A real server with the demo fleet, in a process and a data folder of its own. */
export class Tidegate {
  readonly port: number
  readonly url: string
  readonly dataDir: string
  /** Everything that it printed. */
  output = ''
  #child: ChildProcess | null = null
  #extra: Record<string, string> = {}

  private constructor(port: number, dataDir: string) {
    this.port = port
    this.url = `http://localhost:${port}`
    this.dataDir = dataDir
  }

  /** @param extra environment beside what every story needs */
  static async start(extra: Record<string, string> = {}): Promise<Tidegate> {
    const tidegate = new Tidegate(await freePort(), mkdtempSync(join(tmpdir(), 'tidegate-e2e-')))
    tidegate.#extra = extra
    await tidegate.launch()
    return tidegate
  }

  /** Starts the process (again) on the same port and data; resolves when it is ready. */
  async launch(): Promise<void> {
    const child = spawn(process.execPath, ['server/cli.ts', 'start'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_ENV: 'production',
        NEXT_TELEMETRY_DISABLED: '1',
        PORT: String(this.port),
        TIDEGATE_DATA: this.dataDir,
        TIDEGATE_ADMIN_EMAIL: ADMIN.email,
        TIDEGATE_ADMIN_PASSWORD: ADMIN.password,
        TIDEGATE_API_TOKEN: API_TOKEN,
        TIDEGATE_CONFIG: '',
        ...this.#extra,
      },
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    await this.#untilReady(60_000)
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** One call with the API token (or another one); throws on anything but a success. */
  async api<T>(method: string, path: string, body?: unknown, token = API_TOKEN): Promise<T> {
    const response = await this.request(method, path, body, token)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  request(method: string, path: string, body?: unknown, token = API_TOKEN): Promise<Response> {
    return fetch(`${this.url}/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(15_000),
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  /** Resolves with the exit code when it ends by itself. */
  async ended(): Promise<number | null> {
    const child = this.#child
    if (child === null || child.exitCode !== null) return child?.exitCode ?? null
    return new Promise((resolve) => child.once('exit', resolve))
  }

  /** SIGKILL: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    await this.#endBy('SIGKILL')
  }

  /** SIGTERM and the whole drain; answers the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return this.#endBy(signal)
  }

  /** Ends it whatever its state, and removes its data. How it stops by itself is a story of its own (`stop`). */
  async dispose(): Promise<void> {
    await this.#endBy('SIGKILL')
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  async #endBy(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill(signal)
    const emergency = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const code = await ended
    clearTimeout(emergency)
    return code
  }

  async #untilReady(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const ready = await fetch(`${this.url}/healthz/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
        () => null,
      )
      if (ready?.status === 200) return
      if (this.#child?.exitCode !== null) throw new Error(`the server ended:\n${this.output.slice(-4_000)}`)
      if (Date.now() > deadline)
        throw new Error(`the server was not ready in ${timeoutMs} ms:\n${this.output.slice(-4_000)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        typeof address === 'object' && address !== null
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
