import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { AppError } from '../contract/index.ts'

/** The libSQL client as the Prisma adapter uses it. */
type Client = ReturnType<PrismaLibSql['createClient']>
type Transaction = Awaited<ReturnType<Client['transaction']>>

export type SqlValue = string | number | bigint | null
export type SqlRow = Record<string, SqlValue>

export interface SqlResult {
  rows: SqlRow[]
  /** Rows changed by a statement that returns none. */
  changed: number
}

/** Runs one statement on the connection whose lock is held. */
export type Run = (sql: string, args?: readonly SqlValue[]) => Promise<SqlResult>

/** Operations that may wait for the connection; more means that something is stuck, and waiting would only hide it. */
const maxWaiting = 10_000

/** How long a lock that another process holds is waited for, in ms. The waiting never blocks the thread. */
const busyPatienceMs = 2_000

/** SQLite result codes (https://sqlite.org/rescode.html) that say the store is ill, not that the statement is wrong. */
const FAULTS: Record<string, string> = {
  SQLITE_BUSY: 'the database is locked by another process',
  SQLITE_LOCKED: 'the database is locked',
  SQLITE_READONLY: 'the database cannot be written',
  SQLITE_IOERR: 'the disk gave an I/O error',
  SQLITE_CORRUPT: 'the database is damaged',
  SQLITE_NOTADB: 'the file is not a database',
  SQLITE_FULL: 'the disk is full',
  SQLITE_CANTOPEN: 'the database file cannot be opened',
  SQLITE_PERM: 'the database file may not be used by this user',
  SQLITE_PROTOCOL: 'the database could not be locked',
}

const codeOf = (error: unknown): string | null => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : null
}

/** The file behind `file:…`, absolute. Throws `ERR_CONFIG` for any other URL. */
export const databasePath = (url: string): string => {
  if (!url.startsWith('file:')) {
    throw new AppError(
      'ERR_CONFIG',
      `store.url is ${url.split('@').at(-1)}; this version stores in a file, for example file:./data/tidegate.db`,
    )
  }
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
}

/** A first come, first served lock. */
class Turnstile {
  #held = false
  #waiting: (() => void)[] = []

  async enter(): Promise<() => void> {
    if (this.#held) {
      if (this.#waiting.length >= maxWaiting) {
        throw new AppError(
          'ERR_STORE_UNAVAILABLE',
          `${maxWaiting} operations wait for the database already`,
          {
            limit: maxWaiting,
          },
        )
      }
      await new Promise<void>((pass) => this.#waiting.push(pass))
    }
    this.#held = true
    let left = false
    return () => {
      if (left) return
      left = true
      const next = this.#waiting.shift()
      if (next) next()
      else this.#held = false
    }
  }
}

/**
 * The one connection to the SQLite file. The Prisma adapter by itself opens a new connection for every transaction, and two
 * connections in one process meet SQLITE_BUSY; so Prisma is given a client whose transactions run on this connection, and
 * whoever writes by hand takes the same turn. What fails because the store is ill is remembered as its fault.
 */
export class Connection {
  readonly path: string
  readonly #turnstile = new Turnstile()
  readonly #factory: PrismaLibSql
  readonly #onFault: (reason: string) => void
  #client: Client | null = null
  #inode: bigint | null = null
  #fault: string | null = null
  #inTransaction = false

