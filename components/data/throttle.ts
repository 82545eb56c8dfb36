/** Runs each named piece of work at once, then at most every `everyMs`; the last call in between runs at the end. */
export class Throttle {
  #everyMs: number
  #timers = new Map<string, { timer: ReturnType<typeof setTimeout>; pending: (() => void) | null }>()

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  run(name: string, work: () => void): void {
    const waiting = this.#timers.get(name)
    if (waiting) {
      waiting.pending = work
      return
    }
    work()
    this.#wait(name)
  }

  #wait(name: string): void {
    const timer = setTimeout(() => {
      const pending = this.#timers.get(name)?.pending
      this.#timers.delete(name)
      if (!pending) return
      pending()
      this.#wait(name)
    }, this.#everyMs)
    this.#timers.set(name, { timer, pending: null })
  }

  clear(): void {
    for (const { timer } of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
