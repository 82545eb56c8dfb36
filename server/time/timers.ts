/** What makes things happen later; replaced where a day has to pass in seconds. */
export interface Timers {
  set(act: () => void, ms: number): unknown
  clear(timer: unknown): void
}

export const realTimers: Timers = {
  set: (act, ms) => setTimeout(act, ms),
  clear: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
}
