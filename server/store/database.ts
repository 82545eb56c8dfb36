import { AppError } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import { Connection, databasePath } from './connection.ts'
import { EmergencyLog } from './emergency-log.ts'
import { remedyOf } from './faults.ts'
import { PrismaClient } from './generated/client.ts'
import { applyMigrations } from './migrations.ts'
import { Reader } from './reader.ts'
import type { StoreHealth } from './store.ts'
import { UnreadableRows } from './unreadable-rows.ts'

const HEAL_EVERY_MS = 1_000

export interface DatabaseOptions {
  /** `file:` and a path, relative to the working directory or absolute. */
  url: string
  log: Log
  /** A read of many rows may take so long, in ms. */
  readLimitMs?: number | undefined
  /** Epoch ms. */
  now: () => number
  /** Writes what waited while it could not be written. */
  whenBack: () => Promise<void>
}

/** The file of a store, opened once to write and once to read. After a fault it is tried every second until it can be written again. */
export class Database {
  readonly path: string
  readonly connection: Connection
  readonly reader: Reader
  /** For what has a Prisma adapter of its own. Its statements take their turn on the one connection that writes. */
  readonly prisma: PrismaClient
  /** What was written while the store could not be; replayed into the audit by itself. */
  readonly emergency: EmergencyLog
  readonly unreadable: UnreadableRows
  readonly #options: DatabaseOptions
  readonly #log: Log
  #healing: NodeJS.Timeout | null = null
  #state: 'new' | 'open' | 'closed' = 'new'
  #openFault: string | null = null
  #openFaultSince: number | null = null

  constructor(options: DatabaseOptions) {
    const { url, log, readLimitMs } = options
    this.#options = options
    this.#log = log
    this.path = databasePath(url)
    const reader = new Reader({
      path: this.path,
      ...(readLimitMs === undefined ? {} : { readLimitMs }),
      onError: (error) => this.connection.noteOther(error),
      onEnd: (error) =>
        log.error({ err: error }, 'the reading thread of the store ended; the next read starts another'),
    })
    this.reader = reader
    this.connection = new Connection(
      url,
      (reason) => this.#failed(reason),
      (sql, args) => reader.lookUp(sql, args),
    )
    this.prisma = new PrismaClient({ adapter: this.connection.adapter, errorFormat: 'minimal', log: [] })
    this.unreadable = new UnreadableRows(log)
    this.emergency = new EmergencyLog(`${this.path}.emergency.jsonl`, log)
  }

  /**
   * Opens the file and applies migrations; once is enough.
   *
   * @param load reads what must be known before anything is written
   */
  async open(load: () => Promise<void>): Promise<void> {
    if (this.#state !== 'new') return
    try {
      await this.connection.open()
      await applyMigrations(this.connection, this.#log)
      await this.guard(load)
    } catch (error) {
      const known = this.connection.translate(error)
      this.#openFault =
        known instanceof AppError ? String(known.facts.reason ?? known.message) : String(error)
      this.#openFaultSince ??= this.#options.now()
      throw known
    }
    this.#state = 'open'
    // What failed before and works now is no fault any more, and what went wrong since is watched from here on.
    if (!(await this.connection.heal())) this.#watch()
    await this.#replay()
  }

  /** @param finish writes what still waits */
  async close(finish: () => Promise<void>): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    if (this.#healing) clearTimeout(this.#healing)
    await finish()
    await this.prisma.$disconnect()
    // The last connection folds the log in, so the one that reads goes first.
    await this.reader.close()
    await this.connection.close()
  }

  health(): StoreHealth {
    const reason =
      this.#state === 'open'
        ? this.connection.fault
        : this.#state === 'new'
          ? (this.#openFault ?? 'the store is not open yet')
          : 'the store is closed'
    const since = this.#state === 'open' ? this.connection.faultSince : this.#openFaultSince
    return {
      ok: reason === null,
      reason,
      bytes: this.connection.bytes,
      path: this.path,
      remedy: reason === null ? null : remedyOf(reason),
      since: since === null ? null : new Date(since).toISOString(),
      reads: this.reader.figures,
      unreadable: this.unreadable.figures,
    }
  }

  /** Turns a fault of the store, however it was wrapped, into `ERR_STORE_UNAVAILABLE`. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.connection.translate(error)
    }
  }

  #failed(reason: string): void {
    if (this.#state !== 'open') return
    this.#log.error({ reason, path: this.path, remedy: remedyOf(reason) }, 'the store cannot be used')
    this.#watch()
  }

  #watch(): void {
    if (this.#state === 'open') this.#healing ??= setTimeout(() => void this.#heal(), HEAL_EVERY_MS)
  }

  async #heal(): Promise<void> {
    this.#healing = null
    if (this.#state !== 'open') return
    if (!(await this.connection.heal())) {
      this.#watch()
      return
    }
    this.#log.info('the store can be written again')
    try {
      await this.#options.whenBack()
    } catch (error) {
      this.#log.warn({ err: error }, 'the store failed again while the spool was written')
      return
    }
    await this.#replay()
  }

  async #replay(): Promise<void> {
    try {
      const replayed = await this.emergency.replay(this.connection)
      if (replayed > 0)
        this.#log.warn({ rows: replayed }, 'what the emergency log held was put into the audit')
    } catch (error) {
      this.#log.error(
        { err: error, path: this.emergency.path },
        'the emergency log stays: it could not be replayed',
      )
    }
  }
}
