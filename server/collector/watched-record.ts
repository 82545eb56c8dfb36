import { z } from 'zod'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'

const WATCHED_KEY = 'collector.watched'
/** Collectors whose records are kept; one more takes the place of the oldest. */
const MAX_COLLECTORS = 16

const recordSchema = z.record(z.string(), z.array(z.string()))

/**
 * What this collector watched last, so that a later run of it knows what left its configuration meanwhile. What another collector on
 * the same store watches has a record of its own, and is not ours to end.
 */
export class WatchedRecord {
  readonly #name: string
  readonly #store: Pick<Store, 'setting' | 'setSetting'>
  readonly #log: Log
  #saved: ReadonlySet<string> | null = null
  #isLoaded = false

  /** @param name the same in each run of this collector, another one for every other collector on the store */
  constructor(name: string, store: Pick<Store, 'setting' | 'setSetting'>, log: Log) {
    this.#name = name
    this.#store = store
    this.#log = log
  }

  /**
   * The scopes (`node:fra-1`, `region:fra`) that were watched last. Null where nobody has written down any yet: whatever the store
   * knows is then of this collector.
   */
  async load(): Promise<string[] | null> {
    const all = await this.#read()
    this.#isLoaded = true
    return Object.keys(all).length === 0 ? null : (all[this.#name] ?? [])
  }

  /** Writes down what is watched now, where that has changed. Nothing before `load`: it would forget what is still to be ended. */
  async save(scopes: readonly string[]): Promise<void> {
    const saved = this.#saved
    // Asked every second, of a thousand nodes: nothing is put together where nothing changed.
    const isSame = saved?.size === scopes.length && scopes.every((scope) => saved.has(scope))
    if (!this.#isLoaded || isSame) return
    const { [this.#name]: _, ...others } = await this.#read()
    const kept = Object.entries(others).slice(1 - MAX_COLLECTORS)
    const watched = [...scopes].sort()
    await this.#store.setSetting(
      WATCHED_KEY,
      JSON.stringify(Object.fromEntries([...kept, [this.#name, watched]])),
    )
    this.#saved = new Set(watched)
  }

  async #read(): Promise<Record<string, string[]>> {
    const text = await this.#store.setting(WATCHED_KEY)
    if (text === null) return {}
    try {
      return recordSchema.parse(JSON.parse(text))
    } catch (error) {
      this.#log.warn({ err: error }, 'what was watched before cannot be read; it is written down anew')
      return {}
    }
  }
}
