interface Waiter {
  readonly holds: () => boolean
  readonly end: (held: boolean) => void
}

/**
 * Waits until something holds, most often "nothing is in flight any more". Whoever changes what is waited for calls `look`, which
 * costs nothing while nobody waits; no one polls.
 */
export class Latch {
  readonly #waiters = new Set<Waiter>()

  /** True while somebody waits. */
  get isAwaited(): boolean {
    return this.#waiters.size > 0
  }

  /** True as soon as `holds` does, at once where it does already; false when `signal` aborts first. Never rejects by itself. */
  wait(holds: () => boolean, signal?: AbortSignal): Promise<boolean> {
    if (holds()) return Promise.resolve(true)
    if (signal?.aborted) return Promise.resolve(false)
    return new Promise((resolve) => {
      const onAbort = (): void => waiter.end(false)
      const waiter: Waiter = {
        holds,
        end: (held) => {
          this.#waiters.delete(waiter)
          signal?.removeEventListener('abort', onAbort)
          resolve(held)
        },
      }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Lets go everyone whose condition holds now. To be called after each change that may end a wait. */
  look(): void {
    for (const waiter of this.#waiters) if (waiter.holds()) waiter.end(true)
  }

  /** Lets go everyone, whatever holds: the thing itself ends. They get `false`. */
  release(): void {
    for (const waiter of this.#waiters) waiter.end(false)
  }
}
