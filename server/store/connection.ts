import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PrismaLibSql } from '@prisma/adapter-libsql'
import { AppError } from '../contract/index.ts'
import { Backoff } from '../time/backoff.ts'
import { within } from '../time/deadline.ts'
import { diskSilent, faultOf, fileGone } from './faults.ts'
import { SqlClient } from './sql-client.ts'
import type { SqlTable, SqlValue } from './sql-message.ts'

/** Runs a statement that only reads, on another connection. */
type LookUp = (sql: string, args: unknown) => Promise<SqlTable>

/** The libSQL client as the Prisma adapter uses it. */
type Client = ReturnType<PrismaLibSql['createClient']>
type Transaction = Awaited<ReturnType<Client['transaction']>>

export type { SqlValue } from './sql-message.ts'
export type SqlRow = Record<string, SqlValue>

export interface SqlResult {
  rows: SqlRow[]
  /** Rows changed by a statement that returns none. */
  changed: number
}

/**
 * Runs one statement on the connection whose lock is held. With `width` it runs once for each so many arguments, and answers no rows; only
 * within a transaction, since it may fail half-way.
 */
export type Run = (sql: string, args?: readonly SqlValue[], width?: number) => Promise<SqlResult>

/** Operations that may wait for the connection; more means that something is stuck, and waiting would only hide it. */
const maxWaiting = 10_000

/** How long an operation waits for its turn, in ms. */
const turnLimitMs = 30_000

/** How long a lock that another process holds is waited for, in ms. */
const busyPatienceMs = 2_000

/** A statement that takes longer waits for a disk that does not answer, in ms. */
const statementLimitMs = 20_000

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

/** FULL: what was acknowledged survives a power failure (https://sqlite.org/pragma.html#pragma_synchronous). */
const pragmas = [
  'journal_mode = WAL',
  'synchronous = FULL',
  'foreign_keys = ON',
  'journal_size_limit = 67108864',
]

/** A statement as libSQL's client takes it: text and arguments, together or apart. */
const partsOf = (statement: unknown, rest: unknown[]): { sql: string; args: unknown } => {
  if (typeof statement === 'string') return { sql: statement, args: rest[0] ?? [] }
  const { sql, args } = statement as { sql: string; args?: unknown }
  return { sql, args: args ?? [] }
}

/** Prisma's adapter reads rows by position, and nothing else of libSQL's result. */
const asResult = (table: SqlTable) => table as unknown as Awaited<ReturnType<Client['execute']>>

const unavailable = (reason: string, facts: Record<string, unknown> = {}): AppError =>
  new AppError('ERR_STORE_UNAVAILABLE', `The store is unavailable: ${reason}`, { reason, ...facts })

/** A first come, first served lock. */
class Turnstile {
  #held = false
  #waiting: (() => void)[] = []

