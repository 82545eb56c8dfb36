import type { Link, LinkOwner } from '../../listen/link.ts'

/** Idle target connections: how many a target, and how long. Node's own servers close theirs after 5 s. */
const MAX_IDLE = 256
const IDLE_MS = 30_000
/** Taken off what a target announces in `Keep-Alive: timeout=N`: at the very end our request would cross its FIN. */
const ANNOUNCED_MARGIN_MS = 1_000
/** Requests that may not be repeated use only connections that were busy this recently: a close is less likely to cross them. */
export const FRESH_IDLE_MS = 3_000

/** A target connection that waits for its next request. Anything the target does meanwhile ends it. */
class IdleLink implements LinkOwner {
  readonly link: Link
  readonly since: number
  readonly until: number
  readonly #pool: IdleLink[]

  constructor(link: Link, pool: IdleLink[], since: number, until: number) {
    this.link = link
    this.#pool = pool
    this.since = since
    this.until = until
    link.owner = this
  }

  drop(): void {
    const at = this.#pool.indexOf(this)
    if (at >= 0) this.#pool.splice(at, 1)
    this.link.destroy()
  }

  onBytes(): boolean {
    this.drop()
    return true
  }
  onEnd(): void {
    this.drop()
  }
  onError(): void {
    this.drop()
  }
  onFlushed(): void {
    // A last write of the request before, reaching the kernel late.
  }
  onFinish(): void {
    this.drop()
  }
}

/** Idle kept-alive connections of one target, the one used last at the end. */
export class IdlePool {
  readonly #idle: IdleLink[] = []

  /** One that is not older than `maxIdleMs`; the one used last, as it is the least likely to be stale. */
  take(maxIdleMs: number): Link | null {
    const now = performance.now()
    for (let last = this.#idle.at(-1); last; last = this.#idle.at(-1)) {
      if (now >= last.until) {
        last.drop()
        continue
      }
      if (now - last.since > maxIdleMs) return null
      this.#idle.pop()
      return last.link
    }
    return null
  }

  /** Keeps a connection, or ends it where it cannot be kept. `announcedMs`: how long the target says that it keeps it. */
  give(link: Link, announcedMs: number | null): void {
    const keepMs = announcedMs === null ? IDLE_MS : Math.min(IDLE_MS, announcedMs - ANNOUNCED_MARGIN_MS)
    if (keepMs <= 0 || this.#idle.length >= MAX_IDLE || link.failed || link.ended || link.paused) {
      link.destroy()
      return
    }
    const now = performance.now()
    this.#idle.push(new IdleLink(link, this.#idle, now, now + keepMs))
  }

  /** Ends those whose time is over. */
  sweep(now: number): void {
    // Oldest first: the pool is a stack, and a target announces the same each time.
    while (this.#idle.length > 0 && now >= this.#idle[0]!.until) this.#idle[0]!.drop()
  }

  closeAll(): void {
    for (const idle of [...this.#idle]) idle.drop()
  }
}
