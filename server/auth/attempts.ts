import { createHash } from 'node:crypto'
import { AppError } from '../contract/index.ts'

export interface AttemptsOptions {
  /** Attempts within one window. */
  limit: number
  windowMs: number
  /** Keys remembered at most; beyond it those whose window began first are forgotten. */
  maxEntries?: number
  now?: () => number
}

interface Entry {
  count: number
  endsAt: number
}

/**
 * Counts guesses by key in fixed windows. An attempt is taken before it is judged, so that a hundred at once are not all let
 * through; a good one gives its key back. Keys are hashed: what is guessed may be a secret.
 */
export class Attempts {
  readonly #entries = new Map<string, Entry>()
  readonly #limit: number
  readonly #windowMs: number
  readonly #maxEntries: number
  readonly #now: () => number
  #refused = 0

  constructor(options: AttemptsOptions) {
    this.#limit = options.limit
    this.#windowMs = options.windowMs
    this.#maxEntries = options.maxEntries ?? 10_000
    this.#now = options.now ?? Date.now
  }

  /** Keys remembered at the moment. */
  get size(): number {
    return this.#entries.size
  }

  /** Attempts refused since the start. */
  get refused(): number {
    return this.#refused
  }

  /** Throws `ERR_RATE_LIMITED` with `facts.retryAfterSeconds` when the attempts of the window are used up; counts nothing. */
  check(...key: string[]): void {
    const now = this.#now()
    const entry = this.#entries.get(hash(key))
    if (entry !== undefined && entry.endsAt > now) this.#refuseIfFull(entry, now)
  }

  /** Counts one attempt. Throws as `check` does. */
  take(...key: string[]): void {
    const now = this.#now()
    const id = hash(key)
    let entry = this.#entries.get(id)
    if (entry === undefined || entry.endsAt <= now) {
      this.#entries.delete(id)
      this.#makeRoom(now)
      entry = { count: 0, endsAt: now + this.#windowMs }
      this.#entries.set(id, entry)
    }
    this.#refuseIfFull(entry, now)
    entry.count++
  }

  /** Takes back the attempts of a key: the last one was good. */
  forget(...key: string[]): void {
    this.#entries.delete(hash(key))
  }

  /** Takes back one attempt, for a limit that many share. */
  giveBack(...key: string[]): void {
    const entry = this.#entries.get(hash(key))
    if (entry && entry.count > 0) entry.count--
  }

  #refuseIfFull(entry: Entry, now: number): void {
    if (entry.count < this.#limit) return
    this.#refused++
    const retryAfterSeconds = Math.max(1, Math.ceil((entry.endsAt - now) / 1_000))
    throw new AppError('ERR_RATE_LIMITED', `Too many attempts; try again in ${retryAfterSeconds} s`, {
      retryAfterSeconds,
      limit: this.#limit,
    })
  }

  /** The map is in order of the windows' ends, so the first ones are over first. */
  #makeRoom(now: number): void {
    for (const [id, entry] of this.#entries) {
      if (entry.endsAt > now && this.#entries.size < this.#maxEntries) return
      this.#entries.delete(id)
    }
  }
}

const hash = (key: string[]): string => createHash('sha256').update(JSON.stringify(key)).digest('base64url')