  async enter(): Promise<() => void> {
    if (this.#held) {
      if (this.#waiting.length >= maxWaiting)
        throw unavailable(`${maxWaiting} operations wait for the database already`, { limit: maxWaiting })
      const { promise, resolve: pass } = Promise.withResolvers<void>()
      this.#waiting.push(pass)
      await within(turnLimitMs, promise, {
        late: () => {
          this.#waiting.splice(this.#waiting.indexOf(pass), 1)
          throw unavailable(diskSilent)
        },
      })
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
 * The one connection that writes to the SQLite file. It lives in a thread of its own, so that neither a slow statement nor a slow disk
 * holds up the event loop. The Prisma adapter by itself opens a new connection for every transaction, and two that write meet
 * SQLITE_BUSY; so Prisma is given a client whose transactions run on this connection, and writes of our own wait for the same lock.
 * Prisma's look-ups go to the reading connection. A failure that shows that the store is ill is remembered as its fault.
 */
export class Connection {
  readonly path: string
  readonly #turnstile = new Turnstile()
  readonly #factory: PrismaLibSql
  readonly #onFault: (reason: string) => void
  readonly #thread: SqlClient
  readonly #lookUp: LookUp | null
  #connected = false
  #inode: bigint | null = null
  #fault: string | null = null
  #faultSince: number | null = null
  #damaged = false
  #inTransaction = false

  /** `lookUp` answers what Prisma reads outside of transactions; left out, this connection does. */
  constructor(url: string, onFault: (reason: string) => void, lookUp: LookUp | null = null) {
    this.path = databasePath(url)
    this.#onFault = onFault
    this.#lookUp = lookUp
    this.#thread = new SqlClient('store-writer', () => {
      this.#connected = false
      this.#inTransaction = false
      this.#setFault('the thread of the database ended')
    })
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

  /** Since when it is ill, epoch ms, or null. */
  get faultSince(): number | null {
    return this.#faultSince
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
      const fault = faultOf(cause)
      if (fault !== null) {
        this.#note(cause)
        throw this.translate(cause)
      }
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
      if (this.#connected) {
        // A copy of that one file is then complete.
        await this.#thread
          .call({ op: 'execute', sql: 'PRAGMA wal_checkpoint(TRUNCATE)', args: [] }, statementLimitMs)
          .catch(() => undefined)
        await this.#thread.call({ op: 'close' }, statementLimitMs).catch(() => undefined)
      }
      this.#connected = false
      await this.#thread.end()
    } finally {
      leave()
    }
  }

  /** Several statements in a row, without others in between. */
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

  /** A script of several statements, which begins and ends its own transaction. */
  async script(sql: string): Promise<void> {
    await this.exclusive(async () => {
      try {
        this.#refuseClosed()
        await this.#thread.call({ op: 'script', sql })
      } catch (error) {
        this.#note(error)
        throw error
      }
    })
  }

  /** Tries to write; returns true, and forgets the fault, where that works again. */
  async heal(): Promise<boolean> {
    try {
      await this.exclusive(async () => {
        // Put back from a copy: the old connection would write into a file that nobody can see.
        const inode = this.#inodeNow()
        if (this.#thread.overdue > 0) throw unavailable(diskSilent)
        if (!this.#connected || (inode !== null && inode !== this.#inode)) await this.#connect()
      })
      if (this.#damaged) return false
      await this.transaction((run) =>
        run(
          `INSERT INTO "settings" ("key", "value") VALUES ('store.probe', ?) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`,
          [String(Date.now())],
        ),
      )
      this.#fault = null
      this.#faultSince = null
      return true
    } catch {
      // Still ill; the fault is known already, and the next attempt comes in a second.
      return false
    }
  }

  /** What callers of the store see: an `AppError` as it is, a fault of the store as `ERR_STORE_UNAVAILABLE`, else the error. */
  translate(error: unknown): unknown {
    if (error instanceof AppError) return error
    const reason = this.#reasonOf(error)
    if (reason === null) return error
    return new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The store is unavailable: ${reason} (${this.path})`,
      { reason, path: this.path },
      { cause: error },
    )
  }

  /** What another connection to the same file met. */
  noteOther(error: unknown): void {
    // That a reader had to wait says nothing about the store.
    if (!/^SQLITE_(?:CORRUPT|NOTADB|IOERR)/.test(String((error as { code?: unknown }).code))) return
    this.#note(error)
  }

  #reasonOf(error: unknown): string | null {
    const fault = faultOf(error)
    if (fault !== null) return fault.reason
    // What this connection itself refused comes back from Prisma as the text of an error of its own.
    const refused = error instanceof Error ? /The store is unavailable: ([^\n(]+)/.exec(error.message) : null
    if (refused?.[1] !== undefined) return refused[1].trim()
    // Prisma wraps what the driver said; the driver's own error passed through here first. P2xxx are about the query itself.
    const code = (error as { code?: unknown } | null)?.code
    if (this.#fault !== null && !(typeof code === 'string' && code.startsWith('P2'))) return this.#fault
    return null
  }

  #note(error: unknown): void {
    if (error instanceof AppError) {
      if (error.code === 'ERR_STORE_UNAVAILABLE' && this.#connected)
        this.#setFault(String(error.facts.reason))
      return
    }
    const fault = faultOf(error)
    if (fault === null) return
    if (fault.lasting) this.#damaged = true
    this.#setFault(fault.reason)
  }

  #setFault(reason: string): void {
    if (this.#fault === reason) return
    this.#fault = reason
    this.#faultSince ??= Date.now()
    this.#onFault(reason)
  }

  #inodeNow(): bigint | null {
    return statSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino ?? null
  }

  #refuseClosed(): void {
    if (!this.#connected) throw unavailable(this.#fault ?? 'the store is closed')
    // The thread does one thing at a time: nothing else would be done behind a write that does not end.
    if (this.#thread.overdue > 0) throw unavailable(diskSilent)
  }

  /** Opens, or opens again. */
  async #connect(): Promise<void> {
    this.#connected = false
    this.#inTransaction = false
    this.#damaged = false
    const call = (request: Parameters<SqlClient['call']>[0]) =>
      this.#thread.call(request, statementLimitMs, () => unavailable(diskSilent))
    const inode = this.#inodeNow()
    try {
      await call({ op: 'open', path: this.path, readOnly: false })
      for (const pragma of pragmas) await call({ op: 'execute', sql: `PRAGMA ${pragma}`, args: [] })
    } catch (error) {
      this.#note(error)
      throw error
    }
    this.#inode = inode
    this.#connected = true
  }

  #run: Run = async (sql, args = [], width) => {
    const { columns, rows, rowsAffected } = await this.#attempt(sql, args, width)
    return {
      rows: rows.map((row) =>
        Object.fromEntries(columns.map((column, index) => [column, row[index] as SqlValue])),
      ),
      changed: rowsAffected,
    }
  }

  /** One statement, with the lock held. A lock of another process is waited for while the store counts as well. */
  async #attempt(sql: string, args: unknown, width?: number): Promise<SqlTable> {
    const deadline = performance.now() + (this.#fault === null ? busyPatienceMs : 0)
    const backoff = new Backoff({ baseMs: 10, maxMs: 200 })
    for (;;) {
      try {
        this.#refuseLostFile(sql)
        this.#refuseClosed()
        const request = { op: 'execute', sql, args, width } as const
        const result = await this.#thread.call<SqlTable>(request, statementLimitMs, () =>
          unavailable(diskSilent),
        )
        if (/^BEGIN/i.test(sql)) this.#inTransaction = true
        else if (/^COMMIT/i.test(sql)) this.#inTransaction = false
        return result
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'SQLITE_BUSY' || this.#inTransaction) {
          this.#note(error)
          // It may begin after all, and what is written then would never be committed: the connection is opened again first.
          if (/^BEGIN/i.test(sql) && this.#thread.overdue > 0) this.#connected = false
          throw error
        }
        // libSQL leaves a statement that met a lock unfinished, and no later transaction could commit beside it.
        await this.#connect().catch((cause: unknown) => this.#note(cause))
        const waitMs = backoff.next()
        if (performance.now() + waitMs >= deadline) {
          this.#note(error)
          throw error
        }
        await delay(waitMs)
      }
    }
  }

  /** SQLite goes on writing into a file that was removed; what is written there is lost at the next start. */
  #refuseLostFile(sql: string): void {
    if (/^\s*(?:SELECT|PRAGMA|WITH|ROLLBACK)/i.test(sql)) return
    if (this.#inodeNow() === this.#inode) return
    throw unavailable(fileGone, { path: this.path })
  }

  async #rollBack(): Promise<void> {
    if (!this.#inTransaction) return
    this.#inTransaction = false
    try {
      await this.#thread.call({ op: 'execute', sql: 'ROLLBACK', args: [] }, statementLimitMs)
    } catch {
      // SQLite has rolled back by itself (a full disk does that), so there is nothing to undo.
    }
  }

  /** What Prisma believes to be its own client. */
  #shared(): Client {
    const shared: Pick<Client, 'execute' | 'executeMultiple' | 'transaction' | 'close'> = {
      execute: async (statement: unknown, ...rest: unknown[]) => {
        const { sql, args } = partsOf(statement, rest)
        if (this.#lookUp !== null && /^\s*SELECT\b/i.test(sql)) return asResult(await this.#lookUp(sql, args))
        const leave = await this.#turnstile.enter()
        try {
          return asResult(await this.#attempt(sql, args))
        } finally {
          leave()
        }
      },
      executeMultiple: (sql: string) => this.script(sql),
      transaction: () => this.#begin(),
      // The store closes the file, when its own work is done too.
      close: () => undefined,
    }
    return shared as Client
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
      execute: async (statement: unknown, ...rest: unknown[]) => {
        const { sql, args } = partsOf(statement, rest)
        return asResult(await this.#attempt(sql, args))
      },
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
