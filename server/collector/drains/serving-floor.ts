import { drainStateRule } from '../../contract/drain-rules.ts'
import type { Drain, DrainNotice } from '../../contract/drains.ts'
import type { Node } from '../../contract/fleet.ts'
import { Turn } from '../../time/turn.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { leavesNobody, withTwins } from './take-over.ts'

/** The blocker of the last that serves. */
export const NOTHING_ELSE_SERVES: DrainNotice = {
  code: 'last_serving_region',
  message: 'Nothing else that serves now could take over',
}

/** Also in maintenance: it may go, and until then it does its job. Within a window of the whole fleet drains must go on. */
const isServing = (node: Node): boolean =>
  (node.state === 'up' || node.state === 'degraded') && node.intent !== 'drain'

/** What is planned for an hour decides once more when the hour has come, or when somebody continues it after it could not begin. */
const isForLater = (drain: Drain): boolean =>
  drain.strategy.startAt !== undefined &&
  (drain.state === 'planned' ||
    (drain.state === 'paused' && drain.steps.every((step) => step.phase === 'waiting')))

/**
 * Something always serves. A drain owns all its nodes from the moment it is created, so that two that are asked for at once, or a
 * region and single nodes of another, cannot take out together what neither may take out alone. Decisions run one at a time, each
 * with the write that makes it true.
 */
export class ServingFloor {
  readonly #fleet: DrainFleet
  readonly #active: () => readonly Drain[]
  readonly #turn = new Turn()

  constructor(fleet: DrainFleet, active: () => readonly Drain[]) {
    this.#fleet = fleet
    this.#active = active
  }

  /** One decision at a time, from the look at the fleet to the durable record. */
  decide<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn.run(work)
  }

  /** An active drain has this node; `except` is the one that asks. */
  isTaken(node: string, except: string): boolean {
    return this.#active().some(({ id, steps }) => id !== except && steps.some((step) => step.node === node))
  }

  /** Nodes that serve and go on serving beside every other drain. `except`: the drain that asks. */
  servers(except: string | null): Node[] {
    const taken = new Set<string>()
    for (const drain of this.#active()) {
      // One that gives its nodes back: those that serve again already count.
      if (drainStateRule(drain).givesBack) continue
      if (drain.id === except || isForLater(drain)) continue
      const nodes = drain.steps.map((step) => step.node)
      for (const node of withTwins(this.#fleet, nodes)) taken.add(node)
    }
    return this.#fleet.nodes().filter((node) => isServing(node) && !taken.has(node.id))
  }

  /** What speaks against taking these nodes out; null while another one of each kind would serve. */
  refusal(leaving: readonly string[], except: string | null = null): DrainNotice | null {
    return leavesNobody(this.#fleet, leaving, this.servers(except)) ? NOTHING_ELSE_SERVES : null
  }
}
