import type { Log } from '../observe/log.ts'

/**
 * Rows whose JSON cannot be read, for example because somebody edited them or the disk damaged them. Only that row is lost: it is left
 * out of lists, logged once, and counted where everybody can see it; it is never deleted.
 */
export class UnreadableRows {
  readonly #log: Log
  readonly #seen = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** How many were met since the start, and one of them by name. */
  get figures(): { count: number; example: string | null } {
    return { count: this.#seen.size, example: this.#seen.values().next().value ?? null }
  }

  /** What `read` makes of a row, or null where it throws. */
  read<T>(table: string, id: string, read: () => T): T | null {
    try {
      return read()
    } catch (error) {
      const name = `${table} ${id}`
      // A thousand of them are a damaged table; their names would add nothing.
      if (!this.#seen.has(name) && this.#seen.size < 1_000) {
        this.#seen.add(name)
        this.#log.error({ err: error, table, id }, 'a row of the database cannot be read; it is left out')
      }
      return null
    }
  }
}
