import type { Captures } from '../patterns/captures.ts'
import { type Balance, ordered } from './balance.ts'
import type { Target } from './target.ts'

/** What a route chooses its targets from. */
export interface TargetChoice {
  /**
   * Those that may be asked for a request, the first one first; at least one.
   * @param ip of the client that is served
   */
  candidates(captures: Captures, ip: string): Target[]
}

/** How a route shares what comes among its targets. */
export interface Sharing {
  readonly balance: Balance
  /** How long one request may ask a silent target whether it answers again; others do not ask meanwhile. Milliseconds. */
  readonly trialMs: number
}

/** A target list of one route on one port, in configured order. */
export class TargetGroup implements TargetChoice {
  readonly #targets: Target[]
  readonly #sharing: Sharing
  #turn: number

  constructor(targets: Target[], sharing: Sharing, turn = 0) {
    this.#targets = targets
    this.#sharing = sharing
    this.#turn = turn
  }

  /**
   * Every target once: those that are up as the route shares among them; those that are down come last, as a last resort. Before all
   * one that was silent, when it is time that somebody asks it.
   */
  candidates(_captures: Captures, ip: string): Target[] {
    const targets = this.#targets
    if (targets.length === 1) return targets
    const now = performance.now()
    const turn = this.#turn
    this.#turn = (turn + 1) % 0x4000_0000
    const { balance, trialMs } = this.#sharing
    const up: Target[] = []
    const down: Target[] = []
    const trial: Target[] = []
    for (const target of targets) {
      if (target.health.up) up.push(target)
      else if (trial.length === 0 && target.health.takeTrial(now, trialMs)) trial.push(target)
      else down.push(target)
    }
    const order = ordered(balance, up, { ip, now, turn })
    if (down.length === 0 && trial.length === 0) return order
    const rest = down.map((_, at) => down[(turn + at) % down.length]!)
    return [...trial, ...order, ...rest]
  }
}
