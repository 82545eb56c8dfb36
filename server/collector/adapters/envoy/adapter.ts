import type { Adapter, DrainVerbs } from '../adapter.ts'
import { HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { Looks } from './looks.ts'
import type { EnvoyTarget } from './target.ts'
import { EnvoyVerbs } from './verbs.ts'

/** Envoy, by its administration interface. */
export class EnvoyAdapter implements Adapter<EnvoyTarget> {
  readonly kind = 'envoy'
  readonly #timeoutMs: number
  readonly #polls: HttpProbe
  /** Apart from polls, so that a drain waits for none of them. */
  readonly #calls: HttpProbe
  readonly #looks = new Looks()

  constructor(options: HttpProbeOptions) {
    this.#timeoutMs = options.timeoutMs
    this.#polls = new HttpProbe(options)
    this.#calls = new HttpProbe(options)
  }

  async probe(target: EnvoyTarget): Promise<Reading> {
    const { heard, fault, facts, raw } = await this.#looks.at(
      target,
      this.#polls,
      target.timeoutMs ?? this.#timeoutMs,
    )
    const { text: _, saidAt, ...reading } = heard
    if (facts === undefined)
      return {
        ...reading,
        outcome: reading.outcome === 'ok' ? 'bad_body' : reading.outcome,
        reason: fault ?? reading.reason,
      }
    return { ...reading, facts, raw, ...(saidAt === undefined ? {} : { saidAt }) }
  }

  proves(): 'counted' {
    return 'counted'
  }

  drains(target: () => EnvoyTarget): DrainVerbs {
    return new EnvoyVerbs(this.#calls, this.#looks, target)
  }

  forget(id: string): void {
    this.#polls.forget(id)
    this.#calls.forget(id)
    this.#looks.forget(id)
  }

  async close(): Promise<void> {
    await Promise.all([this.#polls.close(), this.#calls.close()])
  }
}
