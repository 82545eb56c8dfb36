import type { NodeProbeAnswer } from '../../contract/answers/node-probe.ts'
import type { Actor } from '../../contract/index.ts'
import type { NodeProbeRequest } from '../../contract/probe.ts'
import type { Store } from '../../store/store.ts'
import { lookedAt } from './looked-at.ts'
import type { NodeProbe } from './node-probe.ts'

/** Looks at systems for people: who looked at what is in the audit before anything is asked. */
export class ProbeDesk {
  readonly #probe: NodeProbe
  readonly #store: Pick<Store, 'audit'>
  readonly #now: () => number

  /** @param now wall clock in epoch ms */
  constructor(probe: NodeProbe, store: Pick<Store, 'audit'>, now: () => number) {
    this.#probe = probe
    this.#store = store
    this.#now = now
  }

  /** Rejects with `ERR_INVALID`, `ERR_CAPACITY`, `ERR_NODE_UNREACHABLE`. */
  async look(request: NodeProbeRequest, actor: Actor): Promise<NodeProbeAnswer> {
    await this.#store.audit({
      at: new Date(this.#now()).toISOString(),
      actor: actor.name,
      address: actor.address,
      action: 'node.probe',
      object: `address:${lookedAt(request)}`,
      before: null,
      after: null,
      reason: null,
    })
    return this.#probe.run(request)
  }
}
