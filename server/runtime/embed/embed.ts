import { randomBytes } from 'node:crypto'
import { MessageChannel, Worker } from 'node:worker_threads'
import { type DrainBudget, readDrainBudget } from '../../contract/drain-budget.ts'
import { AppError } from '../../contract/errors.ts'
import type { Listener } from '../../contract/health.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import { within } from '../../time/deadline.ts'
import type { Directory } from '../directory/directory.ts'
import { DirectoryServer } from '../directory/shared.ts'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts'

const START_TIMEOUT_MS = 20_000
/** What a drain may take beyond its own budgets before the thread is ended. */
const DRAIN_SLACK_MS = 15_000
const CLOSE_TIMEOUT_MS = 15_000
const PORT_CLOSE_MS = 5_000

export interface EmbedOptions {
  config: NodeConfig
  /** Folder of the node's drain wish and files. */
  dataDir: string
  /** The worker's environment (`SHUTDOWN_*`, `LOG_LEVEL`); default: this process's. */
  env?: Record<string, string | undefined>
  /** The main thread's directory, for relays with `directory: shared`. */
  directory?: Directory
  /** Budgets of its drains, instead of those of the environment. */
  budget?: DrainBudget
  log: Log
}

/** One node in a worker thread of its own, reached over its control listener like a remote one. */
export interface EmbeddedNode {
  readonly id: string
  readonly region: string
  readonly controlUrl: string
  readonly controlToken: string
  /** Public listeners as last reported; none while the node is drained. */
  listeners(): Listener[]
  /** Resolves when the thread has ended, for whatever reason; never rejects. `error` is the crash's sentence. */
  readonly exited: Promise<{ code: number; error?: string }>
  /** The whole sequence of a signal; resolves when the thread has ended. Safe to call twice. */
  drainForSignal(): Promise<void>
  /** Ends the node without a drain and its thread. */
  close(): Promise<void>
  /** Ends the thread now, as a crash would. */
  terminate(): Promise<void>
}

const definedOf = (env: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))

/** The worker thread of one node: what it has reported, and how it is ended. */
class NodeThread implements EmbeddedNode {
  readonly id: string
  readonly region: string
  readonly controlToken = randomBytes(32).toString('base64url')
  readonly exited: Promise<{ code: number; error?: string }>
  readonly #options: EmbedOptions
  readonly #env: Record<string, string>
  readonly #worker: Worker
  #controlUrl = ''
  #listeners: Listener[] = []
  #draining: Promise<void> | null = null

  constructor(options: EmbedOptions) {
    const { config, dataDir, directory, log } = options
    this.id = config.id
    this.region = config.region
    this.#options = options
    this.#env = definedOf(options.env ?? process.env)
    const channel = directory === undefined ? null : new MessageChannel()
    const served =
      directory === undefined || channel === null ? null : new DirectoryServer(directory, channel.port1)
    const start: WorkerStart = {
      config: { ...config, control: { host: '127.0.0.1', port: 0, token: this.controlToken } },
      dataDir,
      env: this.#env,
      logLevel: log.level,
      directory: channel?.port2 ?? null,
      budget: options.budget ?? null,
    }
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: config.id,
      env: this.#env,
      workerData: start,
      transferList: channel === null ? [] : [channel.port2],
    })
    this.exited = this.#whenExited()
    // The port closes with the thread, and the directory then forgets what was registered through it. To stop before that event
    // would leave the dead node's hosts in it, so this is only for a port that never closes.
    void this.exited.then(() => setTimeout(() => served?.close(), PORT_CLOSE_MS).unref())
  }

  get controlUrl(): string {
    return this.#controlUrl
  }

  listeners(): Listener[] {
    return this.#listeners
  }

  /** Resolves when the node serves. Rejects as `startEmbeddedNode` does; then the thread has ended. */
  async start(): Promise<void> {
    const seconds = START_TIMEOUT_MS / 1000
    try {
      await within(START_TIMEOUT_MS, this.#started(), {
        late: () => {
          throw new AppError('ERR_STARTING', `Node ${this.id} has not started within ${seconds} s`, {
            node: this.id,
          })
        },
      })
    } catch (error) {
      await this.#worker.terminate()
      throw error
    }
  }

  drainForSignal(): Promise<void> {
    if (this.#draining === null) {
      const budget = this.#options.budget ?? readDrainBudget(this.#env).budget
      const seconds =
        budget.preDrainSeconds + budget.httpSeconds + budget.tunnelsSeconds + budget.marginSeconds
      this.#draining = this.#end({ type: 'drain', signal: 'SIGTERM' }, seconds * 1000 + DRAIN_SLACK_MS)
    }
    return this.#draining
  }

  async close(): Promise<void> {
    await this.#end({ type: 'close' }, CLOSE_TIMEOUT_MS)
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
    await this.exited
  }

  #started(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.type === 'listeners') this.#listeners = message.listeners
        else if (message.type === 'started') {
          this.#listeners = message.listeners
          this.#controlUrl = message.controlUrl
          resolve()
        } else if (message.code !== null) reject(new AppError(message.code, message.message, message.facts))
        else reject(new Error(`Node ${this.id} could not start: ${message.message}`))
      })
      void this.exited.then(({ code, error }) => {
        const why = error === undefined ? '' : `: ${error}`
        const sentence = `The thread of node ${this.id} ended with code ${code} before it had started${why}`
        reject(new AppError('ERR_STARTING', sentence, { node: this.id, code }))
      })
    })
  }

  #whenExited(): Promise<{ code: number; error?: string }> {
    const { log } = this.#options
    let crash: string | undefined
    return new Promise((resolve) => {
      this.#worker.on('error', (error) => {
        crash = error instanceof Error ? error.message : String(error)
        log.error({ err: error, node: this.id }, `the thread of node ${this.id} crashed`)
      })
      this.#worker.on('exit', (code) => {
        this.#listeners = []
        resolve(crash === undefined ? { code } : { code, error: crash })
      })
    })
  }

  /** Asks the thread to end itself; one that does not is ended. */
  async #end(message: ToWorker, limitMs: number): Promise<void> {
    this.#worker.postMessage(message)
    const late = Symbol('late')
    if ((await within(limitMs, this.exited, { late: () => late })) !== late) return
    this.#options.log.error(
      { node: this.id },
      `node ${this.id} did not end within ${limitMs / 1000} s and is ended now`,
    )
    await this.#worker.terminate()
  }
}

/**
 * Starts a node in a worker thread: its control listener takes a free loopback port and a generated token. Rejects with the
 * node's own error (`ERR_PORT_TAKEN`, `ERR_DATA_FOLDER`, …), or `ERR_STARTING` when it has not started within 20 s or its thread
 * ended before; then no thread is left.
 */
export const startEmbeddedNode = async (options: EmbedOptions): Promise<EmbeddedNode> => {
  const thread = new NodeThread(options)
  await thread.start()
  return thread
}
