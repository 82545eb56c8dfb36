import type { NodeDrainRequest } from '../../../contract/node-api.ts'
import { type Asked, type DrainVerbs, type Observation, type ResumeOrder, unread } from '../adapter.ts'
import { authHeaders, explained } from '../basic-auth.ts'
import type { HttpProbe } from '../http-probe.ts'
import { pathBelow } from '../request-path.ts'
import type { Look, Looks } from './looks.ts'
import type { EnvoyTarget } from './target.ts'

/** Of one call, or one look. */
const CALL_TIMEOUT_MS = 3_000

const gone = (id: string): Asked => ({
  kind: 'refused',
  why: `${id} has let go of its listeners, which cannot be undone; start that Envoy again`,
})

/**
 * How an Envoy is drained: it fails the health checks of those that send it traffic, and closes what it answers. New connections stay
 * away because they are sent elsewhere, not because they are refused, so the proof that it is empty watches them.
 */
export class EnvoyVerbs implements DrainVerbs {
  readonly verb = 'POST /healthcheck/fail'
  readonly exits = true
  readonly #probe: HttpProbe
  readonly #looks: Looks
  readonly #target: () => EnvoyTarget

  /** @param target asked for each call: a node may have moved meanwhile */
  constructor(probe: HttpProbe, looks: Looks, target: () => EnvoyTarget) {
    this.#probe = probe
    this.#looks = looks
    this.#target = target
  }

  async drain({ mode }: NodeDrainRequest): Promise<Asked> {
    const look = await this.#look()
    if (look.facts === undefined) return this.#notRead(look)
    const { epoch } = look.facts
    const asked = await this.#post('/healthcheck/fail')
    if (asked.kind !== 'accepted') return asked
    this.#looks.orders.took(this.#target().id, epoch, 'out')
    // It cannot be undone, so nobody is asked to who is to come back.
    if (mode !== 'exit' || this.#looks.isExiting(this.#target().id, epoch)) return asked
    const exited = await this.#post('/drain_listeners?graceful')
    if (exited.kind === 'accepted') this.#looks.exits(this.#target().id, epoch)
    return exited
  }

  async resume({ isEnding }: Pick<ResumeOrder, 'isEnding'>): Promise<Asked> {
    const look = await this.#look()
    if (look.facts === undefined) return this.#notRead(look)
    const { id } = this.#target()
    const { epoch } = look.facts
    // The drain remembers it beyond our own process.
    if (isEnding === true) this.#looks.exits(id, epoch)
    if (this.#looks.isExiting(id, epoch)) return gone(id)
    const asked = await this.#post('/healthcheck/ok')
    if (asked.kind === 'accepted') this.#looks.orders.took(id, epoch, 'back')
    return asked
  }

  /** Somebody may have told it that it is healthy: without listeners it still takes nothing. */
  async ready({ isEnding }: Pick<ResumeOrder, 'isEnding'>): Promise<Asked> {
    const { id } = this.#target()
    return isEnding === true ? gone(id) : { kind: 'accepted' }
  }

  async observe(): Promise<Observation> {
    const { heard, facts } = await this.#look()
    return facts === undefined ? unread(heard) : { facts }
  }

  #look(): Promise<Look> {
    return this.#looks.at(this.#target(), this.#probe, CALL_TIMEOUT_MS)
  }

  #notRead({ heard, fault }: Look): Asked {
    const why = `${this.#target().id}: ${fault ?? heard.reason}`
    return heard.status === null ? { kind: 'unheard', why } : { kind: 'refused', why }
  }

  async #post(path: string): Promise<Asked> {
    const target = this.#target()
    const answer = await this.#probe.ask(
      { ...target, timeoutMs: CALL_TIMEOUT_MS },
      pathBelow(target.url, path),
      { method: 'POST', headers: authHeaders(target.auth) },
    )
    const { outcome, status, reason } = explained(answer, target.auth)
    if (outcome === 'ok') return { kind: 'accepted' }
    const hint =
      status === 403 || status === 404 ? '; its administration interface does not allow that path' : ''
    const why = `${target.id}: POST ${path.split('?')[0]}: ${reason}${hint}`
    return status === null ? { kind: 'unheard', why } : { kind: 'refused', why }
  }
}
