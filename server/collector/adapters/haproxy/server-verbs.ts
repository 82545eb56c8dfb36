import type { NodeDrainRequest } from '../../../contract/node-api.ts'
import type { Asked, DrainVerbs, Observation, Pool } from '../adapter.ts'
import { ACCEPTED, refused, type Telling } from './telling.ts'

/**
 * How one server behind HAProxy is drained: it takes no new sessions, and those that it has go on (management guide, `set server`).
 * What is persistent, such as a session with a cookie, still reaches it; the proof that it is empty waits for that too.
 */
export class ServerVerbs implements DrainVerbs {
  readonly #telling: Telling

  constructor(telling: Telling) {
    this.#telling = telling
  }

  get verb(): string {
    return `set server ${this.#name} state drain`
  }

  get hindrance(): string | undefined {
    return this.#telling.known
  }

  get twins(): readonly string[] {
    return this.#telling.looks.processes.twinsOf(this.#telling.target.id)
  }

  get pool(): Pool {
    const { target } = this.#telling
    const { id, backend = '', server = '' } = target
    const name = `${this.#telling.looks.processes.nameOf(target)} ${backend}`
    return { name, member: server, others: this.#telling.looks.othersBeside(id) }
  }

  async drain(_order: NodeDrainRequest): Promise<Asked> {
    const seen = await this.#telling.see()
    if (seen.kind !== 'seen') return seen
    // One that somebody has put into maintenance is out already, and `drain` would bring its checks back.
    return seen.facts.state === 'serving' ? this.#set('drain', 'out', seen.facts.epoch) : ACCEPTED
  }

  async resume(): Promise<Asked> {
    const seen = await this.#telling.see()
    if (seen.kind !== 'seen') return seen
    return this.#set('ready', 'back', seen.facts.epoch)
  }

  /** It takes sessions where HAProxy wants it to and its checks agree. */
  async ready(): Promise<Asked> {
    const { heard, fault, facts, down } = await this.#telling.look()
    const { id } = this.#telling.target
    if (facts === undefined) {
      const why = `${id}: ${fault ?? heard.reason}`
      return heard.isHeard ? refused(why) : { kind: 'unheard', why }
    }
    if (down !== undefined) return refused(`${id} is back in HAProxy, and not ready: ${down}`)
    return facts.state === 'serving' ? ACCEPTED : refused(`${id} is still out of service`)
  }

  observe(): Promise<Observation> {
    return this.#telling.observe()
  }

  get #name(): string {
    const { backend, server } = this.#telling.target
    return `${backend}/${server}`
  }

  async #set(state: 'drain' | 'ready', wish: 'out' | 'back', epoch: string): Promise<Asked> {
    const { id } = this.#telling.target
    const told = await this.#telling.tell([`set server ${this.#name} state ${state}`])
    if ('unheard' in told) return { kind: 'unheard', why: told.unheard }
    const [said] = told
    if (said !== '') return refused(`${id}: HAProxy refuses: ${said}`)
    this.#telling.looks.orders.took(id, epoch, wish)
    return ACCEPTED
  }
}
