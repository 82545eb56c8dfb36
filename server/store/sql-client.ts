import { Worker } from 'node:worker_threads'
import { AppError } from '../contract/index.ts'
import { within } from '../time/deadline.ts'
import { type SqlReply, type SqlRequest, unpackFailure } from './sql-message.ts'

interface Pending {
  resolve(value: never): void
  reject(error: unknown): void
  /** Given up here: nobody waits for the answer when it comes. */
  late: boolean
}

const ended = 'the thread of the database ended'

/**
 * This side of a thread that holds one connection. The thread is started by the first call, and again by the next one after it ended;
 * requests under way at that moment are rejected with `ERR_STORE_UNAVAILABLE`. It keeps the process alive only while a request is under
 * way.
 */
export class SqlClient {
  readonly #name: string
  readonly #onEnd: (error: Error | null) => void
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | null = null
  #nextId = 1
  #overdue = 0

  /** `onEnd` is called when the thread ended without having been asked to. */
  constructor(name: string, onEnd: (error: Error | null) => void) {
    this.#name = name
    this.#onEnd = onEnd
  }

  /** Requests that were given up here and are still under way there: the disk does not answer. */
  get overdue(): number {
    return this.#overdue
  }

  get isRunning(): boolean {
    return this.#worker !== null
  }

  /** Asks, and waits `limitMs` at most, where given; then `onLate` makes the error, although the work itself goes on. */
  call<T>(request: SqlRequest, limitMs?: number, onLate?: () => Error): Promise<T> {
    const worker = this.#running()
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const pending: Pending = { resolve, reject, late: false }
    if (this.#pending.size === 0) worker.ref()
    this.#pending.set(id, pending)
    worker.postMessage({ id, request })
    if (limitMs === undefined) return promise
    return within(limitMs, promise, {
      late: (error) => {
        this.#overdue += 1
        pending.late = true
        throw onLate?.() ?? error
      },
    })
  }

  /** Ends the thread. Requests still under way are rejected with `ERR_STORE_UNAVAILABLE`. */
  async end(): Promise<void> {
    const worker = this.#worker
    if (worker === null) return
    this.#forget(null)
    await worker.terminate()
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(new URL('./sql-thread.ts', import.meta.url), {
      name: this.#name,
      // Flags for a script on the command line are not valid for a file.
      execArgv: [],
      // A runaway read costs the other reads, not the whole process.
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    })
    this.#worker = worker
    worker.unref()
    worker.on('message', (reply: SqlReply) => this.#settle(reply))
    let crash: Error | null = null
    worker.on('error', (error) => {
      crash = error as Error
    })
    worker.on('exit', () => {
      if (this.#worker !== worker) return
      this.#forget(crash)
      this.#onEnd(crash)
    })
    return worker
  }

  #settle(reply: SqlReply): void {
    const pending = this.#pending.get(reply.id)
    if (pending === undefined) return
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if (pending.late) this.#overdue -= 1
    else if ('failure' in reply) pending.reject(unpackFailure(reply.failure))
    else pending.resolve(reply.value as never)
  }

  #forget(cause: Error | null): void {
    this.#worker = null
    this.#overdue = 0
    const waiting = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of waiting) {
      reject(
        new AppError(
          'ERR_STORE_UNAVAILABLE',
          `The store is unavailable: ${ended}`,
          { reason: ended },
          cause === null ? undefined : { cause },
        ),
      )
    }
  }
}
