import { isDeepStrictEqual } from 'node:util'
import { type AddressRules, type AdjustableRules, createAddressRules } from './adapters/address.ts'

/** How long a poll may take, and where polls may go. */
export interface PollingLimits {
  readonly timeoutMs: number
  /** Addresses or CIDR ranges, besides those that targets name literally; empty: no others are refused than those never allowed. */
  readonly allow: readonly string[]
}

/** The limits of polls as they are in force; they may change while nodes are polled. */
export class Polling {
  readonly #rules: AdjustableRules
  #limits: PollingLimits

  constructor({ timeoutMs, allow }: PollingLimits) {
    this.#limits = { timeoutMs, allow }
    this.#rules = createAddressRules(allow)
  }

  get timeoutMs(): number {
    return this.#limits.timeoutMs
  }

  get rules(): AddressRules {
    return this.#rules
  }

  /** Look-ups of names that were given up and have not ended. */
  get lookupsHung(): number {
    return this.#rules.names.hung
  }

  /** Limits that hold from now on. True where connections that are open may lead to where none may go any more. */
  set({ timeoutMs, allow }: PollingLimits): boolean {
    const isElsewhere = !isDeepStrictEqual(this.#limits.allow, allow)
    this.#limits = { timeoutMs, allow }
    if (isElsewhere) this.#rules.setAllow(allow)
    return isElsewhere
  }
}
