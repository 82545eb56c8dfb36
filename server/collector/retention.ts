import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'

const HOUR_MS = 3_600_000
/** The first run waits, so that a start is never slowed by it. */
const FIRST_MS = 60_000

interface PruningStore {
  prune(): Promise<unknown>
}

const prunes = (store: Store): store is Store & PruningStore =>
  'prune' in store && typeof (store as { prune?: unknown }).prune === 'function'

/** Asks the store once an hour to forget what is older than it should keep. */
export const createRetention = (store: Store, log: Log): { start(): void; close(): void } => {
  let timer: NodeJS.Timeout | null = null
  const run = (): void => {
    if (!prunes(store)) return
    store
      .prune()
      .catch((error: unknown) =>
        log.warn({ err: error }, 'old data could not be removed; the next try is in an hour'),
      )
  }
  const arm = (ms: number): void => {
    timer = setTimeout(() => {
      run()
      arm(HOUR_MS)
    }, ms)
    timer.unref()
  }
  return {
    start() {
      if (!timer) arm(FIRST_MS)
    },
    close() {
      if (timer) clearTimeout(timer)
      timer = null
    },
  }
}
