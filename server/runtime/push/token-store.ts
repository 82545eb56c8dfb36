import { createHash } from 'node:crypto'
import { AppError } from '../../contract/errors.ts'
import type { Page } from '../../contract/ids.ts'
import type { Log } from '../../observe/log.ts'
import { TokenJournal, TokenTable } from './token-journal.ts'

/** More device tokens than this are refused with `ERR_CAPACITY`. */
export const MAX_TOKENS = 1_000_000
/** Listings that can be continued without walking the tokens from the start. */
const MAX_LISTINGS = 32

/** First 12 hex digits of the SHA-256 of a device token: what events and logs may show of it. */
export const tokenFingerprint = (token: string): string =>
  createHash('sha256').update(token).digest('hex').slice(0, 12)

export interface TokenEntry {
  token: string
  key: string
  fingerprint: string
  registeredAt: string
}

/** Device tokens by the application's own key (a user, a device). A token belongs to one key; a key may have several tokens. */
export interface TokenStore {
  /** Resolves when the registration is durable. Throws `ERR_CAPACITY` at the ceiling, `ERR_STORE_UNAVAILABLE` when it cannot be written. */
  register(token: string, key: string): Promise<void>
  /** Resolves, when durable, with false where the token was not known. */
  unregister(token: string): Promise<boolean>
  byKey(key: string): string[]
  /** A page in the order of the tokens' registration; `cursor` is the last page's `nextCursor`. */
  list(query: { key?: string; limit?: number; cursor?: string }): Page<TokenEntry>
  count(): number
  /** Which part of the file could not be read and where it is kept, in a sentence; null where all was read. */
  readonly problem: string | null
  /** When the token was registered last, in epoch milliseconds: distinct for every registration. Null when it is not known. */
  registeredAt(token: string): number | null
  /**
   * Compare-and-delete: removes the token only where it was not registered again after `registeredBefore` (epoch milliseconds,
   * inclusive). Returns whether it was removed; the file follows shortly after.
   */
  pruneIf(token: string, registeredBefore: number): boolean
  /** Writes what is pending and closes the file. */
  close(): Promise<void>
}

interface TokenStoreOptions {
  /** Durable where it is given, in memory otherwise. */
  file?: string
  log: Log
  now?: () => number
}

/** The tokens, their times of registration, and where listings stopped. */
class JournaledTokens implements TokenStore {
  readonly #table: TokenTable
  readonly #journal: TokenJournal | null
  readonly #log: Log
  readonly #now: () => number
  /**
   * Where listings stopped, by the cursor that they gave: the next page goes on there instead of walking from the start. A Map's
   * iterator stays right while the Map changes.
   */
  readonly #listings = new Map<string, { head: string; headAt: number; rest: Iterator<string> }>()
  #lastAt = 0

  constructor(table: TokenTable, journal: TokenJournal | null, options: TokenStoreOptions) {
    this.#table = table
    this.#journal = journal
    this.#log = options.log
    this.#now = options.now ?? Date.now
    for (const row of table.rows.values()) this.#lastAt = Math.max(this.#lastAt, row.at)
  }

  get problem(): string | null {
    return this.#journal?.problem ?? null
  }

  async register(token: string, key: string): Promise<void> {
    const { rows } = this.#table
    if (!rows.has(token) && rows.size >= MAX_TOKENS) {
      throw new AppError('ERR_CAPACITY', `The token store holds ${MAX_TOKENS} tokens, which is its ceiling`, {
        limit: MAX_TOKENS,
      })
    }
    const at = this.#stamp()
    this.#table.put(token, { key, at })
    await this.#journal?.append({ t: token, k: key, at })
  }

  async unregister(token: string): Promise<boolean> {
    const known = this.#table.drop(token)
    if (known) await this.#journal?.append({ t: token, gone: true })
    return known
  }

  byKey(key: string): string[] {
    return this.#table.ofKey(key)
  }

  list({ key, limit = 100, cursor }: { key?: string; limit?: number; cursor?: string }): Page<TokenEntry> {
    const { rows } = this.#table
    const size = Math.max(1, Math.min(1_000, Math.trunc(limit)))
    const after = cursor === undefined ? Number.NEGATIVE_INFINITY : Number(cursor)
    if (Number.isNaN(after))
      throw new AppError('ERR_INVALID', 'cursor is not one that this list gave', {
        problems: [{ path: 'cursor', message: 'unknown cursor' }],
      })
    const stopped = key === undefined && cursor !== undefined ? this.#listings.get(cursor) : undefined
    // A cursor may be used twice; the second time walks from the start.
    if (cursor !== undefined) this.#listings.delete(cursor)
    // One that registered again meanwhile is at the end now.
    const moved = stopped !== undefined && rows.get(stopped.head)?.at !== stopped.headAt
    const rest = stopped?.rest ?? (key === undefined ? rows.keys() : this.byKey(key).values())
    const items: TokenEntry[] = []
    let lastListed = after
    let token = stopped === undefined || moved ? rest.next().value : stopped.head
    for (; token !== undefined; token = rest.next().value) {
      const row = rows.get(token)
      if (!row || row.at <= after) continue
      if (items.length === size) break
      items.push({
        token,
        key: row.key,
        fingerprint: tokenFingerprint(token),
        registeredAt: new Date(row.at).toISOString(),
      })
      lastListed = row.at
    }
    if (token === undefined) return { items, nextCursor: null }
    const nextCursor = String(lastListed)
    if (key === undefined) this.#remember(nextCursor, token, rest)
    return { items, nextCursor }
  }

  count(): number {
    return this.#table.rows.size
  }

  registeredAt(token: string): number | null {
    return this.#table.rows.get(token)?.at ?? null
  }

  pruneIf(token: string, registeredBefore: number): boolean {
    const row = this.#table.rows.get(token)
    if (!row || row.at > registeredBefore) return false
    this.#table.drop(token)
    // Not awaited: if the line is lost in a crash, the next push to this token is answered 410 again.
    this.#journal
      ?.append({ t: token, gone: true })
      .catch((error: unknown) => this.#log.warn({ err: error }, 'a pruned token could not be written'))
    return true
  }

  async close(): Promise<void> {
    await this.#journal?.close()
  }

  // Each registration gets a time of its own (a microsecond apart at least): comparing times is comparing registrations.
  #stamp(): number {
    const at = this.#now()
    this.#lastAt = at > this.#lastAt ? at : this.#lastAt + 0.001
    return this.#lastAt
  }

  #remember(cursor: string, head: string, rest: Iterator<string>): void {
    this.#listings.set(cursor, { head, headAt: this.registeredAt(head) ?? 0, rest })
    if (this.#listings.size <= MAX_LISTINGS) return
    const oldest = this.#listings.keys().next().value
    if (oldest !== undefined) this.#listings.delete(oldest)
  }
}

/** Opens the token store: durable where `file` is given, in memory otherwise. Throws `ERR_STORE_UNAVAILABLE`. */
export const openTokenStore = async (options: TokenStoreOptions): Promise<TokenStore> => {
  const table = new TokenTable()
  const journal = options.file === undefined ? null : new TokenJournal(options.file, table, options.log)
  await journal?.load()
  return new JournaledTokens(table, journal, options)
}
