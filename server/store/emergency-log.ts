import {
  close,
  closeSync,
  existsSync,
  fsync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { ulid } from 'ulid'
import { AppError, type AuditRow } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import { insertAudit } from './audit.ts'
import type { Connection } from './connection.ts'

/** Bytes of the file at most: some 20 000 rows. */
const maxBytes = 8 * 1024 * 1024

type Row = Omit<AuditRow, 'id'>
interface Line {
  /** That of the first line identifies the file, so that it is not replayed twice. */
  id: string
  row: Row
}

const replayedKey = 'emergency.replayed'

/**
 * Who did what while the store could not be written: a file of JSON lines beside the database, readable by its owner alone. What `append`
 * returned from survives the end of the process, and a power cut a moment later. When the store can be written again, the store itself
 * puts the rows into the audit (each once, also where a crash came in between) and removes the file.
 *
 * For those that have to act although the store is away: `store.emergency.append(row)` where `store.audit(row)` was refused with
 * `ERR_STORE_UNAVAILABLE`, or `store.auditAlways(row)`, which does both.
 */
export class EmergencyLog {
  readonly path: string
  readonly #log: Log
  #told = false

  constructor(path: string, log: Log) {
    this.path = path
    this.#log = log
  }

  /** Bytes that wait for the store. */
  get bytes(): number {
    return statSync(this.path, { throwIfNoEntry: false })?.size ?? 0
  }

  /** Writes one row. Throws `ERR_STORE_UNAVAILABLE` where even that fails, `ERR_CAPACITY` when it is full. */
  append(row: Row): void {
    // Starts a new line, in case a full disk cut the last one off.
    const line = `\n${JSON.stringify({ id: ulid(), row } satisfies Line)}\n`
    if (this.bytes + line.length > maxBytes)
      throw new AppError('ERR_CAPACITY', `The emergency log ${this.path} is full`, { limit: maxBytes })
    try {
      const file = openSync(this.path, 'a', 0o600)
      try {
        // All of it or an error: on a disk that is nearly full a single write may stop in the middle without an error.
        writeFileSync(file, line)
      } catch (error) {
        closeSync(file)
        throw error
      }
      // Not waited for: the disk may be what is in trouble, and the event loop must not wait for it.
      fsync(file, () => close(file, () => undefined))
    } catch (cause) {
      throw new AppError(
        'ERR_STORE_UNAVAILABLE',
        `Neither the store nor the emergency log ${this.path} can be written`,
        { reason: 'the emergency log cannot be written', path: this.path },
        { cause },
      )
    }
    if (!this.#told)
      this.#log.warn({ path: this.path }, 'the store is away: audit rows are written into the emergency log')
    this.#told = true
  }

  /** Puts what it holds into the audit, and removes it; returns how many rows. A line that cannot be read stays in a file beside it. */
  async replay(connection: Connection): Promise<number> {
    const moving = `${this.path}.replaying`
    if (!existsSync(moving)) {
      if (!existsSync(this.path)) return 0
      // What is appended from here on goes into a new file.
      renameSync(this.path, moving)
    }
    const { lines, unread } = read(readFileSync(moving, 'utf8'))
    const count = await connection.transaction(async (run) => {
      const { rows } = await run('SELECT "value" FROM "settings" WHERE "key" = ?', [replayedKey])
      const name = lines[0]?.id
      // Killed between the audit and the removal of the file.
      if (name === undefined || rows[0]?.value === name) return 0
      for (const { row } of lines) await insertAudit(run, row)
      await run(
        'INSERT INTO "settings" ("key", "value") VALUES (?, ?) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"',
        [replayedKey, name],
      )
      return lines.length
    })
    if (unread > 0) {
      const kept = `${this.path}.unread-${Date.now()}`
      renameSync(moving, kept)
      this.#log.error(
        { lines: unread, path: kept },
        'lines of the emergency log could not be read; they are kept',
      )
    } else rmSync(moving, { force: true })
    this.#told = false
    return count + (existsSync(this.path) ? await this.replay(connection) : 0)
  }
}

const read = (text: string): { lines: Line[]; unread: number } => {
  const lines: Line[] = []
  let unread = 0
  for (const each of text.split('\n')) {
    if (each === '') continue
    try {
      const line = JSON.parse(each) as Line
      if (
        typeof line.id !== 'string' ||
        typeof line.row?.actor !== 'string' ||
        Number.isNaN(Date.parse(line.row.at))
      )
        throw new Error('not a line of this log')
      lines.push(line)
    } catch {
      unread += 1
    }
  }
  return { lines, unread }
}
