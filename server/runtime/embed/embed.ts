import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { type DrainBudget, readDrainBudget } from '../../contract/drain-budget.ts'
import { AppError } from '../../contract/errors.ts'
import type { Listener } from '../../contract/health.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import type { Log } from '../../observe/log.ts'
import type { Directory } from '../directory/directory.ts'
import { serveDirectory } from '../directory/shared.ts'
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
  /** Public listeners as last told; none while the node is drained. */
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

/**
 * Starts a node in a worker thread: its control listener takes a free loopback port and a generated token. Rejects with the
 * node's own error (`ERR_PORT_TAKEN`, `ERR_DATA_FOLDER`, …), or `ERR_STARTING` when it has not started within 20 s or its thread
 * ended before; then no thread is left.
 */
export const startEmbeddedNode = async (options: EmbedOptions): Promise<EmbeddedNode> => {
  const { config, dataDir, directory, log } = options
  const env = definedOf(options.env ?? process.env)
  const controlToken = randomBytes(32).toString('base64url')
  const channel = directory === undefined ? null : new MessageChannel()
  const stopServing =
    directory === undefined || channel === null ? null : serveDirectory(directory, channel.port1)
  const start: WorkerStart = {
    config: { ...config, control: { host: '127.0.0.1', port: 0, token: controlToken } },
    dataDir,
    env,
    logLevel: log.level,
    directory: channel?.port2 ?? null,
    budget: options.budget ?? null,
  }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    name: config.id,
    env,
    workerData: start,
    transferList: channel === null ? [] : [channel.port2],
  })

  let listeners: Listener[] = []
  let crash: string | undefined
  const exited = new Promise<{ code: number; error?: string }>((resolve) => {
    worker.on('error', (error) => {
      crash = error instanceof Error ? error.message : String(error)
      log.error({ err: error, node: config.id }, `the thread of node ${config.id} crashed`)
    })
    worker.on('exit', (code) => {
      listeners = []
      resolve(crash === undefined ? { code } : { code, error: crash })
    })
  })
  // The port closes with the thread, and the directory then forgets what was registered through it. To stop before that event
  // would leave the dead node's hosts in it, so this is only for a port that never closes.
  void exited.then(() => setTimeout(() => stopServing?.(), PORT_CLOSE_MS).unref())

  const started = new Promise<string>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'listeners') listeners = message.listeners
      else if (message.type === 'started') {
        listeners = message.listeners
        resolve(message.controlUrl)
      } else if (message.code !== null) reject(new AppError(message.code, message.message, message.facts))
      else reject(new Error(`Node ${config.id} could not start: ${message.message}`))
    })
    void exited.then(({ code, error }) =>
      reject(
        new AppError(
          'ERR_STARTING',
          `The thread of node ${config.id} ended with code ${code} before it had started${error === undefined ? '' : `: ${error}`}`,
          { node: config.id, code },
        ),
      ),
    )
  })

  const timer = new AbortController()
  const late = delay(START_TIMEOUT_MS, undefined, { signal: timer.signal }).then(
    () => {
      throw new AppError(
        'ERR_STARTING',
        `Node ${config.id} has not started within ${START_TIMEOUT_MS / 1000} s`,
        {
          node: config.id,
        },
      )
    },
    () => new Promise<never>(() => undefined), // The start was decided first.
  )
  let controlUrl: string
  try {
    controlUrl = await Promise.race([started, late])
  } catch (error) {
    await worker.terminate()
    throw error
  } finally {
    timer.abort()
  }

  /** Asks the thread to end itself; one that does not is ended. */
  const end = async (message: ToWorker, withinMs: number): Promise<void> => {
    worker.postMessage(message)
    const limit = new AbortController()
    const ended = await Promise.race([
      exited.then(() => true),
      delay(withinMs, false, { signal: limit.signal }).catch(() => true),
    ])
    limit.abort()
    if (ended) return
    log.error(
      { node: config.id },
      `node ${config.id} did not end within ${withinMs / 1000} s and is ended now`,
    )
    await worker.terminate()
  }

  let draining: Promise<void> | null = null
  return {
    id: config.id,
    region: config.region,
    controlUrl,
    controlToken,
    listeners: () => listeners,
    exited,
    drainForSignal() {
      draining ??= (async () => {
        const budget = options.budget ?? readDrainBudget(env).budget
        const seconds =
          budget.preDrainSeconds + budget.httpSeconds + budget.tunnelsSeconds + budget.marginSeconds
        await end({ type: 'drain', signal: 'SIGTERM' }, seconds * 1000 + DRAIN_SLACK_MS)
      })()
      return draining
    },
    close: () => end({ type: 'close' }, CLOSE_TIMEOUT_MS),
    async terminate() {
      await worker.terminate()
      await exited
    },
  }
}
