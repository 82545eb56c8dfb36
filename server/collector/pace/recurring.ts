import type { Log } from '../../observe/log.ts'

/** Work that is done again and again until `close`. */
export class Recurring {
  readonly #log: Log
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(log: Log) {
    this.#log = log
  }

  /** Runs `work` every `ms`, never twice at once. A failure is logged when it begins and when it ends, not each time. */
  every(ms: number, name: string, work: () => Promise<void>): void {
    if (this.#closed) return
    let isBusy = false
    let isFailing = false
    const run = async (): Promise<void> => {
      if (isBusy) return
      isBusy = true
      try {
        await work()
        if (isFailing) this.#log.info(`${name} works again`)
        isFailing = false
      } catch (error) {
        if (!isFailing) this.#log.error({ err: error }, `${name} failed; it is tried again every ${ms} ms`)
        isFailing = true
      } finally {
        isBusy = false
      }
    }
    this.#timers.add(setInterval(() => void run(), ms))
  }

  /** Work that runs at the moment ends by itself. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers.clear()
  }
}
