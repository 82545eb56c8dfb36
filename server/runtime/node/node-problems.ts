import type { RelayHealth } from '../../contract/health.ts'
import { plural, verbFor } from '../../contract/words.ts'
import type { PartContext } from '../part/part.ts'

/** Pushes may be received without one delivery for this long before the node says so itself. */
export const PUSH_STUCK_MS = 30_000

interface PushFigures {
  received: number
  noTokens: number
  sendOk: number
  pending: number
  lastFailureReason: string | null
}

export interface ProblemFigures {
  push?: PushFigures | undefined
  /** The part of the token file that could not be read. */
  tokens?: string | null | undefined
  directory?: RelayHealth['directory'] | undefined
  /** Of the proxy, by a key that stays. */
  proxy?: ReadonlyMap<string, string> | undefined
}

/**
 * The problems that the node reports about itself: `ok` is false while the list is not empty. Keys are stable, so that a sentence with a
 * growing number in it is still one problem, found once and cleared once.
 */
export class NodeProblems {
  readonly #context: Pick<PartContext, 'emit' | 'log'>
  #current = new Map<string, string>()
  #delivery = { sendOk: 0, deliverable: 0, since: null as number | null }

  constructor(context: Pick<PartContext, 'emit' | 'log'>) {
    this.#context = context
  }

  get sentences(): string[] {
    return [...this.#current.values()]
  }

  /** Called about once a second and before every document. `now` is monotonic, in milliseconds. */
  review(figures: ProblemFigures, now: number): void {
    const found = new Map<string, string>()
    if (figures.tokens) found.set('push.tokens', figures.tokens)
    for (const [key, sentence] of figures.proxy ?? []) found.set(key, sentence)
    const stuck = figures.push === undefined ? null : this.#pushStuck(figures.push, now)
    if (stuck !== null) found.set('push.stuck', stuck)
    if (figures.directory?.reachable === false) {
      found.set(
        'directory.unreachable',
        `The ${figures.directory.backend} tunnel directory cannot be reached`,
      )
    }
    const before = this.#current
    this.#current = found
    for (const [key, problem] of found) {
      if (before.has(key)) continue
      this.#context.log.warn({ problem: key }, problem)
      this.#context.emit('node.problem_found', { problem })
    }
    for (const [key, problem] of before) {
      if (found.has(key)) continue
      this.#context.log.info({ problem: key }, `no longer: ${problem}`)
      this.#context.emit('node.problem_cleared', { problem })
    }
  }

  /**
   * A session that looks alive proves nothing; only deliveries do. A push whose key has no token cannot be delivered and does
   * not count.
   */
  #pushStuck(push: PushFigures, now: number): string | null {
    const deliverable = push.received - push.noTokens
    const seen = this.#delivery
    if (push.sendOk !== seen.sendOk) {
      // What is in flight at this moment was received before this delivery and still has its chance.
      this.#delivery = {
        sendOk: push.sendOk,
        deliverable: Math.max(0, deliverable - push.pending),
        since: null,
      }
    }
    const delivery = this.#delivery
    if (deliverable <= delivery.deliverable) return null
    delivery.since ??= now
    const heldMs = now - delivery.since
    if (heldMs < PUSH_STUCK_MS) return null
    const waiting = deliverable - delivery.deliverable
    const why = push.lastFailureReason === null ? '' : `; last failure: ${push.lastFailureReason}`
    return `${plural(waiting, 'push', 'pushes')} ${verbFor(waiting, 'was', 'were')} received and none delivered for ${Math.floor(heldMs / 1000)} s${why}`
  }
}
