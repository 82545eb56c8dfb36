import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../contract/errors.ts'

/** SQLite result codes (https://sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const retryMs = 100

export interface LockOptions {
  /** How long a dying owner is waited for, in ms. Default 10 000. */
  waitMs?: number
  /** Told once, when the lock is not free at once. */
  onWait?: (owner: string | null) => void
}

interface Owner {
  pid: number
  host: string
  since: string
}

/**
 * A file that one process at a time holds: an SQLite database with an exclusive transaction that never ends. What holds it is a
 * POSIX lock of the kernel: it knows nothing of process numbers, counts between containers that share the volume, is not
 * inherited by children, and goes in the moment in which its process dies, however that happens, also while the dead process
 * still stands in the table. Nothing is ever written into the file, so a full disk does not matter. SQLite keeps the one rule of
 * such locks, never to close another descriptor of the file meanwhile; nothing else in the process may open it.
 */
export class FolderLock {
  readonly #database: DatabaseSync
  readonly #ownerFile: string

  private constructor(database: DatabaseSync, ownerFile: string) {
    this.#database = database
    this.#ownerFile = ownerFile
  }

  /** Takes the lock, or throws `ERR_DATA_FOLDER` when it is not free within `waitMs`. `what` is named in the sentence. */
  static async take(file: string, what: string, options: LockOptions = {}): Promise<FolderLock> {
    const ownerFile = `${file}.owner`
    const deadline = performance.now() + (options.waitMs ?? 10_000)
    let told = false
    for (;;) {
      const database = hold(file, what)
      if (database !== null) {
        const lock = new FolderLock(database, ownerFile)
        lock.#sign()
        return lock
      }
      const owner = readOwner(ownerFile)
      if (!told) {
        told = true
        options.onWait?.(owner)
      }
      if (performance.now() >= deadline) {
        throw new AppError(
          'ERR_DATA_FOLDER',
          `Another process holds ${what}${owner === null ? '' : ` (${owner})`}; stop it, or set TIDEGATE_DATA to another folder`,
          { path: file, ...(owner === null ? {} : { owner }) },
        )
      }
      await sleep(retryMs)
    }
  }

  /** Gives the lock back. Calling it twice is harmless. */
  release(): void {
    if (!this.#database.isOpen) return
    rmSync(this.#ownerFile, { force: true })
    // The file itself stays: if it were removed, the next two processes would hold one each.
    this.#database.close()
  }

  /** For the sentence that others read; the lock does not depend on it. */
  #sign(): void {
    const owner: Owner = { pid: process.pid, host: hostname(), since: new Date().toISOString() }
    try {
      writeFileSync(this.#ownerFile, JSON.stringify(owner), { mode: 0o600 })
    } catch {
      // A full disk: then the sentence names nobody.
    }
  }
}

/** Null where somebody else holds it. */
const hold = (file: string, what: string): DatabaseSync | null => {
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(file, { timeout: 0 })
    // A journal on disk would need room, and have to be rolled back after a kill.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (cause) {
    database?.close()
    const code = (cause as { errcode?: unknown }).errcode
    if (typeof code === 'number' && (code & 0xff) === SQLITE_BUSY) return null
    throw new AppError(
      'ERR_DATA_FOLDER',
      `${what} cannot be locked: ${cause instanceof Error ? cause.message : String(cause)} (${file}); it has to be on a disk that knows file locks`,
      { path: file },
      { cause },
    )
  }
}

const readOwner = (file: string): string | null => {
  try {
    const owner = JSON.parse(readFileSync(file, 'utf8')) as Partial<Owner>
    if (!Number.isInteger(owner.pid) || typeof owner.host !== 'string') return null
    return `process ${owner.pid} on ${owner.host.slice(0, 100)}, since ${String(owner.since).slice(0, 30)}`
  } catch {
    return null
  }
}
