import { randomBytes } from 'node:crypto'
import type { Directory, DirectoryEntry, Holding, LostHolding } from './directory.ts'

/** How long the former owner of a host is remembered after its entry is gone. */
const FORMER_OWNER_MS = 60_000
/** How many former owners are remembered; the oldest are forgotten first. */
const MAX_FORMER_OWNERS = 100_000

export interface MemoryDirectoryOptions {
  /** An entry without a refresh for this long is removed. */
  ttlMs?: number
  sweepMs?: number
  /** Monotonic clock in milliseconds. */
  now?: () => number
}

interface StoredEntry extends DirectoryEntry {
  refreshedAt: number
}

/** Former owners of hosts whose entries are gone, in the order in which those went. */
class FormerOwners {
  readonly #now: () => number
  readonly #owners = new Map<string, { node: string; at: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  of(hostId: string): string | null {
    const last = this.#owners.get(hostId)
    return last && this.#now() - last.at < FORMER_OWNER_MS ? last.node : null
  }

  add(hostId: string, node: string): void {
    this.#owners.delete(hostId)
    this.#owners.set(hostId, { node, at: this.#now() })
    if (this.#owners.size > MAX_FORMER_OWNERS) this.#owners.delete(this.#owners.keys().next().value ?? '')
  }

  delete(hostId: string): void {
    this.#owners.delete(hostId)
  }

  sweep(): void {
    for (const [hostId, { at }] of this.#owners) {
      if (this.#now() - at < FORMER_OWNER_MS) break
      this.#owners.delete(hostId)
    }
  }
}

/**
 * The directory of one process: for one node alone, and the source of truth behind a shared one. A plain object, because callers wrap
 * single verbs of it.
 */
export const createMemoryDirectory = (options: MemoryDirectoryOptions = {}): Directory => {
  const ttlMs = options.ttlMs ?? 90_000
  const now = options.now ?? (() => performance.now())
  const entries = new Map<string, StoredEntry>()
  const listeners = new Set<(lost: LostHolding) => void>()
  const former = new FormerOwners(now)
  let lastFence = 0

  const drop = (hostId: string, { node }: StoredEntry): void => {
    entries.delete(hostId)
    former.add(hostId, node)
  }

  const remove = ({ hostId, fence }: Holding): boolean => {
    const entry = entries.get(hostId)
    if (entry?.fence !== fence) return false
    drop(hostId, entry)
    return true
  }

  const sweep = setInterval(() => {
    // 0 switches the limit off, as everywhere.
    const oldest = ttlMs === 0 ? Number.NEGATIVE_INFINITY : now() - ttlMs
    for (const [hostId, entry] of entries) if (entry.refreshedAt < oldest) drop(hostId, entry)
    former.sweep()
  }, options.sweepMs ?? 30_000)
  sweep.unref()

  return {
    backend: 'memory',
    passKey: randomBytes(32).toString('hex'),
    async register(hostId, owner) {
      const before = entries.get(hostId)
      lastFence += 1
      const fence = lastFence
      const { node, region, internalUrl } = owner
      entries.set(hostId, { node, region, internalUrl, fence, refreshedAt: now() })
      former.delete(hostId)
      if (before) {
        const lost = { hostId, fence: before.fence, by: { node, region, fence } }
        for (const listener of listeners) listener(lost)
      }
      return { fence, previous: before ? { node: before.node, fence: before.fence } : null }
    },
    async refresh(holdings) {
      const missing: string[] = []
      const lost: LostHolding[] = []
      for (const { hostId, fence } of holdings) {
        const entry = entries.get(hostId)
        if (!entry) missing.push(hostId)
        else if (entry.fence === fence) entry.refreshedAt = now()
        else lost.push({ hostId, fence, by: { node: entry.node, region: entry.region, fence: entry.fence } })
      }
      return { missing, lost }
    },
    async unregister(hostId, fence) {
      return remove({ hostId, fence })
    },
    async removeMany(holdings) {
      return holdings.filter(remove).length
    },
    async clearNode(node) {
      let removed = 0
      for (const [hostId, entry] of entries) {
        if (entry.node !== node) continue
        drop(hostId, entry)
        removed += 1
      }
      return removed
    },
    async lookup(hostId) {
      const entry = entries.get(hostId)
      if (!entry) return null
      const { node, region, internalUrl, fence } = entry
      return { node, region, internalUrl, fence }
    },
    async formerOwner(hostId) {
      return former.of(hostId)
    },
    async owners() {
      return Object.fromEntries([...entries].map(([hostId, entry]) => [hostId, entry.node]))
    },
    reachable: () => true,
    entries: () => entries.size,
    onLost(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      clearInterval(sweep)
      listeners.clear()
    },
  }
}
