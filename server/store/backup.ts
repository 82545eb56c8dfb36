import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { AppError } from '../contract/index.ts'
import { faultOf, remedyOf } from './faults.ts'
import { SqlClient } from './sql-client.ts'

/** What is remembered of the last backup, beside the database. */
export interface BackupNote {
  at: string
  path: string
  bytes: number
  durationMs: number
}

const noteOf = (database: string): string => `${database}.backup.json`

/** The last backup of this database, or null. */
export const readBackupNote = (database: string): BackupNote | null => {
  try {
    const note = JSON.parse(readFileSync(noteOf(database), 'utf8')) as Partial<BackupNote>
    if (typeof note.at !== 'string' || typeof note.path !== 'string' || typeof note.bytes !== 'number')
      return null
    return { at: note.at, path: note.path, bytes: note.bytes, durationMs: Number(note.durationMs ?? 0) }
  } catch {
    return null
  }
}

/**
 * Copies the database as it is in one moment, while the server runs or not, into a file that only its owner may read. It reads over a
 * connection of its own and does not block writers. Throws `ERR_NOT_FOUND` without a database, `ERR_CONFLICT` where the file exists,
 * `ERR_STORE_UNAVAILABLE` where it cannot be read or written; an unfinished copy is then removed.
 */
export const backUp = async (database: string, target: string): Promise<BackupNote> => {
  const path = resolve(target)
  if (!existsSync(database))
    throw new AppError('ERR_NOT_FOUND', `There is no database at ${database}`, { path: database })
  try {
    // SQLite writes into an existing empty file, which only its owner may read from the first byte on.
    closeSync(openSync(path, 'wx', 0o600))
    chmodSync(path, 0o600)
  } catch (cause) {
    const exists = (cause as { code?: unknown }).code === 'EEXIST'
    throw new AppError(
      exists ? 'ERR_CONFLICT' : 'ERR_INVALID',
      exists
        ? `${path} exists already, and a backup overwrites nothing; name another file`
        : `${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
      { path },
      { cause },
    )
  }
  const startedAt = performance.now()
  const thread = new SqlClient('backup', () => undefined)
  try {
    await thread.call({ op: 'open', path: database, readOnly: false })
    await thread.call({ op: 'execute', sql: 'PRAGMA busy_timeout = 10000', args: [] })
    await thread.call({ op: 'execute', sql: 'VACUUM INTO ?', args: [path] })
    await thread.call({ op: 'close' })
  } catch (cause) {
    rmSync(path, { force: true })
    const reason = faultOf(cause)?.reason
    throw new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The backup of ${database} into ${path} failed: ${reason ?? (cause instanceof Error ? cause.message : String(cause))}. ${reason === undefined ? '' : remedyOf(reason)}`.trim(),
      { path, database, ...(reason === undefined ? {} : { reason }) },
      { cause },
    )
  } finally {
    await thread.end()
  }
  const note: BackupNote = {
    at: new Date().toISOString(),
    path,
    bytes: statSync(path).size,
    durationMs: Math.round(performance.now() - startedAt),
  }
  try {
    writeFileSync(noteOf(database), JSON.stringify(note), { mode: 0o600 })
  } catch {
    // The backup is good even so; only the system page will not know of it.
  }
  return note
}
