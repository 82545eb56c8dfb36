import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'

/** Often, because a burst may reach the ceiling by size within minutes; with nothing to remove it costs next to nothing. */
const EVERY_MS = 5 * 60_000
/** The first run waits, so that a start is never slowed by it. */
const FIRST_MS = 60_000

/** Asks the store every few minutes to forget what is older, or more, than it should keep. */
export class Retention {
  readonly #store: Pick<Store, 'prune'>
  readonly #log: Log
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(store: Pick<Store, 'prune'>, log: Log) {
    this.#store = store
    this.#log = log
  }

  start(): void {
    this.#closed = false
    if (this.#timer === null) this.#arm(FIRST_MS)
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => void this.#run(), ms)
    this.#timer.unref()
  }

  async #run(): Promise<void> {
    try {
      await this.#store.prune()
    } catch (error) {
      this.#log.warn({ err: error }, 'old data could not be removed; the next try is in five minutes')
    }
    // A large one may take longer than the time between two.
    if (!this.#closed) this.#arm(EVERY_MS)
  }
}
