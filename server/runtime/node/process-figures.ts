import { readdir } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'
import type { Health } from '../../contract/health.ts'

const WINDOW_MS = 10_000
const FDS_EVERY_MS = 2_000
const RESOLUTION_MS = 10

export interface ProcessFigures {
  read(): Health['process']
  /** Ends the timers. */
  close(): void
}

/**
 * Measures the process, or, in a worker, its thread: CPU and event-loop delay are the thread's own; resident memory and open
 * files exist per process only. `openFds` is null where the system does not tell (no `/proc`).
 */
export const createProcessFigures = (): ProcessFigures => {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let lastWindowP99Ms: number | null = null
  let openFds: number | null = null

  // The histogram holds the time between two ticks of its timer; what exceeds the resolution is delay.
  const p99Ms = () => {
    const raw = delay.percentile(99) / 1e6
    return Number.isFinite(raw) ? Math.max(0, raw - RESOLUTION_MS) : 0
  }

  const countFds = async (): Promise<void> => {
    try {
      openFds = (await readdir('/proc/self/fd')).length
    } catch {
      openFds = null // No /proc here: unknown, not zero.
    }
  }

  const windowTimer = setInterval(() => {
    lastWindowP99Ms = p99Ms()
    delay.reset()
  }, WINDOW_MS).unref()
  const fdTimer = setInterval(() => void countFds(), FDS_EVERY_MS).unref()
  void countFds()

  return {
    read() {
      const cpu = isMainThread ? process.cpuUsage() : process.threadCpuUsage()
      return {
        rssBytes: process.memoryUsage.rss(),
        eventLoopDelayP99Ms: Math.round((lastWindowP99Ms ?? p99Ms()) * 10) / 10,
        openFds,
        cpuSeconds: Math.round((cpu.user + cpu.system) / 1000) / 1000,
      }
    },
    close() {
      clearInterval(windowTimer)
      clearInterval(fdTimer)
      delay.disable()
    },
  }
}