  constructor(url: string, onFault: (reason: string) => void) {
    this.path = databasePath(url)
    this.#onFault = onFault
    const connection = this
    this.#factory = new (class extends PrismaLibSql {
      override createClient(): Client {
        return connection.#shared()
      }
    })({ url: pathToFileURL(this.path).href })
  }

  /** For `new PrismaClient({ adapter })`. */
  get adapter(): PrismaLibSql {
    return this.#factory
  }

  /** Why the store is ill, or null. */
  get fault(): string | null {
    return this.#fault
  }

  /** Bytes of the database and its write-ahead log. */
  get bytes(): number {
    let sum = 0
    for (const suffix of ['', '-wal'])
      sum += statSync(this.path + suffix, { throwIfNoEntry: false })?.size ?? 0
    return sum
  }

  /** Creates the folder and the file where missing and opens it. Throws `ERR_DATA_FOLDER`, `ERR_STORE_UNAVAILABLE`. */
  async open(): Promise<void> {
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
      // SQLite gives its -wal and -shm files the mode of the database file.
      closeSync(openSync(this.path, 'a', 0o600))
      chmodSync(this.path, 0o600)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new AppError(
        'ERR_DATA_FOLDER',
        `The database ${this.path} cannot be written: ${why}`,
        { path: this.path },
        { cause },
      )
    }
    await this.exclusive(() => this.#connect())
  }

  /** Closes once nobody uses it. Calling it twice is harmless. */
  async close(): Promise<void> {
    const leave = await this.#turnstile.enter()
    try {
      this.#client?.close()
      this.#client = null
    } finally {
      leave()
    }
  }

  /** Several statements in a row, without anybody in between. */
  async exclusive<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const leave = await this.#turnstile.enter()
    try {
      return await work(this.#run)
    } catch (error) {
      throw this.translate(error)
    } finally {
      leave()
    }
  }

  /** All or nothing, on disk once it resolves. `work` may do nothing but run statements. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.exclusive(async (run) => {
      await run('BEGIN IMMEDIATE')
      try {
        const result = await work(run)
        await run('COMMIT')
        return result
      } catch (error) {
        await this.#rollBack()
        throw error
      }
    })
  }

  query(sql: string, args: readonly SqlValue[] = []): Promise<SqlResult> {
    return this.exclusive((run) => run(sql, args))
  }

  /** A script of several statements; it brings its own transaction. */
  async script(sql: string): Promise<void> {
    await this.exclusive(async () => {
      try {
        await this.#open().executeMultiple(sql)
      } catch (error) {
        this.#note(error)
        throw error
      }
    })
  }

  /** Tries to write; answers true, and forgets the fault, where that works again. */
  async heal(): Promise<boolean> {
    try {
      await this.exclusive(async () => {
        // Put back from a copy: the old connection would write into a file that nobody can see.
        const inode = this.#inodeNow()
        if (inode !== null && inode !== this.#inode) await this.#connect()
      })
      await this.transaction((run) =>
        run(
          `INSERT INTO "settings" ("key", "value") VALUES ('store.probe', ?) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`,
          [String(Date.now())],
        ),
      )
      this.#fault = null
      return true
    } catch {
      // Still ill; the fault is known already, and the next attempt comes in a second.
      return false
    }
  }

  /** What callers of the store see: an `AppError` as it is, a fault of the store as `ERR_STORE_UNAVAILABLE`, else the error. */
  translate(error: unknown): unknown {
    if (error instanceof AppError) return error
    const reason = this.#faultOf(error)
    if (reason === null) return error
    return new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The store is unavailable: ${reason}`,
      { reason },
      { cause: error },
    )
  }

  #faultOf(error: unknown): string | null {
    const code = codeOf(error)
    if (code && FAULTS[code]) return FAULTS[code]
    // Prisma wraps what the driver said; the driver's own error passed through here first. P2xxx are about the query itself.
    if (this.#fault !== null && !code?.startsWith('P2')) return this.#fault
    return null
  }

  #note(error: unknown): void {
    const code = codeOf(error)
    const reason =
      error instanceof AppError && code === 'ERR_STORE_UNAVAILABLE'
        ? String(error.facts.reason)
        : code
          ? FAULTS[code]
          : undefined
    if (reason === undefined || this.#fault === reason) return
    this.#fault = reason
    this.#onFault(reason)
  }

  #inodeNow(): bigint | null {
    return statSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino ?? null
  }

  #open(): Client {
    if (this.#client === null)
      throw new AppError('ERR_STORE_UNAVAILABLE', 'The store is closed', { reason: 'the store is closed' })
    return this.#client
  }

  /** Opens, or opens anew. */
  async #connect(): Promise<void> {
    this.#client?.close()
    this.#inTransaction = false
    const client = new PrismaLibSql({ url: '' }).createClient({ url: pathToFileURL(this.path).href })
    this.#client = client
    this.#inode = this.#inodeNow()
    await client.execute('PRAGMA journal_mode = WAL')
    // FULL: what was acknowledged survives a power cut (https://sqlite.org/pragma.html#pragma_synchronous).
    await client.execute('PRAGMA synchronous = FULL')
    await client.execute('PRAGMA foreign_keys = ON')
    await client.execute('PRAGMA journal_size_limit = 67108864')
  }

  #run: Run = async (sql, args = []) => {
    const result = await this.#attempt(sql, (client) => client.execute({ sql, args: [...args] }))
    return { rows: result.rows as unknown as SqlRow[], changed: result.rowsAffected }
  }

  /** One statement, with the lock held. A lock of another process is waited for while the store counts as well. */
  async #attempt<T>(sql: string, execute: (client: Client) => Promise<T>): Promise<T> {
    const deadline = Date.now() + (this.#fault === null ? busyPatienceMs : 0)
    for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 200)) {
      try {
        this.#refuseLostFile(sql)
        const result = await execute(this.#open())
        if (/^BEGIN/i.test(sql)) this.#inTransaction = true
        else if (/^COMMIT/i.test(sql)) this.#inTransaction = false
        return result
      } catch (error) {
        if (codeOf(error) !== 'SQLITE_BUSY' || this.#inTransaction) {
          this.#note(error)
          throw error
        }
        // libSQL leaves a statement that met a lock unfinished, and no later transaction could commit beside it.
        await this.#connect().catch((cause: unknown) => this.#note(cause))
        if (Date.now() + waitMs >= deadline) {
          this.#note(error)
          throw error
        }
        await new Promise((done) => setTimeout(done, waitMs))
      }
    }
  }

  /** SQLite goes on writing into a file that was removed; what is written there is lost at the next start. */
  #refuseLostFile(sql: string): void {
    if (/^\s*(?:SELECT|PRAGMA|WITH|ROLLBACK)/i.test(sql)) return
    if (this.#inodeNow() === this.#inode) return
    const reason = 'the database file is gone from its place'
    throw new AppError('ERR_STORE_UNAVAILABLE', `The store is unavailable: ${reason} (${this.path})`, {
      reason,
      path: this.path,
    })
  }

  async #rollBack(): Promise<void> {
    if (!this.#inTransaction) return
    this.#inTransaction = false
    try {
      await this.#open().execute('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself (a full disk does that), so there is nothing left to undo.
    }
  }

  /** What Prisma believes to be its own client. */
  #shared(): Client {
    const shared: Pick<Client, 'execute' | 'executeMultiple' | 'transaction' | 'close'> = {
      execute: async (statement: unknown, ...rest: unknown[]) => {
        const leave = await this.#turnstile.enter()
        try {
          return await this.#forward(statement, rest)
        } finally {
          leave()
        }
      },
      executeMultiple: (sql: string) => this.script(sql),
      transaction: () => this.#begin(),
      // The file is closed by the store, when its own work is done too.
      close: () => undefined,
    }
    return shared as Client
  }

  /** Passes on a statement of Prisma's, with the same patience and the same memory for faults as our own. */
  #forward(statement: unknown, rest: unknown[]) {
    const sql = typeof statement === 'string' ? statement : String((statement as { sql: unknown }).sql)
    return this.#attempt(sql, (client) => client.execute(statement as string, ...(rest as [])))
  }

  async #begin(): Promise<Transaction> {
    const leave = await this.#turnstile.enter()
    let open = true
    const end = () => {
      open = false
      leave()
    }
    try {
      await this.#run('BEGIN IMMEDIATE')
    } catch (error) {
      end()
      throw error
    }
    const transaction: Pick<Transaction, 'execute' | 'commit' | 'rollback' | 'close' | 'closed'> = {
      execute: (statement: unknown, ...rest: unknown[]) => this.#forward(statement, rest),
      commit: async () => {
        try {
          await this.#run('COMMIT')
        } catch (error) {
          await this.#rollBack()
          throw error
        } finally {
          end()
        }
      },
      rollback: async () => {
        await this.#rollBack()
        end()
      },
      close: () => {
        if (open) void this.#rollBack().finally(end)
      },
      get closed() {
        return !open
      },
    }
    return transaction as Transaction
  }
}
