import type { NodeDrainRequest } from '../../../contract/node-api.ts'
import { listWords, plural } from '../../../contract/words.ts'
import type { Asked, DrainVerbs, Observation, ResumeOrder } from '../adapter.ts'
import { isDisabled } from './facts.ts'
import { keptBy, type Look } from './looks.ts'
import type { StatRow } from './statistics.ts'
import { ACCEPTED, refused, type Telling } from './telling.ts'

/** HAProxy's words for what is so already (`disable frontend`, `enable frontend`). */
const ALREADY = /^All sockets are already (?:disabled|enabled)/

/**
 * How a whole HAProxy is drained: each frontend lets go of its ports, so that connections go elsewhere, and what is open goes on
 * (management guide, `disable frontend`). The process stays, and the runtime API and the frontends that are kept with it.
 */
export class ProcessVerbs implements DrainVerbs {
  readonly #telling: Telling

  constructor(telling: Telling) {
    this.#telling = telling
  }

  get verb(): string {
    const kept = keptBy(this.#telling.target)
    return `disable frontend, for each frontend${kept.length === 0 ? '' : ` but ${listWords(kept)}`}`
  }

  get hindrance(): string | undefined {
    return this.#telling.known
  }

  get twins(): readonly string[] {
    return this.#telling.looks.processes.twinsOf(this.#telling.target.id)
  }

  async drain(_order: NodeDrainRequest): Promise<Asked> {
    const seen = await this.#telling.see()
    if (seen.kind !== 'seen') return seen
    const { id } = this.#telling.target
    const { frontends, orders } = this.#telling.looks
    const { epoch } = seen.facts
    const open = this.#frontendsOf(seen.look)
      .filter((row) => !isDisabled(row))
      .map(({ proxy }) => proxy)
    // Written down before it is done: one that received our command without our receiving its answer was still disabled by us.
    frontends.addDisabled(id, epoch, open)
    const told = await this.#telling.tell(open.map((name) => `disable frontend ${name}`))
    if ('unheard' in told) return { kind: 'unheard', why: told.unheard }
    const refusals: string[] = []
    open.forEach((name, index) => {
      const said = told[index] ?? ''
      // Open, and yet nothing to disable: it has no socket.
      if (ALREADY.test(said)) frontends.addUnbound(id, epoch, name)
      else if (said !== '') refusals.push(`${name}: ${said}`)
    })
    if (refusals.length > 0) return refused(`${id}: HAProxy refuses ${listWords(refusals)}`)
    orders.took(id, epoch, 'out')
    return { kind: 'accepted', kept: frontends.toKeep(id, epoch) }
  }

  async resume({ kept }: Pick<ResumeOrder, 'kept'>): Promise<Asked> {
    const seen = await this.#telling.see()
    if (seen.kind !== 'seen') return seen
    const { id } = this.#telling.target
    const { epoch } = seen.facts
    if (kept !== undefined) this.#telling.looks.frontends.takeBack(id, epoch, kept)
    const closed = this.#ours(seen.look)
    const told = await this.#telling.tell(closed.map((name) => `enable frontend ${name}`))
    if ('unheard' in told) return { kind: 'unheard', why: told.unheard }
    const refusals = closed.flatMap((name, index) => {
      const said = told[index] ?? ''
      return said === '' || ALREADY.test(said) ? [] : [`${name}: ${said}`]
    })
    if (refusals.length > 0) return refused(`${id}: HAProxy refuses ${listWords(refusals)}`)
    this.#telling.looks.orders.took(id, epoch, 'back')
    return ACCEPTED
  }

  /** It serves from its first open frontend on; it is back when all that were disabled here are open. */
  async ready({ kept }: Pick<ResumeOrder, 'kept'>): Promise<Asked> {
    const { id } = this.#telling.target
    const seen = await this.#telling.see()
    if (seen.kind !== 'seen') return seen
    // The collector's next process knows by this alone which frontends were closed here.
    if (kept !== undefined) this.#telling.looks.frontends.takeBack(id, seen.facts.epoch, kept)
    const known = this.#known(seen.look)
    const closed = this.#closed(seen.look).filter((name) => known?.has(name))
    if (closed.length === 0) return ACCEPTED
    const resumed = await this.resume({})
    return resumed.kind === 'accepted'
      ? refused(`${id} is back but for ${plural(closed.length, 'frontend')}: ${listWords(closed)}`)
      : resumed
  }

  observe(): Promise<Observation> {
    return this.#telling.observe()
  }

  /** Frontends that are disabled and were disabled here; all that are, where nobody knows, or else none would be open. */
  #ours(look: Look): string[] {
    const known = this.#known(look)
    const closed = this.#closed(look)
    const ours = closed.filter((name) => known === null || known.has(name))
    return ours.length === 0 && look.facts?.state !== 'serving' ? closed : ours
  }

  #known({ facts }: Look): ReadonlySet<string> | null {
    return this.#telling.looks.frontends.disabled(this.#telling.target.id, facts?.epoch ?? '')
  }

  #closed(look: Look): string[] {
    return this.#frontendsOf(look)
      .filter(isDisabled)
      .map(({ proxy }) => proxy)
  }

  #frontendsOf({ answer }: Look): StatRow[] {
    const kept = keptBy(this.#telling.target)
    return (answer?.rows ?? []).filter(({ sort, proxy }) => sort === 'frontend' && !kept.includes(proxy))
  }
}
