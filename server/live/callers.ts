import { Budget } from './budget.ts'
import type { LiveCaller } from './caller.ts'
import type { Reader } from './snapshot-reads.ts'

/** What all sockets of one person or token may use together. */
export interface CallerAccount extends Reader {
  sockets: number
  topics: number
  messages: Budget
}

/** Messages at once and per second, over all sockets of a caller: each tab answers a ping every 5 s, and asks when its page changes. */
const MESSAGES = { burst: 600, perSecond: 60 }
/** ms of reading at once and per second: a quarter of one thread, beyond what a page needs when it opens. */
const READS = { burst: 1_000, perSecond: 250 }

/** The accounts of callers. One outlives its sockets until its allowances are full again; otherwise a new socket would renew them. */
export class Callers {
  readonly #accounts = new Map<string, CallerAccount>()

  get size(): number {
    return this.#accounts.size
  }

  of(caller: LiveCaller): CallerAccount {
    const key = caller.bearer ? `token:${caller.tokenId ?? ''}` : `user:${caller.name}`
    const known = this.#accounts.get(key)
    if (known !== undefined) return known
    const account: CallerAccount = {
      sockets: 0,
      topics: 0,
      messages: new Budget(MESSAGES.burst, MESSAGES.perSecond),
      reads: new Budget(READS.burst, READS.perSecond),
    }
    this.#accounts.set(key, account)
    return account
  }

  /** Forgets those who have gone and owe nothing. */
  prune(): void {
    for (const [key, account] of this.#accounts) {
      if (account.sockets === 0 && account.messages.isFull && account.reads.isFull) this.#accounts.delete(key)
    }
  }
}
