import type { Captures } from '../patterns/captures.ts'
import { HostTemplate } from '../patterns/host-template.ts'
import type { Adopt, Target, TargetSpec } from './target.ts'
import { type Sharing, type TargetChoice, TargetGroup } from './target-group.ts'

/** Targets whose hosts are known only with a request. Each is a target like any other from then on, with its health and its pool. */
export class ComputedTargets implements TargetChoice {
  readonly #specs: { spec: TargetSpec; host: HostTemplate }[]
  readonly #adopt: Adopt
  readonly #sharing: Sharing
  #turn = 0

  constructor(specs: readonly TargetSpec[], adopt: Adopt, sharing: Sharing) {
    this.#specs = specs.map((spec) => ({ spec, host: new HostTemplate(spec.host) }))
    this.#adopt = adopt
    this.#sharing = sharing
  }

  candidates(captures: Captures, ip: string): Target[] {
    const targets = this.#specs.map(({ spec, host }) =>
      this.#adopt({ ...spec, host: host.of(captures) ?? spec.host }),
    )
    const turn = this.#turn
    this.#turn = (turn + 1) % 0x4000_0000
    return new TargetGroup(targets, this.#sharing, turn).candidates(captures, ip)
  }
}
