import type { ProxyConfig } from '../../../contract/node-config.ts'

/** How many addresses' rates are remembered; beyond that the oldest is forgotten. */
const MAX_RATED_ADDRESSES = 100_000
const RATE_WINDOW_MS = 60_000

/** What one address may have: connections at a time, and new ones a minute. Both are off unless they are configured. */
export class AddressLimits {
  readonly #maxOpen: number | undefined
  readonly #perMinute: number | undefined
  readonly #open = new Map<string, number>()
  readonly #rates = new Map<string, { since: number; count: number }>()

  constructor(config: Pick<ProxyConfig, 'maxConnectionsPerIp' | 'connectionRatePerMinute'>) {
    this.#maxOpen = config.maxConnectionsPerIp
    this.#perMinute = config.connectionRatePerMinute
  }

  /** Counts a connection of this address, or returns the limit that it has reached; then `release` must not be called for it. */
  take(ip: string, now: number): 'limit_per_ip' | 'limit_rate' | null {
    const open = this.#maxOpen === undefined ? 0 : (this.#open.get(ip) ?? 0)
    if (this.#maxOpen !== undefined && open >= this.#maxOpen) return 'limit_per_ip'
    if (this.#perMinute !== undefined && this.#count(ip, now) > this.#perMinute) return 'limit_rate'
    if (this.#maxOpen !== undefined) this.#open.set(ip, open + 1)
    return null
  }

  /** Those of the present minute, this one among them. */
  #count(ip: string, now: number): number {
    let rate = this.#rates.get(ip)
    if (!rate || now - rate.since >= RATE_WINDOW_MS) {
      rate = { since: now, count: 0 }
      this.#rates.delete(ip)
      this.#rates.set(ip, rate)
      if (this.#rates.size > MAX_RATED_ADDRESSES) {
        const oldest = this.#rates.keys().next()
        if (!oldest.done) this.#rates.delete(oldest.value)
      }
    }
    rate.count += 1
    return rate.count
  }

  /** A connection that was counted has ended. */
  release(ip: string): void {
    if (this.#maxOpen === undefined) return
    const left = (this.#open.get(ip) ?? 1) - 1
    if (left > 0) this.#open.set(ip, left)
    else this.#open.delete(ip)
  }

  /** Forgets the minutes that are over. */
  sweep(now: number): void {
    for (const [address, rate] of this.#rates) {
      // Insertion order is the order of `since`: the first young one ends the search.
      if (now - rate.since < RATE_WINDOW_MS) break
      this.#rates.delete(address)
    }
  }
}
