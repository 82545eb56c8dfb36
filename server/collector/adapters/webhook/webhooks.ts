import type { NodeDrainRequest } from '../../../contract/node-api.ts'
import { Backoff } from '../../../time/backoff.ts'
import { within } from '../../../time/deadline.ts'
import {
  type Asked,
  type DrainVerbs,
  type Observation,
  type ResumeOrder,
  type Target,
  unread,
  type WebhookTarget,
} from '../adapter.ts'
import type { AddressRules } from '../address.ts'
import type { Reading } from '../reading.ts'
import { type CallResult, type Deed, placeOf, WebhookCalls } from './call.ts'

/** A tick of a drain waits so long for a call; the call itself goes on, and a later tick takes its answer. */
const PATIENCE_MS = 200
/** Between two attempts to reach a receiver that is away or busy. */
const RETRY = { baseMs: 500, maxMs: 10_000 }
/** One that says no is asked again in case somebody has put it right. */
const REFUSED_AGAIN_MS = 15_000

/** Nodes of which it is remembered what was heard; a fleet has fewer. */
const MAX_HEARD = 10_000

/** One wish on its way to a receiver, until its answer has been taken. */
interface Wish extends Deed {
  readonly backoff: Backoff
  underWay: Promise<Asked> | null
  last: Asked | null
  /** Not asked again before that, monotonic ms. */
  notBefore: number
}

interface Heard {
  key: string
  times: number
}

type Probe<T> = (target: T) => Promise<Reading>

/**
 * Drains nodes by their operators' URLs. A wish is posted until it is heard, one at a time for each node, so that the call of an abort
 * never overtakes that of its drain. Whether anything came of it is seen by the node's own numbers alone.
 */
export class Webhooks {
  readonly #calls: WebhookCalls
  readonly #now: () => number
  readonly #wishes = new Map<string, Wish>()
  /** Wishes that were heard, by node: the newest key, and how often. A wish that is asked again after that is another one. */
  readonly #heard = new Map<string, Heard>()

  constructor({ rules, now }: { rules: AddressRules; now: () => number }) {
    this.#calls = new WebhookCalls(rules, now)
    this.#now = now
  }

  /** @param probe reads the node, for what becomes of it */
  verbs<T extends Target>(target: () => T, hook: WebhookTarget, probe: Probe<T>): DrainVerbs {
    const node = target()
    const about = { node: node.id, region: node.region }
    return {
      verb: `webhook: POST ${placeOf(hook.url)}`,
      drain: ({ drainId, reason, initiator, mode, deadlineSeconds }: NodeDrainRequest) => {
        const order = { drainId, reason, initiator, mode, deadlineSeconds }
        return this.#wish(node.id, hook, `${drainId}.${node.id}.drain`, {
          action: 'drain',
          ...about,
          ...order,
        })
      },
      resume: ({ drainId, version, reason, initiator }: ResumeOrder) => {
        const order = { drainId, reason, initiator }
        const key = `${drainId}.${node.id}.resume.${version}`
        return this.#wish(node.id, hook, key, { action: 'resume', ...about, ...order })
      },
      observe: () => observe(target(), probe),
      forget: () => this.#forget(node.id),
    }
  }

  /** A call that is under way is still waited for by the next wish: else the two could arrive in either order. */
  #forget(node: string): void {
    this.#heard.delete(node)
    const wish = this.#wishes.get(node)
    if (wish === undefined) return
    if (wish.underWay === null) this.#wishes.delete(node)
    else
      void wish.underWay.then(() => {
        if (this.#wishes.get(node) === wish) this.#wishes.delete(node)
      })
  }

  /** Of very many nodes those that were longest ago: that a wish is another one is then not known of them. */
  #hear(node: string, heard: Heard): void {
    this.#heard.delete(node)
    this.#heard.set(node, heard)
    for (const oldest of this.#heard.keys()) {
      if (this.#heard.size <= MAX_HEARD) return
      this.#heard.delete(oldest)
    }
  }

  /** Wishes that are remembered: on their way, and heard. */
  get remembered(): number {
    return this.#wishes.size + this.#heard.size
  }

  close(): Promise<void> {
    return this.#calls.close()
  }

  async #wish(node: string, hook: WebhookTarget, name: string, order: object): Promise<Asked> {
    const heard = this.#heard.get(node)
    const key = heard?.key === name ? `${name}.again-${heard.times}` : name
    let wish = this.#wishes.get(node)
    if (wish?.key !== key) {
      // Two at once could arrive in either order.
      if (wish?.underWay) return { kind: 'unheard', why: `an earlier call for ${node} is still under way` }
      const body = JSON.stringify({ ...order, at: new Date(this.#now()).toISOString() })
      wish = { key, body, backoff: new Backoff(RETRY), underWay: null, last: null, notBefore: 0 }
      this.#wishes.set(node, wish)
    }
    const asked = await this.#answerOf(wish, hook)
    if (asked.kind === 'accepted' && this.#wishes.get(node) === wish) {
      this.#wishes.delete(node)
      this.#hear(node, { key: name, times: heard?.key === name ? heard.times + 1 : 1 })
    }
    return asked.kind === 'accepted' ? asked : { ...asked, why: `${node}: ${asked.why}` }
  }

  /** What came of it by now. */
  #answerOf(wish: Wish, hook: WebhookTarget): Promise<Asked> | Asked {
    const isOver = wish.last?.kind === 'accepted' || performance.now() < wish.notBefore
    if (wish.underWay === null && wish.last !== null && isOver) return wish.last
    wish.underWay ??= this.#calls.post(hook, wish).then((result) => settle(wish, result))
    const late = (): Asked => ({
      kind: 'unheard',
      why: wish.last?.kind === 'unheard' ? wish.last.why : `waiting for the webhook at ${placeOf(hook.url)}`,
    })
    return within(PATIENCE_MS, wish.underWay, { late })
  }
}

const settle = (wish: Wish, { asked, retryAfterMs }: CallResult): Asked => {
  wish.underWay = null
  wish.last = asked
  const pauseMs = asked.kind === 'refused' ? REFUSED_AGAIN_MS : wish.backoff.next()
  wish.notBefore = performance.now() + Math.max(pauseMs, retryAfterMs ?? 0)
  return asked
}

/** The node as its kind reads it. A state that the program names is about verbs of its own, which were not used. */
const observe = async <T extends Target>(target: T, probe: Probe<T>): Promise<Observation> => {
  const reading = await probe(target)
  const { facts } = reading
  if (facts === undefined) return unread(reading)
  const { state: _, ...rest } = facts
  return { facts: { ...rest, drain: null } }
}
