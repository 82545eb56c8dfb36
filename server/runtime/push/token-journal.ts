import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError } from '../../contract/errors.ts'
import type { Log } from '../../observe/log.ts'
import { Turn } from '../../time/turn.ts'

/** The file is rewritten when it holds this many lines more than it has live tokens, and at least as many again. */
const COMPACT_SLACK_LINES = 1_000
/** Lines written in one go: more would hold up the thread that forwards bytes. */
const SLICE_LINES = 2_000

interface Row {
  key: string
  at: number
}

type Line = { t: string; k: string; at: number } | { t: string; gone: true }

const parseLine = (text: string): Line | null => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null // a line torn by a crash was never acknowledged
  }
  if (typeof value !== 'object' || value === null) return null
  const { t, k, at, gone } = value as Record<string, unknown>
  if (typeof t !== 'string') return null
  if (gone === true) return { t, gone: true }
  return typeof k === 'string' && typeof at === 'number' && Number.isFinite(at) ? { t, k, at } : null
}

/** The tokens in memory, with an index by key. */
export class TokenTable {
  readonly rows = new Map<string, Row>()
  readonly #byKey = new Map<string, Set<string>>()

  put(token: string, row: Row): void {
    this.drop(token) // re-inserted, so that iteration order stays the order of registration
    this.rows.set(token, row)
    const tokens = this.#byKey.get(row.key)
    if (tokens) tokens.add(token)
    else this.#byKey.set(row.key, new Set([token]))
  }

  drop(token: string): boolean {
    const row = this.rows.get(token)
    if (!row) return false
    this.rows.delete(token)
    const tokens = this.#byKey.get(row.key)
    tokens?.delete(token)
    if (tokens?.size === 0) this.#byKey.delete(row.key)
    return true
  }

  ofKey(key: string): string[] {
    return [...(this.#byKey.get(key) ?? [])]
  }
}

/**
 * A journal of JSON lines. Lines of concurrent changes share one write and one fsync; the file is rewritten (temporary file, fsync,
 * rename) when most of it is history, and after a failed write, whose torn line must not precede good ones.
 */
export class TokenJournal {
  readonly #path: string
  readonly #table: TokenTable
  readonly #log: Log
  #file: FileHandle | null = null
  #lines = 0
  #torn = false
  #pending: string[] = []
  #batch: Promise<void> | null = null
  readonly #turn = new Turn()
  #closed = false
  problem: string | null = null

  constructor(path: string, table: TokenTable, log: Log) {
    this.#path = path
    this.#table = table
    this.#log = log
  }

  async load(): Promise<void> {
    let text = ''
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw this.#unavailable('read', error)
    }
    let unreadable = 0
    const parts = text.split('\n')
    const last = parts.pop() ?? ''
    const take = (line: Line): void => {
      if ('gone' in line) this.#table.drop(line.t)
      else this.#table.put(line.t, { key: line.k, at: line.at })
    }
    for (const part of parts) {
      if (part === '') continue
      const line = parseLine(part)
      if (line) take(line)
      else unreadable += 1
    }
    if (last !== '') {
      const line = parseLine(last)
      if (line) take(line)
      // A line torn by a crash was never acknowledged; where nothing else was readable it is not a torn line.
      else if (unreadable > 0 || this.#table.rows.size === 0) unreadable += 1
    }
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      if (unreadable > 0) await this.#keepAside(text, unreadable)
      await this.#rewrite()
    } catch (error) {
      throw this.#unavailable('written', error)
    }
  }

  /**
   * Keeps a copy of a file that holds what this version cannot read (a later version's lines, another format, damage), before it
   * is rewritten without it: device tokens that are lost cannot be had again.
   */
  async #keepAside(text: string, lines: number): Promise<void> {
    const copy = `${this.#path}.unreadable-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
    try {
      await copyFile(this.#path, copy, constants.COPYFILE_EXCL)
    } catch (error) {
      // The same content was kept at an earlier start.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    this.problem = `${lines} ${lines === 1 ? 'line' : 'lines'} of the token file ${this.#path} could not be read; the whole file is kept as ${copy}`
    this.#log.error({ file: this.#path, copy, lines }, this.problem)
  }

  /** Resolves when the line is on disk. */
  append(line: Line): Promise<void> {
    if (this.#closed) return Promise.reject(this.#unavailable('written', new Error('it is closed')))
    this.#pending.push(`${JSON.stringify(line)}\n`)
    // Lines that come while a write runs wait for the next one, so a burst costs one fsync and not one each.
    this.#batch ??= this.#turn.run(() => this.#writeBatch())
    return this.#batch
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#turn.settled()
    await this.#file?.close()
    this.#file = null
  }

  async #writeBatch(): Promise<void> {
    const lines = this.#pending
    this.#pending = []
    this.#batch = null
    try {
      if (
        this.#torn ||
        !this.#file ||
        this.#lines + lines.length > 2 * this.#table.rows.size + COMPACT_SLACK_LINES
      ) {
        await this.#rewrite()
        return
      }
      await this.#file.appendFile(lines.join(''))
      await this.#file.datasync()
      this.#lines += lines.length
    } catch (error) {
      this.#torn = true
      throw this.#unavailable('written', error)
    }
  }

  async #rewrite(): Promise<void> {
    const temporary = `${this.#path}.new`
    await rm(temporary, { force: true })
    const file = await open(temporary, 'ax', 0o600)
    let lines = 0
    try {
      // A snapshot, written in slices: what changes meanwhile is appended afterwards, and applying it twice is harmless.
      const rows = [...this.#table.rows]
      for (; lines < rows.length; lines += SLICE_LINES) {
        const slice = rows.slice(lines, lines + SLICE_LINES)
        await file.appendFile(
          slice.map(([t, row]) => `${JSON.stringify({ t, k: row.key, at: row.at })}\n`).join(''),
        )
        await nextTurn()
      }
      lines = rows.length
      await file.sync()
      await rename(temporary, this.#path)
      const folder = await open(dirname(this.#path), 'r')
      // Without this a crash may undo the rename, and acknowledged tokens with it.
      await folder.sync().finally(() => folder.close())
    } catch (error) {
      await file.close()
      throw error
    }
    await this.#file?.close()
    this.#file = file
    this.#lines = lines
    this.#torn = false
  }

  #unavailable(verb: string, cause: unknown): AppError {
    const why = cause instanceof Error ? cause.message : String(cause)
    return new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The token file ${this.#path} cannot be ${verb}: ${why}`,
      { file: this.#path },
      { cause },
    )
  }
}
