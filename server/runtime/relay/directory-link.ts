import type { Directory, DirectoryEntry, Holding, LostHolding } from '../directory/directory.ts'
import type { PartContext } from '../part/part.ts'

export type Registration = Awaited<ReturnType<Directory['register']>>

/** Longer reasons are cut in events. */
const MAX_REASON_CHARS = 256

/** The directory as one relay uses it: under its own name, remembering whether it can be reached. */
export class DirectoryLink {
  /** What operators see; a directory that is lent counts as shared, whatever its kind. */
  readonly backend: Directory['backend']
  readonly #directory: Directory
  readonly #context: PartContext
  readonly #internalUrl: () => string | null
  #awaySinceMs: number | null = null

  /** `internalUrl`: where fellow relays reach this one; null while nobody can. */
  constructor(
    directory: Directory,
    context: PartContext,
    internalUrl: () => string | null,
    backend: Directory['backend'] = directory.backend,
  ) {
    this.backend = backend
    this.#directory = directory
    this.#context = context
    this.#internalUrl = internalUrl
  }

  get reachable(): boolean {
    return this.#awaySinceMs === null && this.#directory.reachable()
  }

  entries(): number {
    return this.#directory.entries()
  }

  onLost(listener: (lost: LostHolding) => void): () => void {
    return this.#directory.onLost(listener)
  }

  // Each call below rejects as the directory does.

  register(hostId: string): Promise<Registration> {
    const { node, region } = this.#context
    return this.#ask(() =>
      this.#directory.register(hostId, { node, region, internalUrl: this.#internalUrl() }),
    )
  }

  /** Not awaited: an entry that could not be removed expires, or is taken over by the host's next relay. */
  unregisterSoon(hostId: string, fence: number): void {
    this.unregister(hostId, fence).catch(() => undefined)
  }

  unregister(hostId: string, fence: number): Promise<boolean> {
    return this.#ask(() => this.#directory.unregister(hostId, fence))
  }

  removeMany(holdings: readonly Holding[]): Promise<number> {
    return this.#ask(() => this.#directory.removeMany(holdings))
  }

  refresh(holdings: readonly Holding[]): Promise<{ missing: string[]; lost: LostHolding[] }> {
    return this.#ask(() => this.#directory.refresh(holdings))
  }

  /** Removes what an earlier life of this node left behind. */
  clear(): Promise<number> {
    return this.#ask(() => this.#directory.clearNode(this.#context.node))
  }

  owners(): Promise<Record<string, string>> {
    return this.#ask(() => this.#directory.owners())
  }

  lookup(hostId: string): Promise<DirectoryEntry | null> {
    return this.#ask(() => this.#directory.lookup(hostId))
  }

  /** Who owned the host last; null where that is not known, or cannot be asked: it is used only for counts. */
  async formerOwner(hostId: string): Promise<string | null> {
    return await this.#directory.formerOwner(hostId).catch(() => null)
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    const { backend } = this
    try {
      const answer = await question()
      if (this.#awaySinceMs !== null) {
        const awayMs = Math.round(performance.now() - this.#awaySinceMs)
        this.#awaySinceMs = null
        this.#context.emit('directory.recovered', { backend, awayMs })
      }
      return answer
    } catch (error) {
      if (this.#awaySinceMs === null) {
        this.#awaySinceMs = performance.now()
        const reason = error instanceof Error ? error.message : String(error)
        this.#context.log.warn({ err: error }, 'the directory cannot be reached')
        this.#context.emit('directory.unreachable', { backend, reason: reason.slice(0, MAX_REASON_CHARS) })
      }
      throw error
    }
  }
}
