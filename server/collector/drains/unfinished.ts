import type { Log } from '../../observe/log.ts'
import type { DrainBook } from './drain-book.ts'
import type { DrainFleet } from './drain-fleet.ts'

const LOAD_AGAIN_MS = 1_000
const PAGE = 100
/** More unfinished drains than a fleet can have nodes in hand. */
const MAX_ACTIVE = 1_000
/** So many ended drains are looked through for one that still has nodes out of service. */
const MAX_ENDED_READ = 1_000

/** Takes up the drains that an earlier process left unfinished; asks again for as long as the store does not answer. */
export class UnfinishedDrains {
  readonly #book: DrainBook
  readonly #fleet: Pick<DrainFleet, 'nodes'>
  readonly #log: Log
  #again: NodeJS.Timeout | null = null
  #closed = false
  #asked = false

  constructor(book: DrainBook, fleet: Pick<DrainFleet, 'nodes'>, log: Log) {
    this.#book = book
    this.#fleet = fleet
    this.#log = log
  }

  /** They were asked for once, with or without an answer: a store that is away does not keep anybody from draining. */
  get wereAskedFor(): boolean {
    return this.#asked
  }

  async load(): Promise<void> {
    if (this.#closed) return
    try {
      await this.#loadActive()
      await this.#loadHolding()
    } catch (error) {
      this.#log.warn({ err: error }, 'unfinished drains cannot be loaded yet; it is tried again')
      this.#again = setTimeout(() => void this.load(), LOAD_AGAIN_MS)
    }
    this.#asked = true
  }

  close(): void {
    this.#closed = true
    if (this.#again !== null) clearTimeout(this.#again)
  }

  async #loadActive(): Promise<void> {
    const { items } = await this.#book.ask((store) => store.drains({ active: true, limit: MAX_ACTIVE }))
    for (const stored of items) this.#book.adopt(stored)
  }

  /** Ended drains that still have nodes out of service are found by what is wanted of the nodes. */
  async #loadHolding(): Promise<void> {
    let cursor: string | undefined
    for (let read = 0; read < MAX_ENDED_READ && this.#isUnexplained(); ) {
      const from = cursor === undefined ? {} : { cursor }
      const page = await this.#book.ask((store) => store.drains({ active: false, limit: PAGE, ...from }))
      for (const stored of page.items) this.#book.adopt(stored)
      read += page.items.length
      if (page.nextCursor === null) return
      cursor = page.nextCursor
    }
  }

  /** A node is wanted out of service, and no drain in memory says why. */
  #isUnexplained(): boolean {
    const explained = new Set(this.#book.runs.flatMap((run) => [...run.nodes]))
    return this.#fleet.nodes().some((node) => node.intent === 'drain' && !explained.has(node.id))
  }
}
