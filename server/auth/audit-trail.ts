import type { Actor } from '../contract/index.ts'
import type { Store } from '../store/store.ts'

/** What access writes into the audit. */
export class AuditTrail {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  write(
    actor: Actor,
    action: string,
    object: string,
    change: { before?: unknown; after?: unknown } = {},
  ): Promise<void> {
    return this.#store.audit({
      at: new Date(this.#now()).toISOString(),
      actor: actor.name.slice(0, 254),
      address: actor.address,
      action,
      object: object.slice(0, 254),
      before: change.before ?? null,
      after: change.after ?? null,
      reason: null,
    })
  }
}
