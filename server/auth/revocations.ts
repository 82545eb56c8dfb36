import type { Log } from '../observe/log.ts'
import type { Revocation } from './caller.ts'
import type { Sessions } from './sessions.ts'

/** Notifies those that keep something open for a credential when it ends before its time. */
export class Revocations {
  readonly #sessions: Sessions
  readonly #log: Log
  readonly #listeners = new Set<(revocation: Revocation) => void>()

  constructor(sessions: Sessions, log: Log) {
    this.#sessions = sessions
    this.#log = log
  }

  /** Answers how to stop listening. */
  listen(listener: (revocation: Revocation) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  sessionsEnded(ids: readonly string[]): void {
    for (const sessionId of ids) {
      this.#sessions.forget(sessionId)
      this.#announce({ sessionId, tokenId: null })
    }
  }

  tokenEnded(tokenId: string): void {
    this.#announce({ sessionId: null, tokenId })
  }

  close(): void {
    this.#listeners.clear()
  }

  #announce(revocation: Revocation): void {
    for (const listener of this.#listeners) {
      try {
        listener(revocation)
      } catch (error) {
        this.#log.error({ err: error }, 'a listener failed at a revocation')
      }
    }
  }
}
