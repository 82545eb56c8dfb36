import { readdir } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'
import type { Health } from '../../contract/health.ts'

const WINDOW_MS = 10_000
const FDS_EVERY_MS = 2_000
const RESOLUTION_MS = 10

/**
 * Measures the process, or, in a worker, its thread: CPU and event-loop delay are the thread's own; resident memory and open
 * files exist per process only.
 */
export class ProcessFigures {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #windowTimer: NodeJS.Timeout
  readonly #fdTimer: NodeJS.Timeout
  #lastWindowP99Ms: number | null = null
  #openFds: number | null = null

  /** Measures from now on, until `close`. */
  constructor() {
    this.#delay.enable()
    this.#windowTimer = setInterval(() => this.#endWindow(), WINDOW_MS).unref()
    this.#fdTimer = setInterval(() => void this.#countFds(), FDS_EVERY_MS).unref()
    void this.#countFds()
  }

  /** The figures now; `openFds` is null where the system does not say (no `/proc`). */
  read(): Health['process'] {
    const cpu = isMainThread ? process.cpuUsage() : process.threadCpuUsage()
    return {
      rssBytes: process.memoryUsage.rss(),
      eventLoopDelayP99Ms: Math.round((this.#lastWindowP99Ms ?? this.#p99Ms()) * 10) / 10,
      openFds: this.#openFds,
      cpuSeconds: Math.round((cpu.user + cpu.system) / 1000) / 1000,
    }
  }

  /** Ends the timers. */
  close(): void {
    clearInterval(this.#windowTimer)
    clearInterval(this.#fdTimer)
    this.#delay.disable()
  }

  // The histogram holds the time between two ticks of its timer; what exceeds the resolution is delay.
  #p99Ms(): number {
    const raw = this.#delay.percentile(99) / 1e6
    return Number.isFinite(raw) ? Math.max(0, raw - RESOLUTION_MS) : 0
  }

  #endWindow(): void {
    this.#lastWindowP99Ms = this.#p99Ms()
    this.#delay.reset()
  }

  async #countFds(): Promise<void> {
    try {
      this.#openFds = (await readdir('/proc/self/fd')).length
    } catch {
      this.#openFds = null // No /proc here: unknown, not zero.
    }
  }
}
