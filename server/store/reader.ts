import { statSync } from 'node:fs'
import { AppError } from '../contract/index.ts'
import { within } from '../time/deadline.ts'
import type { READS } from './reads.ts'
import { SqlClient } from './sql-client.ts'
import type { SqlTable } from './sql-message.ts'
import type { ReadCaller } from './store.ts'

/** How long a read of many rows may take, waiting for its turn included, in ms. */
const readLimitMs = 15_000
/** Beyond its own deadline a read is stuck in one statement: its thread is given up, with everything that was asked of it. */
const graceMs = 5_000
/** A statement that looks something up; it waits behind at most one statement of a long read. */
const lookUpLimitMs = 10_000
/** Long reads at once: they share one thread, and more of them would only make each one later. */
const maxRunning = 3
/** How many long reads may wait, by who asks: neither viewers nor the live stream can hold up the collector's own. */
const maxWaiting: Record<ReadCaller, number> = { page: 48, live: 16, room: 64 }
const callers: readonly ReadCaller[] = ['room', 'page', 'live']

interface Waiting {
  enter(): void
  leave(error: Error): void
}

export interface ReaderOptions {
  path: string
  readLimitMs?: number
  /** Called with every error of the database. */
  onError: (error: unknown) => void
  onEnd: (error: Error | null) => void
}

/**
 * Reads, on a connection of their own in a thread of their own: whatever is asked for, the event loop and the writer go on. Look-ups go
 * first. A read of many rows has a deadline and one of a bounded number of places; two equal reads at the same time are done once. A
 * thread that ends or hangs costs the reads in it; the next read starts another.
 */
export class Reader {
  readonly #options: ReaderOptions
  readonly #limitMs: number
  readonly #thread: SqlClient
  readonly #waiting: Record<ReadCaller, Waiting[]> = { page: [], live: [], room: [] }
  readonly #same = new Map<string, Promise<unknown>>()
  #running = 0
  #opening: Promise<void> | null = null
  #inode: bigint | null = null
  #closed = false
  #refused = 0
  #late = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#limitMs = options.readLimitMs ?? readLimitMs
    this.#thread = new SqlClient('store-reader', options.onEnd)
  }

  /** Reads under way and waiting, and since the start: refused because too many waited, given up because they took too long. */
  get figures(): { running: number; waiting: number; refused: number; tooSlow: number } {
    const waiting = callers.reduce((sum, caller) => sum + this.#waiting[caller].length, 0)
    return { running: this.#running, waiting, refused: this.#refused, tooSlow: this.#late }
  }

  /** One statement that finds little, by an index. */
  async lookUp(sql: string, args: unknown): Promise<SqlTable> {
    await this.#open()
    return this.#noted(
      this.#thread.call<SqlTable>({ op: 'execute', sql, args }, lookUpLimitMs, () =>
        this.#tooSlow(lookUpLimitMs),
      ),
    )
  }

  /** A read of many rows. Rejects with `ERR_TOO_SLOW` after its deadline, `ERR_CAPACITY` where too many wait already. */
  read<Name extends keyof typeof READS>(
    name: Name,
    input: Parameters<(typeof READS)[Name]>[1],
    caller: ReadCaller = 'page',
  ): Promise<Awaited<ReturnType<(typeof READS)[Name]>>> {
    const key = JSON.stringify([name, input])
    const same = this.#same.get(key)
    if (same !== undefined) return same as never
    const reading = this.#read(name, input, caller).finally(() => this.#same.delete(key))
    this.#same.set(key, reading)
    return reading as never
  }

  /** Forgets what was kept of earlier reads. */
  forget(): void {
    if (this.#thread.isRunning) this.#thread.call({ op: 'forget' }).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const caller of callers) {
      for (const { leave } of this.#waiting[caller].splice(0))
        leave(new AppError('ERR_STORE_UNAVAILABLE', 'The store is closed', { reason: 'the store is closed' }))
    }
    if (this.#thread.isRunning) await this.#thread.call({ op: 'close' }, 1_000).catch(() => undefined)
    await this.#thread.end()
  }

  async #read(name: string, input: unknown, caller: ReadCaller): Promise<unknown> {
    const deadline = performance.now() + this.#limitMs
    await this.#enter(caller)
    try {
      await this.#open()
      const budgetMs = deadline - performance.now()
      if (budgetMs <= 0) throw this.#tooSlow(this.#limitMs)
      return await this.#noted(
        this.#thread.call({ op: 'read', name, input, budgetMs }, budgetMs + graceMs, () => {
          void this.#thread.end()
          return this.#tooSlow(this.#limitMs)
        }),
      )
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ERR_TOO_SLOW' && !(error instanceof AppError))
        throw this.#tooSlow(this.#limitMs)
      throw error
    } finally {
      this.#leave()
    }
  }

  #enter(caller: ReadCaller): Promise<void> {
    if (this.#running < maxRunning) {
      this.#running += 1
      return Promise.resolve()
    }
    const queue = this.#waiting[caller]
    if (queue.length >= maxWaiting[caller]) {
      this.#refused += 1
      return Promise.reject(
        new AppError('ERR_CAPACITY', `${queue.length} long reads wait already; ask again in a moment`, {
          limit: maxWaiting[caller],
        }),
      )
    }
    const { promise, resolve: enter, reject: leave } = Promise.withResolvers<void>()
    const waiting: Waiting = { enter, leave }
    queue.push(waiting)
    return within(this.#limitMs, promise, {
      late: () => {
        queue.splice(queue.indexOf(waiting), 1)
        throw this.#tooSlow(this.#limitMs)
      },
    })
  }

  #leave(): void {
    for (const caller of callers) {
      const next = this.#waiting[caller].shift()
      if (next === undefined) continue
      next.enter()
      return
    }
    this.#running -= 1
  }

  #tooSlow(limitMs: number): AppError {
    this.#late += 1
    return new AppError(
      'ERR_TOO_SLOW',
      `Reading this took longer than ${Math.round(limitMs / 1_000)} s; ask for a shorter time or for less`,
      { limitMs },
    )
  }

  async #noted<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      this.#options.onError(error)
      throw error
    }
  }

  /** Opens, or opens again after the thread ended or the file was replaced. */
  #open(): Promise<void> {
    if (this.#closed)
      return Promise.reject(
        new AppError('ERR_STORE_UNAVAILABLE', 'The store is closed', { reason: 'the store is closed' }),
      )
    const inode = statSync(this.#options.path, { bigint: true, throwIfNoEntry: false })?.ino ?? null
    // A file that was removed is still read: what it held is the best there is.
    if (this.#thread.isRunning && this.#opening !== null && (inode === null || inode === this.#inode))
      return this.#opening
    this.#inode = inode
    const opening = this.#noted(
      this.#thread.call<void>({ op: 'open', path: this.#options.path, readOnly: true }, lookUpLimitMs, () =>
        this.#tooSlow(lookUpLimitMs),
      ),
    )
    this.#opening = opening
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = null
    })
    return opening
  }
}
