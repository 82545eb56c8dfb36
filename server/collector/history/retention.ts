import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'

/** Often, because a burst may reach the ceiling by size within minutes; with nothing to remove it costs next to nothing. */
const EVERY_MS = 5 * 60_000
/** The first run waits, so that a start is never slowed by it. */
const FIRST_MS = 60_000

interface PruningStore {
  prune(): Promise<unknown>
}

const prunes = (store: Store): store is Store & PruningStore =>
  'prune' in store && typeof (store as { prune?: unknown }).prune === 'function'

/** Asks the store every few minutes to forget what is older, or more, than it should keep. */
export const createRetention = (store: Store, log: Log): { start(): void; close(): void } => {
  let timer: NodeJS.Timeout | null = null
  let closed = false
  const run = async (): Promise<void> => {
    if (!prunes(store)) return
    await store
      .prune()
      .catch((error: unknown) =>
        log.warn({ err: error }, 'old data could not be removed; the next try is in five minutes'),
      )
  }
  const arm = (ms: number): void => {
    timer = setTimeout(async () => {
      // A large one may take longer than the time between two.
      await run()
      if (!closed) arm(EVERY_MS)
    }, ms)
    timer.unref()
  }
  return {
    start() {
      closed = false
      if (!timer) arm(FIRST_MS)
    },
    close() {
      closed = true
      if (timer) clearTimeout(timer)
      timer = null
    },
  }
}
