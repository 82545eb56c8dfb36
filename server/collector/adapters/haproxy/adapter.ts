import type { Adapter, DrainVerbs } from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import type { Reading } from '../reading.ts'
import { Looks, readingOf } from './looks.ts'
import { ProcessVerbs } from './process-verbs.ts'
import { RuntimeApi } from './runtime-api.ts'
import { ServerVerbs } from './server-verbs.ts'
import type { HaproxyTarget } from './target.ts'
import { Telling } from './telling.ts'

export interface HaproxyOptions {
  /** Deadline of a poll. */
  timeoutMs: number
  rules: AddressRules
}

/** HAProxy: read by `show info` and `show stat`, drained by its own words for that. */
export class HaproxyAdapter implements Adapter<HaproxyTarget> {
  readonly kind = 'haproxy'
  readonly #timeoutMs: number
  readonly #api: RuntimeApi
  readonly #looks: Looks

  constructor({ timeoutMs, rules }: HaproxyOptions) {
    this.#timeoutMs = timeoutMs
    this.#api = new RuntimeApi(rules)
    this.#looks = new Looks(this.#api)
  }

  async probe(target: HaproxyTarget): Promise<Reading> {
    return readingOf(await this.#looks.at(target, target.timeoutMs ?? this.#timeoutMs))
  }

  proves(): 'counted' {
    return 'counted'
  }

  drains(target: () => HaproxyTarget): DrainVerbs {
    const { backend } = target()
    const telling = new Telling(this.#api, this.#looks, target)
    return backend === undefined ? new ProcessVerbs(telling) : new ServerVerbs(telling)
  }

  forget(id: string): void {
    this.#looks.forget(id)
  }

  async close(): Promise<void> {
    this.#api.close()
  }
}
