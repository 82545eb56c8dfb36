import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { AppError } from '../contract/index.ts'
import { within } from '../time/deadline.ts'
import { sameBytes } from '../wire/same-secret.ts'
import type { KeyAnswer, KeyRequest } from './password-worker.ts'

/** Those of better-auth's own hash, so that passwords stored by either are good for both. */
const COST = { r: 16, p: 1, length: 64 }
const usualN = 16_384

export interface PasswordsOptions {
  /** Strangers who may wait for their turn. */
  maxWaiting?: number
  /** Places beside those, for callers who are known. */
  maxKnownWaiting?: number
  /** How long one key may take, in ms; then the worker is replaced. */
  timeoutMs?: number
  /** How long a turn may last, in ms. Work that hangs elsewhere, as in the store, lets the next one begin then. */
  turnMs?: number
  /** scrypt's N. A cheaper one reads no password that was stored with another; for tests. */
  cost?: number
}

interface Waiting {
  start(): void
}

interface Pending {
  resolve(key: Uint8Array): void
  reject(error: Error): void
}

/** Roughly what one key costs, in ms: only for the hint when to come back. */
const USUAL_MS = 80

/**
 * Hashes passwords on a thread of its own. scrypt costs about 80 ms of a core and 32 MB: on the pool that the runtime shares, a hundred
 * wrong sign-ins would hold up every name look-up of the embedded nodes. One password is worked on at a time; when all places are taken,
 * further callers are turned away with a time to come back.
 */
export class Passwords {
  readonly #options: Required<PasswordsOptions>
  readonly #strangers: Waiting[] = []
  readonly #known: Waiting[] = []
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | null = null
  #nextId = 0
  #isBusy = false
  #refused = 0
  #closed = false

  constructor(options: PasswordsOptions = {}) {
    this.#options = {
      maxWaiting: 32,
      maxKnownWaiting: 32,
      timeoutMs: 10_000,
      turnMs: 10_000,
      cost: usualN,
      ...options,
    }
  }

  /** How many wait, and how many were sent away since the start. */
  get figures(): { waiting: number; refused: number } {
    return { waiting: this.#strangers.length + this.#known.length, refused: this.#refused }
  }

  /**
   * Runs `work`, which may hash or verify, when it is its turn: one at a time, known callers first. Throws `ERR_CAPACITY` with
   * `facts.retryAfterSeconds` where all places are taken.
   */
  async inTurn<T>(caller: 'known' | 'stranger', work: () => Promise<T>): Promise<T> {
    await this.#turn(caller)
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      const next = this.#known.shift() ?? this.#strangers.shift()
      if (next === undefined) this.#isBusy = false
      else next.start()
    }
    const timer = setTimeout(end, this.#options.turnMs)
    try {
      return await work()
    } finally {
      clearTimeout(timer)
      end()
    }
  }

  /** `salt:key` in hexadecimal letters. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(16).toString('hex')
    return `${salt}:${Buffer.from(await this.#key(password, salt)).toString('hex')}`
  }

  /** False also for a stored value that is not such a hash. */
  async verify(stored: { hash: string; password: string }): Promise<boolean> {
    const [salt = '', hex = ''] = stored.hash.split(':')
    const expected = Buffer.from(hex, 'hex')
    const key = await this.#key(stored.password, salt)
    return sameBytes(expected, key)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll('the server is stopping')
    await this.#worker?.terminate()
    this.#worker = null
  }

  #turn(caller: 'known' | 'stranger'): Promise<void> | void {
    if (!this.#isBusy) {
      this.#isBusy = true
      return
    }
    const [line, limit] =
      caller === 'known'
        ? [this.#known, this.#options.maxKnownWaiting]
        : [this.#strangers, this.#options.maxWaiting]
    if (line.length >= limit) {
      this.#refused++
      throw new AppError(
        'ERR_CAPACITY',
        'Too many people are signing in at this moment; try again in a few seconds',
        {
          ceiling: 'passwordsWaiting',
          limit,
          retryAfterSeconds: Math.max(1, Math.ceil((line.length * USUAL_MS) / 1_000)),
        },
      )
    }
    return new Promise((resolve) => line.push({ start: resolve }))
  }

  #key(password: string, salt: string): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(new AppError('ERR_STARTING', 'The server is stopping'))
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    this.#pending.set(id, { resolve, reject })
    const request: KeyRequest = { id, password, salt, N: this.#options.cost, ...COST }
    this.#start().postMessage(request)
    return within(this.#options.timeoutMs, promise, {
      late: ({ limitMs }) => {
        this.#pending.delete(id)
        // Whatever holds it up: the next one gets a new thread.
        void this.#worker?.terminate()
        throw new Error(`a password was not hashed within ${limitMs} ms`)
      },
    })
  }

  #start(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(new URL('./password-worker.ts', import.meta.url), {
      name: 'passwords',
      // None of the process's own arguments and variables are its business.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    })
    worker.on('message', (answer: KeyAnswer) => {
      const pending = this.#pending.get(answer.id)
      if (pending === undefined) return
      this.#pending.delete(answer.id)
      if ('key' in answer) pending.resolve(answer.key)
      else pending.reject(new Error(`a password could not be hashed: ${answer.error}`))
    })
    worker.on('error', () => worker.terminate())
    worker.on('exit', () => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#failAll('the thread that hashes passwords ended')
    })
    // A request keeps the process alive by its timer; the idle thread must not. Called after adding the listeners, which would keep it
    // alive again.
    worker.unref()
    this.#worker = worker
    return worker
  }

  #failAll(reason: string): void {
    for (const { reject } of this.#pending.values()) reject(new Error(reason))
    this.#pending.clear()
  }
}
